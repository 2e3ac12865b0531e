package discord

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// draft is a message as Discord has it, before its files are read.
type draft struct {
	to       target
	body     outgoing
	files    []*integration.Media
	degraded integration.Losses // what is lost
}

// target says which call a draft is for. Not every call takes everything.
type target struct {
	answer      *interaction // what is answered, nil for nothing
	edit        bool         // a message is edited
	embedImages bool         // images stay at their links
}

// compose makes a draft of a message. It refuses all that can be refused without asking Discord.
func compose(m *integration.Message, to target) (*draft, error) {
	d := &draft{to: to}
	c := &m.Content
	if c.Format != "" && c.Format != "markdown" {
		return nil, integration.UnsupportedContent(
			"content.format %q cannot be sent through Discord: it has markdown", c.Format,
		)
	}
	if len(c.Entities) > 0 {
		d.degraded.Add("entities", "none")
	}
	d.body.Content = c.Text
	if err := d.add(c); err != nil {
		return nil, err
	}
	if i := c.Interactive; i != nil {
		if i.Kind == integration.InteractiveForm {
			return nil, integration.UnsupportedContent(
				"a form cannot be sent through Discord: it can only be the immediate response to an interaction")
		}
		d.body.Content = framed(i, d.body.Content)
		var err error
		if d.body.Components, err = rows(i); err != nil {
			return nil, err
		}
	}
	if err := d.replyTo(m); err != nil {
		return nil, err
	}
	return d, d.check(c)
}

// add puts in the parts of the content beside its text.
func (d *draft) add(c *integration.Content) error {
	switch c.Type {
	case integration.TypeText, "":
		return nil
	case integration.TypeInteractive:
		if c.Interactive == nil || len(c.Interactive.Buttons)+len(c.Interactive.Sections) == 0 {
			return integration.Invalid("an interactive message needs content.interactive.buttons or sections")
		}
		return nil
	case integration.TypeImage, integration.TypeVideo, integration.TypeAudio, integration.TypeFile, integration.TypeVoice:
		return d.addMedia(c)
	case integration.TypeSticker:
		return d.addSticker(c)
	case integration.TypePoll:
		return d.addPoll(c)
	case integration.TypeReaction:
		return integration.Invalid("content.reaction is missing")
	default:
		return integration.UnsupportedContent("content of type %s cannot be sent through Discord", c.Type)
	}
}

// framed is a text with a bold header above it and a small footer below it, "Message Formatting".
func framed(i *integration.Interactive, text string) string {
	text = cmp.Or(text, i.Body)
	if i.Header != "" {
		text = "**" + i.Header + "**\n" + text
	}
	if i.Footer != "" {
		text += "\n-# " + i.Footer
	}
	return text
}

func (d *draft) replyTo(m *integration.Message) error {
	if m.ReplyTo == nil || m.ReplyTo.MessageID == "" {
		return nil
	}
	id, err := messageIDOf(m.ReplyTo.MessageID, "replyTo.messageId")
	switch {
	case err != nil:
		return err
	case d.to.answer != nil && id == d.to.answer.id: // which an answer replies to anyway
	case d.to.answer != nil || d.to.edit: // both have no such field
		d.degraded.Add("reply", "none")
	default:
		d.body.MessageReference = &replyReference{MessageID: id}
	}
	return nil
}

func (d *draft) addSticker(c *integration.Content) error {
	switch {
	case c.Sticker == nil || c.Sticker.ID == "":
		if c.Media == nil {
			return integration.Invalid("a sticker needs content.sticker.id, or a picture in content.media")
		}
		d.degraded.Add("sticker", "image")
		return d.addMedia(c)
	case !isSnowflake(string(c.Sticker.ID)):
		return integration.Invalid(
			"content.sticker.id must be the id of a sticker of Discord, digits, and not %q", c.Sticker.ID,
		)
	case d.to.answer != nil:
		return integration.UnsupportedContent(
			"an answer to an interaction cannot hold a sticker: send it without replyContext",
		)
	case d.to.edit:
		return integration.UnsupportedContent("an edited message cannot get a sticker")
	}
	d.body.StickerIDs = []string{string(c.Sticker.ID)}
	return nil
}

func (d *draft) addPoll(c *integration.Content) error {
	p := c.Poll
	switch {
	case d.to.edit:
		return integration.UnsupportedContent("a poll cannot be edited")
	case p == nil || strings.TrimSpace(p.Question) == "" || len(p.Options) == 0:
		return integration.Invalid("a poll needs content.poll.question and options")
	case len(p.Options) > maxAnswers:
		return integration.Invalid("the poll has %d options; Discord takes %d", len(p.Options), maxAnswers)
	}
	if err := integration.Within(platformTitle, p.Question, maxQuestion, "the question of the poll"); err != nil {
		return err
	}
	request := &pollRequest{Question: pollText{p.Question}, AllowMultiselect: p.Multiple}
	for i, text := range p.Options {
		if strings.TrimSpace(text) == "" {
			return integration.Invalid("option %d of the poll is empty", i+1)
		}
		if err := integration.Within(platformTitle, text, maxAnswer, "option %d of the poll", i+1); err != nil {
			return err
		}
		request.Answers = append(request.Answers, pollChoice{pollText{text}})
	}
	d.body.Poll = request
	return nil
}

// check refuses a draft that is too long, or empty where Discord wants a text.
func (d *draft) check(c *integration.Content) error {
	if n := textlimit.Characters(d.body.Content); n > maxContent {
		return &integration.Error{
			Kind: integration.FaultInvalid, Code: codes.MessageTooLong,
			Message: fmt.Sprintf("the text has %d characters; Discord takes %d", n, maxContent),
		}
	}
	empty := strings.TrimSpace(d.body.Content) == ""
	switch {
	case empty && len(d.body.Components) > 0 && len(d.files)+len(d.body.Embeds) == 0:
		return integration.Invalid("buttons and lists need a text: content.text or content.interactive.body")
	case empty && (c.Type == integration.TypeText || c.Type == ""):
		return integration.Invalid("content.text is empty; Discord sends nothing that is only white space")
	}
	return nil
}
