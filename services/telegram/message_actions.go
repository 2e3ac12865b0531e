package telegram

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

var (
	_ integration.Editor  = (*platform)(nil)
	_ integration.Deleter = (*platform)(nil)
	_ integration.Reactor = (*platform)(nil)
	_ integration.Typer   = (*platform)(nil)
)

// EditMessage replaces what the new content has: the text, the caption, the attachment, or the buttons alone. Buttons
// that the new content does not have are removed.
func (p *platform) EditMessage(
	ctx context.Context, t integration.Target, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	to, err := newMessageRef(t)
	if err != nil {
		return nil, err
	}
	to.BusinessConnectionID = contextOf(m, metaBusinessConnection)
	r, err := p.composeEdit(ctx, m, to)
	if err != nil {
		return nil, err
	}
	a := p.api(ch.Credentials, ch.Settings)
	result := &integration.SendResult{Success: true, MessageID: idOf(to), Metadata: map[string]any{}}
	// The answer is the new message, or true for a message of a business account. Neither says anything new.
	_, err = change[json.RawMessage](ctx, a, r.method, r.params, r.files...)
	switch {
	case isUnchanged(err): // the message is already as it should be
		result.Metadata["unchanged"] = true
	case err != nil:
		return nil, err
	}
	result.Degraded = r.degraded
	answerCallback(ctx, a, m, result)
	return result, nil
}

const methodEditMedia = "editMessageMedia"

func (p *platform) composeEdit(ctx context.Context, m *integration.Message, to *messageRef) (*request, error) {
	c := &m.Content
	markup, degraded, err := keyboard(c.Interactive)
	if err != nil {
		return nil, err
	}
	r := &request{degraded: degraded}
	files := c.MediaList()
	limit := maxCaption
	switch c.Type {
	case integration.TypeText, integration.TypeInteractive, "":
		if len(files) == 0 {
			limit = maxText
		}
	case integration.TypeImage, integration.TypeVideo, integration.TypeAudio, integration.TypeFile:
	case integration.TypeVoice: // has a caption, but "editMessageMedia" takes no voice
		if len(files) > 0 {
			return nil, integration.UnsupportedContent("a voice message cannot be put in the place of another message")
		}
	default:
		return nil, integration.UnsupportedContent("a message cannot be edited into content of type %s", c.Type)
	}
	if len(files) > 1 {
		return nil, integration.Invalid("there are %d attachments; a message is edited into one", len(files))
	}
	if len(files) == 1 {
		c = withCaption(c, &files[0])
	}
	text, lost, err := newText(c, limit)
	if err != nil {
		return nil, err
	}
	r.degraded = append(r.degraded, lost...)
	switch {
	case len(files) == 1:
		r.method = methodEditMedia
		return r, p.composeEditMedia(
			ctx, r, m, &files[0],
			editMediaParams{messageRef: *to, ReplyMarkup: markup, Media: inputMedia{captionParams: text.caption()}},
		)
	case limit == maxCaption:
		r.method, r.params = "editMessageCaption", editCaptionParams{*to, text.caption(), markup}
	case blank(text.Text) && markup != nil:
		r.method, r.params = "editMessageReplyMarkup", editMarkupParams{*to, markup}
	case blank(text.Text):
		return nil, integration.Invalid("the new content is empty")
	default:
		r.method, r.params = "editMessageText", editTextParams{*to, *text, markup}
	}
	return r, nil
}

func (p *platform) composeEditMedia(
	ctx context.Context, r *request, m *integration.Message, f *integration.Media, params editMediaParams,
) error {
	kind := kindOf(m, f)
	if kind.album == "" && kind != animation {
		return integration.UnsupportedContent("%s cannot be put in the place of another message", kind.field)
	}
	params.Media.Type, params.Media.mediaSize = kind.field, kind.size(f)
	const name = "file1"
	value, part, err := p.source(ctx, kind, f, name)
	if err != nil {
		return err
	}
	if part != nil {
		value, r.files = "attach://"+name, []httpapi.Part{*part}
	}
	params.Media.Media = value
	r.params = params
	return nil
}

// isUnchanged says whether an edit was refused because it changes nothing, such as a repeated one.
func isUnchanged(err error) bool {
	e, ok := errors.AsType[*integration.Error](err)
	return ok && e.PlatformCode == "400" && strings.Contains(e.Message, "message is not modified")
}

func idOf(p *messageRef) integration.ID {
	chat, _ := p.ChatID.(string)
	if id, ok := p.ChatID.(int64); ok {
		chat = decimal(id)
	}
	return integration.ID(chat + ":" + decimal(p.MessageID))
}

// DeleteMessage removes a message that is at most 48 hours old. "deleteMessage" lists exceptions.
func (p *platform) DeleteMessage(ctx context.Context, t integration.Target, ch *integration.Channel) error {
	to, err := newMessageRef(t)
	if err != nil {
		return err
	}
	_, err = change[bool](ctx, p.api(ch.Credentials, ch.Settings), "deleteMessage", to)
	return err
}

// React sets the bot's one reaction to a message, "setMessageReaction". Telegram has a fixed set of emoji and writes
// them without the variation selector U+FE0F.
func (p *platform) React(ctx context.Context, t integration.Target, emoji string, ch *integration.Channel) error {
	to, err := newMessageRef(t)
	if err != nil {
		return err
	}
	params := reactionParams{messageRef: *to, Reaction: []reactionType{}}
	if id, custom := strings.CutPrefix(emoji, customEmojiPrefix); custom {
		params.Reaction = append(params.Reaction, reactionType{Type: typeCustomEmoji, CustomEmojiID: id})
	} else if emoji != "" {
		params.Reaction = append(
			params.Reaction, reactionType{Type: typeEmoji, Emoji: strings.ReplaceAll(emoji, "\ufe0f", "")},
		)
	}
	_, err = change[bool](ctx, p.api(ch.Credentials, ch.Settings), "setMessageReaction", params)
	return err
}

// ShowTyping shows that the bot is writing, for five seconds or until the next message, "sendChatAction".
func (p *platform) ShowTyping(ctx context.Context, t integration.Target, ch *integration.Channel) error {
	conversation := t.ConversationID
	if chat, _, ok := strings.Cut(string(t.MessageID), ":"); ok {
		conversation = cmp.Or(conversation, integration.ID(chat))
	}
	params := chatActionParams{Action: "typing"}
	var err error
	if params.ChatID, params.MessageThreadID, err = recipient(conversation, t.ThreadID); err != nil {
		return err
	}
	_, err = change[bool](ctx, p.api(ch.Credentials, ch.Settings), "sendChatAction", params)
	return err
}
