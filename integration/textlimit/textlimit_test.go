package textlimit_test

import (
	"strings"
	"testing"

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

func TestATextIsCutWhereItReadsBest(t *testing.T) {
	for name, test := range map[string]struct {
		text   string
		first  int
		limit  int
		unit   textlimit.Unit
		fences bool
		want   []string
	}{
		"nothing is cut that fits":            {"hello world", 11, 11, textlimit.Characters, false, []string{"hello world"}},
		"between paragraphs":                  {"one two\n\nthree four five", 16, 16, textlimit.Characters, false, []string{"one two", "three four five"}},
		"between lines":                       {"one two\nthree four", 12, 12, textlimit.Characters, false, []string{"one two", "three four"}},
		"between words":                       {"hello world", 8, 8, textlimit.Characters, false, []string{"hello", "world"}},
		"right at the limit":                  {"hello world", 5, 5, textlimit.Characters, false, []string{"hello", "world"}},
		"inside a word that is too long":      {"abcdef", 4, 4, textlimit.Characters, false, []string{"abcd", "ef"}},
		"not behind a paragraph of one word":  {"a\n\nbcd efg hij klm nop", 16, 16, textlimit.Characters, false, []string{"a\n\nbcd efg hij", "klm nop"}},
		"not inside a family":                 {"ab\U0001F468\u200d\U0001F469\u200d\U0001F467", 6, 6, textlimit.UTF16, false, []string{"ab", "\U0001F468\u200d\U0001F469\u200d\U0001F467"}},
		"not between a letter and its accent": {"abce\u0301", 4, 4, textlimit.Characters, false, []string{"abc", "e\u0301"}},
		"the first part may be shorter":       {"hello world again", 5, 11, textlimit.Characters, false, []string{"hello", "world again"}},
		"white space at the end is no part":   {"hello \n\n", 6, 6, textlimit.Characters, false, []string{"hello"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, textlimit.Split(test.text, test.first, test.limit, test.unit, test.fences))
		})
	}
}

func TestABlockOfCodeIsClosedAndOpenedAgain(t *testing.T) {
	text := "see:\n```\n" + strings.Repeat("x = 1\n", 30) + "```\nthat is all"
	parts := textlimit.Split(text, 100, 100, textlimit.Characters, true)
	require.Len(t, parts, 3)
	lines := 0
	for _, part := range parts {
		require.LessOrEqual(t, textlimit.Characters(part), 100)
		require.Zero(t, strings.Count(part, "```")%2, "%q", part)
		lines += strings.Count(part, "x = 1")
	}
	require.Equal(t, 30, lines)
}

func FuzzSplitKeepsAllButWhiteSpace(f *testing.F) {
	f.Add("hello world", 5, 5, false)
	f.Add("```\ncode\n```", 70, 65, true)
	f.Fuzz(func(t *testing.T, text string, first, limit int, fences bool) {
		if first < 1 || limit < 1 {
			return
		}
		bare := func(s string) string { return strings.Join(strings.Fields(strings.ReplaceAll(s, "`", "")), "") }
		parts := textlimit.Split(text, first, limit, textlimit.UTF16, fences)
		require.Equal(t, bare(text), bare(strings.Join(parts, "")))
	})
}
