package textlimit_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration/textlimit"
)

func TestUnitsCountAsPlatformsDo(t *testing.T) {
	const text = "a\u00e9\U0001F44D"
	require.Equal(t, 3, textlimit.Characters(text))
	require.Equal(t, 4, textlimit.UTF16(text))
	require.Equal(t, 7, textlimit.Bytes(text))
	require.Equal(t, 1, textlimit.UTF16("\xff"), "what is no text counts too")
}

func TestSplitCutsWhereItReadsBest(t *testing.T) {
	const family = "\U0001F468\u200d\U0001F469\u200d\U0001F467"
	for name, test := range map[string]struct {
		text         string
		first, limit int
		unit         textlimit.Unit
		want         []string
	}{
		"nothing is cut that fits": {"hello world", 11, 11, textlimit.Characters, []string{"hello world"}},
		"between paragraphs": {"one two\n\nthree four five", 16, 16, textlimit.Characters, []string{
			"one two", "three four five",
		}},
		"between lines": {"one two\nthree four", 12, 12, textlimit.Characters, []string{"one two", "three four"}},
		"between lines of another system": {
			"one two\r\nthree four", 12, 12, textlimit.Characters, []string{"one two", "three four"},
		},
		"between words":                  {"hello world", 8, 8, textlimit.Characters, []string{"hello", "world"}},
		"right at the limit":             {"hello world", 5, 5, textlimit.Characters, []string{"hello", "world"}},
		"inside a word that is too long": {"abcdef", 4, 4, textlimit.Characters, []string{"abcd", "ef"}},
		"not behind a paragraph of one word": {"a\n\nbcd efg hij klm nop", 16, 16, textlimit.Characters, []string{
			"a\n\nbcd efg hij", "klm nop",
		}},
		"not inside a family":                 {"ab" + family, 6, 6, textlimit.UTF16, []string{"ab", family}},
		"not between a letter and its accent": {"abce\u0301", 4, 4, textlimit.Characters, []string{"abc", "e\u0301"}},
		"the first part may be shorter": {"hello world again", 5, 11, textlimit.Characters, []string{
			"hello",
			"world again",
		}},
		"white space at the end is no part":   {"hello \n\n", 6, 6, textlimit.Characters, []string{"hello"}},
		"nothing but white space stays whole": {"        ", 6, 6, textlimit.Characters, []string{"        "}},
		"indentation stays": {"if x:\n    y = 1\n    z = 2", 16, 16, textlimit.Characters, []string{
			"if x:\n    y = 1", "    z = 2",
		}},
		"that of tabs too": {"if x:\n\ty = 1\n\n\tz = 2", 12, 12, textlimit.Characters, []string{
			"if x:\n\ty = 1", "\tz = 2",
		}},
		"markup is text in a plain text": {"<b>abc</b>", 5, 5, textlimit.Characters, []string{"<b>ab", "c</b>"}},
	} {
		t.Run(name, func(t *testing.T) {
			parts, err := textlimit.Split(test.text, textlimit.Rules{First: test.first, Limit: test.limit, Unit: test.unit})
			require.NoError(t, err)
			require.Equal(t, test.want, parts)
		})
	}
}

// splitCase is a text with markup, and the parts that Split must make of it. limit is in units of UTF-16.
type splitCase struct {
	markup textlimit.Markup
	limit  int
	text   string
	want   []string
}

// requireSplits requires that Split makes the wanted parts, and that none of them is too long.
func requireSplits(t *testing.T, cases map[string]splitCase) {
	t.Helper()
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			parts, err := textlimit.Split(test.text, textlimit.Rules{
				First: test.limit, Limit: test.limit,
				Unit: textlimit.UTF16, Markup: test.markup,
			})
			require.NoError(t, err)
			require.Equal(t, test.want, parts)
			for _, part := range parts {
				units, err := textlimit.Measure(part, textlimit.UTF16, test.markup)
				require.NoError(t, err)
				require.LessOrEqual(t, units, test.limit, part)
			}
		})
	}
}

