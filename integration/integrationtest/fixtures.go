package integrationtest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

// Fixture is a payload from elsewhere.
type Fixture struct {
	Name string
	// Webhook is what the platform posts, nil for other payloads.
	Webhook *Webhook
	// Answer is an answer of the platform's API to a message that is sent, nil for other payloads.
	Answer *Answer
	// Unused says why it is neither.
	Unused string
}

// Fixtures reads the payloads from elsewhere that are kept in a folder, none where there is no such folder: they
// lie beside the project on its authors' machines only, for they are not ours to ship. How the name of a file tells
// what it holds is written down in that folder's SOURCES.md.
func Fixtures(tb testing.TB, folder string) []Fixture {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	require.NoError(tb, err)
	if len(paths) == 0 {
		tb.Logf("no payloads from elsewhere: there are none in %s", folder)
	}
	var list []Fixture
	for _, path := range paths {
		data, err := os.ReadFile(path) // #nosec G304 -- of the test
		require.NoError(tb, err)
		list = append(list, fixture(tb, strings.TrimSuffix(filepath.Base(path), ".json"), data))
	}
	return list
}

// unused says of payloads that are neither webhooks nor answers to a message why they are not.
var unused = map[string]string{
	"api_media_url_response":              "names a file that is not there to be fetched",
	"api_phone_number_response":           "answers the health check, which the platform's own tests cover",
	"api_response_auth_test_shape":        "answers the health check, with all values left blank",
	"api_response_chat_postMessage_shape": "says ok with false, since all values are left blank",
	"gateway_bot_response":                "belongs to a connection that is not opened: webhooks take its place",
	"gateway_dispatch_envelope_example":   "belongs to a connection that is not opened: webhooks take its place",
}

func fixture(tb testing.TB, name string, data []byte) Fixture {
	tb.Helper()
	f := Fixture{Name: name, Unused: unused[name]}
	form := map[string]string{"content-type": "application/x-www-form-urlencoded"}
	switch {
	case f.Unused != "":
	case strings.HasPrefix(name, "api_error"):
		f.Answer = &Answer{Status: statusOf(name, data), Body: string(data)}
	case strings.HasPrefix(name, "api_"), strings.HasPrefix(name, "resource_"):
		f.Answer = &Answer{Body: string(data)}
	case strings.HasPrefix(name, "interactive_"): // comes in a form's field
		f.Webhook = &Webhook{Name: name, Headers: form, Body: []byte(url.Values{"payload": {compact(tb, data)}}.Encode())}
	case strings.HasSuffix(name, "_form"):
		var fields struct{ Form map[string]string }
		require.NoError(tb, json.Unmarshal(data, &fields))
		values := url.Values{}
		for k, v := range fields.Form {
			values.Set(k, v)
		}
		f.Webhook = &Webhook{Name: name, Headers: form, Body: []byte(values.Encode())}
	default:
		f.Webhook = &Webhook{Name: name, Headers: map[string]string{"content-type": "application/json"}, Body: data}
	}
	return f
}

// statusOf is the status with which an API answers an error, as far as the body and its name tell.
func statusOf(name string, data []byte) int {
	var body struct {
		Code int `json:"error_code"`
	}
	if strings.Contains(name, "_429") {
		return http.StatusTooManyRequests
	}
	if json.Unmarshal(data, &body) != nil || body.Code < http.StatusBadRequest {
		return http.StatusBadRequest
	}
	return body.Code
}

func compact(tb testing.TB, data []byte) string {
	tb.Helper()
	var b bytes.Buffer
	require.NoError(tb, json.Compact(&b, data))
	return b.String()
}

// testFixtures has each payload from elsewhere come in, or be the answer to a message, and compares what becomes of
// it with testdata/fixtures/NAME.json.
func testFixtures(t *testing.T, p Platform) {
	t.Helper()
	list := Fixtures(t, filepath.Join(Shared(t), p.Definition.Name))
	if len(list) == 0 {
		t.Skipf("no payloads from elsewhere for %s: they lie beside the project, in ../shared/fixtures; those of testdata are checked", p.Definition.Name)
	}
	for _, f := range list {
		t.Run(f.Name, func(t *testing.T) {
			path := filepath.Join("testdata", "fixtures", f.Name+".json")
			switch {
			case f.Webhook != nil:
				Golden(t, path, indented(t, taken(t, p, *f.Webhook)))
			case f.Answer != nil:
				Golden(t, path, indented(t, understood(t, p, *f.Answer)))
			default:
				t.Logf("%s is not used: it %s", f.Name, f.Unused)
			}
		})
	}
}

