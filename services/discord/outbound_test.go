package discord_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/discord/discordtest"
)

const emoji = "👍" // two units of UTF-16, four bytes, one character

func with(i integration.Interactive) integration.Message {
	i.Body = "choose"
	return of(integration.Content{Type: integration.TypeInteractive, Interactive: &i})
}

func buttons(list ...integration.Button) integration.Message {
	return with(integration.Interactive{Buttons: list})
}

func numbered(n int) []integration.Button {
	list := make([]integration.Button, n)
	for i := range list {
		list[i].Title = strings.Repeat("x", i+1)
	}
	return list
}

func section(list ...integration.Row) integration.Section { return integration.Section{Rows: list} }

func rows(n int) []integration.Row {
	list := make([]integration.Row, n)
	for i := range list {
		list[i].Title = strings.Repeat("x", i+1)
	}
	return list
}

func poll(question string, options ...string) integration.Message {
	return of(
		integration.Content{Type: integration.TypePoll, Poll: &integration.Poll{Question: question, Options: options}},
	)
}

// Short names for the tables below.
type (
	attachment = integration.Media
	button     = integration.Button
	choices    = integration.Interactive
	content    = integration.Content
	list       = integration.Section
	row        = integration.Row
)

// long is a text of n characters.
func long(n int) string { return strings.Repeat(emoji, n) }

// pictures is a message with n pictures.
func pictures(n int) integration.Message {
	list := make([]attachment, n)
	for i := range list {
		list[i] = *media("image/png", "a.png")
	}
	return of(content{Type: integration.TypeImage, Attachments: list})
}

// sections is a list of n sections with a row each.
func sections(n int) []list {
	all := make([]list, n)
	for i := range all {
		all[i] = section(rows(1)...)
	}
	return all
}