func TestMarkupThatIsNotCountedIsClosedAtACutAndOpenedAgain(t *testing.T) {
	requireSplits(t, map[string]splitCase{
		"bold in HTML": {textlimit.HTML, 12, "<b>one two three</b>", []string{
			"<b>one two</b>", "<b>three</b>",
		}},
		"nested": {textlimit.HTML, 8, "<b>one <i>two three</i></b>", []string{
			"<b>one <i>two</i></b>", "<b><i>three</i></b>",
		}},
		"only what is shown counts": {textlimit.HTML, 7, "<b>one two</b>", []string{"<b>one two</b>"}},
		"an entity counts once":     {textlimit.HTML, 3, "&lt;&amp;&#128;", []string{"&lt;&amp;&#128;"}},
		"and is not cut":            {textlimit.HTML, 3, "ab&amp;&lt;c", []string{"ab&amp;", "&lt;c"}},
		"a link is not entered": {textlimit.HTML, 12, `see all <a href="https://example.org/?a=1&amp;b=>">the ` +
			`manual</a> now`, []string{"see all", `<a href="https://example.org/?a=1&amp;b=>">the manual</a>`, "now"}},
		"but for one that is too long": {textlimit.HTML, 8, `<a href="u">one two three</a>`, []string{
			`<a href="u">one two</a>`, `<a href="u">three</a>`,
		}},
		"inline code is not entered": {textlimit.HTML, 8, "abc <code>d e f</code>", []string{"abc", "<code>d e f</code>"}},
		"a block keeps its language": {
			textlimit.HTML, 13, "<pre><code class=\"language-go\">if x {\n  a()\n  b()\n}</code></pre>",
			[]string{
				"<pre><code class=\"language-go\">if x {\n  a()</code></pre>",
				"<pre><code class=\"language-go\">  b()\n}</code></pre>",
			},
		},
		"bold in MarkdownV2":   {textlimit.MarkdownV2, 12, "*one two three*", []string{"*one two*", "*three*"}},
		"an escaped character": {textlimit.MarkdownV2, 3, `ab\.\!c`, []string{`ab\.`, `\!c`}},
		"a link with its target": {textlimit.MarkdownV2, 8, `see [a b c](https://e.org/\)) now`, []string{
			"see", `[a b c](https://e.org/\))`, "now",
		}},
		"a block of code": {textlimit.MarkdownV2, 12, "```go\nif x {\n  a()\n}```", []string{
			"```go\nif x {\n  a()```", "```go\n}```",
		}},
		"italic and underlined": {textlimit.MarkdownV2, 8, "___one two three_**__", []string{
			"___one two_**__", "__**_three_**__",
		}},
		"a quotation":          {textlimit.MarkdownV2, 8, ">one two three", []string{">one two", ">three"}},
		"lines of a quotation": {textlimit.MarkdownV2, 8, ">*one two\n>three*", []string{">*one two*", ">*three*"}},
	})
}

func TestMarkupThatCountsIsClosedAtACutAndOpenedAgain(t *testing.T) {
	long := strings.Repeat("word ", 12)[:59]
	requireSplits(t, map[string]splitCase{
		"a fence": {textlimit.Markdown, 70, "```go\n" + long + "\n  next line\n```", []string{
			"```go\n" + long + "\n```", "```go\n  next line\n```",
		}},
		"a fence without an end": {textlimit.Markdown, 70, "```go\n" + long + "\n  next line", []string{"```go\n" +
			long + "\n```", "```go\n  next line\n```"}},
		"a fence in a line": {textlimit.Markdown, 70, "```" + long + " and more words```", []string{"```" +
			long + " and```", "```more words```"}},
		"a fence of four": {
			textlimit.Markdown, 74, "````\n" + long + "\n```\na line\n````",
			[]string{"````\n" + long + "\n```\n````", "````\na line\n````"},
		},
		"a fence without language": {textlimit.Mrkdwn, 68, "```\n" + long + "\n  next line\n```", []string{"```\n" +
			long + "\n```", "```\n  next line\n```"}},
		"a link in Markdown": {textlimit.Markdown, 66, long + " [a b](https://example.org/(x)) c", []string{
			long,
			"[a b](https://example.org/(x)) c",
		}},
		"a picture in Markdown": {textlimit.Markdown, 66, long + " ![a b](https://example.org/x) c", []string{
			long,
			"![a b](https://example.org/x) c",
		}},
		"a mention in Markdown":   {textlimit.Markdown, 66, long + " <@1234567890>", []string{long, "<@1234567890>"}},
		"inline code in Markdown": {textlimit.Markdown, 66, long + " ``a ` b c``", []string{long, "``a ` b c``"}},
		"bold in Markdown": {textlimit.Markdown, 68, "**" + long + " one two**", []string{"**" + long +
			" one**", "**two**"}},
		"stars that are none": {textlimit.Markdown, 66, "2 ** 3 " + long + " and", []string{
			"2 ** 3 " + long,
			"and",
		}},
		"a link at Slack": {textlimit.Mrkdwn, 66, long + " <https://example.org|a b c> d", []string{
			long,
			"<https://example.org|a b c> d",
		}},
		"an escaped character at Slack": {
			textlimit.Mrkdwn, 66, strings.Repeat("x", 64) + "&amp;y",
			[]string{strings.Repeat("x", 64), "&amp;y"},
		},
		"an escaped sign in Markdown": {
			textlimit.Markdown, 66, strings.Repeat("x", 65) + `\*y`,
			[]string{strings.Repeat("x", 65), `\*y`},
		},
	})
}

