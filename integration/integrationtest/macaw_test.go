package integrationtest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/test/parrot"
)

// macaw is a parrot that can more: it answers webhooks, knows commands, its own messages, files, places and
// reactions.
type macaw struct {
	sound
	client *httpapi.Client
	lose   bool // what of a place is lost is not told
	shout  bool // commands come in as texts
}

func (m macaw) Normalize(ctx context.Context, w *integration.Webhook) ([]integration.Message, error) {
	messages, err := m.sound.Normalize(ctx, w)
	for i := range messages {
		text := messages[i].Content.Text
		if name, ok := strings.CutPrefix(text, "/"); ok && !m.shout {
			messages[i].Content = integration.Content{
				Type: integration.TypeCommand, Text: text, Command: &integration.Command{Name: name},
			}
		}
		if messages[i].From.ID == "macaw" {
			messages[i].Direction = integration.DirectionEcho
		}
	}
	return messages, err
}

func (macaw) Respond(_ context.Context, w *integration.Webhook) (*integration.Response, error) {
	var shake struct{ Challenge string }
	if err := json.Unmarshal(w.Payload, &shake); err != nil || shake.Challenge == "" {
		return nil, err
	}
	return &integration.Response{Status: http.StatusCreated, ContentType: "text/plain", Body: shake.Challenge}, nil
}

func (m macaw) Send(
	ctx context.Context, message *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	switch message.Content.Type {
	case integration.TypeLocation:
		plain := *message
		plain.Content = integration.Content{Type: integration.TypeText, Text: "https://map.example.org"}
		result, err := m.sound.Send(ctx, &plain, ch)
		if err == nil && !m.lose {
			result.Degraded = []integration.Degradation{{Feature: integration.FeatureLocation, Became: "text"}}
		}
		return result, err
	case integration.TypeFile:
		return &integration.SendResult{Success: true}, m.post(ctx, ch, "/v1/files?kind=file", httpapi.Multipart(
			httpapi.Part{Name: "about", ContentType: "application/json", Content: []byte(`{"chat":"perch","quiet":true}`)},
			httpapi.Part{
				Name: "file", Filename: "a.bin", ContentType: "application/octet-stream", Content: []byte{0, 0xff, '"'},
			},
		))
	}
	return m.sound.Send(ctx, message, ch)
}

func (m macaw) React(ctx context.Context, target integration.Target, emoji string, ch *integration.Channel) error {
	return m.post(
		ctx, ch, "/v1/reactions",
		httpapi.Form(url.Values{"message": {string(target.MessageID)}, "emoji": {emoji}, "about": {`{"list":[{"a":1}]}`}}),
	)
}

func (m macaw) post(ctx context.Context, ch *integration.Channel, path string, body httpapi.Body) error {
	answer, err := m.client.Do(ctx, httpapi.Request{
		Name: "macaw " + path, URL: ch.Settings["apiBase"] + path, Body: body,
		Header: http.Header{"Authorization": {"Bearer " + ch.Credentials["apiKey"]}},
	})
	if err != nil {
		return err
	}
	if answer.Status >= 300 {
		return httpapi.Foreign("macaw "+path, answer)
	}
	return nil
}

// macawAPI knows files and reactions by their shapes. All else it leaves to the parrot's.
type macawAPI struct {
	*fakeapi.Server
	first func(w http.ResponseWriter, r *http.Request) bool // says whether it has answered; nil leaves all to the shapes
}

func (a macawAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.first == nil || !a.first(w, r) {
		a.Server.ServeHTTP(w, r)
	}
}

