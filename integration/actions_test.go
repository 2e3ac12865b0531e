package integration_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

// echo answers a handshake with its challenge when mode and token are right.
func echo(v integration.Verification) (string, error) {
	if v.Mode != "subscribe" || v.Token != "right" {
		return "", errors.New("wrong")
	}
	return v.Challenge, nil
}

func TestHandshakeIsAnsweredWithItsChallenge(t *testing.T) {
	for name, params := range map[string]object{
		"by the SDK's names": {"channelId": "c1", "mode": "subscribe", "token": "right", "challenge": "<b>42"},
		"by Meta's names": {
			"channelId": "c1", "hub.mode": "subscribe", "hub.verify_token": "right",
			"hub.challenge": "<b>42",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.platform.verify = echo
			req := &action.Request{Meta: metaOf(t, object{"user": "u1"})}
			challenge, err := b.callWith(t.Context(), integration.ActionVerifyWebhook, params, req)
			require.NoError(t, err)
			require.Equal(t, "<b>42", challenge)
			require.JSONEq(
				t,
				`{"user":"u1","$statusCode":200,"$responseType":"text/plain; charset=utf-8",`+
					`"$responseHeaders":{"X-Content-Type-Options":"nosniff"}}`,
				toJSON(t, req.Meta))
		})
	}
}

func TestRefusedHandshakeGivesNothingBack(t *testing.T) {
	right := object{"channelId": "c1", "mode": "subscribe", "token": "right", "challenge": "CHALLENGE"}
	without := func(key string, value any) object {
		params := object{}
		for k, v := range right {
			params[k] = v
		}
		params[key] = value
		return params
	}
	for name, test := range map[string]struct {
		params object
		change func(*harness)
		code   int
		typ    string
	}{
		"a wrong token":            {without("token", "guess"), nil, 403, "VERIFICATION_FAILED"},
		"another mode":             {without("mode", "unsubscribe"), nil, 403, "VERIFICATION_FAILED"},
		"no challenge":             {without("challenge", ""), nil, 403, "VERIFICATION_FAILED"},
		"no channel":               {without("channelId", nil), nil, 403, "VERIFICATION_FAILED"},
		"an unknown channel":       {without("channelId", "c2"), nil, 404, "CHANNEL_NOT_FOUND"},
		"a platform that has none": {right, (*harness).plain, 403, "VERIFICATION_FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.platform.verify = echo
			if test.change != nil {
				test.change(b)
			}
			req := &action.Request{}
			_, err := b.callWith(t.Context(), integration.ActionVerifyWebhook, test.params, req)
			e := errorOf(t, err, test.code, test.typ)
			require.NotContains(t, e.Error()+toJSON(t, e.Data)+toJSON(t, req.Meta), "CHALLENGE")
		})
	}
}

func TestHealthIsAnAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		channel string
		change  func(*harness)
		want    string
	}{
		"of the service": {
			"", nil, `{"status":"healthy","message":"Parrot is running; name a channelId to check a channel"}`,
		},
		"of a channel": {"c1", func(b *harness) {
			b.platform.health = &integration.Health{
				Status: integration.HealthDegraded, Message: "the webhook of " + token + " is slow",
				Details: object{"pending": 3, "last": token, "all": []any{object{"url": "/bot" + token}}},
			}
		}, `{"status":"degraded","message":"the webhook of [redacted] is slow","details":{"pending":3,` +
			`"last":"[redacted]","all":[{"url":"/bot[redacted]"}]}}`},
		"of a platform without a word": {"c1", nil, `{"status":"healthy"}`},
		"of a platform without a check": {
			"c1", (*harness).plain, `{"status":"healthy","message":"this platform has no health check of its own"}`,
		},
		"refused credentials": {"c1", func(b *harness) {
			b.platform.healthErr = &integration.Error{Kind: integration.FaultAuth, Code: "TOKEN", Message: "bad " + token}
		}, `{"status":"unhealthy","message":"bad [redacted]","details":{"code":"TOKEN","kind":"auth"}}`},
		"too many calls": {"c1", func(b *harness) {
			b.platform.healthErr = &integration.Error{Kind: integration.FaultThrottled, Code: "SLOW", Message: "slow down"}
		}, `{"status":"degraded","message":"slow down","details":{"code":"SLOW","kind":"throttled"}}`},
		"an error of no kind": {
			"c1", func(b *harness) { b.platform.healthErr = errors.New("boom") },
			`{"status":"unhealthy","message":"boom","details":{"code":"HEALTH_CHECK_FAILED","kind":"transient"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			if test.change != nil {
				test.change(b)
			}
			health, err := b.call(integration.ActionHealthCheck, object{"channelId": test.channel})
			require.NoError(t, err)
			require.JSONEq(t, test.want, toJSON(t, health))
		})
	}
}

func TestHealthOfAnUnknownChannelIsAnError(t *testing.T) {
	_, err := newHarness(t).call(integration.ActionHealthCheck, object{"channelId": "c2"})
	requireError(t, err, 404, "CHANNEL_NOT_FOUND")
}

func TestCredentialsAreAskedFor(t *testing.T) {
	params := object{"credentials": object{"token": token}, "settings": object{"apiBase": "http://localhost"}}
	for name, test := range map[string]struct {
		params object
		change func(*harness)
		want   string
		code   int
		typ    string
	}{
		"good ones": {params, func(b *harness) { b.platform.valid = true }, `{"valid":true}`, 0, ""},
		"bad ones":  {params, nil, `{"valid":false}`, 0, ""},
		"a refusal": {params, func(b *harness) {
			b.platform.validErr = trouble(
				integration.FaultAuth, 0,
			)
		}, `{"valid":false}`, 0, ""},
		"not strings": {object{"credentials": object{"token": 1}}, nil, "", 422, "VALIDATION_ERROR"},
		"bad settings": {object{
			"credentials": object{}, "settings": object{"x": object{}},
		}, nil, "", 422, "VALIDATION_ERROR"},
		"none":             {object{}, nil, "", 422, "VALIDATION_ERROR"},
		"nobody who knows": {params, (*harness).plain, "", 501, "NOT_SUPPORTED"},
		"nobody who answers": {
			params, func(b *harness) { b.platform.validErr = errors.New("dial " + token) },
			"", 503, "CREDENTIALS_UNCHECKED",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			if test.change != nil {
				test.change(b)
			}
			result, err := b.call(integration.ActionValidateCredentials, test.params)
			if test.code != 0 {
				require.NotContains(t, errorOf(t, err, test.code, test.typ).Message, "CANARY")
				return
			}
			require.NoError(t, err)
			require.JSONEq(t, test.want, toJSON(t, result))
			require.Equal(t, map[string]string{"token": token}, b.platform.credentials)
			require.Equal(
				t, map[string]string{"apiBase": "http://localhost", "addresses": "public"}, b.platform.settings,
				"the caller chose them",
			)
		})
	}
}

func TestStatusIsTheSpec(t *testing.T) {
	b := newHarness(t)
	status, err := b.call(integration.ActionStatus, nil)
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"parrot","name":"Parrot","platform":"parrot","version":"1.0.0","status":"ACTIVE",
		"capabilities":["SEND_MESSAGE","RECEIVE_MESSAGE","WEBHOOK_VALIDATION"]}`, toJSON(t, status))

	b.plain()
	status, err = b.call(integration.ActionStatus, nil)
	require.NoError(t, err)
	require.JSONEq(t, `["SEND_MESSAGE","RECEIVE_MESSAGE"]`, toJSON(t, status.(integration.Spec).Capabilities))
}

// most is the largest attachment, in bytes, that is taken.
const most = 20 << 20

