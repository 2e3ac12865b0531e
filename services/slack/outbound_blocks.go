package slack

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// addInteractive makes the blocks of a message with buttons or a list.
func (d *draft) addInteractive(c *integration.Content) error {
	i := c.Interactive
	switch {
	case i == nil || len(i.Buttons) == 0 && len(i.Sections) == 0:
		if i != nil && i.Kind == integration.InteractiveForm {
			return integration.UnsupportedContent(
				"a form cannot be sent through Slack: a modal opens only within three seconds of an interaction",
			)
		}
		return integration.Invalid("an interactive message needs content.interactive.buttons or sections")
	case i.Header != "":
		if err := integration.Within(platformTitle, i.Header, maxHeader, "content.interactive.header"); err != nil {
			return err
		}
		d.post.Blocks = append(d.post.Blocks, slack.NewHeaderBlock(plain(i.Header)))
	}
	if err := d.addBody(c, cmp.Or(c.Text, i.Body)); err != nil {
		return err
	}
	if len(i.Buttons) > 0 {
		block, err := buttonBlock(i.Buttons)
		if err != nil {
			return err
		}
		d.post.Blocks = append(d.post.Blocks, block)
	}
	if len(i.Sections) > 0 {
		block, err := menuBlock(i)
		if err != nil {
			return err
		}
		d.post.Blocks = append(d.post.Blocks, block)
	}
	if i.Footer != "" {
		if err := integration.Within(
			platformTitle, escaper.Replace(i.Footer), maxSectionText, "content.interactive.footer",
		); err != nil {
			return err
		}
		d.post.Blocks = append(d.post.Blocks, slack.NewContextBlock("", markup(escaper.Replace(i.Footer))))
	}
	return d.checkBlocks()
}

func (d *draft) checkBlocks() error {
	if n := len(d.post.Blocks); n > maxBlocks {
		return integration.Invalid("the message needs %d blocks; Slack takes %d", n, maxBlocks)
	}
	return nil
}

// addBody puts a text above the other blocks of a message. Slack shows the blocks; in notifications and to screen
// readers it shows the text of the post.
func (d *draft) addBody(c *integration.Content, body string) error {
	text, _, err := markedText(c, body)
	if err != nil {
		return err
	}
	if strings.TrimSpace(text) == "" {
		return integration.Invalid(
			"content.text or content.interactive.body is empty; Slack needs a text beside buttons and menus",
		)
	}
	d.post.Text = text
	if c.Format == formatMarkdown {
		d.post.Blocks = append(d.post.Blocks, slack.NewMarkdownBlock("", text))
		return nil
	}
	for _, part := range sections(text) {
		d.post.Blocks = append(d.post.Blocks, slack.NewSectionBlock(markup(part), nil, nil))
	}
	return nil
}

// sections splits a text into texts that fit into one section block each.
func sections(text string) []string {
	parts, err := textlimit.Split(
		text,
		textlimit.Rules{First: maxSectionText, Limit: maxSectionText, Unit: textlimit.Characters, Markup: textlimit.Mrkdwn},
	)
	if err != nil { // no text of this markup is unsplittable
		return []string{text}
	}
	return parts
}

