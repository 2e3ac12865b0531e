package integrationtest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// FromFiles makes a [Platform] of the files in testdata, so that its tests need no code:
//
//   - channel.json is [Platform.Channel], with $url for the root of the API;
//   - api.json is [Platform.API] and [Platform.Refusal], a [fakeapi.Description];
//   - webhooks/*.json and *.form are [Platform.Webhooks], and bad_item.json, if it is there, is [Platform.BadItem];
//   - sends.json is [Platform.Sends], a list of objects with the members of [Send].
//
// What a platform has beside these is set on the result.
func FromFiles(tb testing.TB, define func(*httpapi.Client) integration.Definition) Platform {
	tb.Helper()
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	tb.Cleanup(client.Close)
	described, err := fakeapi.Describe(testdata(tb, "api.json"))
	require.NoError(tb, err)
	api, channel := described.API(), string(testdata(tb, "channel.json"))
	p := Platform{
		Definition: define(client),
		Channel: func(url string) *integration.Channel {
			ch := &integration.Channel{}
			strictly(tb, "channel.json", []byte(strings.ReplaceAll(channel, "$url", url)), ch)
			return ch
		},
		API:      func(testing.TB) http.Handler { return fakeapi.New(api) },
		Webhooks: Files(tb, "testdata/webhooks/*.*"),
		Refusal: func(r integration.Refusal) Answer {
			return Answer{Status: r.Status, Body: described.Refuse(r.Code, r.Text, r.Text, "").Body}
		},
	}
	strictly(tb, "sends.json", testdata(tb, "sends.json"), &p.Sends)
	if _, err := os.Stat(filepath.Join("testdata", "bad_item.json")); err == nil {
		p.BadItem = testdata(tb, "bad_item.json")
	}
	return p
}

func testdata(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name)) // #nosec G304 -- of the test
	require.NoError(tb, err)
	return data
}

func strictly(tb testing.TB, name string, data []byte, into any) {
	tb.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	require.NoError(tb, decoder.Decode(into), name)
}