func TestMessagesUpToTheLimitsAreSent(t *testing.T) {
	for name, m := range map[string]integration.Message{
		"2000 characters":          text(channelID, long(2000)),
		"25 buttons":               buttons(numbered(25)...),
		"a title of 80 characters": buttons(button{ID: "a", Title: long(80)}),
		"an id of 100 characters":  buttons(button{ID: long(100), Title: "x"}),
		"a link of 512 characters": buttons(
			button{Title: "x", Type: "url", URL: "https://example.org/" + strings.Repeat("a", 492)},
		),
		"a link within Discord":        buttons(button{Title: "x", Type: "url", URL: "discord://-/channels/1/2"}),
		"25 rows":                      with(choices{Sections: []list{section(rows(25)...)}}),
		"five sections":                with(choices{Sections: sections(5)}),
		"a section's title of 150":     with(choices{Sections: []list{{Title: long(150), Rows: rows(1)}}}),
		"ten attachments":              pictures(10),
		"ten options":                  poll("x", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
		"a question of 300 characters": poll(long(300), "a"),
		"an option of 55 characters":   poll("x", long(55)),
	} {
		t.Run(name, func(t *testing.T) {
			_, ch := newServer(t)
			_, err := newPlatform(t).Send(t.Context(), &m, ch)
			require.NoError(t, err)
		})
	}
}

func TestInvalidMessagesAreRefusedBeforeTheCall(t *testing.T) {
	captioned := pictures(2)
	captioned.Content.Attachments[1].Caption = long(1025)
	same := []row{{Title: "x"}, {Title: "x"}}
	for name, test := range map[string]struct {
		message integration.Message
		says    string
	}{
		"a text of white space":            {text(channelID, " \n"), "empty"},
		"no recipient":                     {text("", "x"), "to.id"},
		"a recipient that is a name":       {text("ada", "x"), `"ada"`},
		"a recipient that leads elsewhere": {text("1/../2", "x"), ""},
		"a user that is a name":            {text("user:ada", "x"), ""},
		"a reply to another platform's":    {replying(text(channelID, "x"), "wamid.x"), "replyTo"},
		"26 buttons":                       {buttons(numbered(26)...), "26"},
		"a title of 81 characters":         {buttons(button{ID: "a", Title: long(81)}), "title of button 1"},
		"a button without a title":         {buttons(button{ID: "a", Title: " "}), "button 1 has no title"},
		"an id of 101 characters":          {buttons(button{ID: long(101), Title: "x"}), "id of button 1"},
		"two buttons with one id":          {buttons(button{ID: "a", Title: "x"}, button{ID: "a", Title: "y"}), `"a"`},
		"a link of 513 characters": {
			buttons(button{Title: "x", Type: "url", URL: "https://example.org/" + strings.Repeat("a", 493)}),
			"url of button 1",
		},
		"a link that is a script": {
			buttons(button{Title: "x", Type: "url", URL: "javascript:alert(1)"}), "url of button 1",
		},
		"an interactive message without": {with(choices{}), "buttons or sections"},
		"buttons without a text": {
			of(content{Type: integration.TypeInteractive, Interactive: &choices{Buttons: numbered(1)}}), "text",
		},
		"26 rows":                           {with(choices{Sections: []list{section(rows(26)...)}}), "26 rows"},
		"sections and buttons for six rows": {with(choices{Buttons: numbered(11), Sections: sections(3)}), "6 rows"},
		"a section without rows":            {with(choices{Sections: []list{section()}}), "section 1 has no rows"},
		"two rows with one id":              {with(choices{Sections: []list{section(same...)}}), "two rows"},
		"a row without a title":             {with(choices{Sections: []list{section(row{ID: "a"})}}), "row 1 of section 1"},
		"a row's title of 101 characters": {
			with(choices{Sections: []list{section(row{ID: "a", Title: long(101)})}}), "title of row 1",
		},
		"a row's id of 101 characters": {
			with(choices{Sections: []list{section(row{ID: long(101), Title: "x"})}}), "id of row 1",
		},
		"a description of 101 characters": {
			with(choices{Sections: []list{section(row{Title: "x", Description: long(101)})}}), "description of row 1",
		},
		"a section's title of 151": {
			with(choices{Sections: []list{{Title: long(151), Rows: rows(1)}}}), "title of section 1",
		},
		"an alt text of 1025 characters": {captioned, "caption of attachment 2"},
		"no attachment":                  {of(content{Type: integration.TypeImage}), "content.media"},
		"eleven options":                 {poll("x", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a"), "11 options"},
		"a question of 301 characters":   {poll(long(301), "a"), "question"},
		"an option of 56 characters":     {poll("x", "a", long(56)), "option 2"},
		"an empty option":                {poll("x", ""), "option 1"},
		"a poll without options":         {poll("x"), "options"},
		"a sticker of another platform": {
			of(content{Type: integration.TypeSticker, Sticker: &integration.Sticker{ID: "CAACAg"}}), "sticker",
		},
		"a sticker of nothing":  {of(content{Type: integration.TypeSticker}), "sticker"},
		"a reaction of nothing": {of(content{Type: integration.TypeReaction}), "reaction"},
	} {
		t.Run(name, func(t *testing.T) {
			e := refusedBeforeTheCall(t, test.message, integration.FaultInvalid, "MESSAGE_INVALID")
			require.Contains(t, e.Message, test.says)
		})
	}
}

func TestContentDiscordDoesNotHaveIsRefusedBeforeTheCall(t *testing.T) {
	const invalid, permanent = integration.FaultInvalid, integration.FaultPermanent
	html := text(channelID, "<b>x</b>")
	html.Content.Format = "html"
	for name, test := range map[string]struct {
		message integration.Message
		kind    integration.ErrorKind
		code    string
		says    string
	}{
		"2001 characters":          {text(channelID, long(2001)), invalid, "MESSAGE_TOO_LONG", "2001"},
		"a text in HTML":           {html, permanent, "UNSUPPORTED_CONTENT", "markdown"},
		"a button of another type": {buttons(button{Title: "x", Type: "call"}), permanent, "UNSUPPORTED_CONTENT", "call"},
		"an attachment without a place": {
			of(content{Type: integration.TypeFile, Media: &attachment{Filename: "a"}}), invalid, "MEDIA_URL_INVALID", "",
		},
		"a media id of another platform": {
			of(content{Type: integration.TypeFile, Media: &attachment{ID: "AgACAgIAAx"}}), permanent, "MEDIA_NOT_FOUND", "",
		},
		"a media id that leads elsewhere": {
			of(content{Type: integration.TypeFile, Media: &attachment{ID: "https://example.org/a.png"}}),
			permanent, "MEDIA_NOT_FOUND", "",
		},
		"a form": {
			with(choices{Kind: integration.InteractiveForm, Buttons: numbered(1)}), permanent, "UNSUPPORTED_CONTENT", "form",
		},
		"a type of a later version": {of(content{Type: "HOLOGRAM"}), permanent, "UNSUPPORTED_CONTENT", "HOLOGRAM"},
	} {
		t.Run(name, func(t *testing.T) {
			e := refusedBeforeTheCall(t, test.message, test.kind, test.code)
			require.Contains(t, e.Message, test.says)
		})
	}
}

// refusedBeforeTheCall sends a message and returns its error, of which Discord must not hear.
func refusedBeforeTheCall(
	t *testing.T, m integration.Message, kind integration.ErrorKind, code string,
) *integration.Error {
	t.Helper()
	server, ch := newServer(t)
	_, err := newPlatform(t).Send(t.Context(), &m, ch)
	require.Empty(t, server.Requests())
	return errorOf(t, err, kind, code)
}

func TestFileSizeIsChecked(t *testing.T) {
	content := make([]byte, 21<<20)
	file := func(size int) integration.Media {
		return integration.Media{Data: content[:size], MimeType: "application/zip", Filename: "a.zip"}
	}
	for name, test := range map[string]struct {
		files []integration.Media
		ok    bool
	}{
		"a byte more":                 {[]integration.Media{file(20<<20 + 1)}, false},
		"25 MiB in two":               {[]integration.Media{file(20 << 20), file(5 << 20)}, true},
		"a byte more than 25 in two":  {[]integration.Media{file(20 << 20), file(5<<20 + 1)}, false},
		"one that leaves no room":     {[]integration.Media{file(20 << 20), file(5 << 20), file(1)}, false},
		"several of which one is big": {[]integration.Media{file(1), file(21 << 20)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			m := of(integration.Content{Type: integration.TypeFile, Attachments: test.files})
			_, err := newPlatform(t).Send(t.Context(), &m, ch)
			if test.ok {
				require.NoError(t, err)
				return
			}
			requireError(t, err, integration.FaultPermanent, "MEDIA_TOO_LARGE")
			require.Empty(t, server.Requests())
		})
	}
}

func TestImageLinksCanStayAsEmbeds(t *testing.T) {
	server, ch := newServer(t)
	ch.Settings["imageLinks"] = "embed"
	m := of(integration.Content{Type: integration.TypeImage, Text: "look", Attachments: []integration.Media{
		{URL: "https://example.org/a.png"}, *media("image/png", "b.png"), {URL: "https://example.org/c.png"},
	}})
	result, err := newPlatform(t).Send(t.Context(), &m, ch)
	require.NoError(t, err)
	require.Equal(t, []integration.Degradation{{Feature: "image", Became: "embed"}}, result.Degraded)
	request := server.Requests()[0]
	require.Equal(t, []any{
		map[string]any{"image": map[string]any{"url": "https://example.org/a.png"}},
		map[string]any{"image": map[string]any{"url": "https://example.org/c.png"}},
	}, request.Body["embeds"])
	require.Len(t, request.Files, 1)

	m.Content.Attachments[0].URL = "file:///etc/passwd"
	_, err = newPlatform(t).Send(t.Context(), &m, ch)
	requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
}

func TestFilenameOfAnUploadSuitsClients(t *testing.T) {
	for name, test := range map[string]struct {
		media integration.Media
		part  string
	}{
		"a name": {integration.Media{MimeType: "image/png", Filename: "a.png"}, "files[0] a.png image/png"},
		"a name without extension": {
			integration.Media{MimeType: "image/webp; q=1", Filename: "a"}, "files[0] a.webp image/webp; q=1",
		},
		"no name":                  {integration.Media{MimeType: "video/mp4"}, "files[0] file.mp4 video/mp4"},
		"a type that nobody knows": {integration.Media{MimeType: "x/y", Filename: "a"}, "files[0] a x/y"},
		"a name with quotation marks": {
			integration.Media{MimeType: "text/plain", Filename: `a"b.txt`}, `files[0] a_b.txt text/plain`,
		},
		"neither a name nor any type": {integration.Media{}, "files[0] file application/octet-stream"},
		"a name that leads elsewhere": {
			integration.Media{MimeType: "text/plain", Filename: "../a.txt"}, "files[0] a.txt text/plain",
		},
		"a recording that is no audio": {
			integration.Media{DurationMs: 1000, MimeType: "video/ogg", Filename: "a.oga"}, "files[0] a.oga audio/ogg",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			kind := integration.TypeFile
			if test.media.DurationMs > 0 {
				kind = integration.TypeVoice
			}
			test.media.Data = []byte("x")
			m := of(integration.Content{Type: kind, Media: &test.media})
			_, err := newPlatform(t).Send(t.Context(), &m, ch)
			require.NoError(t, err)
			require.Contains(t, files(server.Requests()[0]), test.part)
		})
	}
}

func TestNonceNamesAMessageToAPlace(t *testing.T) {
	_, ch := newServer(t)
	platform := newPlatform(t)
	send := func(to, id integration.ID) integration.ID {
		m := text(to, "hello")
		m.ID = id
		result, err := platform.Send(t.Context(), &m, ch)
		require.NoError(t, err)
		require.Equal(t, id != "", result.Metadata["idempotent"] == true)
		return result.MessageID
	}
	first := send(channelID, "order-1")
	require.Equal(t, first, send(channelID, "order-1"), "the same message again")
	require.NotEqual(t, first, send(channelID, "order-1:2"), "its second part")
	require.NotEqual(t, first, send("500000000000000006", "order-1"), "the same message to somebody else")
	unnamed := send(channelID, "")
	require.NotEqual(t, unnamed, send(channelID, ""), "messages without an id")
}

func TestUnknownOutcomeIsRetriedWithANonce(t *testing.T) {
	for name, response := range map[string]discordtest.Response{
		"a connection that breaks":      {Reset: true},
		"an answer that cannot be read": {Body: "{"},
		"an answer without an id":       {Body: "{}"},
		"a gateway that did not wait":   discordtest.Failure(http.StatusGatewayTimeout, 0, "no", nil),
		"a fault of Discord's": discordtest.Failure(
			http.StatusInternalServerError, 0, "500: Internal Server Error", nil,
		),
		"a gateway of another's":         {Status: http.StatusBadGateway, Body: "<html>"},
		"an answer of another shape":     {Body: "[null]"},
		"a gateway that says even less":  {Status: http.StatusGatewayTimeout},
		"an id of another type than any": {Body: `{"id":{}}`},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			server.Script(discordtest.CreateMessage, response, response)
			m := text(channelID, "hello")
			_, err := newPlatform(t).Send(t.Context(), &m, ch)
			e := errorOf(t, err, integration.FaultUnknown, errorCode(err))
			require.Equal(t, integration.Uncertain, e.Outcome())
			require.False(t, e.Retryable(), "Discord would make a second message")

			m.ID = "order-1"
			_, err = newPlatform(t).Send(t.Context(), &m, ch)
			e = errorOf(t, err, integration.FaultUnknown, errorCode(err))
			require.True(t, e.Retryable())
			require.Equal(t, integration.Uncertain, e.Outcome(), "as long as no attempt is answered")
			require.Len(t, server.Requests(), 2, "one attempt each")
		})
	}
}

