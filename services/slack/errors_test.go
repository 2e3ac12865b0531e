package slack_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/slack/slacktest"
)

func html(status int) slacktest.Response {
	return slacktest.Response{
		Status: status, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<html>welcome</html>",
	}
}

// withStatus is a refusal that does not come with HTTP 200.
func withStatus(status int, code string) slacktest.Response {
	r := slacktest.Failure(code, nil)
	r.Status = status
	return r
}

// refusalOf is what Slack, or something on the way, answers instead of posting a message.
type refusalOf struct {
	response     slacktest.Response
	kind         integration.ErrorKind
	code         string
	platformCode string
	retryAfter   time.Duration
	says         string
}

// refusals are those that differ in more than Slack's word, by what is wrong. The conformance suite has the words.
func refusals() map[string]refusalOf {
	const (
		throttled, permanent = integration.FaultThrottled, integration.FaultPermanent
		transient, unknown   = integration.FaultTransient, integration.FaultUnknown

		maybe = "may have been carried out"
	)
	body := func(body string) slacktest.Response { return slacktest.Response{Body: body} }
	with := func(status int, body string) slacktest.Response {
		return slacktest.Response{Status: status, Body: body}
	}
	blocked := slacktest.Response{Status: 400}
	failure := func(code string) slacktest.Response { return slacktest.Failure(code, nil) }
	limitedFor30 := slacktest.RateLimited("30")
	limited := slacktest.Response{Status: 429, Header: http.Header{"Retry-After": {"2"}}}
	notMember := failure("not_in_channel")
	past := slacktest.RateLimited(time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
	noScope := slacktest.Failure("missing_scope", map[string]any{"needed": "chat:write", "provided": "files:read"})
	badBlocks := slacktest.Failure("invalid_blocks", map[string]any{"response_metadata": map[string]any{
		"messages": []string{"[ERROR] downloading image failed [json-pointer:/blocks/0/image_url]"},
	}})
	return map[string]refusalOf{
		"429 with a word":       {limitedFor30, throttled, "RATE_LIMITED", "ratelimited", 30 * time.Second, ""},
		"429 without JSON":      {limited, throttled, "RATE_LIMITED", "", 2 * time.Second, ""},
		"429 until a past date": {past, throttled, "RATE_LIMITED", "ratelimited", 0, ""},
		"429 with another word": {withStatus(429, "fatal_error"), throttled, "RATE_LIMITED", "fatal_error", 0, ""},
		"a limit with HTTP 200": {failure("rate_limited"), throttled, "RATE_LIMITED", "rate_limited", 0, ""},
		"trouble of Slack's":    {failure("internal_error"), unknown, "PLATFORM_UNAVAILABLE", "internal_error", 0, maybe},
		"a service that is down": {
			withStatus(503, "service_unavailable"), transient, "PLATFORM_UNAVAILABLE", "service_unavailable", 0, "",
		},
		"a scope that is missing": {
			noScope, permanent, "SCOPE_MISSING", "missing_scope", 0, "needs the scope chat:write and has files:read",
		},
		"a channel without it":  {notMember, permanent, "RECIPIENT_UNAVAILABLE", "not_in_channel", 0, "/invite"},
		"blocks that are wrong": {badBlocks, permanent, "MESSAGE_INVALID", "invalid_blocks", 0, "downloading image failed"},

		"an unknown word": {failure("moon_is_full"), permanent, "MESSAGE_REJECTED", "moon_is_full", 0, "moon_is_full"},
		"an unknown word with HTTP 400": {
			withStatus(400, "moon_is_full"), permanent, "MESSAGE_REJECTED", "moon_is_full", 0, "",
		},
		"an unknown word with HTTP 500": {
			withStatus(500, "moon_is_full"), unknown, "PLATFORM_UNAVAILABLE", "moon_is_full", 0, maybe,
		},
		"a known word with HTTP 500": {
			withStatus(500, "is_archived"), permanent, "RECIPIENT_UNAVAILABLE", "is_archived", 0, "",
		},
		"no word": {body(`{"ok":false}`), permanent, "MESSAGE_REJECTED", "", 0, "without a reason"},
		"a word of another type": {
			body(`{"ok":false,"error":{"code":5}}`), permanent, "MESSAGE_REJECTED", `{"code":5}`, 0, "",
		},

		"a proxy that handed nothing on":     {html(503), transient, "PLATFORM_UNAVAILABLE", "", 0, ""},
		"a proxy that got no good answer":    {html(502), unknown, "PLATFORM_NO_ANSWER", "", 0, maybe},
		"a proxy that got no answer in time": {html(504), unknown, "PLATFORM_NO_ANSWER", "", 0, ""},
		"a proxy that wants a password":      {html(401), integration.FaultAuth, "CREDENTIALS_REFUSED", "", 0, ""},
		"a proxy that takes no such file":    {html(413), permanent, "MEDIA_TOO_LARGE", "", 0, "larger than the server"},
		"a firewall":                         {html(403), permanent, "PLATFORM_BLOCKED", "", 0, "firewall"},
		"a redirect, which is not followed":  {html(302), permanent, "API_BASE_INVALID", "", 0, "apiBase"},
		"a server that is not Slack's":       {html(404), permanent, "API_BASE_INVALID", "", 0, "apiBase"},
		"400 without a body":                 {blocked, permanent, "MESSAGE_REJECTED", "", 0, "malformed"},
		"502 that says ok":                   {with(502, `{"ok":true,"ts":"1.2"}`), unknown, "PLATFORM_NO_ANSWER", "", 0, ""},

		"200 without a body":             {slacktest.Response{}, unknown, "ANSWER_UNREADABLE", "", 0, "probably carried out"},
		"200 with half of the JSON":      {body(`{"ok":true,"ts":"17`), unknown, "ANSWER_UNREADABLE", "", 0, ""},
		"200 with a page":                {html(200), unknown, "ANSWER_UNREADABLE", "", 0, ""},
		"200 without a ts":               {body(`{"ok":true}`), unknown, "ANSWER_UNREADABLE", "", 0, ""},
		"200 with a ts of another type":  {body(`{"ok":true,"ts":17}`), unknown, "ANSWER_UNREADABLE", "", 0, ""},
		"200 with an ok of another type": {body(`{"ok":"yes","ts":"17"}`), unknown, "ANSWER_UNREADABLE", "", 0, ""},
		"a connection that broke":        {slacktest.Response{Reset: true}, unknown, "PLATFORM_NO_ANSWER", "", 0, ""},
	}
}

func TestRefusalIsClassified(t *testing.T) {
	for name, test := range refusals() {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			server.Script("chat.postMessage", test.response)
			_, err := newPlatform(t).Send(t.Context(), text("hi"), ch)
			e := errorOf(t, err, test.kind, test.code)
			require.Equal(t, test.platformCode, e.PlatformCode)
			require.Equal(t, test.retryAfter, e.RetryAfter)
			require.Contains(t, e.Message, test.says)
			require.Len(t, server.Requests(), 1, "one attempt")
			if test.kind == integration.FaultThrottled {
				require.Equal(t, integration.PausesRecipient, e.Pauses)
			}
		})
	}
}

