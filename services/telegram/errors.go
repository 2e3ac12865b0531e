package telegram

import (
	"maps"
	"net/http"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
)

// descriptions are what refusals with status 4xx say, in lower case, and the codes that they stand for. The first one
// found counts. The Bot API has no error codes of its own and documents no descriptions. These are the words of its
// server and, in capitals there, of Telegram's own API, https://core.telegram.org/api/errors.
var descriptions = []struct {
	code string
	says []string
}{
	{codes.MessageInvalid, []string{"can't parse"}}, // quotes the message, so it comes first
	{codes.MessageTooLong, []string{
		"message is too long", "caption is too long", "message_too_long", "caption_too_long", "entities_too_long",
	}},
	{codes.ThreadClosed, []string{"thread not found", "topic_closed", "topic_deleted", "topic_id_invalid"}},
	{codes.MessageNotFound, []string{
		"message to edit not found", "message to delete not found", "message to react not found",
		"message to be replied not found", "replied message not found", "message not found", "message_id_invalid",
	}},
	{codes.RecipientUnknown, []string{
		"chat not found", "user not found", "chat_id is empty", "chat_id_invalid", "peer_id_invalid", "user_id_invalid",
		"username_invalid", "username_not_occupied",
	}},
	{codes.RecipientUnavailable, []string{"voice_messages_forbidden"}},
	{codes.PermissionMissing, []string{
		"not enough rights", "have no rights", "need administrator rights", "admin_required", "write_forbidden",
		"_forbidden", // such as CHAT_SEND_PHOTOS_FORBIDDEN
		"can't be edited", "can't be deleted", "business_connection",
	}},
	{codes.RecipientUnavailable, []string{
		"group chat was deactivated", "user is deactivated", "user_is_blocked", "user_is_bot", "channel_private",
	}},
	{codes.MediaTooLarge, []string{tooBig, "too large"}},
	{codes.MediaRejected, []string{
		"file identifier", "http url content", "web page content", "wrong file_id", "wrong type of", "type of file mismatch",
		"can't use file of type", "file must be non-empty", "webpage_", "media_", "photo_", "image_process_failed",
		"sticker_", "file_", "external_url_invalid",
	}},
	{codes.InteractionExpired, []string{"query is too old", "query_id_invalid"}},
	{codes.MessageInvalid, []string{
		"must be non-empty", "text is empty", "message_empty", "button_", "entity ", "entity_", "reply_markup",
		"reply markup", "quote_", "reaction_", "reactions_", "poll ", "poll_", "media group must", "parse_mode",
		"latitude or longitude", "inline keyboard button",
	}},
}

const tooBig = "file is too big"

// errorTable says what refusals mean, "Making requests".
var errorTable = &integration.ErrorTable{
	Codes:    map[string]integration.ErrorRow{migrated: integration.Permanent(codes.ChatMigrated)},
	Texts:    texts(),
	Statuses: statuses,
}

var statuses = map[int]integration.ErrorRow{
	http.StatusUnauthorized:          {Kind: integration.FaultAuth, Code: codes.CredentialsRefused}, // a revoked token
	http.StatusForbidden:             integration.Permanent(codes.RecipientUnavailable),             // blocked or removed
	http.StatusNotFound:              {Kind: integration.FaultAuth, Code: codes.CredentialsRefused}, // a malformed token
	http.StatusConflict:              integration.Permanent(codes.TelegramConflict),
	http.StatusRequestEntityTooLarge: integration.Permanent(codes.MediaTooLarge),
	// "Broadcasting to Users": mostly the limit of one chat. Telegram does not say which limit it is.
	http.StatusTooManyRequests: {
		Kind: integration.FaultThrottled, Code: codes.RateLimited, Pauses: integration.PausesRecipient,
	},
}

// fileErrors is errorTable for "getFile", whose refusals are about the file.
var fileErrors = &integration.ErrorTable{
	Texts:    []integration.ErrorText{methodUnknown, integration.Says(tooBig, codes.MediaTooLarge)},
	Statuses: statusesOfFiles(),
}

func statusesOfFiles() map[int]integration.ErrorRow {
	rows := maps.Clone(statuses)
	rows[http.StatusBadRequest] = integration.Permanent(codes.MediaNotFound)
	return rows
}

// migrated is the code in the table for a group that has another id now.
const migrated = "migrated"

// methodUnknown is the refusal of a Bot API server that an operator runs.
var methodUnknown = integration.Says("method not found", codes.MethodUnknown, "the Bot API server is too old for it")

func texts() []integration.ErrorText {
	list := []integration.ErrorText{methodUnknown}
	for _, d := range descriptions {
		for _, says := range d.says {
			list = append(list, integration.Says(says, d.code))
		}
	}
	return list
}