func TestLargestMediaIsTaken(t *testing.T) {
	b := newHarness(t)
	b.platform.media = &integration.MediaFile{Body: &file{Reader: io.LimitReader(zeros{}, most)}, Size: most}
	_, err := b.call(integration.ActionGetMedia, object{"channelId": "c1", "mediaId": "f1"})
	require.NoError(t, err)
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestMediaIsFetchedWithinBounds(t *testing.T) {
	for name, test := range map[string]struct {
		content io.Reader
		size    int64
		length  int // of the answer
		code    int
		typ     string
	}{
		"a small file":                {strings.NewReader("abc"), 3, 3, 0, ""},
		"an empty one of unsaid size": {strings.NewReader(""), -1, 0, 0, ""},
		"a larger one":                {io.LimitReader(zeros{}, most+1), -1, 0, 422, "MEDIA_TOO_LARGE"},
		"one without an end":          {zeros{}, 5, 0, 422, "MEDIA_TOO_LARGE"},
		"one that says it is larger": {iotest.ErrReader(
			errors.New("must not be read"),
		), most + 1, 0, 422, "MEDIA_TOO_LARGE"},
		"one that breaks off": {iotest.ErrReader(errors.New("CANARY")), 3, 0, 503, "MEDIA_UNAVAILABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			body := &file{Reader: test.content}
			b.platform.media = &integration.MediaFile{Body: body, MimeType: "image/png", Filename: "a.png", Size: test.size}
			result, err := b.call(integration.ActionGetMedia, object{"channelId": "c1", "mediaId": "f1"})
			require.True(t, body.closed)
			if test.code != 0 {
				require.NotContains(t, errorOf(t, err, test.code, test.typ).Message, "CANARY")
				return
			}
			require.NoError(t, err)
			var got struct {
				ID, MimeType, Filename string
				Size                   int
				Data                   []byte
			}
			decode(t, result, &got)
			require.Equal(t, []string{"f1", "image/png", "a.png"}, []string{got.ID, got.MimeType, got.Filename})
			require.Equal(t, test.length, got.Size)
			require.Len(t, got.Data, test.length)
		})
	}
}

func TestMediaThatIsNotThereIsAnError(t *testing.T) {
	b := newHarness(t)
	b.platform.mediaErr = &integration.Error{
		Kind: integration.FaultPermanent, Code: "GONE", Message: "no file under " + token,
	}
	_, err := b.call(integration.ActionGetMedia, object{"channelId": "c1", "mediaId": "f1"})
	require.Equal(t, "no file under [redacted]", errorOf(t, err, 422, "GONE").Message)
}

func TestErrorsLookToCallersAsTheirKindSays(t *testing.T) {
	for kind, want := range map[integration.ErrorKind]struct {
		code int
		name string
		data string
	}{
		integration.FaultInvalid:      {400, action.NameClientError, `{"kind":"invalid"}`},
		integration.FaultUnauthorized: {401, action.NameClientError, `{"kind":"unauthorized"}`},
		integration.FaultForbidden:    {403, action.NameClientError, `{"kind":"forbidden"}`},
		integration.FaultNotFound:     {404, action.NameClientError, `{"kind":"not_found"}`},
		integration.FaultThrottled:    {429, action.NameRetryableError, `{"kind":"throttled","outcome":"not_delivered"}`},
		integration.FaultTransient:    {503, action.NameRetryableError, `{"kind":"transient","outcome":"not_delivered"}`},
		integration.FaultAuth:         {502, action.NameServerError, `{"kind":"auth","outcome":"not_delivered"}`},
		integration.FaultPermanent:    {422, action.NameClientError, `{"kind":"permanent","outcome":"not_delivered"}`},
		integration.FaultUnknown:      {504, action.NameServerError, `{"kind":"unknown","outcome":"unknown"}`},
		"of tomorrow":                 {500, action.NameServerError, `{"kind":"of tomorrow","outcome":"not_delivered"}`},
	} {
		t.Run(string(kind), func(t *testing.T) {
			cause := errors.New("cause")
			e := (&integration.Error{Kind: kind, Code: "CODE", Message: "100 %s", Err: cause}).MoleculerError()
			require.Equal(t, want.code, e.Code)
			require.Equal(t, want.name, e.Name)
			require.Equal(t, "100 %s", e.Message)
			require.JSONEq(t, want.data, toJSON(t, e.Data))
			require.ErrorIs(t, e, cause)
		})
	}
}

func TestHealthCheckAnswersForCredentials(t *testing.T) {
	for kind, want := range map[integration.ErrorKind]string{
		"": `{"valid":true}`, integration.FaultAuth: `{"valid":false}`,
	} {
		b := newHarness(t)
		if kind != "" {
			b.platform.healthErr = trouble(kind, 0)
		}
		b.def.Platform = struct {
			integration.Platform
			integration.HealthChecker
		}{b.platform, b.platform}
		result, err := b.call(integration.ActionValidateCredentials, object{"credentials": object{"token": "t"}})
		require.NoError(t, err)
		require.JSONEq(t, want, toJSON(t, result))
	}
}
