package telegram

import "encoding/json"

// The objects of the Bot API, "Available types", with the fields that are read here and no others:
// what is not declared cannot be of the wrong type.

// update is "Update": at most one of the pointers is set.
type update struct {
	UpdateID          json.RawMessage `json:"update_id"` // see updateID
	Message           *message        `json:"message"`
	EditedMessage     *message        `json:"edited_message"`
	ChannelPost       *message        `json:"channel_post"`
	EditedChannelPost *message        `json:"edited_channel_post"`
	CallbackQuery     *callbackQuery  `json:"callback_query"`
}

// message is "Message", and "InaccessibleMessage" of a callback query, whose date is 0.
type message struct {
	MessageID       int64                 `json:"message_id"`
	MessageThreadID int64                 `json:"message_thread_id"`
	IsTopicMessage  bool                  `json:"is_topic_message"`
	From            *user                 `json:"from"`
	SenderChat      *chat                 `json:"sender_chat"`
	Chat            chat                  `json:"chat"`
	Date            int64                 `json:"date"`
	EditDate        int64                 `json:"edit_date"`
	ReplyToMessage  *repliedMessage       `json:"reply_to_message"`
	Quote           *textQuote            `json:"quote"`
	MediaGroupID    string                `json:"media_group_id"`
	ReplyMarkup     *inlineKeyboardMarkup `json:"reply_markup"`

	Text            string          `json:"text"`
	Entities        []messageEntity `json:"entities"`
	Caption         string          `json:"caption"`
	CaptionEntities []messageEntity `json:"caption_entities"`
	Photo           []file          `json:"photo"` // sizes of one picture, the last is the largest
	Document        *file           `json:"document"`
	Voice           *file           `json:"voice"`
	Video           *file           `json:"video"`
	Audio           *file           `json:"audio"`
	Animation       *file           `json:"animation"`
	VideoNote       *file           `json:"video_note"`
	Location        *location       `json:"location"`
	Venue           *venue          `json:"venue"`
}

type repliedMessage struct {
	MessageID int64 `json:"message_id"`
	Chat      chat  `json:"chat"`
}

type textQuote struct {
	Text string `json:"text"`
}

type user struct {
	ID           int64  `json:"id"`
	IsBot        bool   `json:"is_bot"`
	FirstName    string `json:"first_name"`
	LastName     string `json:"last_name"`
	Username     string `json:"username"`
	LanguageCode string `json:"language_code"`
}

type chat struct {
	ID        int64  `json:"id"`
	Type      string `json:"type"`
	Title     string `json:"title"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Username  string `json:"username"`
}

// messageEntity is "MessageEntity"; offset and length count UTF-16 code units.
type messageEntity struct {
	Type   string `json:"type"`
	Offset int    `json:"offset"`
	Length int    `json:"length"`
	URL    string `json:"url"`
	User   *user  `json:"user"`
}

// file is what "PhotoSize", "Document", "Voice", "Video", "Audio", "Animation" and "VideoNote" have
// in common with one another, and the answer of getFile, "File".
type file struct {
	FileID   string `json:"file_id"`
	FileSize int64  `json:"file_size"` // bytes
	FilePath string `json:"file_path"` // of getFile only
	FileName string `json:"file_name"`
	MimeType string `json:"mime_type"`
	Duration int64  `json:"duration"` // seconds
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	Length   int    `json:"length"` // of a video note: width and height
}

type location struct {
	Latitude   float64 `json:"latitude"`
	Longitude  float64 `json:"longitude"`
	LivePeriod int64   `json:"live_period"` // seconds, of live locations only
}

type venue struct {
	Location location `json:"location"`
	Title    string   `json:"title"`
	Address  string   `json:"address"`
}

type callbackQuery struct {
	ID              string   `json:"id"`
	From            user     `json:"from"`
	Message         *message `json:"message"`
	InlineMessageID string   `json:"inline_message_id"`
	Data            string   `json:"data"`
}

// otherUpdate is what the kinds of updates that are not modelled tend to have.
type otherUpdate struct {
	ID   json.RawMessage `json:"id"` // mostly a string
	Chat chat            `json:"chat"`
	From *user           `json:"from"`
	User *user           `json:"user"` // of reactions and of votes
	Date int64           `json:"date"`
}

type inlineKeyboardMarkup struct {
	InlineKeyboard [][]inlineKeyboardButton `json:"inline_keyboard"`
}

type inlineKeyboardButton struct {
	Text         string `json:"text"`
	CallbackData string `json:"callback_data,omitempty"`
	URL          string `json:"url,omitempty"`
}

// sendMessageParams are the parameters of "sendMessage". There is no parse_mode: the text arrives
// as it was written, whatever it contains.
type sendMessageParams struct {
	ChatID          any                   `json:"chat_id"` // int64 or "@channelname"
	MessageThreadID int64                 `json:"message_thread_id,omitempty"`
	Text            string                `json:"text"`
	ReplyParameters *replyParameters      `json:"reply_parameters,omitempty"`
	ReplyMarkup     *inlineKeyboardMarkup `json:"reply_markup,omitempty"`
}

type replyParameters struct {
	MessageID                int64 `json:"message_id"`
	ChatID                   any   `json:"chat_id,omitempty"` // int64 or "@channelname", where it is another chat
	AllowSendingWithoutReply bool  `json:"allow_sending_without_reply"`
}

type sentMessage struct {
	MessageID int64 `json:"message_id"`
	Chat      chat  `json:"chat"`
}

type webhookInfo struct {
	URL                string `json:"url"`
	PendingUpdateCount int    `json:"pending_update_count"`
	LastErrorDate      int64  `json:"last_error_date"` // seconds since 1970
	LastErrorMessage   string `json:"last_error_message"`
}

// response is the envelope of every answer, "Making requests".
type response struct {
	OK          *bool              `json:"ok"`
	Result      json.RawMessage    `json:"result"`
	ErrorCode   int                `json:"error_code"`
	Description string             `json:"description"`
	Parameters  responseParameters `json:"parameters"`
}

type responseParameters struct {
	MigrateToChatID int64 `json:"migrate_to_chat_id"`
	RetryAfter      int64 `json:"retry_after"` // seconds
}