func newMacawAPI() *fakeapi.Server {
	done := func(*fakeapi.Request) fakeapi.Answer {
		return fakeapi.JSON(http.StatusOK, map[string]any{"ok": true, "id": "m-9"})
	}
	return fakeapi.New(fakeapi.API{
		Handler: http.HandlerFunc(parrotAPI),
		Value: func(_, text string) (any, error) {
			var value any
			return value, json.Unmarshal([]byte(text), &value)
		},
		Admit: func(r *fakeapi.Request) *fakeapi.Answer {
			if r.Route != "" && r.Header.Get("Authorization") == "" {
				return &fakeapi.Answer{Status: http.StatusUnauthorized}
			}
			return nil
		},
		Refuse: func(*fakeapi.Request, *is.Fault) fakeapi.Answer { // as platforms do that refuse with a good status
			return fakeapi.Answer{Body: `{"ok":false}`}
		},
		Routes: fakeapi.Routes{
			"POST /v1/files": {
				Takes: fakeapi.FormatMultipart, Query: is.Object{"kind!": is.OneOf("file")}, Answer: done,
				Body: is.Object{"about!": is.Object{"chat!": is.Text(10), "quiet": is.Bool}, "file!": fakeapi.FileOf(1 << 20)},
			},
			"POST /v1/reactions": {Takes: fakeapi.FormatForm, Answer: done, Body: is.Object{
				"message!": is.Text(10), "emoji!": is.Text(10), "about!": is.OneOf(`{"list":[{"a":1}]}`),
			}},
		},
	})
}

func macawSupport() integration.Support {
	table := integration.Support{}
	for _, f := range integration.Features() {
		cells := table[f]
		if never := integration.Impossible("no bird does that", "https://birds.example.org/"); f.Inbound() && f.Outbound() {
			cells.In, cells.Out = never, never
		} else if f.Inbound() {
			cells.In = never
		} else {
			cells.Out = never
		}
		table[f] = cells
	}
	set := func(f integration.Feature, change func(in, out *integration.Cell)) {
		cells := table[f]
		change(&cells.In, &cells.Out)
		table[f] = cells
	}
	set(integration.FeatureText, func(in, out *integration.Cell) { *in, *out = integration.Full(), integration.Full() })
	set(integration.FeatureCommand, func(in, _ *integration.Cell) { *in = integration.Full() })
	set(
		integration.FeatureEcho,
		func(in, _ *integration.Cell) { *in = integration.Degraded("only those of this very bird") },
	)
	set(integration.FeatureFile, func(_, out *integration.Cell) { *out = integration.Full() })
	set(integration.FeatureLocation, func(_, out *integration.Cell) { *out = integration.Degraded("as a link to a map") })
	set(integration.FeatureReaction, func(_, out *integration.Cell) { *out = integration.Full() })
	return table
}

func macawPlatform(tb testing.TB) integrationtest.Platform {
	tb.Helper()
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	tb.Cleanup(client.Close)
	p := platform(tb, parrot.Definition(client))
	p.Definition.Platform = macaw{sound: p.Definition.Platform.(sound), client: client}
	p.Definition.Support = macawSupport()
	p.API = func(testing.TB) http.Handler { return newMacawAPI() }
	p.Webhooks = integrationtest.Files(tb, "testdata/macaw/*.json")
	to := func(c integration.Content) integration.Message {
		return integration.Message{To: integration.Party{ID: "perch"}, Content: c}
	}
	p.Sends = append(p.Sends,
		integrationtest.Send{
			Name: "place",
			Message: to(
				integration.Content{Type: integration.TypeLocation, Location: &integration.Location{Latitude: 1, Longitude: 2}},
			),
		},
		integrationtest.Send{
			Name: "file",
			Message: to(
				integration.Content{Type: integration.TypeFile, Media: &integration.Media{URL: "https://example.org/a.bin"}},
			),
		},
		integrationtest.Send{
			Name: "reaction", Action: integration.ActionReact, Params: map[string]any{"messageId": "m-1", "emoji": "👍"},
		},
	)
	p.Failures = []integrationtest.Failure{
		{
			Name: "an unknown chat", Answer: integrationtest.Answer{Status: 404, Body: `{}`}, Kind: integration.FaultPermanent,
			Code: "PARROT_404",
		},
		{
			Name: "a long pause", Answer: integrationtest.Answer{Status: 429, Header: map[string]string{"Retry-After": "60"}},
			Kind: integration.FaultThrottled, Code: "PARROT_429", RetryAfter: time.Minute,
		},
		{Name: "a break", Answer: integrationtest.Answer{Status: 503}, Kind: integration.FaultTransient, Code: "PARROT_503"},
	}
	return p
}

