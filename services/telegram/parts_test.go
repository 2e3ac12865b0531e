package telegram_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration/textlimit"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// FuzzPartsAreValid splits texts made of pieces of markup, most of which are valid. Each part must be valid and short
// enough, and all parts together must show what the whole shows.
func FuzzPartsAreValid(f *testing.F) {
	for seed := range 16 {
		f.Add([]byte(strings.Repeat(string(rune('a'+seed))+"\x03\x12\x25\x37", 20)), uint8(seed), seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, plan []byte, size uint8, asHTML bool) {
		markup, mode, pieces := textlimit.MarkdownV2, "MarkdownV2", markdownPieces
		if asHTML {
			markup, mode, pieces = textlimit.HTML, "HTML", htmlPieces
		}
		whole := compose(plan, pieces)
		shown, fault := telegramtest.Shown(whole, mode)
		if fault != "" || strings.TrimSpace(shown) == "" {
			return
		}
		limit := 8 + int(size)
		parts, err := textlimit.Split(
			whole, textlimit.Rules{First: limit, Limit: limit, Unit: textlimit.UTF16, Markup: markup},
		)
		if err != nil { // nested too deep
			require.ErrorIs(t, err, textlimit.ErrMarkup)
			return
		}
		together := ""
		for _, part := range parts {
			of, fault := telegramtest.Shown(part, mode)
			require.Empty(t, fault, "%q of %q", part, whole)
			require.LessOrEqual(t, textlimit.UTF16(of), limit, "%q of %q", part, whole)
			together += of
		}
		bare := func(s string) string { return strings.Join(strings.Fields(s), "") }
		require.Equal(t, bare(shown), bare(together), "%q", whole)
	})
}

var (
	htmlPieces = []string{
		"word ", "a ", "\n", "\n\n", "    ", "&amp;", "&lt;x&gt; ", "<b>", "<i>", "<a href=\"https://e.org/?a=1&amp;b\">",
		"<code>", "👍",
		"<pre><code class=\"language-go\">", "longer words of a text ", "<blockquote expandable>", "<tg-spoiler>",
	}
	markdownPieces = []string{
		"word ", "a ", "\n", "\n\n", "    ", "\\.", "\\_x ", "*", "_", "[", "`", "👍", "```go\n", "longer words of a text ",
		"\n>", "__", "||", "~",
	}
)

// compose writes the pieces that a plan names. A sign that is open is closed where it is named again, and in the end.
func compose(plan []byte, pieces []string) string {
	var b strings.Builder
	var open []string
	shut := func() {
		b.WriteString(closing(open[len(open)-1]))
		open = open[:len(open)-1]
	}
	for _, c := range plan[:min(len(plan), 300)] {
		piece := pieces[int(c)%len(pieces)]
		switch {
		case len(open) > 0 && open[len(open)-1] == piece:
			shut()
			continue
		case closing(piece) != "" && (slices.Contains(open, piece) || len(open) > 3 ||
			len(open) > 0 && strings.ContainsAny(open[len(open)-1], "`")):
			continue
		case closing(piece) != "":
			open = append(open, piece)
		}
		b.WriteString(piece)
	}
	for len(open) > 0 {
		shut()
	}
	return b.String()
}

// closing is what ends what a piece begins, "" for one that begins nothing.
func closing(piece string) string {
	switch {
	case strings.HasPrefix(piece, "<pre>"):
		return "</code></pre>"
	case strings.HasPrefix(piece, "<"):
		name, _, _ := strings.Cut(strings.Trim(piece, "<>"), " ")
		return "</" + name + ">"
	case piece == "[":
		return "](https://e.org/\\))"
	case strings.HasPrefix(piece, "```"):
		return "```"
	case strings.ContainsAny(piece, "*_~|`") && !strings.HasPrefix(piece, "\\"):
		return piece
	}
	return ""
}
