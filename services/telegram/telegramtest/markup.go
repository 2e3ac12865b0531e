package telegramtest

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
)

// Shown is what a reader sees of a text with markup, "Formatting options". The fault is empty for right markup.
func Shown(text, parseMode string) (shown, fault string) {
	switch parseMode {
	case "HTML":
		return shownOfHTML(text)
	case "MarkdownV2":
		return shownOfMarkdown(text)
	default:
		return text, ""
	}
}

// tags are those of "HTML style".
var tags = []string{"b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "span", "tg-spoiler", "a", "tg-emoji", "tg-time", "code", "pre", "blockquote"}

var (
	htmlTag    = regexp.MustCompile(`^<(/?)([a-z-]*)((?:\s+[a-z-]+(?:=(?:"[^"]*"|'[^']*'|[^\s"'>]+))?)*)\s*>`)
	htmlEntity = regexp.MustCompile(`^&(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);`)
)

func shownOfHTML(text string) (shown, fault string) {
	var b strings.Builder
	var open []string
	for text != "" {
		if text[0] != '<' {
			size := 1
			if entity := htmlEntity.FindString(text); entity != "" {
				b.WriteString(html.UnescapeString(entity))
				size = len(entity)
			} else {
				b.WriteByte(text[0])
			}
			text = text[size:]
			continue
		}
		tag := htmlTag.FindStringSubmatch(text)
		switch {
		case tag == nil:
			return "", "can't parse entities: Unclosed start tag"
		case tag[1] == "" && !slices.Contains(tags, tag[2]):
			return "", fmt.Sprintf("can't parse entities: Unsupported start tag \"%s\"", tag[2])
		case tag[1] == "":
			open = append(open, tag[2])
		case len(open) == 0 || tag[2] != "" && tag[2] != open[len(open)-1]:
			return "", "can't parse entities: Unexpected end tag"
		default:
			open = open[:len(open)-1]
		}
		text = text[len(tag[0]):]
	}
	if len(open) > 0 {
		return "", fmt.Sprintf("can't parse entities: Can't find end tag corresponding to start tag \"%s\"", open[len(open)-1])
	}
	return b.String(), ""
}

// markdownSigns are those of "MarkdownV2 style", the longer first.
var markdownSigns = []string{"```", "__", "||", "_", "*", "~", "`", "![", "["}

var (
	codeLanguage = regexp.MustCompile("^[^\\s`]+\\n|^\\n")
	linkTarget   = regexp.MustCompile(`^\]\((?:[^)\\]|\\.)+\)`)
	quoteSign    = regexp.MustCompile(`^(?:\*\*)?>`)
)

func shownOfMarkdown(text string) (shown, fault string) {
	var b strings.Builder
	var open []string
	quoted := false
	for at := 0; at < len(text); {
		rest := text[at:]
		top := ""
		if len(open) > 0 {
			top = open[len(open)-1]
		}
		size := 0
		for _, sign := range markdownSigns {
			if size == 0 && strings.HasPrefix(rest, sign) {
				size = len(sign)
			}
		}
		sign := rest[:size]
		isCode := top == "`" || top == "```"
		quote := ""
		if at == 0 || text[at-1] == '\n' {
			quote = quoteSign.FindString(rest)
		}
		switch {
		case rest[0] == '\\' && len(rest) > 1 && rest[1] < 0x7f:
			b.WriteByte(rest[1])
			at += 2
		case isCode && strings.HasPrefix(rest, top):
			open, at = open[:len(open)-1], at+len(top)
		case isCode:
			b.WriteByte(rest[0])
			at++
		case quote != "":
			quoted, at = true, at+len(quote)
		case rest[0] == ']' && (top == "[" || top == "!["):
			target := linkTarget.FindString(rest)
			if target == "" {
				target = "]"
			}
			open, at = open[:len(open)-1], at+len(target)
		case sign == "||" && top != "||" && quoted && (len(rest) == 2 || rest[2] == '\n'):
			at += 2
		case sign != "" && sign == top:
			open, at = open[:len(open)-1], at+size
		case sign == "```":
			open, at = append(open, sign), at+size+len(codeLanguage.FindString(rest[size:]))
		case sign != "":
			open, at = append(open, sign), at+size
		case strings.IndexByte("]()>#+-=|{}.!", rest[0]) >= 0:
			return "", fmt.Sprintf("can't parse entities: Character '%c' is reserved and must be escaped with the preceding '\\'", rest[0])
		default:
			if rest[0] == '\n' {
				quoted = false
			}
			b.WriteByte(rest[0])
			at++
		}
	}
	if len(open) > 0 {
		return "", fmt.Sprintf("can't parse entities: Can't find end of the entity that begins with %s", open[len(open)-1])
	}
	return b.String(), ""
}
