// Package cases_test replays cases of the platforms: webhooks and sends, what the platform's API answers, and what must
// come of it. A case is a JSON file; testdata has our own, and those that were reported lie beside the repository, on
// its authors' machines only.
package cases_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/internal/fixtures"
)

// trial is the file of a case.
type trial struct {
	Name, Platform, Source, Summary, Should string

	Settings       map[string]string // of the channel
	API            []scripted
	Steps          []step
	Expect         map[string]any
	EventsDoNotSay []string
}

// step is a webhook or a call of an action, and what must come of it.
type step struct {
	Webhook *struct {
		JSON    any
		Form    map[string]string
		Headers map[string]string
	}
	Call *struct {
		Action string
		Params object
	}
	Expect any
}

// outcome is what came of a step, as cases match it.
type outcome = object

func TestOurCasesHold(t *testing.T) { replayAll(t, "testdata") }

func TestTheReportedCasesHold(t *testing.T) {
	shared, _ := fixtures.Folder(t)
	folder := filepath.Join(filepath.Dir(shared), "trials", "platform")
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		t.Skip("the reported cases are not beside this repository: ../shared/trials/platform")
	}
	replayAll(t, folder)
}

func replayAll(t *testing.T, folder string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			replay(t, path)
		})
	}
}

func replay(t *testing.T, path string) {
	t.Helper()
	file, err := os.Open(path) // #nosec G304 -- of the test
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	var c trial
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields() // what nobody looks at would hold whatever it says
	require.NoError(t, decoder.Decode(&c))
	w := newWorld(t, c.Platform, c.Settings, c.API)
	var outcomes []outcome
	for i := range c.Steps {
		s := &c.Steps[i]
		got := w.run(s)
		outcomes = append(outcomes, got)
		if s.Expect != nil {
			want, err := expand(s.Expect)
			require.NoError(t, err)
			require.Empty(t, match(t, want, got), "step %d; it should be: %s\nit is %s", i+1, c.Should, short(got))
		}
	}
	w.hold(&c, outcomes)
}

// run does one step.
func (w *world) run(s *step) outcome {
	w.t.Helper()
	var result any
	var err error
	switch {
	case s.Webhook != nil && s.Webhook.Form != nil:
		form := url.Values{}
		for name, value := range s.Webhook.Form {
			of, err := expand(value)
			require.NoError(w.t, err)
			form.Set(name, of.(string))
		}
		result, err = w.receive([]byte(form.Encode()), "application/x-www-form-urlencoded", s.Webhook.Headers)
	case s.Webhook != nil:
		of, failed := expand(s.Webhook.JSON)
		require.NoError(w.t, failed)
		body, failed := json.Marshal(of)
		require.NoError(w.t, failed)
		result, err = w.receive(body, "application/json", s.Webhook.Headers)
	case s.Call != nil:
		params, failed := expand(s.Call.Params)
		require.NoError(w.t, failed)
		s.Call.Params = params.(object)
		_, name, ok := strings.Cut(s.Call.Action, ".")
		require.True(w.t, ok, "the action %q names no service", s.Call.Action)
		result, err = w.call(name, s.Call.Params)
	default:
		require.Fail(w.t, "a step is neither a webhook nor a call")
	}
	if err != nil {
		return outcome{"error": errorOf(w.t, err)}
	}
	got, _ := result.(outcome)
	return got
}

// call runs an action of the service. The outcome has the result, and the status that a gateway answers with.
func (w *world) call(name string, params object) (any, error) {
	w.t.Helper()
	all := object{"channelId": "cases"}
	for k, v := range params {
		all[k] = v
	}
	data, err := json.Marshal(all)
	require.NoError(w.t, err)
	req := &action.Request{Params: data, Meta: action.NewMeta(nil)}
	result, err := w.service.Call(w.t.Context(), name, req)
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	req.Meta.Get("$statusCode", &status)
	return outcome{"result": tree(w.t, result), "status": float64(status)}, nil
}

