package telegram

import "github.com/hiliosai/switchboard/integration"

// Limits of the Bot API, each with the section that sets it. Texts are measured in UTF-16 code units, without markup,
// as "MessageEntity" does.
const (
	maxText         = 4096 // "sendMessage"
	maxCaption      = 1024 // "sendPhoto" and the others that have captions
	maxQuote        = 1024 // "ReplyParameters"
	maxCallbackData = 64   // "InlineKeyboardButton", bytes
	maxButtons      = 100  // of one keyboard; the limit is not documented

	maxAlbum = 10 // "sendMediaGroup"

	maxQuestion    = 300 // "sendPoll"
	maxPollOptions = 12
	maxPollOption  = 100 // "InputPollOption"

	maxVCard = 2048 // "sendContact", bytes
)

// Sizes of files in bytes, "Sending files" and "getFile".
const (
	maxUpload      = 50 << 20
	maxUploadPhoto = 10 << 20
	maxByURL       = 20 << 20 // of files that Telegram fetches from a link
	maxByURLPhoto  = 5 << 20
	maxByURLVoice  = 1 << 20 // a larger one arrives as a file
	maxDownload    = 20 << 20
)

// mediaLimits are the limits of uploads. An image may be an animation, which may be larger than a photo.
var mediaLimits = map[integration.ContentType]integration.MediaLimits{
	integration.TypeImage:   {MaxBytes: maxUpload, MaxCount: maxAlbum},
	integration.TypeVideo:   {MaxBytes: maxUpload, MaxCount: maxAlbum},
	integration.TypeAudio:   {MaxBytes: maxUpload, MaxCount: maxAlbum},
	integration.TypeFile:    {MaxBytes: maxUpload, MaxCount: maxAlbum},
	integration.TypeVoice:   {MaxBytes: maxUpload},
	integration.TypeSticker: {MaxBytes: maxUpload},
}