func TestSuiteOfAPlatformThatTellsWhatItCan(t *testing.T) {
	p := macawPlatform(t)
	if plant, planted := macawFaults[os.Getenv(faultVariable)]; planted {
		plant.plant(&p)
	}
	integrationtest.Run(t, p)
}

func TestSuiteFindsWrongDeclarations(t *testing.T) {
	for name, f := range macawFaults {
		t.Run(name, func(t *testing.T) { findFault(t, name, "TestSuiteOfAPlatformThatTellsWhatItCan/"+f.found) })
	}
}

// cell plants another cell into the table.
func cell(f integration.Feature, in, out *integration.Cell) func(*integrationtest.Platform) {
	return func(p *integrationtest.Platform) {
		cells := p.Definition.Support[f]
		if in != nil {
			cells.In = *in
		}
		if out != nil {
			cells.Out = *out
		}
		p.Definition.Support[f] = cells
	}
}

// api plants another API before the right one: what it does not answer itself, that one does.
func api(answers func(w http.ResponseWriter, r *http.Request) bool) func(*integrationtest.Platform) {
	return func(p *integrationtest.Platform) {
		p.API = func(testing.TB) http.Handler {
			return macawAPI{newMacawAPI(), answers}
		}
	}
}

const (
	tableIn  = "support/a webhook shows what can come in"
	tableOut = "support/a send shows what can go out"
	table    = "support/the table is complete"
	actions  = "support/a message action is there if it is possible"
	refused  = "support/what is impossible is refused, and not sent"
	lacks    = "outbound/the API takes no request that lacks what is required"
	failures = "outbound/a refusal of the API is understood/"
)

