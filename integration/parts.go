package integration

import (
	"fmt"

	"github.com/hiliosai/switchboard/integration/textlimit"
)

// TextLimits is how much text a platform takes in one message. The factory splits longer ones, or refuses
// them where the channel's setting longText says so.
type TextLimits struct {
	Text    int // zero is no limit: the platform itself refuses what is too long
	Caption int // of an attachment; zero is [TextLimits.Text]
	Unit    textlimit.Unit
	// Fences says that texts are Markdown, whose blocks of code are closed and opened again where they are cut.
	Fences bool
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
			Message: fmt.Sprintf("%s cannot be sent through %s: %s", f, s.def.Spec.Name, cell.Note),
		}
	}
	return degraded, nil
}

// parts splits a message whose text is too long for one. What a message has beside its text goes with the
// first part, and a text with buttons or with markup of its own is left to the platform to judge.
func (s *platformService) parts(m *Message, ch *Channel) ([]*Message, error) {
	whole := []*Message{m}
	limits, text := s.def.Text, m.Content.Text
	if limits.Text == 0 || limits.Unit == nil || m.Content.Interactive != nil || m.Content.Format != "" || len(m.Content.Entities) > 0 {
		return whole, nil
	}
	first := limits.Text
	switch m.Content.Type {
	case TypeText, "":
	case TypeImage, TypeVideo, TypeAudio, TypeVoice, TypeFile:
		if limits.Caption > 0 {
			first = limits.Caption
		}
	default:
		return whole, nil
	}
	if units := limits.Unit(text); units <= first {
		return whole, nil
	} else if ch.Settings[settingLongText] == refuseLongText {
		return nil, &Error{
			Kind: ErrInvalid, Code: "MESSAGE_TOO_LONG",
			Message: fmt.Sprintf("the text has a length of %d, of which %s takes %d; the channel's longText says not to split it", units, s.def.Spec.Name, first),
		}
	}
	texts := textlimit.Split(text, first, limits.Text, limits.Unit, limits.Fences)
	list := make([]*Message, len(texts))
	for i, text := range texts {
		part := *m
		if i > 0 {
			part.ReplyTo, part.Content = nil, Content{Type: TypeText}
		}
		if part.ID != "" && i > 0 {
			part.ID = ID(fmt.Sprintf("%s:%d", m.ID, i+1)) // for platforms that tell repetitions by it
		}
		part.Content.Text = text
		list[i] = &part
	}
	return list, nil
}
