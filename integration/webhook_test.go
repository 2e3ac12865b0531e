package integration_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

func TestWebhookURLIsThePublicOne(t *testing.T) {
	const called = "/parrot/c1?a=1&b=%2F"
	proxied := object{
		"x-forwarded-proto": "https, http", "x-forwarded-host": "proxy.example, inner", "host": "10.0.0.1:3000",
	}
	for name, test := range map[string]struct {
		publicURL, called string
		headers           object
		trust             bool
		want              string
	}{
		"nothing is known": {called: called, headers: proxied},
		"a base without a path": {publicURL: "https://x.example", called: called, want: "https://x.example" +
			called},
		"a base with a path": {
			publicURL: "https://x.example/in/", called: called,
			want: "https://x.example/in" + called,
		},
		"a whole URL": {
			publicURL: "https://x.example/in", called: called,
			want: "https://x.example/in?a=1&b=%2F",
		},
		"a whole URL, and no query": {
			publicURL: "https://x.example/in", called: "/parrot/c1",
			want: "https://x.example/in",
		},
		"a base, and the path did not come": {publicURL: "https://x.example/"},
		"the gateway says an absolute URL": {
			publicURL: "https://x.example", called: "http://10.0.0.1:3000" + called,
			want: "https://x.example" + called,
		},
		"headers that are trusted": {called: called, headers: proxied, trust: true, want: "https://proxy.example" +
			called},
		"the header host": {called: called, headers: object{
			"x-forwarded-proto": "https", "host": "x.example",
		}, trust: true, want: "https://x.example" + called},
		"an absolute URL that is trusted": {
			called: "https://x.example" + called, trust: true, want: "https://x.example" + called,
		},
		"publicUrl comes before headers": {
			publicURL: "https://x.example", called: called, headers: proxied, trust: true, want: "https://x.example" + called,
		},
		"a host that is more than a host": {called: called, headers: object{
			"x-forwarded-proto": "https", "x-forwarded-host": "a/b?",
		}, trust: true},
		"a scheme that is none of HTTP's": {called: called, headers: object{
			"x-forwarded-proto": "file", "host": "x.example",
		}, trust: true},
		"no scheme": {called: called, headers: object{"host": "x.example"}, trust: true},
		"no path":   {called: "parrot", headers: proxied, trust: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.runtime.TrustForwarded = test.trust
			b.store.channel.Settings = map[string]string{"publicUrl": test.publicURL}
			params := webhookParams(object{"method": "POST", "headers": test.headers})
			if test.headers == nil {
				params["headers"] = object{}
			}
			if test.called != "" {
				params["url"] = test.called
			}
			_, err := b.receive(params)
			require.NoError(t, err)
			w := b.platform.webhook
			require.Equal(t, test.want, w.URL)
			require.Equal(t, "POST", w.Method)
			if strings.Contains(test.called, "?") {
				require.Equal(t, "/", w.Query().Get("b"), "the query is known also where the URL is not")
			} else {
				require.Empty(t, w.Query())
			}
		})
	}
}

func TestWebhookWithoutPublicURLIsRefusedWhereItIsSigned(t *testing.T) {
	b := newHarness(t)
	b.platform.signature = func(w *integration.Webhook) error {
		_, err := w.SignedURL()
		return err
	}
	_, err := b.receive(webhookParams(object{"url": "/parrot/c1"}))
	require.Contains(t, errorOf(t, err, 400, "PUBLIC_URL_MISSING").Message, "publicUrl")

	b.store.channel.Settings = map[string]string{"publicUrl": "https://x.example/"}
	_, err = b.receive(webhookParams(object{"url": "/parrot/c1"}))
	require.NoError(t, err)

	_, err = b.receive(webhookParams(object{"url": "/" + strings.Repeat("x", 8<<10)}))
	requireError(t, err, 400, "WEBHOOK_TOO_LARGE")
}

func TestPublicURLOfAChannelIsValidated(t *testing.T) {
	for value, good := range map[string]bool{
		"https://x.example": true, "http://x.example:8080/": true, "https://x.example/in/c1": true,
		"x.example": false, "ftp://x.example": false, "https://user@x.example": false, "https://x.example/?a=1": false,
		"https://": false,
	} {
		ch := newChannel()
		ch.Settings = map[string]string{"publicUrl": value}
		require.Equal(t, good, integration.ValidateChannel(ch, fields) == nil, value)
	}
}

const multipartBody = "--B\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nhi\r\n" +
	"--B\r\nContent-Disposition: form-data; name=\"pic\"; filename=\"../a.png\"\r\nContent-Type: " +
	"image/png\r\n\r\n\x00\xff\r\n--B--\r\n"