func errorCode(err error) string {
	if e, ok := err.(*integration.Error); ok { //nolint:errorlint // as it is returned
		return e.Code
	}
	return ""
}

func TestDirectMessagesGoToTheirChannel(t *testing.T) {
	server, ch := newServer(t)
	m := text("user:700000000000000007", "hello")
	result, err := newPlatform(t).Send(t.Context(), &m, ch)
	require.NoError(t, err)
	require.Equal(t, discordtest.DMChannel("700000000000000007"), result.Metadata["channelId"])

	for name, test := range map[string]struct {
		response discordtest.Response
		kind     integration.ErrorKind
		code     string
		pauses   integration.Scope
	}{
		"opened too fast": {
			discordtest.Failure(http.StatusForbidden, 40003, "no", nil), integration.FaultThrottled, "RATE_LIMITED",
			integration.PausesChannel,
		},
		"to a user that is none": {
			discordtest.Failure(http.StatusBadRequest, 50033, "no", nil), integration.FaultPermanent, "RECIPIENT_UNKNOWN", "",
		},
		"with a connection that breaks": {
			discordtest.Response{Reset: true}, integration.FaultTransient, "PLATFORM_NO_ANSWER", "",
		},
		"with an answer without a place": {
			discordtest.Response{Body: `{"id":"x/y"}`}, integration.FaultTransient, "ANSWER_UNREADABLE", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(server.Requests())
			server.Script(discordtest.CreateDM, test.response)
			_, err := newPlatform(t).Send(t.Context(), &m, ch)
			require.Equal(t, test.pauses, errorOf(t, err, test.kind, test.code).Pauses)
			require.Len(t, server.Requests(), before+1, "nothing is sent")
		})
	}
}