// errorOf is an error as a caller gets it.
func errorOf(t *testing.T, err error) any {
	t.Helper()
	e, ok := errors.AsType[*action.Error](err)
	require.True(t, ok, "%v", err)
	return object{
		"name": e.Name, "message": e.Message, "code": float64(e.Code), "type": e.Type, "retryable": e.Retryable,
		"data": tree(t, e.Data),
	}
}

func tree(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	var of any
	require.NoError(t, json.Unmarshal(data, &of))
	return of
}

// hold checks what the whole case expects.
func (w *world) hold(c *trial, outcomes []outcome) {
	w.t.Helper()
	seen := object{
		"calls": append([]any{}, w.calls...), "received": w.payloads("received"), "sent": w.payloads("sent"),
		"failed": w.payloads("failed"),
	}
	for name, of := range c.Expect {
		if name == "checks" {
			continue
		}
		got, known := seen[name]
		require.True(w.t, known, "nobody knows what to expect of %q", name)
		want, err := expand(of)
		require.NoError(w.t, err)
		require.Empty(w.t, match(w.t, want, got), "%s; it should be: %s", name, c.Should)
	}
	list, _ := c.Expect["checks"].([]any)
	for _, of := range list {
		name, _ := of.(string)
		check, known := checks[name]
		require.True(w.t, known, "nobody knows the check %q", name)
		check(w, c, outcomes)
	}
}

// payloads are the events of that name: the message that was received, or what became of one that was sent.
func (w *world) payloads(name string) []any {
	w.t.Helper()
	list := []any{}
	for _, e := range w.events {
		if !strings.HasSuffix(e.name, ".message."+name) {
			continue
		}
		payload := tree(w.t, e.payload)
		if name == "received" {
			payload = payload.(object)["message"]
		}
		list = append(list, payload)
	}
	return list
}

// checks are those that cases name.
var checks = map[string]func(*world, *trial, []outcome){
	"eventsDoNotSay": func(w *world, c *trial, _ []outcome) {
		require.NotEmpty(w.t, c.EventsDoNotSay)
		for _, e := range w.events {
			for _, secret := range c.EventsDoNotSay {
				require.NotContains(w.t, string(e.payload), secret)
			}
		}
	},
	"noMarkupOfProxies": func(w *world, _ *trial, outcomes []outcome) {
		all, err := json.Marshal(outcomes)
		require.NoError(w.t, err)
		said := string(all) + w.said.String()
		for _, e := range w.events {
			said += string(e.payload)
		}
		for _, piece := range []string{"<html", "<head", "<center", `\u003chtml`, `\u003ccenter`} {
			require.NotContains(w.t, strings.ToLower(said), piece)
		}
	},
	"linesKeepIndentation": func(w *world, c *trial, _ []outcome) {
		var want, got []string
		for i := range c.Steps {
			if call := c.Steps[i].Call; call != nil {
				want = append(want, linesOf(strings.Join(textsOf(call.Params), "\n"))...)
			}
		}
		for _, call := range w.calls {
			got = append(got, linesOf(strings.Join(textsOf(call), "\n"))...)
		}
		require.NotEmpty(w.t, want)
		require.Equal(w.t, want, got)
	},
}

// linesOf are the lines of a text that hold something, without those that begin and end blocks of code.
func linesOf(text string) []string {
	var kept []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "```") {
			kept = append(kept, strings.TrimRight(line, " \r"))
		}
	}
	return kept
}

// textMembers are the members in which messages and the platforms' calls have their texts.
var textMembers = []string{"text", "markdown_text", "body", "caption", "initial_comment"}

// textsOf are the texts of a message or a call.
func textsOf(value any) []string {
	of, ok := value.(object)
	if !ok {
		return nil
	}
	var texts []string
	for _, name := range textMembers {
		if text, ok := of[name].(string); ok {
			texts = append(texts, text)
			break
		}
	}
	if text, ok := of["content"].(string); ok {
		texts = append(texts, text)
	}
	for _, name := range []string{"message", "content", "json", "form", "text", "document", "image", "video"} {
		texts = append(texts, textsOf(of[name])...)
	}
	return texts
}
