package telegramtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// ChannelID is the chat id behind every @channelname.
const ChannelID = -1001000000001

type file struct {
	path    string
	content []byte
}

// answer is what the Bot API answers to a method.
func (s *Server) answer(method string, body []byte) Response {
	switch method {
	case "sendMessage":
		return s.sendMessage(body)
	case "getMe":
		return success(s.bot())
	case "getWebhookInfo":
		s.mu.Lock()
		defer s.mu.Unlock()
		return success(s.webhookInfo)
	case "getFile":
		return s.getFile(body)
	default:
		return Failure(http.StatusNotFound, "Not Found", nil)
	}
}

func (s *Server) bot() map[string]any {
	id, _, _ := strings.Cut(s.token, ":")
	return map[string]any{"id": json.Number(id), "is_bot": true, "first_name": "Test bot", "username": "test_bot"}
}

func (s *Server) getFile(body []byte) Response {
	var params struct {
		FileID string `json:"file_id"`
	}
	if err := decode(body, &params); err != nil {
		return badRequest("%v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.files[params.FileID]
	if !ok {
		return badRequest("invalid file_id")
	}
	return success(map[string]any{
		"file_id": params.FileID, "file_unique_id": "unique-" + params.FileID, "file_size": len(f.content), "file_path": f.path,
	})
}

func (s *Server) download(path string) Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		if f.path == path {
			return Response{Header: http.Header{"Content-Type": {"application/octet-stream"}}, Body: string(f.content)}
		}
	}
	return Failure(http.StatusNotFound, "Not Found", nil)
}

// sendMessageParams are the documented parameters of sendMessage.
type sendMessageParams struct {
	BusinessConnectionID string          `json:"business_connection_id"`
	ChatID               any             `json:"chat_id"`
	MessageThreadID      int64           `json:"message_thread_id"`
	Text                 string          `json:"text"`
	ParseMode            string          `json:"parse_mode"`
	Entities             []any           `json:"entities"`
	LinkPreviewOptions   map[string]any  `json:"link_preview_options"`
	DisableNotification  bool            `json:"disable_notification"`
	ProtectContent       bool            `json:"protect_content"`
	AllowPaidBroadcast   bool            `json:"allow_paid_broadcast"`
	MessageEffectID      string          `json:"message_effect_id"`
	ReplyParameters      *replyParams    `json:"reply_parameters"`
	ReplyMarkup          *inlineKeyboard `json:"reply_markup"`
}

type replyParams struct {
	MessageID                int64  `json:"message_id"`
	ChatID                   any    `json:"chat_id"`
	AllowSendingWithoutReply bool   `json:"allow_sending_without_reply"`
	Quote                    string `json:"quote"`
}

type inlineKeyboard struct {
	InlineKeyboard [][]struct {
		Text         string  `json:"text"`
		CallbackData *string `json:"callback_data"`
		URL          *string `json:"url"`
	} `json:"inline_keyboard"`
}

func (s *Server) sendMessage(body []byte) Response {
	var params sendMessageParams
	if err := decode(body, &params); err != nil {
		return badRequest("%v", err)
	}
	chat, fault := chatOf(params.ChatID)
	if fault == "" {
		fault = params.fault()
	}
	if fault != "" {
		return badRequest("%s", fault)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastMessage++
	result := map[string]any{
		"message_id": s.lastMessage, "from": s.bot(), "chat": chat, "date": time.Now().Unix(), "text": params.Text,
	}
	if params.MessageThreadID != 0 {
		result["message_thread_id"], result["is_topic_message"] = params.MessageThreadID, true
	}
	return success(result)
}

// fault is what the Bot API would complain about, or "".
func (p *sendMessageParams) fault() string {
	switch {
	case strings.TrimSpace(p.Text) == "":
		return "message text is empty"
	case len(utf16.Encode([]rune(p.Text))) > 4096:
		return "message is too long"
	case p.ReplyParameters != nil && p.ReplyParameters.MessageID <= 0:
		return "parameter \"message_id\" of reply_parameters is missing"
	case p.ReplyMarkup == nil:
		return ""
	case p.ReplyMarkup.InlineKeyboard == nil:
		return "object expected as reply markup: only inline_keyboard is understood here"
	}
	for _, row := range p.ReplyMarkup.InlineKeyboard {
		for _, b := range row {
			switch {
			case strings.TrimSpace(b.Text) == "":
				return "can't parse inline keyboard button: field \"text\" must be non-empty"
			case (b.CallbackData == nil) == (b.URL == nil):
				return "can't parse inline keyboard button: exactly one of callback_data and url is understood here"
			case b.CallbackData != nil && (len(*b.CallbackData) < 1 || len(*b.CallbackData) > 64):
				return "BUTTON_DATA_INVALID"
			case b.URL != nil && !validURL(*b.URL):
				return fmt.Sprintf("inline keyboard button URL '%s' is invalid", *b.URL)
			}
		}
	}
	return ""
}

func validURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "tg")
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

// decode is strict: every member must be known and of the documented type.
func decode(body []byte, params any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(params); err != nil {
		return fmt.Errorf("can't parse the parameters: %w", err)
	}
	return nil
}

func badRequest(format string, args ...any) Response {
	return Failure(http.StatusBadRequest, "Bad Request: "+fmt.Sprintf(format, args...), nil)
}
