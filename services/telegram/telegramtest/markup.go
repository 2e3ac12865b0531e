package telegramtest

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Shown returns a text without its markup, "Formatting options", or the Bot API's words about a fault in it. It takes
// only what that section documents. Telegram itself takes a bare & or > in HTML, and drops tags that must not be
// nested.
func Shown(text, parseMode string) (plain, fault string) {
	switch parseMode {
	case "HTML":
		p := &htmlParser{rest: text}
		return p.parse()
	case "MarkdownV2":
		p := &markdownParser{text: text}
		return p.parse()
	default:
		return text, ""
	}
}

func cannotParse(format string, args ...any) string {
	return "can't parse entities: " + fmt.Sprintf(format, args...)
}

// htmlParser removes the markup of "HTML style" from a text.
type htmlParser struct {
	rest  string
	plain strings.Builder
	open  []string // names of tags, the innermost last
}

const (
	htmlValue  = `=("[^"<>]+"|'[^'<>]+'|[^\s"'<>=]+)`
	htmlFormat = `\s+format` + htmlValue
)

var (
	htmlTag    = regexp.MustCompile(`^<(/?)([a-zA-Z][a-zA-Z0-9-]*)((\s+[a-z-]+(` + htmlValue + `|=""|='')?)*)\s*>`)
	htmlEntity = regexp.MustCompile(`^&(?:lt|gt|amp|quot|#[0-9]+|#x[0-9a-fA-F]+);`)
	plainTags  = strings.Fields("b strong i em u ins s strike del tg-spoiler pre code blockquote")

	// htmlAttributes are the attributes that a tag has or may have.
	htmlAttributes = map[string]*regexp.Regexp{
		"span":       regexp.MustCompile(`^\s+class=["']?tg-spoiler["']?$`),
		"a":          regexp.MustCompile(`^\s+href` + htmlValue + `$`),
		"tg-emoji":   regexp.MustCompile(`^\s+emoji-id` + htmlValue + `$`),
		"tg-time":    regexp.MustCompile(`^(` + htmlFormat + `)?\s+unix` + htmlValue + `(` + htmlFormat + `)?$`),
		"blockquote": regexp.MustCompile(`^\s+expandable(` + htmlValue + `|=""|='')?$`),
		"code":       regexp.MustCompile(`^\s+class=["']?language-[^\s"']+["']?$`), // within pre
	}
)

func (p *htmlParser) parse() (plain, fault string) {
	for p.rest != "" {
		if fault := p.next(); fault != "" {
			return "", fault
		}
	}
	if n := len(p.open); n > 0 {
		return "", cannotParse("Can't find end tag corresponding to start tag %q", p.open[n-1])
	}
	return p.plain.String(), ""
}

// next reads one tag, one entity, or the characters before the next one.
func (p *htmlParser) next() (fault string) {
	size := strings.IndexAny(p.rest, "<>&")
	if size < 0 {
		size = len(p.rest)
	}
	text := p.rest[:size]
	switch p.rest[0] {
	case '<':
		tag := htmlTag.FindStringSubmatch(p.rest)
		if tag == nil {
			return cannotParse("Unsupported start tag at %.20q", p.rest)
		}
		p.rest = p.rest[len(tag[0]):]
		return p.tag(strings.ToLower(tag[2]), tag[3], tag[1] != "")
	case '&':
		if text = htmlEntity.FindString(p.rest); text == "" {
			return cannotParse("& must be written as &amp; at %.20q", p.rest)
		}
		size = len(text)
	case '>':
		return cannotParse("> must be written as &gt; at %.20q", p.rest)
	}
	p.plain.WriteString(html.UnescapeString(text))
	p.rest = p.rest[size:]
	return ""
}

func (p *htmlParser) tag(name, attributes string, ends bool) (fault string) {
	outer := ""
	if len(p.open) > 0 {
		outer = p.open[len(p.open)-1]
	}
	allowed := htmlAttributes[name]
	switch {
	case ends && outer == "":
		return cannotParse("Unexpected end tag %q", name)
	case ends && (outer != name || attributes != ""):
		return cannotParse("Unmatched end tag, expected %q, found %q", outer, name)
	case ends:
		p.open = p.open[:len(p.open)-1]
		return ""
	case attributes == "" && !slices.Contains(plainTags, name),
		attributes != "" && (allowed == nil || !allowed.MatchString(attributes) || name == "code" && outer != "pre"):
		return cannotParse("Unsupported start tag %q with %q", name, attributes)
	case slices.Contains(p.open, "code"), slices.Contains(p.open, "pre") && (name != "code" || outer != "pre"):
		return cannotParse("pre and code can't contain other entities, but there is %q", name)
	case name == "blockquote" && slices.Contains(p.open, name):
		return cannotParse("blockquote entities can't be nested")
	}
	p.open = append(p.open, name)
	return ""
}

// markdownParser removes the markup of "MarkdownV2 style" from a text.
type markdownParser struct {
	text  string
	at    int
	plain strings.Builder
	open  []string // open entities by their marks, "[" for a link, ">" for a quotation; the innermost last
}

// markdownReserved are the characters that must be escaped outside of code, unless they are markup.
const markdownReserved = "_*[]()~`>#+-=|{}.!"

