package integrationtest

import (
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

// testRows has the API refuse the first message in each way that the platform's error table has a row for, and looks
// whether the platform finds that row. The platform itself is asked, since the factory would try again.
func testRows(t *testing.T, p Platform) {
	t.Helper()
	for _, row := range p.Definition.Errors.Rows() {
		t.Run(strings.ReplaceAll(row.Key, "/", "-"), func(t *testing.T) {
			answer := Answer{Status: row.Status, Body: "<html>no</html>"}
			if row.Refusal != nil {
				answer = p.Refusal(*row.Refusal)
			}
			b := newHarness(t, p)
			b.fake.play(trouble{Answer: answer})
			message := p.Sends[0].Message
			_, err := p.Definition.Platform.Send(t.Context(), &message, b.channel)
			e, ok := errors.AsType[*integration.Error](err)
			require.True(t, ok, "the error must be typed: %v", err)
			require.Equal(t, row.Kind, e.Kind, "%v", err)
			require.Equal(t, row.Code, e.Code, "%v", err)
			require.Contains(t, e.Message, row.Fix, "the message must say what to do")
			require.Equal(t, row.Kind == integration.FaultUnknown, e.Outcome() == integration.Uncertain)
			if row.Kind == integration.FaultThrottled && answer.Header == nil {
				require.Equal(t, row.Wait, e.RetryAfter, "how long to wait")
				require.Equal(
					t, cmp.Or(row.Pauses, integration.PausesChannel), cmp.Or(e.Pauses, integration.PausesChannel), "what has to wait",
				)
			}
		})
	}
}

// literal is an answer as the platform's documentation shows it, or as it was recorded, in testdata/errors.json.
type literal struct {
	Name   string `json:"name"`
	Source string `json:"source"` // where it is from

	Status int               `json:"status"`
	Header map[string]string `json:"headers"`
	Body   json.RawMessage   `json:"body"` // JSON, or a string with another body

	Kind         integration.ErrorKind `json:"kind"`
	Code         string                `json:"code"`
	PlatformCode string                `json:"platformCode"`
	RetryAfterMs int64                 `json:"retryAfterMs"`
	Pauses       integration.Scope     `json:"pauses"`
}

// literalKinds are those of which a platform with an error table owes at least one answer each.
var literalKinds = []integration.ErrorKind{
	integration.FaultThrottled, integration.FaultAuth, integration.FaultPermanent, integration.FaultTransient,
	integration.FaultUnknown,
}

// literals reads the platform's literal answers, and demands one of each kind. Without an error table there are none.
func literals(tb testing.TB, p Platform) []Failure {
	tb.Helper()
	if p.Definition.Errors == nil {
		return nil
	}
	file := filepath.Join("testdata", "errors.json")
	data, err := os.ReadFile(file) // #nosec G304 -- of the test
	require.NoError(tb, err, "a platform with an error table owes answers of its API, word for word")
	var all []literal
	require.NoError(tb, json.Unmarshal(data, &all), file)
	for _, kind := range literalKinds {
		has := slices.ContainsFunc(all, func(l literal) bool { return l.Kind == kind })
		require.True(tb, has, "%s must have an answer that is %s", file, kind)
	}
	var list []Failure
	for _, l := range all {
		require.NotEmpty(tb, l.Source, "%s: where is %q from?", file, l.Name)
		body := string(l.Body)
		var text string
		if json.Unmarshal(l.Body, &text) == nil {
			body = text
		}
		list = append(list, Failure{
			Name: l.Name, Answer: Answer{Status: l.Status, Header: l.Header, Body: body}, Kind: l.Kind, Code: l.Code,
			PlatformCode: l.PlatformCode, RetryAfter: time.Duration(l.RetryAfterMs) * time.Millisecond, Pauses: l.Pauses,
		})
	}
	return list
}
