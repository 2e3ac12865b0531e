package telegramtest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMarkupIsStrict(t *testing.T) {
	server := newServer(t)
	const html, markdown = "HTML", "MarkdownV2"
	for name, test := range map[string]struct {
		mode, text string
		says       string // of a refusal
	}{
		"all tags": {html, `<b>a</b><strong>b</strong><i>c</i><em>d</em><u>e</u><ins>f</ins><s>g</s><strike>h</strike>` +
			`<del>i</del>` +
			`<span class="tg-spoiler">j</span><tg-spoiler>k</tg-spoiler><a href="https://x.example/?a=1&amp;b=2">l</a>` +
			`<tg-emoji emoji-id="5368324170671202286">👍</tg-emoji><tg-time unix="1647531900" format="wDT">m</tg-time>` +
			`<code>n</code><pre>o</pre><pre><code class="language-go">p</code></pre>` +
			`<blockquote>q</blockquote><blockquote expandable>r</blockquote>`, ""},
		"tags within tags":                  {html, `<b>a <i>b <s>c</s></i></b>`, ""},
		"entities of HTML":                  {html, `&lt;a&gt; &amp; &quot;b&quot; &#8364; &#x20ac;`, ""},
		"a tag in capitals":                 {html, `<B>a</B>`, ""},
		"a tag that does not end":           {html, `<b>a`, `corresponding to start tag`},
		"a tag that ends twice":             {html, `<b>a</b></b>`, `Unexpected end tag`},
		"tags that overlap":                 {html, `<b>a<i>b</b></i>`, `Unmatched end tag`},
		"a tag that Telegram does not have": {html, `<p>a</p>`, `Unsupported start tag`},
		"a tag with another attribute":      {html, `<b class="x">a</b>`, `Unsupported start tag`},
		"a link without an address":         {html, `<a>b</a>`, `Unsupported start tag`},
		"a span of another class":           {html, `<span class="x">a</span>`, `Unsupported start tag`},
		"half a tag":                        {html, `a <b`, `Unsupported start tag`},
		"a tag in code":                     {html, `<code><b>a</b></code>`, `can't contain other entities`},
		"code in a quotation":               {html, `<blockquote><code>a</code></blockquote>`, ``},
		"a nested quotation":                {html, `<blockquote><blockquote>a</blockquote></blockquote>`, `can't be nested`},
		"a bare <":                          {html, `1 < 2`, `Unsupported start tag`},
		"a bare >":                          {html, `2 > 1`, `must be written as`},
		"a bare &":                          {html, `a & b`, `must be written as`},
		"half an entity of HTML":            {html, `a &am`, `must be written as`},
		"an entity that HTML has":           {html, `a&nbsp;b`, `must be written as`},
		"nothing within HTML":               {html, `<b> </b>`, `text is empty`},
		"HTML of 4096 units":                {html, `<b>` + strings.Repeat("&lt;", 4096) + `</b>`, ""},
		"HTML of 4097 units":                {html, `<b>` + strings.Repeat("&lt;", 4097) + `</b>`, `too long`},
		"all marks": {
			markdown,
			"*a* _b_ __c__ ~d~ ||e|| [f](https://x.example/a) " +
				"![👍](tg://emoji?id=5368324170671202286) `g` ```h``` ```go\ni\n```", "",
		},
		"marks within marks":                 {markdown, "*a _b ~c ||d||~ __e___ f*", ""},
		"bold within a link":                 {markdown, "[*a*](https://x.example)", ""},
		"an escaped character":               {markdown, `1\. \_a\_ \\ \a`, ""},
		"an address with parentheses":        {markdown, `[a](https://x.example/b_(c\))`, ""},
		"code with what is escaped":          {markdown, "`a \\` b \\\\ *c* . !`", ""},
		"a quotation":                        {markdown, ">a\n>b\nc\n>d", ""},
		"a quotation that can be folded":     {markdown, ">a\n>b||\nc", ""},
		"a quotation after a quotation":      {markdown, ">a\n**>b\n>c||", ""},
		"bold that does not end":             {markdown, "*a", "Can't find end"},
		"italic that does not end":           {markdown, "_a", "Can't find end"},
		"an underline that does not end":     {markdown, "__a_", "Can't find end"},
		"a strike that does not end":         {markdown, "~a", "Can't find end"},
		"a spoiler that does not end":        {markdown, "||a", "Can't find end"},
		"code that does not end":             {markdown, "`a", "Can't find end"},
		"a block that does not end":          {markdown, "```\na", "Can't find end"},
		"a block that ends too early":        {markdown, "```\na``", "reserved"},
		"a link that does not end":           {markdown, "[a", "Can't find end"},
		"a link without an address, escaped": {markdown, `[a]`, "address"},
		"a link without the end of one":      {markdown, `[a](b`, "Can't find end of a URL"},
		"marks that overlap":                 {markdown, "*a _b* c_", "Can't find end"},
		"bold over a quotation's end":        {markdown, ">*a\nb*", "Can't find end"},
		"a bare ]":                           {markdown, "a]", "reserved"},
		"a bare (":                           {markdown, "a(b", "reserved"},
		"a bare )":                           {markdown, "a)", "reserved"},
		"a bare > within a line":             {markdown, "a>b", "reserved"},
		"a bare |":                           {markdown, "a|b", "reserved"},
		"a bare full stop":                   {markdown, "a.", "reserved"},
		"nothing within marks":               {markdown, "* *", "text is empty"},
		"Markdown of 4096 units":             {markdown, "*" + strings.Repeat(`\.`, 4096) + "*", ""},
		"Markdown of 4097 units":             {markdown, "*" + strings.Repeat(`\.`, 4097) + "*", "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := json.Marshal(map[string]any{"chat_id": 5, "text": test.text, "parse_mode": test.mode})
			require.NoError(t, err)
			status, answer, err := post(t.Context(), server.URL()+"/bot"+token+"/sendMessage", string(body))
			require.NoError(t, err)
			requireAnswer(t, test.says, status, answer)
		})
	}
}
