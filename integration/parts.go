package integration

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// TextLimits says how much text a platform takes in one message. The factory splits longer texts, or refuses them if
// the channel's setting longText says so.
type TextLimits struct {
	Text    int // zero is no limit; the platform itself refuses longer texts
	Caption int // of an attachment; zero is [TextLimits.Text]
	Unit    textlimit.Unit
	Markup  textlimit.Markup // of a text without content.format
	// Formats are the limits of texts with a content.format, if they differ from those without.
	Formats map[string]TextFormat
}

// TextFormat says how much text of one content.format a platform takes.
type TextFormat struct {
	Text   int // zero is [TextLimits.Text]
	Unit   textlimit.Unit
	Markup textlimit.Markup
}

// rules returns the rules for a text of a format. caption says that its first part is a caption.
func (l *TextLimits) rules(format string, caption bool) textlimit.Rules {
	r := textlimit.Rules{Limit: l.Text, Unit: l.Unit, Markup: l.Markup}
	if f, ok := l.Formats[format]; ok {
		r = textlimit.Rules{Limit: cmp.Or(f.Text, l.Text), Unit: f.Unit, Markup: f.Markup}
	}
	if r.First = r.Limit; caption {
		r.First = cmp.Or(l.Caption, r.Limit)
	}
	return r
}

// maxReplyContext is how many bytes a [Message.ReplyContext] may have.
const maxReplyContext = 4 << 10

// prepare checks a message and returns the parts that the platform sends. degraded lists what is lost.
func (s *platformService) prepare(ctx context.Context, m *Message, ch *Channel) (
	parts []*Message, degraded []Degradation, err error,
) {
	m, degraded, err = s.fit(m)
	if err != nil {
		return nil, nil, err
	}
	split, err := s.split(ctx, m, ch)
	if err != nil {
		return nil, nil, err
	}
	for _, part := range split {
		if err := s.checkMedia(&part.Content); err != nil {
			return nil, nil, err
		}
		texts, err := s.splitText(part, ch)
		if err != nil {
			return nil, nil, err
		}
		parts = append(parts, texts...)
	}
	return number(m, parts), append(degraded, splitLosses(m, split)...), nil
}

// split divides a message that the platform cannot take whole.
func (s *platformService) split(ctx context.Context, m *Message, ch *Channel) ([]*Message, error) {
	if splitter, ok := s.def.Platform.(Splitter); ok {
		return splitter.Split(ctx, m, ch)
	}
	if most := s.def.MaxAttachments; most > 0 && len(m.Content.Attachments) > most {
		return m.Separate(func(ContentType) bool { return true }), nil
	}
	return []*Message{m}, nil
}

// fit checks a message and turns it into one that the platform supports. degraded lists what is lost.
func (s *platformService) fit(m *Message) (fitting *Message, degraded []Degradation, err error) {
	features := m.features()
	if degraded, err = s.checkSupport(m, features); err != nil {
		return nil, nil, err
	}
	fitting, rendered, err := s.render(m, features)
	return fitting, append(degraded, rendered...), err
}

// number gives each part but the first an id of its own, for platforms that recognise repeated messages by id.
func number(m *Message, parts []*Message) []*Message {
	if m.ID != "" {
		for i, part := range parts[min(1, len(parts)):] {
			part.ID = ID(fmt.Sprintf("%s:%d", m.ID, i+2))
		}
	}
	return parts
}

type laterPartKey struct{}

// IsLaterPart says in Send whether the message is a part of a longer one, and not the first. All parts have the same
// ReplyContext; a value that is good for one answer only, such as a reply token, is for the first.
func IsLaterPart(ctx context.Context) bool { return ctx.Value(laterPartKey{}) != nil }

// splitLosses lists features that a [Splitter] divided although they belong together.
func splitLosses(m *Message, parts []*Message) (losses []Degradation) {
	if len(parts) < 2 {
		return nil
	}
	first, last := &parts[0].Content, &parts[len(parts)-1].Content
	if len(m.Content.Attachments) > 1 && len(first.Attachments) == 0 {
		losses = append(losses, Degradation{Feature: FeatureAlbum, Became: "messages"})
	}
	if last.Type == TypeText && last.Text != "" && last.Text == m.Content.Text && first.Text == "" {
		kind := strings.ToLower(string(first.Type))
		losses = append(losses, Degradation{Feature: Feature(kind), Became: kind + " and text"})
	}
	return losses
}