func TestWebhookBodiesThatAreNotJSONAreTakenIn(t *testing.T) {
	for name, test := range map[string]struct {
		contentType, body string
		form              map[string][]string
		files             []integration.FormFile
		err               string
	}{
		"a form": {"application/x-www-form-urlencoded; charset=utf-8", "Body=a+%26+b&To=1&To=2", map[string][]string{
			"Body": {"a & b"}, "To": {"1", "2"},
		}, nil, ""},
		"multipart": {
			`multipart/form-data; boundary="B"`, multipartBody,
			map[string][]string{"text": {"hi"}},
			[]integration.FormFile{{Field: "pic", Filename: "a.png", MimeType: "image/png", Content: []byte("\x00\xff")}},
			"",
		},
		"XML":       {"text/xml", "<a/>", nil, nil, "WEBHOOK_INVALID"},
		"no form":   {"application/x-www-form-urlencoded", "a=%zz", nil, nil, "WEBHOOK_INVALID"},
		"cut off":   {"multipart/form-data; boundary=B", multipartBody[:40], nil, nil, "WEBHOOK_INVALID"},
		"many keys": {"application/x-www-form-urlencoded", strings.Repeat("a=&", 1001), nil, nil, "WEBHOOK_TOO_LARGE"},
		"many parts": {
			"multipart/form-data; boundary=B",
			strings.Repeat("--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n", 1001) + "--B--", nil, nil,
			"WEBHOOK_TOO_LARGE",
		},
		"a large one": {
			"application/x-www-form-urlencoded", "a=" + strings.Repeat("x", 16<<20), nil, nil, "WEBHOOK_TOO_LARGE",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			_, err := b.receive(webhookParams(object{
				"payload": object{"what": "the gateway made of it"}, "headers": object{"Content-Type": test.contentType},
				"rawBody": base64.StdEncoding.EncodeToString([]byte(test.body)), "rawBodyEncoding": "base64",
			}))
			require.NoError(t, err)
			w := b.platform.webhook
			require.Equal(t, test.body, string(w.RawBody))
			require.Equal(t, test.contentType, w.ContentType)
			require.JSONEq(t, `{"what":"the gateway made of it"}`, string(w.Payload))
			form, err := w.Form()
			files, filesErr := w.Files()
			require.Equal(t, err, filesErr)
			require.Equal(t, test.files, files)
			require.Equal(t, test.form, map[string][]string(form))
			if test.err == "" {
				require.NoError(t, err)
				return
			}
			var e *integration.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, test.err, e.Code)
		})
	}
}

func TestFormIsThatOfTheBodyThatAWebhookHas(t *testing.T) {
	w := &integration.Webhook{ContentType: "application/x-www-form-urlencoded", RawBody: []byte("a=1")}
	form, err := w.Form()
	require.NoError(t, err)
	require.Equal(t, "1", form.Get("a"))
	other := *w
	other.RawBody = []byte("a=2")
	form, err = other.Form()
	require.NoError(t, err)
	require.Equal(t, "2", form.Get("a"))

	_, err = (&integration.Webhook{ContentType: w.ContentType}).Form()
	var e *integration.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "RAW_BODY_MISSING", e.Code)
}

type contextKey struct{}

// watchful is a platform whose checks look at their context.
type watchful struct {
	*platform
	seen map[string]any
}

func (p watchful) ValidateWebhook(ctx context.Context, _ *integration.Webhook) error {
	p.seen["webhook"] = ctx.Value(contextKey{})
	return nil
}

func (p watchful) ValidateSignature(ctx context.Context, _ *integration.Webhook) error {
	p.seen["signature"] = ctx.Value(contextKey{})
	return nil
}

func (p watchful) VerifyWebhook(
	ctx context.Context, v integration.Verification, _ *integration.Channel,
) (string, error) {
	p.seen["verify"] = ctx.Value(contextKey{})
	return v.Challenge, nil
}

func TestWebhookChecksGetTheCallsContext(t *testing.T) {
	b := newHarness(t)
	p := watchful{b.platform, map[string]any{}}
	b.def.Platform = p
	ctx := context.WithValue(t.Context(), contextKey{}, 7)
	_, err := b.callWith(ctx, integration.ActionReceiveWebhook, webhookParams(), &action.Request{})
	require.NoError(t, err)
	_, err = b.callWith(
		ctx, integration.ActionVerifyWebhook, object{"channelId": "c1", "challenge": "x"}, &action.Request{},
	)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"webhook": 7, "signature": 7, "verify": 7}, p.seen)
}