func TestFaultyMarkupIsNotSplit(t *testing.T) {
	for name, test := range map[string]struct {
		markup textlimit.Markup
		text   string
	}{
		"a tag without an end":          {textlimit.HTML, "<b>abc"},
		"an end without a tag":          {textlimit.HTML, "abc</b>"},
		"another end":                   {textlimit.HTML, "<b>abc</i>"},
		"a bare sign":                   {textlimit.HTML, "a < b"},
		"half a tag":                    {textlimit.HTML, "abc<b"},
		"a tag in a tag":                {textlimit.HTML, "abc<b <i>>"},
		"too much nested":               {textlimit.HTML, strings.Repeat("<b>", 17) + "abc" + strings.Repeat("</b>", 17)},
		"too long a link":               {textlimit.HTML, `<a href="` + strings.Repeat("x", 5000) + `">abc</a>`},
		"bold without an end":           {textlimit.MarkdownV2, "*abc"},
		"a character not escaped":       {textlimit.MarkdownV2, "abc."},
		"a link without an end":         {textlimit.MarkdownV2, "[abc"},
		"code without an end":           {textlimit.MarkdownV2, "```abc"},
		"a link's target without link":  {textlimit.MarkdownV2, "abc](u)"},
		"a quotation inside of a line":  {textlimit.MarkdownV2, "abc>"},
		"one of two signs of a spoiler": {textlimit.MarkdownV2, "|abc|"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := textlimit.Split(test.text, textlimit.Rules{First: 2, Limit: 2, Unit: textlimit.UTF16, Markup: test.markup})
			require.ErrorIs(t, err, textlimit.ErrMarkup)
			_, err = textlimit.Measure(test.text, textlimit.UTF16, test.markup)
			require.ErrorIs(t, err, textlimit.ErrMarkup)
		})
	}
}

func TestBlockOfCodeIsClosedAndOpenedAgain(t *testing.T) {
	text := "see:\n```py\n" + strings.Repeat("    x = 1\n", 30) + "```\nthat is all"
	parts, err := textlimit.Split(
		text, textlimit.Rules{First: 100, Limit: 100, Unit: textlimit.Characters, Markup: textlimit.Markdown},
	)
	require.NoError(t, err)
	lines := 0
	for _, part := range parts {
		require.LessOrEqual(t, textlimit.Characters(part), 100)
		require.Zero(t, strings.Count(part, "```")%2, "%q", part)
		require.Equal(t, strings.Count(part, "x = 1"), strings.Count(part, "\n    x = 1"), "%q", part)
		if strings.Contains(part, "x = 1") {
			require.Contains(t, part, "```py\n")
		}
		lines += strings.Count(part, "x = 1")
	}
	require.Equal(t, 30, lines)
}

// FuzzSplitKeepsWhatIsShown checks what holds for every kind of markup. The tests of the package telegram check with
// Telegram's fake that Telegram takes the parts.
func FuzzSplitKeepsWhatIsShown(f *testing.F) {
	f.Add("hello world", 5, 5, 0)
	f.Add("```\ncode\n```", 70, 65, 1)
	f.Add(strings.Repeat("**a** `b` [c](d) <@1> ||e||\n", 9), 70, 65, 1)
	f.Add(strings.Repeat("*a* `b` <https://e.org|f g> &amp;\n", 9), 70, 65, 2)
	f.Add("<b>one <i>two</i> three</b> &lt; \u0600<b>x</b>", 5, 6, 3)
	f.Add("*one _two_ three* \\. [four](five) >", 5, 6, 4)
	f.Fuzz(func(t *testing.T, text string, first, limit, markup int) {
		if first < 1 || limit < 1 {
			return
		}
		m := textlimit.Markup(((markup % 5) + 5) % 5)
		parts, err := textlimit.Split(text, textlimit.Rules{First: first, Limit: limit, Unit: textlimit.UTF16, Markup: m})
		if err != nil {
			require.ErrorIs(t, err, textlimit.ErrMarkup)
			return
		}
		require.NotEmpty(t, parts)
		if m == textlimit.Plain || len(parts) == 1 {
			require.Equal(t, shown(text), shown(strings.Join(parts, "")))
		}
		requireInOrder(t, letters(text), letters(strings.Join(parts, "")))
		if len(parts) > 1 && (m == textlimit.HTML || m == textlimit.MarkdownV2) {
			for _, part := range parts {
				_, err := textlimit.Measure(part, textlimit.UTF16, m)
				require.NoError(t, err, "%q of %q", part, text)
			}
		}
	})
}

// shown returns a text without its white space.
func shown(text string) string { return strings.Join(strings.Fields(text), "") }

// letters returns the letters and digits of a text. No sign of any markup is one.
func letters(text string) []rune {
	var kept []rune
	for _, r := range text {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			kept = append(kept, r)
		}
	}
	return kept
}

// requireInOrder requires that got holds all of want, in that order. got may repeat the names of tags and languages.
func requireInOrder(t *testing.T, want, got []rune) {
	t.Helper()
	at := 0
	for _, r := range got {
		if at < len(want) && want[at] == r {
			at++
		}
	}
	require.Equal(t, len(want), at, "%q is not all in %q", string(want), string(got))
}
