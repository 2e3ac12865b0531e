package meta_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/payload"
	"github.com/hiliosai/switchboard/services/meta"
)

const secret = "app-secret-of-the-tests"

func sign(key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func signed(body []byte, signature string) *integration.Webhook {
	return &integration.Webhook{
		RawBody: body, Headers: integration.NewHeaders(map[string]string{"x-hub-signature-256": signature}),
		Channel: &integration.Channel{Credentials: map[string]string{"appSecret": secret, "empty": ""}},
	}
}

func validate(t *testing.T, w *integration.Webhook, credential string) error {
	t.Helper()
	return meta.Signature(credential).ValidateSignature(t.Context(), w)
}

func requireError(t *testing.T, err error, kind integration.ErrorKind, code string) integration.Error {
	t.Helper()
	e, ok := errors.AsType[*integration.Error](err)
	require.True(t, ok, "%T %v", err, err)
	require.Equal(t, kind, e.Kind, "%v", err)
	require.Equal(t, code, e.Code, "%v", err)
	return *e
}

// The body has escapes as Meta writes them. Meta signs these bytes, not the text that they stand for.
func TestSignatureCoversTheBytesOfTheBody(t *testing.T) {
	body := []byte(`{"text":"caf\u00e9 \ud83d\ude00"}`)
	right := sign(secret, body)
	require.NoError(t, validate(t, signed(body, right), "appSecret"))
	for name, w := range map[string]*integration.Webhook{
		"the same text in other bytes": signed([]byte(`{"text":"café 😀"}`), right),
		"another secret's":             signed(body, sign("another", body)),
		"no header":                    signed(body, ""),
		"no scheme":                    signed(body, strings.TrimPrefix(right, "sha256=")),
		"the scheme of SHA-1":          signed(body, "sha1="+strings.TrimPrefix(right, "sha256=")),
		"upper case":                   signed(body, "sha256="+strings.ToUpper(strings.TrimPrefix(right, "sha256="))),
		"a digit too few":              signed(body, right[:len(right)-1]),
		"two of them":                  signed(body, right+", "+right),
	} {
		t.Run(name, func(t *testing.T) {
			requireError(t, validate(t, w, "appSecret"), integration.FaultUnauthorized, "SIGNATURE_INVALID")
		})
	}
	t.Run("a channel without a secret", func(t *testing.T) {
		for _, credential := range []string{"empty", "absent"} {
			requireError(
				t, validate(t, signed(body, sign("", body)), credential), integration.FaultUnauthorized, "SIGNATURE_INVALID",
			)
		}
	})
	t.Run("no raw body", func(t *testing.T) {
		requireError(t, validate(t, signed(nil, right), "appSecret"), integration.FaultInvalid, "RAW_BODY_MISSING")
	})
}

func TestHandshakeNeedsTheVerifyToken(t *testing.T) {
	ch := &integration.Channel{Credentials: map[string]string{"verifyToken": "my word"}}
	challenge, err := meta.VerifyWebhook(
		integration.Verification{Mode: "subscribe", Token: "my word", Challenge: "1158201444"}, ch, "verifyToken",
	)
	require.NoError(t, err)
	require.Equal(t, "1158201444", challenge)
	for name, v := range map[string]integration.Verification{
		"another token": {Mode: "subscribe", Token: "my words", Challenge: "1"},
		"another mode":  {Mode: "unsubscribe", Token: "my word", Challenge: "1"},
		"nothing":       {},
	} {
		challenge, err := meta.VerifyWebhook(v, ch, "verifyToken")
		requireError(t, err, integration.FaultForbidden, "VERIFICATION_FAILED")
		require.Empty(t, challenge, name)
	}
}

type batch struct {
	Name  string            `json:"name"`
	Items meta.Items[thing] `json:"items"`
}

type thing struct {
	ID    meta.ID      `json:"id"`
	At    meta.Seconds `json:"at"`
	Word  string       `json:"word"`
	Inner struct {
		N int `json:"n"`
	} `json:"inner"`
}

func TestItemKeepsItsWellFormedFields(t *testing.T) {
	data := []byte(`{"name":"b","items":[ {"id":9007199254740993,"at":"1790000000","word":"a"} ,
		{"id":"x","at":1790000001,"word":5,"inner":{"n":7}},{"inner":[]},"word",null,
		{"id":null,"at":null,"other":{"a":[1]}}]}`)
	var b batch
	err := payload.UnmarshalParts(data, &b)
	require.NoError(t, err)
	require.Equal(t, "b", b.Name)
	require.Len(t, b.Items, 6)

	require.False(t, b.Items[0].Malformed)
	require.Equal(t, thing{ID: "9007199254740993", At: 1790000000, Word: "a"}, b.Items[0].Value)
	require.Equal(t, int64(1_790_000_000_000), b.Items[0].Value.At.Milli())
	require.Equal(t, `{"id":9007199254740993,"at":"1790000000","word":"a"}`, string(b.Items[0].Raw(data)))

	require.True(t, b.Items[1].Malformed)
	require.Equal(t, meta.ID("x"), b.Items[1].Value.ID)
	require.Equal(t, 7, b.Items[1].Value.Inner.N, "what follows the malformed field is read, too")
	require.Equal(t, `{"id":"x","at":1790000001,"word":5,"inner":{"n":7}}`, string(b.Items[1].Raw(data)))

	require.True(t, b.Items[2].Malformed)
	require.True(t, b.Items[3].Malformed)
	require.Equal(t, `"word"`, string(b.Items[3].Raw(data)))
	require.False(t, b.Items[4].Malformed)
	require.False(t, b.Items[5].Malformed)
	require.Equal(t, thing{}, b.Items[5].Value)
}

func TestMalformedFieldOutsideOfItemsIsAnError(t *testing.T) {
	for _, data := range []string{``, `{`, `[]`, `{"items":5}`, `{"items":{}}`, `{"name":[],"items":[]}`} {
		err := payload.UnmarshalParts([]byte(data), new(batch))
		require.Error(t, err, data)
	}
	var b batch
	err := payload.UnmarshalParts([]byte(`{"name":{},"items":[{"word":"a"}]}`), &b)
	require.Error(t, err)
	require.Len(t, b.Items, 1, "and everything else is there")
}

func TestSecondsAreANumberOrItsText(t *testing.T) {
	for _, wrong := range []string{`"soon"`, `-1`, `1.5`, `"253402300800"`, `1e3`, `[]`, `true`, `""`} {
		var b batch
		err := payload.UnmarshalParts([]byte(`{"items":[{"at":`+wrong+`,"word":"a"}]}`), &b)
		require.NoError(t, err)
		require.True(t, b.Items[0].Malformed, wrong)
		require.Equal(t, thing{Word: "a"}, b.Items[0].Value, wrong)
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, seed := range []string{
		`{"items":[{"id":1},5]}`, `{"items":[[[{"id":{}}]]]}`, `{"items":[{"inner":{"n":"x"}},{"word":"\ud83d"}]}`,
		`{"items":[{}],"items":[5]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var b batch
		err := payload.UnmarshalParts(data, &b)
		if err != nil {
			return
		}
		for _, item := range b.Items {
			require.NotEmpty(t, item.Raw(data))
		}
	})
}
