package integration

import (
	"cmp"
	"fmt"

	"github.com/hiliosai/switchboard/integration/textlimit"
)

// TextLimits is how much text a platform takes in one message. The factory splits longer ones, or refuses
// them where the channel's setting longText says so.
type TextLimits struct {
	Text    int // zero is no limit: the platform itself refuses what is too long
	Caption int // of an attachment; zero is [TextLimits.Text]
	Unit    textlimit.Unit
	Markup  textlimit.Markup // of a text without content.format
	// Formats are the values of content.format whose texts the platform takes otherwise than those without.
	Formats map[string]TextFormat
}

// TextFormat is how a platform takes texts of one content.format.
type TextFormat struct {
	Text   int // zero is [TextLimits.Text]
	Unit   textlimit.Unit
	Markup textlimit.Markup
}

// rules are those for a text of that format, the first part of which may be a caption.
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

// admit refuses what the platform does not have, and tells what will be left out.
func (s *platformService) admit(m *Message) (degraded []string, err error) {
	for _, f := range m.features() {
		cell := s.def.Support[f].Out
		if cell.Level != LevelImpossible {
			continue
		}
		if f == FeatureReply || f == FeatureThread {
			degraded = append(degraded, string(f)+"→none")
			continue
		}
		return nil, &Error{
			Kind: ErrPermanent, Code: "UNSUPPORTED_CONTENT",
			Message: fmt.Sprintf("%s cannot be sent through %s: %s", f, s.def.Title, cell.Note),
		}
	}
	return degraded, nil
}

// parts splits a message whose text is too long for one. What a message has beside its text goes with the
// first part, and a text with buttons or with entities is left to the platform to judge.
func (s *platformService) parts(m *Message, ch *Channel) ([]*Message, error) {
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
		return nil, s.tooLong(nil, "the text has a length of %d, of which %s takes %d; the channel's longText says not to split it", units, s.def.Title, rules.First)
	}
	texts, err := textlimit.Split(text, rules)
	if err != nil {
		return nil, s.tooLong(err, "the text is too long for one message, and cannot be split: %v", err)
	}
	return m.withTexts(texts), nil
}

func (*platformService) tooLong(cause error, format string, args ...any) *Error {
	return &Error{Kind: ErrInvalid, Code: "MESSAGE_TOO_LONG", Message: fmt.Sprintf(format, args...), Err: cause}
}

// withTexts makes a message of each text. All but the first are nothing but texts.
func (m *Message) withTexts(texts []string) []*Message {
	list := make([]*Message, len(texts))
	for i, text := range texts {
		part := *m
		if i > 0 {
			part.ReplyTo, part.Content = nil, Content{Type: TypeText, Format: m.Content.Format}
		}
		if part.ID != "" && i > 0 {
			part.ID = ID(fmt.Sprintf("%s:%d", m.ID, i+1)) // for platforms that tell repetitions by it
		}
		part.Content.Text = text
		list[i] = &part
	}
	return list
}
