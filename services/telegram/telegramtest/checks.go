package telegramtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// ChannelID is the chat id behind every @channelname.
const ChannelID = -1001000000001

// Each fault is what the Bot API would complain about, or "".

func firstFault(faults ...string) string {
	for _, f := range faults {
		if f != "" {
			return f
		}
	}
	return ""
}

func fault(is bool, format string, args ...any) string {
	if !is {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

func badRequest(format string, args ...any) Response {
	return Failure(http.StatusBadRequest, "Bad Request: "+fmt.Sprintf(format, args...), nil)
}

// common are the documented parameters of all methods of sending.
type common struct {
	BusinessConnectionID    string          `json:"business_connection_id"`
	ChatID                  any             `json:"chat_id"`
	MessageThreadID         int64           `json:"message_thread_id"`
	DirectMessagesTopicID   int64           `json:"direct_messages_topic_id"`
	DisableNotification     bool            `json:"disable_notification"`
	ProtectContent          bool            `json:"protect_content"`
	AllowPaidBroadcast      bool            `json:"allow_paid_broadcast"`
	MessageEffectID         string          `json:"message_effect_id"`
	SuggestedPostParameters map[string]any  `json:"suggested_post_parameters"`
	ReplyParameters         *replyParams    `json:"reply_parameters"`
	ReplyMarkup             *inlineKeyboard `json:"reply_markup"`
}

func (c *common) fault() string {
	return firstFault(chatFault(c.ChatID), c.ReplyParameters.fault(), c.ReplyMarkup.fault())
}

type replyParams struct {
	MessageID                int64  `json:"message_id"`
	ChatID                   any    `json:"chat_id"`
	AllowSendingWithoutReply bool   `json:"allow_sending_without_reply"`
	Quote                    string `json:"quote"`
}

func (p *replyParams) fault() string {
	switch {
	case p == nil:
		return ""
	case p.MessageID <= 0:
		return "parameter \"message_id\" of reply_parameters is missing"
	case p.ChatID != nil && chatFault(p.ChatID) != "":
		return chatFault(p.ChatID)
	default:
		return fault(units(p.Quote) > 1024, "QUOTE_TEXT_INVALID")
	}
}

type inlineKeyboard struct {
	InlineKeyboard [][]inlineButton `json:"inline_keyboard"`
}

type inlineButton struct {
	Text         string  `json:"text"`
	Style        *string `json:"style"`
	CallbackData *string `json:"callback_data"`
	URL          *string `json:"url"`
}

func (k *inlineKeyboard) fault() string {
	if k == nil {
		return ""
	}
	if k.InlineKeyboard == nil {
		return "object expected as reply markup: only inline_keyboard is understood here"
	}
	count := 0
	for _, row := range k.InlineKeyboard {
		for _, b := range row {
			if f := b.fault(); f != "" {
				return f
			}
			count++
		}
	}
	return fault(count > 100, "reply markup is too long")
}

func (b *inlineButton) fault() string {
	switch {
	case strings.TrimSpace(b.Text) == "":
		return "can't parse inline keyboard button: field \"text\" must be non-empty"
	case b.Style != nil && !slices.Contains([]string{"danger", "success", "primary"}, *b.Style):
		return "can't parse inline keyboard button: invalid button style specified"
	case (b.CallbackData == nil) == (b.URL == nil):
		return "can't parse inline keyboard button: exactly one of callback_data and url is understood here"
	case b.CallbackData != nil && (len(*b.CallbackData) < 1 || len(*b.CallbackData) > 64):
		return "BUTTON_DATA_INVALID"
	default:
		return fault(b.URL != nil && !validURL(*b.URL), "inline keyboard button URL is invalid")
	}
}

func validURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "tg")
}

type entity struct {
	Type   string `json:"type"`
	Offset *int   `json:"offset"`
	Length int    `json:"length"`
	URL    string `json:"url"`
	User   *struct {
		ID int64 `json:"id"`
	} `json:"user"`
	Language      string `json:"language"`
	CustomEmojiID string `json:"custom_emoji_id"`
}

// entityTypes are those of "MessageEntity".
var entityTypes = []string{
	"mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number", "bold", "italic", "underline", "strikethrough", "spoiler",
	"blockquote", "expandable_blockquote", "code", "pre", "text_link", "text_mention", "custom_emoji", "date_time",
}

func textFault(text, parseMode string, entities []entity, limit int, what string) string {
	if !slices.Contains([]string{"", "HTML", "MarkdownV2"}, parseMode) {
		return "unsupported parse_mode"
	}
	shown, markupFault := Shown(text, parseMode)
	size := units(shown)
	switch {
	case parseMode != "" && len(entities) > 0:
		return "parse_mode and entities exclude each other"
	case markupFault != "":
		return markupFault
	case size > limit:
		return what + " is too long"
	}
	for _, e := range entities {
		switch {
		case !slices.Contains(entityTypes, e.Type):
			return "can't parse MessageEntity: Unsupported type specified"
		case e.Offset == nil || *e.Offset < 0 || e.Length <= 0 || *e.Offset+e.Length > size:
			return "entity beginning or ending lies outside of the text"
		case e.Type == "text_link" && !validURL(e.URL), e.Type == "text_mention" && (e.User == nil || e.User.ID == 0), e.Type == "custom_emoji" && e.CustomEmojiID == "":
			return "can't parse MessageEntity: a field is missing"
		}
	}
	return ""
}

func units(text string) int { return len(utf16.Encode([]rune(text))) }

func blank(text string) bool { return strings.TrimSpace(text) == "" }

func chatFault(id any) string {
	_, fault := chatOf(id)
	return fault
}

// chatOf is the chat of a chat_id, made up as far as the id does not tell.
func chatOf(id any) (chat map[string]any, fault string) {
	var text string
	switch id := id.(type) {
	case json.Number:
		text = id.String()
	case string:
		text = id
	}
	if text == "" {
		return nil, "chat_id is empty"
	}
	if name, ok := strings.CutPrefix(text, "@"); ok {
		return map[string]any{"id": ChannelID, "type": "channel", "title": name, "username": name}, ""
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil || n == 0:
		return nil, "chat not found"
	case n < 0:
		return map[string]any{"id": n, "type": "supergroup", "title": "Test group"}, ""
	default:
		return map[string]any{"id": n, "type": "private", "first_name": "Test"}, ""
	}
}

var fileID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
