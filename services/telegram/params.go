package telegram

import (
	"encoding/json"
)

// Parameters of the methods that are called, "Available methods", and the objects that answer them.

// delivery has the parameters of all methods that send a message.
type delivery struct {
	BusinessConnectionID  string                `json:"business_connection_id,omitempty"`
	ChatID                any                   `json:"chat_id"` // int64 or "@channelname"
	MessageThreadID       int64                 `json:"message_thread_id,omitempty"`
	DirectMessagesTopicID int64                 `json:"direct_messages_topic_id,omitempty"`
	ReplyParameters       *replyParameters      `json:"reply_parameters,omitempty"`
	ReplyMarkup           *inlineKeyboardMarkup `json:"reply_markup,omitempty"`
}

type replyParameters struct {
	MessageID                int64  `json:"message_id"`
	ChatID                   any    `json:"chat_id,omitempty"` // int64 or "@channelname", of another chat
	Quote                    string `json:"quote,omitempty"`
	AllowSendingWithoutReply bool   `json:"allow_sending_without_reply"`
}

type sendMessageParams struct {
	delivery
	textParams
}

// textParams is a text with its markup, which is in the text by parse_mode or beside it as entities. A text with
// neither arrives as it was written.
type textParams struct {
	Text      string          `json:"text"`
	ParseMode string          `json:"parse_mode,omitempty"`
	Entities  []messageEntity `json:"entities,omitempty"`
}

// captionParams is textParams under other names.
type captionParams struct {
	Caption         string          `json:"caption,omitempty"`
	ParseMode       string          `json:"parse_mode,omitempty"`
	CaptionEntities []messageEntity `json:"caption_entities,omitempty"`
}

// mediaParams are the parameters of the methods that send one file. Each method has its own field for the file: its
// file_id or its URL, or nothing if the file is uploaded as a part of the form.
type mediaParams struct {
	delivery
	captionParams
	Photo     string `json:"photo,omitempty"`
	Video     string `json:"video,omitempty"`
	Animation string `json:"animation,omitempty"`
	Audio     string `json:"audio,omitempty"`
	Document  string `json:"document,omitempty"`
	Voice     string `json:"voice,omitempty"`
	VideoNote string `json:"video_note,omitempty"`
	Sticker   string `json:"sticker,omitempty"`
	Emoji     string `json:"emoji,omitempty"` // of a sticker that is uploaded
	mediaSize
}

// mediaSize is what Telegram would find out by itself.
type mediaSize struct {
	Duration int64 `json:"duration,omitempty"` // seconds
	Width    int   `json:"width,omitempty"`
	Height   int   `json:"height,omitempty"`
	Length   int   `json:"length,omitempty"` // of a video note: width and height
}

type mediaGroupParams struct {
	delivery
	Media []inputMedia `json:"media"`
}

// inputMedia is "InputMedia". Media is a file_id, a URL, or "attach://" and the name of a part of the form.
type inputMedia struct {
	Type  string `json:"type"`
	Media string `json:"media"`
	captionParams
	mediaSize
}

type locationParams struct {
	delivery
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Title     string  `json:"title,omitempty"` // of a venue, as is the address
	Address   string  `json:"address,omitempty"`
}

type contactParams struct {
	delivery
	PhoneNumber string `json:"phone_number"`
	FirstName   string `json:"first_name"`
	LastName    string `json:"last_name,omitempty"`
	VCard       string `json:"vcard,omitempty"`
}

type pollParams struct {
	delivery
	Question              string       `json:"question"`
	Options               []pollOption `json:"options"`
	IsAnonymous           bool         `json:"is_anonymous"` // the Bot API's default is true
	AllowsMultipleAnswers bool         `json:"allows_multiple_answers,omitempty"`
	IsClosed              bool         `json:"is_closed,omitempty"`
}

type pollOption struct {
	Text string `json:"text"`
}

// messageRef names an existing message.
type messageRef struct {
	BusinessConnectionID string `json:"business_connection_id,omitempty"`
	ChatID               any    `json:"chat_id"`
	MessageID            int64  `json:"message_id"`
}

type editTextParams struct {
	messageRef
	textParams
	ReplyMarkup *inlineKeyboardMarkup `json:"reply_markup,omitempty"`
}

type editCaptionParams struct {
	messageRef
	captionParams
	ReplyMarkup *inlineKeyboardMarkup `json:"reply_markup,omitempty"`
}

type editMediaParams struct {
	messageRef
	Media       inputMedia            `json:"media"`
	ReplyMarkup *inlineKeyboardMarkup `json:"reply_markup,omitempty"`
}

type editMarkupParams struct {
	messageRef
	ReplyMarkup *inlineKeyboardMarkup `json:"reply_markup,omitempty"`
}

type reactionParams struct {
	messageRef
	Reaction []reactionType `json:"reaction"` // an empty list removes the bot's reaction
}

type chatActionParams struct {
	ChatID          any    `json:"chat_id"`
	MessageThreadID int64  `json:"message_thread_id,omitempty"`
	Action          string `json:"action"`
}

type answerCallbackParams struct {
	CallbackQueryID string `json:"callback_query_id"`
}

type answerGuestParams struct {
	GuestQueryID string        `json:"guest_query_id"`
	Result       articleResult `json:"result"`
}

// articleResult is "InlineQueryResultArticle".
type articleResult struct {
	Type                string                `json:"type"`
	ID                  string                `json:"id"`
	Title               string                `json:"title"`
	InputMessageContent inputTextContent      `json:"input_message_content"`
	ReplyMarkup         *inlineKeyboardMarkup `json:"reply_markup,omitempty"`
}

type inputTextContent struct {
	MessageText string          `json:"message_text"`
	ParseMode   string          `json:"parse_mode,omitempty"`
	Entities    []messageEntity `json:"entities,omitempty"`
}

type getFileParams struct {
	FileID string `json:"file_id"`
}

// sentMessage is the "Message" that answers most methods.
type sentMessage struct {
	MessageID *int64 `json:"message_id"` // 0 for a video that is sent once it is encoded
	Chat      struct {
		ID int64 `json:"id"`
	} `json:"chat"`
	Poll struct {
		ID string `json:"id"`
	} `json:"poll"`
}

type sentGuestMessage struct {
	InlineMessageID string `json:"inline_message_id"`
}

type webhookInfo struct {
	URL                string   `json:"url"`
	PendingUpdateCount int      `json:"pending_update_count"`
	LastErrorDate      int64    `json:"last_error_date"` // seconds since 1970
	LastErrorMessage   string   `json:"last_error_message"`
	AllowedUpdates     []string `json:"allowed_updates"` // empty for Telegram's choice
	MaxConnections     int      `json:"max_connections"`
	CustomCertificate  bool     `json:"has_custom_certificate"`
}

// setWebhook has the parameters of the method. drop_pending_updates stays away, so that no update is lost.
type setWebhook struct {
	URL            string   `json:"url"`
	SecretToken    string   `json:"secret_token"`
	AllowedUpdates []string `json:"allowed_updates"`
	MaxConnections int      `json:"max_connections,omitempty"`
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