var macawFaults = map[string]struct {
	plant func(*integrationtest.Platform)
	found string
}{
	"a feature is missing": {func(
		p *integrationtest.Platform,
	) {
		delete(p.Definition.Support, integration.FeaturePoll)
	}, table},
	"a cell is empty":     {cell(integration.FeaturePoll, &integration.Cell{}, nil), table},
	"a loss is not told":  {cell(integration.FeaturePoll, nil, new(integration.Degraded(""))), table},
	"a source is missing": {cell(integration.FeaturePoll, nil, new(integration.Impossible("no", ""))), table},
	"a cell promises": {cell(
		integration.FeaturePoll, nil, new(integration.Impossible("not yet", "https://birds.example.org/")),
	), table},
	"a direction that is not":  {cell(integration.FeatureTyping, new(integration.Full()), nil), table},
	"nothing shows what comes": {cell(integration.FeaturePoll, new(integration.Full()), nil), tableIn},
	"what is impossible comes": {
		cell(integration.FeatureCommand, new(integration.Impossible("no", "https://birds.example.org/")), nil), tableIn,
	},
	"a webhook lacks its kind": {func(p *integrationtest.Platform) {
		m := p.Definition.Platform.(macaw)
		m.shout = true
		p.Definition.Platform = m
	}, tableIn},
	"nothing shows what goes":    {cell(integration.FeaturePoll, nil, new(integration.Full())), tableOut},
	"a loss is not in the table": {cell(integration.FeatureLocation, nil, new(integration.Full())), tableOut},
	"a loss is not in a result": {func(p *integrationtest.Platform) {
		m := p.Definition.Platform.(macaw)
		m.lose = true
		p.Definition.Platform = m
	}, tableOut},
	"an action is not offered": {cell(
		integration.FeatureTyping, nil, new(integration.Full()),
	), actions},
	"an action is offered": {cell(
		integration.FeatureReaction, nil, new(integration.Impossible("no", "https://birds.example.org/")),
	), actions},
	"an action is not shown": {func(
		p *integrationtest.Platform,
	) {
		p.Sends = p.Sends[:len(p.Sends)-1]
	}, actions},
	"an impossible place is worth more than the message": {
		func(p *integrationtest.Platform) { p.Definition.Platform = literal{p.Definition.Platform.(macaw)} }, refused,
	},
	"an answer is another": {
		func(p *integrationtest.Platform) { p.Definition.Platform = silent{p.Definition.Platform.(macaw)} },
		"inbound/a genuine webhook becomes its events/handshake",
	},
	"own messages are not told": {normal(
		func(m *integration.Message) { m.Direction = "" },
	), tableIn},
	"no credential is checked": {api(func(_ http.ResponseWriter, r *http.Request) bool {
		r.Header.Set("Authorization", "Bearer cn4rqz81-wv0x6kty")
		return false
	}), lacks + "/text"},
	"no member is checked": {api(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v1/messages" {
			_, _ = io.WriteString(w, `{"id":"m-9"}`)
		}
		return r.URL.Path == "/v1/messages"
	}), lacks + "/text"},
	"no part is checked": {api(func(w http.ResponseWriter, r *http.Request) bool {
		if r.FormValue("about") != "" && r.URL.Path == "/v1/files" {
			_, _ = io.WriteString(w, `{"ok":true}`)
			return true
		}
		return false
	}), lacks + "/file"},
	"a member of a field is not checked": {api(func(w http.ResponseWriter, r *http.Request) bool {
		if r.FormValue("about") != "" && r.URL.Path == "/v1/reactions" && r.FormValue("emoji") != "" &&
			r.FormValue("message") != "" && r.Header.Get("Authorization") != "" {
			_, _ = io.WriteString(w, `{"ok":true}`)
			return true
		}
		return false
	}), lacks + "/reaction"},
	"no shape says what is optional": {func(p *integrationtest.Platform) {
		p.API = func(testing.TB) http.Handler { return http.HandlerFunc(newMacawAPI().ServeHTTP) }
	}, lacks + "/file"},
	"a failure is of another kind": {
		failure(func(f *integrationtest.Failure) { f.Kind = integration.FaultAuth }), failures + "an unknown chat",
	},
	"a failure has another code": {failure(
		func(f *integrationtest.Failure) { f.Code = "GONE" },
	), failures + "an unknown chat"},
	"a failure is tried again": {failure(
		func(f *integrationtest.Failure) { f.Calls = 3 },
	), failures + "an unknown chat"},
	"there is no failure": {func(p *integrationtest.Platform) { p.Failures = nil }, ""},
}

func failure(change func(*integrationtest.Failure)) func(*integrationtest.Platform) {
	return func(p *integrationtest.Platform) { change(&p.Failures[0]) }
}

func normal(change func(*integration.Message)) func(*integrationtest.Platform) {
	return func(p *integrationtest.Platform) {
		p.Definition.Platform = changing{p.Definition.Platform.(macaw), change}
	}
}

type changing struct {
	macaw
	change func(*integration.Message)
}

func (c changing) Normalize(ctx context.Context, w *integration.Webhook) ([]integration.Message, error) {
	messages, err := c.macaw.Normalize(ctx, w)
	for i := range messages {
		c.change(&messages[i])
	}
	return messages, err
}

type silent struct{ macaw }

func (silent) Respond(context.Context, *integration.Webhook) (*integration.Response, error) {
	return nil, nil
}

// literal refuses what it cannot place.
type literal struct{ macaw }

func (l literal) Send(
	ctx context.Context, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	if m.ReplyTo != nil {
		return nil, &integration.Error{Kind: integration.FaultPermanent, Code: "NO_REPLIES", Message: "birds do not reply"}
	}
	return l.macaw.Send(ctx, m, ch)
}