// buttonBlock makes one row of buttons. A pressed button comes back with its value.
func buttonBlock(buttons []integration.Button) (slack.Block, error) {
	if n := len(buttons); n > maxActions {
		return nil, integration.Invalid("there are %d buttons; Slack takes %d", n, maxActions)
	}
	elements := make([]slack.BlockElement, len(buttons))
	for i, b := range buttons {
		name := fmt.Sprintf("button %d", i+1)
		if strings.TrimSpace(b.Title) == "" {
			return nil, integration.Invalid("%s has no title", name)
		}
		value := cmp.Or(b.ID, b.Title)
		if err := cmp.Or(
			integration.Within(platformTitle, b.Title, maxButtonTitle, "the title of %s", name),
			integration.Within(platformTitle, value, maxButtonValue, "the id of %s", name),
		); err != nil {
			return nil, err
		}
		e := slack.NewButtonBlockElement(fmt.Sprintf("button-%d", i+1), value, plain(b.Title))
		switch b.Type {
		case integration.ButtonReply, "":
		case integration.ButtonURL:
			if !httpapi.IsLink(b.URL) {
				return nil, integration.Invalid("the url of %s is not an http or https URL", name)
			}
			if err := integration.Within(platformTitle, b.URL, maxURL, "the url of %s", name); err != nil {
				return nil, err
			}
			e.URL = b.URL
		default:
			return nil, integration.UnsupportedContent(
				"%s is of type %q; Slack has %s and %s", name, b.Type, integration.ButtonReply, integration.ButtonURL,
			)
		}
		switch b.Style {
		case "":
		case string(slack.StylePrimary), string(slack.StyleDanger):
			e.Style = slack.Style(b.Style)
		default:
			return nil, integration.Invalid("the style of %s must be primary or danger", name)
		}
		elements[i] = e
	}
	return slack.NewActionBlock("", elements...), nil
}

// menuBlock makes a menu of the rows of the list's sections.
func menuBlock(i *integration.Interactive) (slack.Block, error) {
	if n := len(i.Sections); n > maxOptionGroups {
		return nil, integration.Invalid("the list has %d sections; Slack takes %d", n, maxOptionGroups)
	}
	label := cmp.Or(i.ButtonLabel, "…")
	if err := integration.Within(platformTitle, label, maxPlaceholder, "content.interactive.buttonLabel"); err != nil {
		return nil, err
	}
	menu := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plain(label), "list-1")
	for n, section := range i.Sections {
		options, err := menuOptions(section.Rows, n+1)
		if err != nil {
			return nil, err
		}
		if len(i.Sections) == 1 && section.Title == "" {
			menu.Options = options
			break
		}
		if strings.TrimSpace(section.Title) == "" {
			return nil, integration.Invalid("section %d of the list has no title; Slack needs one where there are several", n+1)
		}
		if err := integration.Within(
			platformTitle, section.Title, maxGroupLabel, "the title of section %d", n+1,
		); err != nil {
			return nil, err
		}
		menu.OptionGroups = append(menu.OptionGroups, slack.NewOptionGroupBlockElement(plain(section.Title), options...))
	}
	return slack.NewActionBlock("", menu), nil
}

func menuOptions(rows []integration.Row, section int) ([]*slack.OptionBlockObject, error) {
	if n := len(rows); n == 0 || n > maxOptions {
		return nil, integration.Invalid("section %d of the list has %d rows; Slack takes 1 to %d", section, n, maxOptions)
	}
	options := make([]*slack.OptionBlockObject, len(rows))
	for i, row := range rows {
		name := fmt.Sprintf("row %d of section %d", i+1, section)
		if strings.TrimSpace(row.Title) == "" {
			return nil, integration.Invalid("%s has no title", name)
		}
		value := cmp.Or(row.ID, row.Title)
		if err := cmp.Or(
			integration.Within(platformTitle, row.Title, maxOptionText, "the title of %s", name),
			integration.Within(platformTitle, value, maxOptionValue, "the id of %s", name),
			integration.Within(platformTitle, row.Description, maxOptionText, "the description of %s", name),
		); err != nil {
			return nil, err
		}
		options[i] = slack.NewOptionBlockObject(value, plain(row.Title), nil)
		if row.Description != "" {
			options[i].Description = plain(row.Description)
		}
	}
	return options, nil
}

// plain is a text without markup, "Text object", in which nothing is escaped.
func plain(text string) *slack.TextBlockObject {
	return &slack.TextBlockObject{Type: slack.PlainTextType, Text: text}
}

// markup is a text in Slack's own markup.
func markup(text string) *slack.TextBlockObject {
	return &slack.TextBlockObject{Type: slack.MarkdownType, Text: text}
}
