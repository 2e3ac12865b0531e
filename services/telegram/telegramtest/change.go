package telegramtest

import (
	"slices"
	"time"
)

// target names a message that is there already.
type target struct {
	BusinessConnectionID string `json:"business_connection_id"`
	ChatID               any    `json:"chat_id"`
	MessageID            int64  `json:"message_id"`
}

func (t *target) fault() string {
	return firstFault(chatFault(t.ChatID), fault(t.MessageID <= 0, "message identifier is not specified"))
}

// edited is the message as an edit leaves it.
func (s *Server) edited(t *target, content map[string]any) Response {
	chat, _ := chatOf(t.ChatID)
	m := map[string]any{"message_id": t.MessageID, "from": s.bot(), "chat": chat, "date": time.Now().Unix() - 1, "edit_date": time.Now().Unix()}
	for k, v := range content {
		m[k] = v
	}
	return success(m)
}

func (s *Server) editMessageText(in *input) Response {
	var p struct {
		target
		Text               string          `json:"text"`
		ParseMode          string          `json:"parse_mode"`
		Entities           []entity        `json:"entities"`
		LinkPreviewOptions map[string]any  `json:"link_preview_options"`
		ReplyMarkup        *inlineKeyboard `json:"reply_markup"`
	}
	if err := in.decode(&p); err != nil {
		return badRequest("%v", err)
	}
	f := firstFault(p.fault(), fault(blank(p.Text), "message text is empty"), textFault(p.Text, p.ParseMode, p.Entities, 4096, "message"), p.ReplyMarkup.fault())
	if f != "" {
		return badRequest("%s", f)
	}
	return s.edited(&p.target, map[string]any{"text": p.Text})
}

func (s *Server) editMessageCaption(in *input) Response {
	var p struct {
		target
		captionParams
		ReplyMarkup *inlineKeyboard `json:"reply_markup"`
	}
	if err := in.decode(&p); err != nil {
		return badRequest("%v", err)
	}
	if f := firstFault(p.fault(), p.captionFault(), p.ReplyMarkup.fault()); f != "" {
		return badRequest("%s", f)
	}
	return s.edited(&p.target, map[string]any{"caption": p.Caption})
}

func (s *Server) editMessageMedia(in *input) Response {
	var p struct {
		target
		Media       inputMedia      `json:"media"`
		ReplyMarkup *inlineKeyboard `json:"reply_markup"`
	}
	if err := in.decode(&p, names(in.files)...); err != nil {
		return badRequest("%v", err)
	}
	if f := firstFault(p.fault(), p.Media.fault(in, true), p.ReplyMarkup.fault()); f != "" {
		return badRequest("%s", f)
	}
	return s.edited(&p.target, map[string]any{"caption": p.Media.Caption})
}

func (s *Server) editMessageReplyMarkup(in *input) Response {
	var p struct {
		target
		ReplyMarkup *inlineKeyboard `json:"reply_markup"`
	}
	if err := in.decode(&p); err != nil {
		return badRequest("%v", err)
	}
	if f := firstFault(p.fault(), p.ReplyMarkup.fault()); f != "" {
		return badRequest("%s", f)
	}
	return s.edited(&p.target, nil)
}

func deleteMessage(in *input) Response {
	var p struct {
		ChatID    any   `json:"chat_id"`
		MessageID int64 `json:"message_id"`
	}
	if err := in.decode(&p); err != nil {
		return badRequest("%v", err)
	}
	if f := (&target{ChatID: p.ChatID, MessageID: p.MessageID}).fault(); f != "" {
		return badRequest("%s", f)
	}
	return success(true)
}

// reactions are the emoji of "ReactionTypeEmoji".
var reactions = []string{
	"❤", "👍", "👎", "🔥", "🥰", "👏", "😁", "🤔", "🤯", "😱", "🤬", "😢", "🎉", "🤩", "🤮", "💩", "🙏", "👌", "🕊", "🤡", "🥱", "🥴", "😍", "🐳", "❤\u200d🔥",
	"🌚", "🌭", "💯", "🤣", "⚡", "🍌", "🏆", "💔", "🤨", "😐", "🍓", "🍾", "💋", "🖕", "😈", "😴", "😭", "🤓", "👻", "👨\u200d💻", "👀", "🎃", "🙈", "😇", "😨",
	"🤝", "✍", "🤗", "🫡", "🎅", "🎄", "☃", "💅", "🤪", "🗿", "🆒", "💘", "🙉", "🦄", "😘", "💊", "🙊", "😎", "👾", "🤷\u200d♂", "🤷", "🤷\u200d♀", "😡",
}