// Separate returns a message for each attachment. The text goes with the first one, or into a message of its own if
// that type cannot have a caption; captions says which types can. A message with buttons or a list is not divided. A
// [Splitter] may use it.
func (m *Message) Separate(captions func(ContentType) bool) []*Message {
	c := &m.Content
	if c.Interactive != nil || c.Type == TypeText || c.Type == "" {
		return []*Message{m}
	}
	var parts []*Message
	add := func(content Content) {
		part := *m
		if part.Content = content; len(parts) > 0 {
			part.ReplyTo = nil
		}
		parts = append(parts, &part)
	}
	first := m
	if list := c.Attachments; len(list) > 1 {
		for i := range list {
			content := Content{Type: c.TypeOf(&list[i]), Format: c.Format, Media: &list[i]}
			if i == 0 {
				content.Text, content.Entities = c.Text, c.Entities
			}
			add(content)
		}
		first = parts[0]
	}
	if strings.TrimSpace(c.Text) == "" || captions(first.Content.Type) {
		if parts == nil {
			return []*Message{m}
		}
		return parts
	}
	if parts == nil {
		add(*c)
	}
	parts[0].Content.Text, parts[0].Content.Entities, parts[0].Content.Format = "", nil, ""
	add(Content{Type: TypeText, Text: c.Text, Format: c.Format, Entities: c.Entities})
	return parts
}

// checkSupport refuses features that the platform does not have. degraded lists those that are left out instead.
func (s *platformService) checkSupport(m *Message, features []Feature) (degraded []Degradation, err error) {
	if n := len(m.ReplyContext); n > maxReplyContext {
		return nil, Invalid("replyContext has %d bytes; %d are the most", n, maxReplyContext)
	}
	for _, f := range features {
		cell := s.def.Support[f].Out
		if cell.Level != LevelImpossible {
			continue
		}
		if f == FeatureReply || f == FeatureThread {
			degraded = append(degraded, Degradation{Feature: f, Became: "none"})
			continue
		}
		return nil, UnsupportedContent("%s cannot be sent through %s: %s", f, s.def.Title, cell.Note)
	}
	return degraded, nil
}

// splitText splits a message whose text is too long for one. Everything else goes with the first part. A text with
// buttons or entities is not split; the platform decides about it.
func (s *platformService) splitText(m *Message, ch *Channel) ([]*Message, error) {
	whole := []*Message{m}
	limits, text := &s.def.Text, m.Content.Text
	if limits.Text == 0 || limits.Unit == nil || m.Content.Interactive != nil || len(m.Content.Entities) > 0 {
		return whole, nil
	}
	caption := false
	switch m.Content.Type {
	case TypeText, "":
	case TypeImage, TypeVideo, TypeAudio, TypeVoice, TypeFile:
		caption = true
	default:
		return whole, nil
	}
	rules := limits.rules(m.Content.Format, caption)
	if rules.Unit(text) <= rules.First { // markup counts less, and never more
		return whole, nil
	}
	units, err := textlimit.Measure(text, rules.Unit, rules.Markup)
	switch {
	case err != nil:
		return nil, s.tooLong(err, "the text is too long for one message, and cannot be split: %v", err)
	case units <= rules.First:
		return whole, nil
	case ch.Settings[settingLongText] == refuseLongText:
		return nil, s.tooLong(
			nil, "the text has a length of %d, of which %s takes %d; the channel's longText says not to split it", units,
			s.def.Title, rules.First,
		)
	}
	texts, err := textlimit.Split(text, rules)
	if err != nil {
		return nil, s.tooLong(err, "the text is too long for one message, and cannot be split: %v", err)
	}
	return m.withTexts(texts), nil
}

func (*platformService) tooLong(cause error, format string, args ...any) *Error {
	return &Error{Kind: FaultInvalid, Code: codes.MessageTooLong, Message: fmt.Sprintf(format, args...), Err: cause}
}

// withTexts makes a message of each text. Only the first one keeps the other content.
func (m *Message) withTexts(texts []string) []*Message {
	list := make([]*Message, len(texts))
	for i, text := range texts {
		part := *m
		if i > 0 {
			part.ReplyTo, part.Content = nil, Content{Type: TypeText, Format: m.Content.Format}
		}
		part.Content.Text = text
		list[i] = &part
	}
	return list
}
