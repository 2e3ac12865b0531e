package slack

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// Types of entities beside "url", "text_link" and "email", of which the last has a mailto: link.
const (
	entityMention   = "mention"   // of a user
	entityChannel   = "channel"   // of a channel
	entityUserGroup = "usergroup" // of a group of users
	entityBroadcast = "broadcast" // @here, @channel or @everyone
)

// "Formatting message text": these three characters are escaped, and nothing else is.
var (
	escaper   = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	unescaper = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">")
)

// textLimits counts texts as they are sent: with what is escaped in them.
var textLimits = integration.TextLimits{
	Text: maxText, Caption: maxSectionText,
	Unit: func(text string) int { return textlimit.Characters(escaper.Replace(text)) },
	Formats: map[string]integration.TextFormat{
		formatMarkup:   {Unit: textlimit.Characters, Markup: textlimit.Mrkdwn},
		formatMarkdown: {Text: maxMarkdown, Unit: textlimit.Characters, Markup: textlimit.Markdown},
	},
}

func unescape(text string) string {
	if !strings.Contains(text, "&") {
		return text
	}
	return unescaper.Replace(text)
}

// decode turns a text of Slack's into the one that a reader sees, with entities for its links and mentions. The
// characters that mark bold text and the like stay: the reader's client interprets them.
func decode(raw string) (string, []integration.Entity) {
	if !strings.ContainsAny(raw, "<&") {
		return raw, nil
	}
	var b strings.Builder
	var entities []integration.Entity
	units := 0 // of UTF-16 in b
	write := func(text string) {
		b.WriteString(text)
		units += textlimit.UTF16(text)
	}
	for rest := raw; rest != ""; {
		open := strings.IndexByte(rest, '<')
		if open < 0 {
			write(unescape(rest))
			break
		}
		write(unescape(rest[:open]))
		rest = rest[open:]
		end := strings.IndexByte(rest, '>')
		if end < 0 {
			write(unescape(rest))
			break
		}
		shown, entity := decodeReference(rest[1:end])
		if entity.Type != "" {
			entity.Offset, entity.Length = units, textlimit.UTF16(shown)
			entities = append(entities, entity)
		}
		write(shown)
		rest = rest[end+1:]
	}
	return b.String(), entities
}

// decodeReference reads the text between < and >. The entity has no type where the text is no reference.
func decodeReference(body string) (shown string, e integration.Entity) {
	target, label, _ := strings.Cut(body, "|")
	target, label = unescape(target), unescape(label)
	sigil, name := target, ""
	if target != "" {
		sigil, name = target[:1], target[1:]
	}
	switch {
	case sigil == "@" && name != "":
		return "@" + strings.TrimPrefix(cmp.Or(label, name), "@"), integration.Entity{
			Type: entityMention, UserID: integration.ID(name),
		}
	case sigil == "#" && name != "":
		return "#" + cmp.Or(label, name), integration.Entity{Type: entityChannel}
	case sigil == "!" && name != "":
		return decodeCommand(name, label)
	case strings.HasPrefix(target, "mailto:"):
		return cmp.Or(label, strings.TrimPrefix(target, "mailto:")), integration.Entity{Type: "email", URL: target}
	case strings.Contains(target, ":") && label != "" && label != target:
		return label, integration.Entity{Type: "text_link", URL: target}
	case strings.Contains(target, ":"):
		return target, integration.Entity{Type: "url", URL: target}
	default:
		return "<" + unescape(body) + ">", integration.Entity{}
	}
}

// decodeCommand reads the special mentions, which begin with an exclamation mark.
func decodeCommand(name, label string) (shown string, e integration.Entity) {
	group, isGroup := strings.CutPrefix(name, "subteam^")
	switch {
	case name == "here" || name == "channel" || name == "everyone":
		return "@" + name, integration.Entity{Type: entityBroadcast}
	case isGroup:
		return "@" + strings.TrimPrefix(cmp.Or(label, group), "@"), integration.Entity{Type: entityUserGroup}
	default: // such as a date, whose label is for clients that cannot show it
		return cmp.Or(label, name), integration.Entity{}
	}
}

// encode turns a text into one that Slack shows as it was written, with the links and mentions of its entities. marked
// says whether there are any.
func encode(text string, entities []integration.Entity) (encoded string, marked bool) {
	if len(entities) == 0 {
		return escaper.Replace(text), false
	}
	units := utf16.Encode([]rune(text))
	part := func(from, to int) string { return string(utf16.Decode(units[from:to])) }
	inOrder := slices.Clone(entities)
	slices.SortStableFunc(inOrder, func(a, b integration.Entity) int { return a.Offset - b.Offset })
	var b strings.Builder
	at := 0
	for _, e := range inOrder {
		if e.Offset < at || e.Length <= 0 || e.Offset > len(units)-e.Length {
			continue // within another one, or beyond the text
		}
		shown := part(e.Offset, e.Offset+e.Length)
		reference := encodeReference(shown, e)
		if reference == "" {
			continue
		}
		b.WriteString(escaper.Replace(part(at, e.Offset)) + reference)
		at, marked = e.Offset+e.Length, true
	}
	b.WriteString(escaper.Replace(part(at, len(units))))
	return b.String(), marked
}

// encodeReference is the reference for an entity, "" for an entity that Slack shows as plain text.
func encodeReference(shown string, e integration.Entity) string {
	switch {
	case e.Type == entityBroadcast:
		if name := strings.TrimPrefix(shown, "@"); name == "here" || name == "channel" || name == "everyone" {
			return "<!" + name + ">"
		}
	case isWord(string(e.UserID)):
		return "<@" + string(e.UserID) + ">"
	case e.URL != "" && e.Type != "url":
		return linkTo(e.URL, shown)
	}
	return ""
}

// linkTo is a link with a text, in Slack's markup.
func linkTo(url, label string) string {
	url = strings.NewReplacer("|", "%7C", "<", "%3C", ">", "%3E", "&", "&amp;", "\n", "").Replace(url)
	label = strings.NewReplacer("\n", " ", "|", "¦").Replace(escaper.Replace(label))
	if label == "" {
		return "<" + url + ">"
	}
	return "<" + url + "|" + label + ">"
}

// isWord says whether a text can be an id.
func isWord(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}