// summary is what a reviewer needs to know of an event, without anybody else's data in it.
type summary struct {
	Type      integration.ContentType `json:"type"`
	Kind      integration.Kind        `json:"kind"`
	Direction integration.Direction   `json:"direction,omitempty"`
	Features  []integration.Feature   `json:"features,omitempty"`
	Paths     []string                `json:"paths"`
	SHA256    string                  `json:"sha256"`
}

// taken is what becomes of a webhook.
func taken(t *testing.T, p Platform, w Webhook) any {
	t.Helper()
	b := newBench(t, p, marking, func(ch *integration.Channel) {
		if p.Address != nil {
			p.Address(ch, w.Body)
		}
	})
	answer, err := b.answered(w)
	require.NoError(t, err)
	list := []summary{}
	for _, e := range b.events.take() {
		m := messageOf(t, e)
		requireSound(t, m)
		requirePossible(t, p, w.Name, m)
		paths, digest := shapeOf(t, e.Payload)
		list = append(list, summary{m.Content.Type, cmp.Or(m.Kind, integration.KindMessage), m.Direction, m.Features(), paths, digest})
	}
	record := struct {
		Status int       `json:"status"`
		Events []summary `json:"events"`
	}{answer.Status, list}
	return record
}

// foreign are members whose own members the platform, or its user, names.
var foreign = []string{"message.metadata.raw", "message.metadata.resolved", "message.content.interactive.reply.formValues", "message.content.command.options", "message.content.template.components"}

// shapeOf lists the paths of all values of an event, and hashes the whole of it.
func shapeOf(tb testing.TB, payload []byte) (paths []string, digest string) {
	tb.Helper()
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	var tree any
	require.NoError(tb, decoder.Decode(&tree))
	seen := map[string]bool{}
	var walk func(path string, node any)
	walk = func(path string, node any) {
		members, isObject := node.(map[string]any)
		items, isList := node.([]any)
		switch {
		case isObject && len(members) > 0 && !slices.Contains(foreign, path):
			for name, value := range members {
				walk(strings.TrimPrefix(path+"."+name, "."), value)
			}
		case isList && len(items) > 0:
			for _, item := range items {
				walk(path+"[]", item)
			}
		default:
			seen[path] = true
		}
	}
	walk("", tree)
	sum := sha256.Sum256([]byte(toJSON(tb, tree))) // with sorted members
	return slices.Sorted(maps.Keys(seen)), hex.EncodeToString(sum[:])
}

// understood is what the platform itself makes of a message that the API answers so: the factory may try it again.
func understood(t *testing.T, p Platform, a Answer) any {
	t.Helper()
	b := newBench(t, p)
	b.fake.play(trouble{Answer: a})
	message := p.Sends[0].Message
	result, err := p.Definition.Platform.Send(t.Context(), &message, b.channel)
	record := struct {
		Delivered    bool                  `json:"delivered"`
		HasID        bool                  `json:"hasId"`
		Kind         integration.ErrorKind `json:"kind,omitempty"`
		Code         string                `json:"code,omitempty"`
		PlatformCode string                `json:"platformCode,omitempty"`
		RetryAfterMs int64                 `json:"retryAfterMs,omitempty"`
		Pauses       integration.Scope     `json:"pauses,omitempty"`
	}{Delivered: err == nil, HasID: err == nil && result.MessageID != ""}
	if err != nil {
		e, ok := errors.AsType[*integration.Error](err)
		require.True(t, ok, "the error must be typed: %v", err)
		record.Kind, record.Code, record.PlatformCode = e.Kind, e.Code, e.PlatformCode
		record.RetryAfterMs, record.Pauses = e.RetryAfter.Milliseconds(), e.Pauses
	}
	return record
}