func TestSendPassesAWarningOn(t *testing.T) {
	server, ch := newServer(t)
	server.Script(
		"chat.postMessage", slacktest.Response{Body: `{"ok":true,"channel":"C1","ts":"1.2","warning":"message_truncated"}`},
	)
	result, err := newPlatform(t).Send(t.Context(), text("hi"), ch)
	require.NoError(t, err)
	require.Equal(t, "message_truncated", result.Metadata["warning"])
}

func TestSendWithoutAnAnswerInTimeIsUnknown(t *testing.T) {
	server, ch := newServer(t)
	server.Script("chat.postMessage", slacktest.Response{Hang: true})
	ctx, expire := integrationtest.OverdueContext(t.Context())
	platform, sent := newPlatform(t), make(chan error, 1)
	go func() {
		_, err := platform.Send(ctx, text("hi"), ch)
		sent <- err
	}()
	require.Eventually(t, func() bool { return len(server.Requests()) == 1 }, time.Minute, time.Millisecond)
	expire()
	err := <-sent
	requireError(t, err, integration.FaultUnknown, "PLATFORM_NO_ANSWER")
}

func TestSendThatCannotReachSlackIsTransient(t *testing.T) {
	_, ch := newServer(t)
	ch.Settings["apiBase"] = integrationtest.UnusedURL(t)
	_, err := newPlatform(t).Send(t.Context(), text("hi"), ch)
	requireError(t, err, integration.FaultTransient, "PLATFORM_UNREACHABLE")
}