func setMessageReaction(in *input) Response {
	var p struct {
		ChatID    any   `json:"chat_id"`
		MessageID int64 `json:"message_id"`
		IsBig     bool  `json:"is_big"`
		Reaction  []struct {
			Type          string `json:"type"`
			Emoji         string `json:"emoji"`
			CustomEmojiID string `json:"custom_emoji_id"`
		} `json:"reaction"`
	}
	if err := in.decode(&p); err != nil {
		return badRequest("%v", err)
	}
	f := (&target{ChatID: p.ChatID, MessageID: p.MessageID}).fault()
	f = firstFault(f, fault(len(p.Reaction) > 1, "REACTIONS_TOO_MANY"))
	for _, r := range p.Reaction {
		emoji := r.Type == "emoji" && slices.Contains(reactions, r.Emoji) && r.CustomEmojiID == ""
		custom := r.Type == "custom_emoji" && r.CustomEmojiID != "" && r.Emoji == ""
		f = firstFault(f, fault(!emoji && !custom, "REACTION_INVALID"))
	}
	if f != "" {
		return badRequest("%s", f)
	}
	return success(true)
}

// chatActions are those of "sendChatAction".
var chatActions = []string{
	"typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice", "upload_document", "choose_sticker", "find_location",
	"record_video_note", "upload_video_note",
}

func sendChatAction(in *input) Response {
	var p struct {
		BusinessConnectionID string `json:"business_connection_id"`
		ChatID               any    `json:"chat_id"`
		MessageThreadID      int64  `json:"message_thread_id"`
		Action               string `json:"action"`
	}
	if err := in.decode(&p); err != nil {
		return badRequest("%v", err)
	}
	if f := firstFault(chatFault(p.ChatID), fault(!slices.Contains(chatActions, p.Action), "wrong parameter action in request")); f != "" {
		return badRequest("%s", f)
	}
	return success(true)
}

func (s *Server) answerCallbackQuery(in *input) Response {
	var p struct {
		CallbackQueryID string `json:"callback_query_id"`
		Text            string `json:"text"`
		ShowAlert       bool   `json:"show_alert"`
		URL             string `json:"url"`
		CacheTime       int    `json:"cache_time"`
	}
	if err := in.decode(&p); err != nil {
		return badRequest("%v", err)
	}
	switch {
	case units(p.Text) > 200:
		return badRequest("MESSAGE_TOO_LONG")
	case !s.once(p.CallbackQueryID):
		return badRequest("query is too old and response timeout expired or query ID is invalid")
	}
	return success(true)
}

// once says whether a query can be answered: it has an id, and was not answered before.
func (s *Server) once(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh := id != "" && !s.answered[id]
	s.answered[id] = true
	return fresh
}

func (s *Server) answerGuestQuery(in *input) Response {
	var p struct {
		GuestQueryID string `json:"guest_query_id"`
		Result       struct {
			Type                string `json:"type"`
			ID                  string `json:"id"`
			Title               string `json:"title"`
			InputMessageContent struct {
				MessageText string   `json:"message_text"`
				ParseMode   string   `json:"parse_mode"`
				Entities    []entity `json:"entities"`
			} `json:"input_message_content"`
			ReplyMarkup *inlineKeyboard `json:"reply_markup"`
		} `json:"result"`
	}
	if err := in.decode(&p); err != nil {
		return badRequest("%v", err)
	}
	r := &p.Result
	content := &r.InputMessageContent
	f := firstFault(
		fault(r.Type != "article", "can't parse inline query result: only articles are understood here"),
		fault(r.ID == "" || len(r.ID) > 64, "RESULT_ID_INVALID"),
		fault(blank(r.Title), "can't parse inline query result: title must be non-empty"),
		fault(blank(content.MessageText), "message text is empty"),
		textFault(content.MessageText, content.ParseMode, content.Entities, 4096, "message"), r.ReplyMarkup.fault())
	switch {
	case f != "":
		return badRequest("%s", f)
	case !s.once(p.GuestQueryID):
		return badRequest("QUERY_ID_INVALID")
	}
	return success(map[string]any{"inline_message_id": "inline-" + p.GuestQueryID})
}
