package integrationtest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/fixtures"
)

// testFixtures has each payload from elsewhere come in, as a webhook or over a connection, or be the answer to a
// message, and compares what becomes of it with testdata/fixtures/NAME.json.
func testFixtures(t *testing.T, p Platform) {
	t.Helper()
	for _, f := range fixtures.Payloads(t, p.Definition.Name) {
		t.Run(f.Name, func(t *testing.T) {
			path := filepath.Join("testdata", "fixtures", f.Name+".json")
			switch {
			case f.Connection:
				Golden(t, path, indented(t, received(t, p, f.Body)))
			case f.Unused == "" && f.Status == 0:
				Golden(t, path, indented(t, taken(t, p, Webhook{Name: f.Name, Body: f.Body, Headers: f.Headers})))
			case f.Unused == "":
				Golden(t, path, indented(t, understood(t, p, Answer{Status: f.Status, Body: string(f.Body)})))
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
	b := newHarness(t, p, marking, func(ch *integration.Channel) {
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
		list = append(
			list, summary{m.Content.Type, cmp.Or(m.Kind, integration.KindMessage), m.Direction, m.Features(), paths, digest},
		)
	}
	record := struct {
		Status int       `json:"status"`
		Events []summary `json:"events"`
	}{answer.Status, list}
	return record
}

// received is what becomes of an item that came over a connection.
func received(t *testing.T, p Platform, body []byte) any {
	t.Helper()
	b := newHarness(t, p)
	messages, err := p.Definition.Platform.Normalize(t.Context(), &integration.Webhook{
		TenantID: b.channel.TenantID, ChannelID: b.channel.ID, Platform: p.Definition.Name, Channel: b.channel,
		Payload: body, RawBody: body, Timestamp: time.UnixMilli(1_800_000_000_000), Connection: true,
	})
	require.NoError(t, err)
	list := []summary{}
	for _, m := range messages {
		requireSound(t, m)
		paths, digest := shapeOf(t, []byte(toJSON(t, m)))
		list = append(
			list, summary{m.Content.Type, cmp.Or(m.Kind, integration.KindMessage), m.Direction, m.Features(), paths, digest},
		)
	}
	return struct {
		Messages []summary `json:"messages"`
	}{list}
}

// foreign are members whose own members the platform, or its user, names.
var foreign = []string{
	"message.metadata.raw", "message.metadata.resolved", "message.content.interactive.reply.formValues",
	"message.content.command.options", "message.content.template.components",
}

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
	b := newHarness(t, p)
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