func TestDirectMessageChannelIsCached(t *testing.T) {
	server, ch := newServer(t)
	kept := cache.New(cache.NewMemory(cache.MemoryOptions{}), cache.Options{})
	t.Cleanup(func() { _ = kept.Close() })
	ctx := cache.With(t.Context(), kept)
	for _, to := range []integration.ID{"user:700000000000000007", "user:700000000000000007", "user:700000000000000008"} {
		m := text(to, "hello")
		_, err := newPlatform(t).Send(ctx, &m, ch)
		require.NoError(t, err)
	}
	require.Equal(
		t,
		[]string{
			discordtest.CreateDM, discordtest.CreateMessage, discordtest.CreateMessage, discordtest.CreateDM,
			discordtest.CreateMessage,
		},
		names(server),
	)
}

func TestRateLimitPausesOnlyItsScope(t *testing.T) {
	for name, test := range map[string]struct {
		body   string
		header http.Header
		pauses integration.Scope
		wait   time.Duration
	}{
		"of a channel": {
			`{"message":"no","retry_after":0.25,"global":false}`,
			http.Header{"X-Ratelimit-Scope": {"user"}},
			integration.PausesRecipient, 250 * time.Millisecond,
		},
		"of what all apps share": {
			`{"message":"no","retry_after":2,"global":false}`,
			http.Header{"X-Ratelimit-Scope": {"shared"}},
			integration.PausesRecipient, 2 * time.Second,
		},
		"of the bot": {`{"message":"no","retry_after":2,"global":true}`, nil, integration.PausesChannel, 2 * time.Second},
		"of the bot, told in a header": {
			`{"message":"no","retry_after":2}`,
			http.Header{"X-Ratelimit-Global": {"true"}},
			integration.PausesChannel,
			2 * time.Second,
		},
		"of the bot, told by its scope": {
			`{"message":"no","retry_after":2}`,
			http.Header{"X-Ratelimit-Scope": {"global"}},
			integration.PausesChannel,
			2 * time.Second,
		},
		"whose header asks for more": {
			`{"message":"no","retry_after":2}`, http.Header{"Retry-After": {"3"}}, integration.PausesRecipient, 3 * time.Second,
		},
		"for a time that makes no sense": {
			`{"message":"no","retry_after":1e300}`, nil, integration.PausesRecipient, 1e6 * time.Second,
		},
		"for a time that is over": {`{"message":"no","retry_after":-1}`, nil, integration.PausesRecipient, 0},
		"of the edge":             {`<html>`, nil, integration.PausesChannel, 10 * time.Minute},
		"of the edge, with a time": {
			`error code: 1015`, http.Header{"Retry-After": {"1800"}}, integration.PausesChannel, 30 * time.Minute,
		},
		"of the edge, for a short time":   {``, http.Header{"Retry-After": {"1"}}, integration.PausesChannel, time.Second},
		"of another form than documented": {`{"retry_after":"soon"}`, nil, integration.PausesChannel, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			server.Script(
				discordtest.CreateMessage,
				discordtest.Response{Status: http.StatusTooManyRequests, Header: test.header, Body: test.body},
			)
			m := text(channelID, "hello")
			_, err := newPlatform(t).Send(t.Context(), &m, ch)
			e := errorOf(t, err, integration.FaultThrottled, "RATE_LIMITED")
			require.Equal(t, test.pauses, e.Pauses)
			require.Equal(t, test.wait, e.RetryAfter)
		})
	}
}

