package slack_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/slack/slacktest"
)

func TestMediaIsFetchedByItsID(t *testing.T) {
	for name, test := range map[string]struct {
		filename, mimetype, content string
		response                    *slacktest.Response
		more                        map[string]any
		want                        integration.MediaFile
	}{
		"a picture": {"a.png", "image/png", "content", nil, nil, integration.MediaFile{
			MimeType: "image/png", Filename: "a.png", Size: 7,
		}},
		"a page": {"a.html", "text/html", "<html>mine</html>", nil, nil, integration.MediaFile{
			MimeType: "text/html", Filename: "a.html", Size: 17,
		}},
		"an empty page": {"a.html", "text/html", "", nil, nil, integration.MediaFile{
			MimeType: "text/html", Filename: "a.html",
		}},
		"a name with a path": {"../../etc/passwd", "text/plain", "content", nil, nil, integration.MediaFile{
			MimeType: "text/plain", Filename: "passwd", Size: 7,
		}},
		"a file of a shared team": {"", "", "content", &slacktest.Response{
			Header: http.Header{"Content-Type": {"image/webp"}}, Body: "content",
		}, nil, integration.MediaFile{MimeType: "image/webp", Filename: "F1", Size: 7}},
		"no link for downloads": {"a.png", "image/png", "content", nil, map[string]any{
			"url_private_download": "",
		}, integration.MediaFile{MimeType: "image/png", Filename: "a.png", Size: 7}},
		"a type that says too much": {
			"a.txt", "text/plain", "content",
			&slacktest.Response{Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, Body: "content"}, nil,
			integration.MediaFile{MimeType: "text/plain", Filename: "a.txt", Size: 7},
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			server.AddFile("F1", test.filename, test.mimetype, []byte(test.content), test.more)
			if test.response != nil {
				server.Script(slacktest.Download, *test.response)
			}
			file, err := newPlatform(t).(integration.MediaFetcher).FetchMedia(t.Context(), "F1", ch)
			require.NoError(t, err)
			defer file.Body.Close()
			content, err := io.ReadAll(file.Body)
			require.NoError(t, err)
			require.Equal(t, test.content, string(content))
			file.Body = nil
			require.Equal(t, test.want, *file)
		})
	}
}

func TestMediaThatCannotBeFetchedSaysWhy(t *testing.T) {
	for name, test := range map[string]struct {
		mimetype string
		more     map[string]any
		method   string
		response *slacktest.Response
		kind     integration.ErrorKind
		code     string
	}{
		"a login page": {"image/png", nil, slacktest.Download, new(html(200)), integration.FaultPermanent, "MEDIA_FORBIDDEN"},
		"a login page instead of a page": {
			"text/html", nil, slacktest.Download, new(html(200)), integration.FaultPermanent, "MEDIA_FORBIDDEN",
		},
		"a redirect to the login page": {"image/png", nil, slacktest.Download, &slacktest.Response{
			Status: 302, Header: http.Header{"Location": {"https://test.slack.com/?redir=x"}},
		}, integration.FaultPermanent, "MEDIA_FORBIDDEN"},
		"a file that is forbidden": {
			"image/png", nil, slacktest.Download, &slacktest.Response{Status: 403}, integration.FaultPermanent,
			"MEDIA_FORBIDDEN",
		},
		"a link that leads nowhere": {
			"image/png", nil, slacktest.Download, &slacktest.Response{Status: 404}, integration.FaultPermanent,
			"MEDIA_NOT_FOUND",
		},
		"a download that is throttled": {"image/png", nil, slacktest.Download, &slacktest.Response{
			Status: 429, Header: http.Header{"Retry-After": {"3"}},
		}, integration.FaultThrottled, "RATE_LIMITED"},
		"a download that fails for now": {
			"image/png", nil, slacktest.Download, &slacktest.Response{Status: 502}, integration.FaultTransient,
			"PLATFORM_NO_ANSWER",
		},
		"a token that is wrong": {
			"image/png", nil, slacktest.Download, &slacktest.Response{Status: 401}, integration.FaultAuth,
			"CREDENTIALS_REFUSED",
		},
		"a file that was deleted": {
			"image/png", map[string]any{"mode": "tombstone"}, "", nil, integration.FaultPermanent, "MEDIA_NOT_FOUND",
		},
		"a file beyond the plan": {"image/png", map[string]any{
			"mode": "hidden_by_limit",
		}, "", nil, integration.FaultPermanent, "MEDIA_NOT_FOUND"},
		"a file without a link": {"image/png", map[string]any{
			"url_private": "", "url_private_download": "",
		}, "", nil, integration.FaultPermanent, "MEDIA_NOT_FOUND"},
		"a file kept elsewhere": {
			"image/png", map[string]any{"is_external": true}, "", nil, integration.FaultPermanent, "MEDIA_EXTERNAL",
		},
		"a link that is not Slack's": {"image/png", map[string]any{
			"url_private_download": "https://example.org/a.png",
		}, "", nil, integration.FaultPermanent, "MEDIA_EXTERNAL"},
		"a link that only looks so": {"image/png", map[string]any{
			"url_private_download": "https://files.slack.com.example.org/a.png",
		}, "", nil, integration.FaultPermanent, "MEDIA_EXTERNAL"},
		"a link of Slack's without TLS": {"image/png", map[string]any{
			"url_private_download": "http://files.slack.com/a.png",
		}, "", nil, integration.FaultPermanent, "MEDIA_EXTERNAL"},
		"a link to a port of Slack's": {"image/png", map[string]any{
			"url_private_download": "https://files.slack.com:8443/a.png",
		}, "", nil, integration.FaultPermanent, "MEDIA_EXTERNAL"},
		"a link with a user": {"image/png", map[string]any{
			"url_private_download": "https://a@files.slack.com/a.png",
		}, "", nil, integration.FaultPermanent, "MEDIA_EXTERNAL"},
		"a file of a byte more than 20 MB": {
			"image/png", map[string]any{"size": 20<<20 + 1}, "", nil, integration.FaultPermanent, "MEDIA_TOO_LARGE",
		},
		"a scope that is missing": {
			"image/png", nil, "files.info", new(slacktest.Failure("missing_scope", map[string]any{"needed": "files:read"})),
			integration.FaultPermanent, "SCOPE_MISSING",
		},
		"a question without an answer": {
			"image/png", nil, "files.info", &slacktest.Response{Reset: true}, integration.FaultTransient, "PLATFORM_NO_ANSWER",
		},
		"an answer without a file": {
			"image/png", nil, "files.info", &slacktest.Response{Body: `{"ok":true}`}, integration.FaultPermanent,
			"MEDIA_NOT_FOUND",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			server.AddFile("F1", "a.png", test.mimetype, []byte("content"), test.more)
			if test.response != nil {
				server.Script(test.method, *test.response)
			}
			_, err := newPlatform(t).(integration.MediaFetcher).FetchMedia(t.Context(), "F1", ch)
			requireError(t, err, test.kind, test.code)
			for _, r := range server.Requests() {
				require.NotContains(t, r.Header.Get("Referer"), canary)
			}
		})
	}
	for _, id := range []string{"FUNKNOWN", "", "../F1", "F1&token=x", strings.Repeat("F", 10_000)} {
		_, ch := newServer(t)
		_, err := newPlatform(t).(integration.MediaFetcher).FetchMedia(t.Context(), id, ch)
		requireError(t, err, integration.FaultPermanent, "MEDIA_NOT_FOUND")
	}
}