func TestAPIBaseThatIsNotAURLIsPermanent(t *testing.T) {
	_, ch := newServer(t)
	ch.Settings["apiBase"] = "http://[::1"
	_, err := newPlatform(t).Send(t.Context(), text("hi"), ch)
	requireError(t, err, integration.FaultPermanent, "API_BASE_INVALID")
}

func TestResponseURLIsAnswered(t *testing.T) {
	answer := func(link string, more map[string]any) *integration.Message {
		m := text("done & dusted")
		m.To.ID = "" // which nothing is sent to
		m.Metadata = map[string]any{"responseUrl": link}
		for k, v := range more {
			m.Metadata[k] = v
		}
		return m
	}
	t.Run("with what Slack is told", func(t *testing.T) {
		server, ch := newServer(t)
		m := answer(
			server.ResponseURL(), map[string]any{"responseType": "in_channel", "replaceOriginal": true, "deleteOriginal": true},
		)
		m.ThreadID, m.ID = "1700000000.000100", "out-1"
		result, err := newPlatform(t).Send(t.Context(), m, ch)
		require.NoError(t, err)
		require.Equal(t, &integration.SendResult{Success: true, Metadata: map[string]any{"via": "responseUrl"}}, result)
		require.JSONEq(t, `{"text":"done &amp; dusted","mrkdwn":false,"thread_ts":"1700000000.000100",`+
			`"response_type":"in_channel","replace_original":true,"delete_original":true}`, bodies(server, slacktest.Respond)[0])
		require.Empty(t, server.Requests()[0].Header.Get("Authorization"))
	})
	t.Run("with markdown as a block", func(t *testing.T) {
		server, ch := newServer(t)
		m := answer(server.ResponseURL(), nil)
		m.Content.Format = "markdown"
		_, err := newPlatform(t).Send(t.Context(), m, ch)
		require.NoError(t, err)
		require.JSONEq(
			t, `{"text":"done & dusted","blocks":[{"type":"markdown","text":"done & dusted"}]}`,
			bodies(server, slacktest.Respond)[0],
		)
	})
	t.Run("five times", func(t *testing.T) {
		server, ch := newServer(t)
		for range 5 {
			_, err := newPlatform(t).Send(t.Context(), answer(server.ResponseURL(), nil), ch)
			require.NoError(t, err)
		}
		_, err := newPlatform(t).Send(t.Context(), answer(server.ResponseURL(), nil), ch)
		e := errorOf(t, err, integration.FaultPermanent, "RESPONSE_URL_EXPIRED")
		require.Equal(t, "used_url", e.PlatformCode)
	})
	t.Run("but files go to the conversation", func(t *testing.T) {
		server, ch := newServer(t)
		m := answer(server.ResponseURL(), nil)
		m.ConversationID, m.Content = channelID, integration.Content{
			Type: integration.TypeFile, Media: &integration.Media{Data: []byte("a")},
		}
		_, err := newPlatform(t).Send(t.Context(), m, ch)
		require.NoError(t, err)
		require.Empty(t, bodies(server, slacktest.Respond))
	})
	for name, link := range map[string]string{
		"another host":               "https://example.org/actions/T1/1/a",
		"a host that begins alike":   "https://hooks.slack.com.example.org/a",
		"a host that ends alike":     "https://nothooks.slack.com/a",
		"another host of Slack's":    "https://files.slack.com/a",
		"http":                       "http://hooks.slack.com/a",
		"a port":                     "https://hooks.slack.com:8443/a",
		"a user":                     "https://hooks.slack.com@example.org/a",
		"a user at Slack":            "https://x@hooks.slack.com/a",
		"the machine's own metadata": "http://169.254.169.254/latest/meta-data",
		"a file":                     "file:///etc/passwd",
		"a path":                     "/actions",
		"no URL":                     "://",
	} {
		t.Run("but not at "+name, func(t *testing.T) {
			server, ch := newServer(t)
			_, err := newPlatform(t).Send(t.Context(), answer(link, nil), ch)
			requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
			require.Empty(t, server.Requests())
		})
	}
	t.Run("but not the Web API itself", func(t *testing.T) {
		_, ch := newServer(t)
		delete(ch.Settings, "apiBase")
		_, err := newPlatform(t).Send(t.Context(), answer("https://slack.com/api/auth.revoke", nil), ch)
		requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
	})
	t.Run("but to nobody else", func(t *testing.T) {
		server, ch := newServer(t)
		_, err := newPlatform(t).Send(t.Context(), answer(server.ResponseURL(), map[string]any{"responseType": "public"}), ch)
		requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
	})
	for name, test := range map[string]struct {
		response slacktest.Response
		kind     integration.ErrorKind
		code     string
	}{
		"the word ok":           {slacktest.Response{Body: "ok\n"}, "", ""},
		"ok as JSON":            {slacktest.Response{Body: `{"ok":true}`}, "", ""},
		"an expired link":       {withStatus(404, "expired_url"), integration.FaultPermanent, "RESPONSE_URL_EXPIRED"},
		"blocks that are wrong": {slacktest.Response{Body: "invalid_blocks"}, integration.FaultPermanent, "MESSAGE_INVALID"},
		"an error's word": {slacktest.Response{
			Status: 403, Body: "action_prohibited",
		}, integration.FaultPermanent, "ACTION_FORBIDDEN"},
		"too many": {slacktest.RateLimited("3"), integration.FaultThrottled, "RATE_LIMITED"},
		"an unknown link": {slacktest.Response{
			Status: 404, Body: "no_service",
		}, integration.FaultPermanent, "RESPONSE_URL_REFUSED"},
		"a server that is down":   {html(503), integration.FaultTransient, "PLATFORM_UNAVAILABLE"},
		"a server that fails":     {html(500), integration.FaultUnknown, "PLATFORM_NO_ANSWER"},
		"a page":                  {html(200), integration.FaultUnknown, "ANSWER_UNREADABLE"},
		"nothing":                 {slacktest.Response{}, integration.FaultUnknown, "ANSWER_UNREADABLE"},
		"a redirect":              {html(302), integration.FaultPermanent, "RESPONSE_URL_REFUSED"},
		"a connection that broke": {slacktest.Response{Reset: true}, integration.FaultUnknown, "PLATFORM_NO_ANSWER"},
	} {
		t.Run("which answers "+name, func(t *testing.T) {
			server, ch := newServer(t)
			server.Script(slacktest.Respond, test.response)
			_, err := newPlatform(t).Send(t.Context(), answer(server.ResponseURL(), nil), ch)
			if test.code == "" {
				require.NoError(t, err)
				return
			}
			requireError(t, err, test.kind, test.code)
		})
	}
}