func TestErrorListsTheFaultsOfAForm(t *testing.T) {
	for name, test := range map[string]struct {
		errors any
		says   string
	}{
		"of a field": {
			map[string]any{
				"content": map[string]any{
					"_errors": []any{map[string]any{"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer in length."}},
				},
			},
			"content: Must be 2000 or fewer in length. (BASE_TYPE_MAX_LENGTH)",
		},
		"of a field within others": {
			map[string]any{
				"embeds": map[string]any{
					"0": map[string]any{
						"image": map[string]any{"url": map[string]any{"_errors": []any{map[string]any{"code": "URL", "message": "no"}}}},
					},
				},
			},
			"embeds.0.image.url: no (URL)",
		},
		"of the request": {
			map[string]any{"_errors": []any{map[string]any{"code": "LARGE", "message": "Too large"}}}, "; Too large (LARGE)",
		},
		"of no form": {[]any{1, 2}, "Invalid Form Body"},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			server.Script(
				discordtest.CreateMessage, discordtest.Failure(http.StatusBadRequest, 50035, "Invalid Form Body", test.errors),
			)
			m := text(channelID, "hello")
			_, err := newPlatform(t).Send(t.Context(), &m, ch)
			e := errorOf(t, err, integration.FaultPermanent, "MESSAGE_INVALID")
			require.Equal(t, "50035", e.PlatformCode)
			require.Contains(t, e.Message, test.says)
		})
	}
}

func TestBlockByTheEdgeIsNotAFaultOfTheMessage(t *testing.T) {
	server, ch := newServer(t)
	server.Script(
		discordtest.CreateMessage, discordtest.Response{Status: http.StatusForbidden, Body: "<html>Access denied</html>"},
	)
	m := text(channelID, "hello")
	_, err := newPlatform(t).Send(t.Context(), &m, ch)
	requireError(t, err, integration.FaultPermanent, "PLATFORM_BLOCKED")
}