func (p *markdownParser) parse() (plain, fault string) {
	for p.at < len(p.text) {
		if fault := p.next(); fault != "" {
			return "", fault
		}
	}
	if fault := p.endQuotation(); fault != "" {
		return "", fault
	}
	if n := len(p.open); n > 0 {
		return "", cannotParse("Can't find end of the entity that %q began", p.open[n-1])
	}
	return p.plain.String(), ""
}

func (p *markdownParser) follows(mark string) bool { return strings.HasPrefix(p.text[p.at:], mark) }

func (p *markdownParser) innermost() string {
	if len(p.open) == 0 {
		return ""
	}
	return p.open[len(p.open)-1]
}

func (p *markdownParser) next() (fault string) {
	if fault, ok := p.code(); ok {
		return fault
	}
	r, size := utf8.DecodeRuneInString(p.text[p.at:])
	switch {
	case r == '\\' && p.at+1 < len(p.text) && p.text[p.at+1] >= 1 && p.text[p.at+1] <= 126:
		p.plain.WriteByte(p.text[p.at+1])
		p.at += 2
		return ""
	case r == '\n':
		if fault := p.endQuotation(); fault != "" {
			return fault
		}
	case strings.ContainsRune(markdownReserved, r):
		return p.markup(r)
	}
	p.plain.WriteRune(r)
	p.at += size
	return ""
}

// code reads a block or a span of code. ok says that there is one.
func (p *markdownParser) code() (fault string, ok bool) {
	mark := "```"
	if !p.follows(mark) {
		if mark = "`"; !p.follows(mark) {
			return "", false
		}
	}
	p.at += len(mark)
	if mark == "```" { // a first line without white space names the language
		if line, _, found := strings.Cut(p.text[p.at:], "\n"); found && !strings.ContainsAny(line, " \t`\\") {
			p.at += len(line) + len("\n")
		}
	}
	for p.at < len(p.text) {
		switch {
		case p.follows(mark):
			p.at += len(mark)
			return "", true
		case p.follows("`"):
			return p.reserved('`'), true
		case p.follows("\\") && p.at+1 < len(p.text):
			p.at++
		case p.follows("\\"):
			return p.reserved('\\'), true
		}
		p.plain.WriteByte(p.text[p.at])
		p.at++
	}
	return cannotParse("Can't find end of the entity that %q began", mark), true
}

// markup reads the beginning or the end of an entity.
func (p *markdownParser) markup(r rune) (fault string) {
	switch {
	case p.follows("**>") && p.lineBegins(): // a quotation right after another
		p.at += len("**>")
		p.open = append(p.open, ">")
		return ""
	case r == '>' && p.lineBegins():
		if p.at++; !slices.Contains(p.open, ">") {
			p.open = append(p.open, ">")
		}
		return ""
	case r == ']' && p.innermost() == "[":
		return p.link()
	case p.follows("![") || r == '[':
		if slices.Contains(p.open, "[") {
			return p.reserved('[')
		}
		p.at += strings.Index(p.text[p.at:], "[") + 1
		p.open = append(p.open, "[")
		return ""
	case p.follows("||") && p.innermost() == ">" && (p.at+2 == len(p.text) || p.text[p.at+2] == '\n'): // it is expandable
		p.at += len("||")
		return ""
	}
	for _, mark := range []string{"__", "||", "_", "*", "~"} { // __ is always one mark
		if !p.follows(mark) {
			continue
		}
		if p.at += len(mark); p.innermost() == mark {
			p.open = p.open[:len(p.open)-1]
		} else if slices.Contains(p.open, mark) {
			return cannotParse("Can't find end of the entity that %q began", p.innermost())
		} else {
			p.open = append(p.open, mark)
		}
		return ""
	}
	return p.reserved(r)
}

// lineBegins says whether a line begins here. Only there a quotation may begin or go on.
func (p *markdownParser) lineBegins() bool { return p.at == 0 || p.text[p.at-1] == '\n' }

// endQuotation ends a quotation if the next line does not begin with >. An entity that is still open in the quotation
// is a fault.
func (p *markdownParser) endQuotation() (fault string) {
	if !slices.Contains(p.open, ">") || strings.HasPrefix(p.text[min(p.at+1, len(p.text)):], ">") {
		return ""
	}
	if p.innermost() != ">" {
		return cannotParse("Can't find end of the entity that %q began", p.innermost())
	}
	p.open = p.open[:len(p.open)-1]
	return ""
}

// link reads the address of a link or an emoji, in which ) and \ are escaped.
func (p *markdownParser) link() string {
	p.open = p.open[:len(p.open)-1]
	p.at++
	if !p.follows("(") {
		return cannotParse("a link needs its address in parentheses")
	}
	var address strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == ')':
			p.at++
			if address.Len() == 0 {
				return cannotParse("a link needs an address")
			}
			return ""
		case c == '\\' && p.at+1 < len(p.text):
			p.at++
		}
		address.WriteByte(p.text[p.at])
	}
	return cannotParse("Can't find end of a URL")
}

func (p *markdownParser) reserved(r rune) string {
	return cannotParse("Character '%c' is reserved and must be escaped with the preceding '\\'", r)
}
