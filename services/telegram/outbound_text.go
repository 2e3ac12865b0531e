package telegram

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// Values of parse_mode, "Formatting options", by those of content.format.
var parseModes = map[string]string{"html": "HTML", "markdown": "MarkdownV2"}

// textLimits measures texts as "sendMessage" does: in UTF-16 code units, without markup.
var textLimits = integration.TextLimits{
	Text: maxText, Caption: maxCaption, Unit: textlimit.UTF16,
	Formats: map[string]integration.TextFormat{
		"html":     {Unit: textlimit.UTF16, Markup: textlimit.HTML},
		"markdown": {Unit: textlimit.UTF16, Markup: textlimit.MarkdownV2},
	},
}

// escapes are the replacers that make plain text of a parse_mode.
var escapes = map[string]*strings.Replacer{
	"":           strings.NewReplacer(),
	"HTML":       strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;"),
	"MarkdownV2": newMarkdownEscaper(),
}

func newMarkdownEscaper() *strings.Replacer {
	var pairs []string
	for _, r := range "\\_*[]()~`>#+-=|{}.!" {
		pairs = append(pairs, string(r), `\`+string(r))
	}
	return strings.NewReplacer(pairs...)
}

// newText makes the text of a message. Headers, footers and the names of a list's sections become parts of the text,
// because Telegram has no fields for them.
func newText(c *integration.Content, limit int) (*textParams, []integration.Degradation, error) {
	t := &textParams{Text: c.Text, ParseMode: parseModes[c.Format]}
	if c.Format != "" && t.ParseMode == "" {
		return nil, nil, integration.Invalid(
			"content.format must be html or markdown, which is Telegram's MarkdownV2, not %q", c.Format,
		)
	}
	if t.ParseMode != "" && len(c.Entities) > 0 {
		return nil, nil, integration.Invalid("content.format and content.entities exclude each other")
	}
	before, after := "", ""
	if i := c.Interactive; i != nil {
		t.Text = cmp.Or(t.Text, i.Body)
		escape := escapes[t.ParseMode]
		if i.Header != "" {
			before = escape.Replace(i.Header) + "\n\n"
		}
		after = escape.Replace(listText(i.Sections))
		if i.Footer != "" {
			after += "\n\n" + escape.Replace(i.Footer)
		}
	}
	degraded, err := t.mark(c.Entities, textlimit.UTF16(before))
	if err != nil {
		return nil, nil, err
	}
	t.Text = before + t.Text + after
	return t, degraded, t.within(c.Format, limit)
}

// within checks the length of a text that the factory does not split. A text with faulty markup passes, because
// Telegram refuses it with a better message.
func (t *textParams) within(format string, limit int) error {
	units := textlimit.UTF16(t.Text)
	if units <= limit { // markup counts less, and never more
		return nil
	}
	units, faulty := textlimit.Measure(t.Text, textlimit.UTF16, textLimits.Formats[format].Markup)
	if faulty != nil || units <= limit {
		return nil //nolint:nilerr // Telegram says what is faulty
	}
	return &integration.Error{
		Kind: integration.FaultInvalid, Code: codes.MessageTooLong,
		Message: fmt.Sprintf("the text has %d UTF-16 units; Telegram takes %d", units, limit),
	}
}

// mark adds the entities of a text before which shift UTF-16 units will be inserted.
func (t *textParams) mark(list []integration.Entity, shift int) (degraded integration.Losses, err error) {
	units := textlimit.UTF16(t.Text)
	for i, e := range list {
		if e.Offset < 0 || e.Length <= 0 || e.Offset > units-e.Length {
			return nil, integration.Invalid("entity %d does not lie within the text, which has %d UTF-16 units", i+1, units)
		}
		if e.Type == typeCustomEmoji { // the content model has no id for it; the text has an ordinary emoji
			degraded.Add("custom emoji", "emoji")
			continue
		}
		entity := messageEntity{Type: e.Type, Offset: e.Offset + shift, Length: e.Length, URL: e.URL}
		if e.UserID != "" {
			id, err := strconv.ParseInt(string(e.UserID), 10, 64)
			if err != nil {
				return nil, integration.Invalid("entity %d has a userId that is not a Telegram user's", i+1)
			}
			entity.User = &entityUser{ID: id}
		}
		t.Entities = append(t.Entities, entity)
	}
	return degraded, nil
}

// listText writes the titles of sections and the descriptions of rows, for which buttons have no room.
func listText(sections []integration.Section) string {
	var b strings.Builder
	for _, s := range sections {
		if s.Title != "" {
			b.WriteString("\n\n" + s.Title)
		}
		for _, row := range s.Rows {
			if row.Description != "" {
				b.WriteString("\n" + row.Title + ": " + row.Description)
			}
		}
	}
	return b.String()
}

func blank(text string) bool { return strings.TrimSpace(text) == "" }

// caption returns the text as the parameters of a caption.
func (t *textParams) caption() captionParams {
	return captionParams{Caption: t.Text, ParseMode: t.ParseMode, CaptionEntities: t.Entities}
}
