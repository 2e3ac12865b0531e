package slack

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/hiliosai/switchboard/integration/payload"
)

// attachment is a part of a message, "Secondary message attachments": a message that was forwarded, the preview of a
// link, or the text of an app.
type attachment struct {
	Fallback  string          `json:"fallback"`
	Pretext   string          `json:"pretext"`
	Title     string          `json:"title"`
	Text      string          `json:"text"`
	Fields    []field         `json:"fields"`
	Blocks    json.RawMessage `json:"blocks"`
	Files     []file          `json:"files"`
	IsShare   bool            `json:"is_share"`
	FromURL   string          `json:"from_url"`
	Original  string          `json:"original_url"`
	Unfurled  bool            `json:"is_app_unfurl"`
	Preview   bool            `json:"is_msg_unfurl"`
	AuthorID  string          `json:"author_id"`
	ChannelID string          `json:"channel_id"`
	TS        string          `json:"ts"`

	MessageBlocks []struct {
		Message struct {
			Blocks json.RawMessage `json:"blocks"`
		} `json:"message"`
	} `json:"message_blocks"`
}

type field struct {
	Title string `json:"title"`
	Value string `json:"value"`
}

// attachments reads a message's attachments. Fields of an unexpected type stay empty.
func (msg *message) attachments() []attachment {
	if len(msg.Attachments) < 3 {
		return nil
	}
	var parts []json.RawMessage
	if json.Unmarshal(msg.Attachments, &parts) != nil {
		return nil
	}
	list := make([]attachment, len(parts))
	for i, part := range parts {
		_ = payload.Unmarshal(part, &list[i]) // a field of another type stays empty
	}
	return list
}

// isPreview says whether Slack or an app added the attachment for a link in the text.
func (a *attachment) isPreview() bool {
	return !a.IsShare && (a.FromURL != "" || a.Original != "" || a.Unfurled || a.Preview)
}

// shown is the text that a reader sees of an attachment. The fallback, which is for clients that show no attachments,
// counts only where there is nothing else.
func (a *attachment) shown() string {
	lines := []string{a.Pretext, a.Title, a.Text}
	for _, f := range a.Fields {
		switch {
		case f.Title != "" && f.Value != "":
			lines = append(lines, f.Title+": "+f.Value)
		default:
			lines = append(lines, f.Title+f.Value)
		}
	}
	if !a.IsShare {
		lines = append(lines, blockText(a.Blocks))
	}
	text := join(lines...)
	for i := 0; text == "" && i < len(a.MessageBlocks); i++ {
		text = blockText(a.MessageBlocks[i].Message.Blocks)
	}
	if a.IsShare && text == "" {
		return withoutHeader(a.Fallback)
	}
	return cmp.Or(text, strings.TrimSpace(a.Fallback))
}

// withoutHeader takes the date and the author off the fallback of a message that was forwarded:
// "[August 29th, 2024 2:26 PM] lee: 123".
func withoutHeader(fallback string) string {
	if !strings.HasPrefix(fallback, "[") {
		return fallback
	}
	_, behind, _ := strings.Cut(fallback, "] ")
	if author, text, ok := strings.Cut(behind, ": "); ok && !strings.Contains(author, "\n") {
		return text
	}
	return fallback
}

// join puts the texts that are not blank on lines of their own.
func join(texts ...string) string {
	var kept []string
	for _, text := range texts {
		if text = strings.Trim(text, "\n"); strings.TrimSpace(text) != "" {
			kept = append(kept, text)
		}
	}
	return strings.Join(kept, "\n")
}

// block is any block of "Blocks", or an element of one.
type block struct {
	Type     string          `json:"type"`
	Text     json.RawMessage `json:"text"` // a text, or an object with one
	Fields   []block         `json:"fields"`
	Elements []block         `json:"elements"`
	URL      string          `json:"url"`
	Name     string          `json:"name"`
	UserID   string          `json:"user_id"`
	Channel  string          `json:"channel_id"`
	Group    string          `json:"usergroup_id"`
	Range    string          `json:"range"`
}

// blockText is the text of blocks, in Slack's markup: that of sections, headers, contexts and rich text.
func blockText(raw json.RawMessage) string {
	if len(raw) < 3 {
		return ""
	}
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return ""
	}
	var lines []string
	for _, part := range parts {
		var b block
		_ = payload.Unmarshal(part, &b) // a field of another type stays empty
		lines = append(lines, b.shown())
	}
	return join(lines...)
}

// shown is the text of a block. Buttons and menus have none.
func (b *block) shown() string {
	switch b.Type {
	case "section", "context":
		lines := []string{b.words()}
		for _, inner := range b.Fields {
			lines = append(lines, inner.words())
		}
		for _, inner := range b.Elements {
			lines = append(lines, inner.words())
		}
		return join(lines...)
	case "header", "markdown":
		return b.words()
	case "rich_text":
		var lines []string
		for _, inner := range b.Elements {
			lines = append(lines, inner.rich())
		}
		return join(lines...)
	}
	return ""
}

// words is the text of a text object, or of a block that has one.
func (b *block) words() string {
	var text string
	if json.Unmarshal(b.Text, &text) == nil {
		if b.Type == "plain_text" || b.Type == "text" {
			return escaper.Replace(text) // nothing is escaped in it
		}
		return text
	}
	var object struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	_ = json.Unmarshal(b.Text, &object) // what is of another type has no text
	if object.Type == "plain_text" {
		return escaper.Replace(object.Text)
	}
	return object.Text
}

// rich is the text of an element of rich text, with its mentions and links in Slack's markup.
func (b *block) rich() string {
	switch b.Type {
	case "text":
		return b.words()
	case "link":
		return linkTo(b.URL, textOf(b.Text))
	case "user":
		return "<@" + b.UserID + ">"
	case "channel":
		return "<#" + b.Channel + ">"
	case "usergroup":
		return "<!subteam^" + b.Group + ">"
	case "broadcast":
		return "<!" + b.Range + ">"
	case "emoji":
		return ":" + b.Name + ":"
	}
	var texts []string
	for _, inner := range b.Elements {
		texts = append(texts, inner.rich())
	}
	if b.Type == "rich_text_list" {
		return strings.Join(texts, "\n")
	}
	return strings.Join(texts, "")
}

// textOf is a JSON string's text, "" for JSON of another type.
func textOf(raw json.RawMessage) string {
	var text string
	_ = json.Unmarshal(raw, &text)
	return text
}
