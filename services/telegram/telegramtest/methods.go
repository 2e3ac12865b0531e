package telegramtest

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

type file struct {
	path    string
	content []byte
}

// answer is what the Bot API answers to a method.
func (s *Server) answer(method string, in *input) Response {
	if kind, ok := mediaKinds[method]; ok {
		return s.sendMedia(kind, in)
	}
	switch method {
	case "sendMessage":
		return s.sendMessage(in)
	case "sendMediaGroup":
		return s.sendMediaGroup(in)
	case "sendLocation":
		return s.sendLocation(in)
	case "sendVenue":
		return s.sendVenue(in)
	case "sendContact":
		return s.sendContact(in)
	case "sendPoll":
		return s.sendPoll(in)
	case "editMessageText":
		return s.editMessageText(in)
	case "editMessageCaption":
		return s.editMessageCaption(in)
	case "editMessageMedia":
		return s.editMessageMedia(in)
	case "editMessageReplyMarkup":
		return s.editMessageReplyMarkup(in)
	case "deleteMessage":
		return deleteMessage(in)
	case "setMessageReaction":
		return setMessageReaction(in)
	case "sendChatAction":
		return sendChatAction(in)
	case "answerCallbackQuery":
		return s.answerCallbackQuery(in)
	case "answerGuestQuery":
		return s.answerGuestQuery(in)
	case "getMe":
		return success(s.bot())
	case "getWebhookInfo":
		s.mu.Lock()
		defer s.mu.Unlock()
		return success(s.webhookInfo)
	case "getFile":
		return s.getFile(in)
	default:
		return Failure(http.StatusNotFound, "Not Found", nil)
	}
}

func (s *Server) bot() map[string]any {
	id, _, _ := strings.Cut(s.token, ":")
	return map[string]any{"id": json.Number(id), "is_bot": true, "first_name": "Test bot", "username": "test_bot"}
}

func (s *Server) getFile(in *input) Response {
	var params struct {
		FileID string `json:"file_id"`
	}
	if err := in.decode(&params); err != nil {
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

// message makes the one that a method of sending answers with.
func (s *Server) message(c *common, content map[string]any) map[string]any {
	chat, _ := chatOf(c.ChatID)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastMessage++
	m := map[string]any{"message_id": s.lastMessage, "from": s.bot(), "chat": chat, "date": time.Now().Unix()}
	if c.MessageThreadID != 0 {
		m["message_thread_id"], m["is_topic_message"] = c.MessageThreadID, true
	}
	for k, v := range content {
		m[k] = v
	}
	return m
}