func TestUploadMayBeRepeatedUntilItIsShared(t *testing.T) {
	file := func() *integration.Message {
		return content(
			integration.Content{
				Type: integration.TypeFile, Text: "a & b",
				Media: &integration.Media{Data: []byte("content"), Filename: "a.txt", Caption: "A text"},
			},
		)
	}
	for name, test := range map[string]struct {
		method   string
		response slacktest.Response
		kind     integration.ErrorKind
		code     string
	}{
		"no answer about a place": {
			"files.getUploadURLExternal", slacktest.Response{Reset: true}, integration.FaultTransient, "PLATFORM_NO_ANSWER",
		},
		"a page about a place": {"files.getUploadURLExternal", html(200), integration.FaultTransient, "ANSWER_UNREADABLE"},
		"no place": {
			"files.getUploadURLExternal",
			slacktest.Response{Body: `{"ok":true}`},
			integration.FaultTransient, "ANSWER_UNREADABLE",
		},
		"a place that is not Slack's": {"files.getUploadURLExternal", slacktest.Response{
			Body: `{"ok":true,"file_id":"F1","upload_url":"https://example.org/"}`,
		}, integration.FaultTransient, "ANSWER_UNREADABLE"},
		"a file that is too large": {
			"files.getUploadURLExternal", slacktest.Failure("file_upload_size_restricted", nil),
			integration.FaultPermanent, "MEDIA_TOO_LARGE",
		},
		"an upload without an answer": {
			slacktest.Upload, slacktest.Response{Reset: true}, integration.FaultTransient, "PLATFORM_NO_ANSWER",
		},
		"an upload that fails":      {slacktest.Upload, html(500), integration.FaultTransient, "PLATFORM_NO_ANSWER"},
		"an upload that is refused": {slacktest.Upload, html(400), integration.FaultPermanent, "MEDIA_REJECTED"},
		"no answer about what is shared": {
			"files.completeUploadExternal", slacktest.Response{Reset: true}, integration.FaultUnknown, "PLATFORM_NO_ANSWER",
		},
		"a channel without the app": {
			"files.completeUploadExternal", slacktest.Failure("not_in_channel", nil), integration.FaultPermanent,
			"RECIPIENT_UNAVAILABLE",
		},
		"too many": {"files.completeUploadExternal", slacktest.RateLimited("9"), integration.FaultThrottled, "RATE_LIMITED"},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			server.Script(test.method, test.response)
			_, err := newPlatform(t).Send(t.Context(), file(), ch)
			requireError(t, err, test.kind, test.code)
			require.Len(t, bodies(server, test.method), 1)
		})
	}
	t.Run("whose answer tells the message", func(t *testing.T) {
		server, ch := newServer(t)
		server.Script("files.completeUploadExternal", slacktest.Response{Body: `{"ok":true,"files":[{"id":"F00000001",` +
			`"shares":{"private":{"C2A":[{"ts":"1.1"}],"C024BE91L":[{"ts":"1700000000.000300"}]}}}]}`})
		result, err := newPlatform(t).Send(t.Context(), file(), ch)
		require.NoError(t, err)
		require.Equal(t, integration.ID("C024BE91L:1700000000.000300"), result.MessageID)
	})
	t.Run("whose content is empty", func(t *testing.T) {
		server, ch := newServer(t)
		source := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		t.Cleanup(source.Close)
		m := file()
		m.Content.Media = &integration.Media{URL: source.URL + "/a.txt"}
		_, err := newPlatform(t).Send(t.Context(), m, ch)
		requireError(t, err, integration.FaultPermanent, "MEDIA_EMPTY")
		require.Empty(t, server.Requests())
	})
	t.Run("to a channel by its name", func(t *testing.T) {
		server, ch := newServer(t)
		m := file()
		m.To.ID = "#general"
		_, err := newPlatform(t).Send(t.Context(), m, ch)
		requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
		require.Empty(t, server.Requests())
	})
	t.Run("of a file at Slack that nobody knows", func(t *testing.T) {
		server, ch := newServer(t)
		m := file()
		m.Content.Media = &integration.Media{ID: "FUNKNOWN"}
		_, err := newPlatform(t).Send(t.Context(), m, ch)
		requireError(t, err, integration.FaultPermanent, "MEDIA_NOT_FOUND")
		require.Equal(t, []string{"files.info"}, methods(server))
	})
	t.Run("of a file at Slack beside another", func(t *testing.T) {
		server, ch := newServer(t)
		m := file()
		m.Content.Attachments = []integration.Media{
			{ID: fileID, MimeType: "application/pdf"}, {Data: []byte("content"), Filename: "b.txt"},
		}
		_, err := newPlatform(t).Send(t.Context(), m, ch)
		require.NoError(t, err)
		require.JSONEq(
			t,
			`{"files":[{"id":"F00000001","title":"b.txt"}],"channel_id":"C024BE91L",`+
				`"initial_comment":"a &amp; b\n<https://test.slack.com/files/U0000BOT/F024BERPE/plan.pdf|plan.pdf>"}`,
			bodies(server, "files.completeUploadExternal")[0])
	})
}
