// Package events shows operators the reliable events and the dead letters, replays and drops them: the service of
// that name in the cluster, and what the command line does with them. Both go through an [Admin].
//
// It knows neither what the events mean nor who consumes them, and shows no secrets.
package events

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/integration"
)

// Admin is what operators do with reliable events. Safe for concurrent use.
type Admin struct {
	Archive *events.Archive
	Names   []string // of the events that are shown when none is named
	Queue   string   // of dead letters, where none is named
	Secrets integration.Secrets
	Now     func() time.Time
}

// Count tells how many events of a name there are, and how old.
type Count struct {
	Name   string `json:"name"`
	Count  int    `json:"count"`
	Oldest *Age   `json:"oldest,omitempty"`
	Newest *Age   `json:"newest,omitempty"`
}

// Age is a moment, and how long ago it was.
type Age struct {
	Time      string `json:"time"`      // in RFC 3339 with ms, in UTC
	Timestamp int64  `json:"timestamp"` // ms
	Age       string `json:"age"`       // such as 3h12m0s
}

const rfc3339ms = "2006-01-02T15:04:05.000Z"

func (a *Admin) age(t time.Time) *Age {
	if t.IsZero() {
		return nil
	}
	return &Age{t.UTC().Format(rfc3339ms), t.UnixMilli(), a.Now().Sub(t).Round(time.Second).String()}
}

func (a *Admin) count(name string, s events.Summary) Count {
	return Count{Name: name, Count: s.Count, Oldest: a.age(s.Oldest), Newest: a.age(s.Newest)}
}

// View is an event as it is shown: without secrets.
type View struct {
	Sequence  uint64            `json:"sequence"`
	Subject   string            `json:"subject"`
	MessageID string            `json:"messageId,omitempty"`
	TenantID  string            `json:"tenantId,omitempty"`
	Stored    *Age              `json:"stored"`
	Original  *Original         `json:"original,omitempty"` // of a dead letter
	Headers   map[string]string `json:"headers,omitempty"`
	Meta      any               `json:"meta,omitempty"`
	Payload   any               `json:"payload,omitempty"`
}

// Original is what a dead letter was.
type Original struct {
	Event   string `json:"event"` // its name, without the prefix
	Subject string `json:"subject"`
	Group   string `json:"group,omitempty"`
	Error   string `json:"error,omitempty"`
}

// Filter chooses events; its zero value chooses all.
type Filter struct {
	Since      *time.Time `json:"since" params:"optional"`
	Until      *time.Time `json:"until" params:"optional"`
	After      uint64     `json:"after" params:"optional|convert"`                        // the last sequence of the page before
	Through    uint64     `json:"through" params:"optional|convert"`                      // a sequence: none later
	Sequences  []uint64   `json:"sequences" params:"optional|max:1000"`                   // only these, each once
	MessageIDs []string   `json:"messageIds" params:"optional|max:1000"`                  // only those of these ids
	Subject    string     `json:"subject" params:"optional"`                              // of dead letters: where they were, with or without the prefix
	Group      string     `json:"group" params:"optional"`                                // of dead letters: who gave them up
	Limit      int        `json:"limit" params:"optional|integer|min:0|max:1000|convert"` // zero is as many as one call takes
}

// What one call does at most. It says how far it got, so that another one can go on.
const (
	maxEvents    = 1000     // events that are replayed or dropped, or whose list is asked for
	maxReplayed  = 64 << 20 // bytes
	maxListed    = 512 << 10
	partOfTheWay = 5 // of the time that a caller waits, this part is left for the answer
)

// TenantFilter says which events somebody gets to see, by their tenant; nil is all.
type TenantFilter func(tenantID string) bool

func (a *Admin) query(f Filter, allowed TenantFilter) events.Query {
	q := events.Query{After: f.After, Through: f.Through, Sequences: f.Sequences, MessageIDs: f.MessageIDs, Limit: f.Limit}
	if f.Since != nil {
		q.Since = *f.Since
	}
	if f.Until != nil {
		q.Until = *f.Until
	}
	q.Match = func(r *events.Record) bool {
		switch {
		case f.Group != "" && r.OriginalGroup() != f.Group:
			return false
		case f.Subject != "" && r.OriginalSubject() != f.Subject && r.OriginalSubject() != a.Archive.Subject(f.Subject):
			return false
		}
		return allowed == nil || allowed(tenantOf(r))
	}
	return q
}

// bounded is a query of what one call does, as long as its caller waits.
func (a *Admin) bounded(ctx context.Context, f Filter, allowed TenantFilter) events.Query {
	q := a.query(f, allowed)
	q.Limit, q.Bytes = min(cmp.Or(q.Limit, maxEvents), maxEvents), maxReplayed
	if end, ok := ctx.Deadline(); ok {
		q.By = end.Add(-end.Sub(a.Now()) / partOfTheWay)
	}
	return q
}

// tenantOf is whose an event is, by its payload, else by its meta.
func tenantOf(r *events.Record) string {
	for _, data := range [][]byte{r.Payload, decoded(r.Get("$meta"))} {
		var told struct {
			TenantID json.RawMessage `json:"tenantId"`
		}
		if json.Unmarshal(data, &told) != nil || len(told.TenantID) == 0 {
			continue
		}
		if id := strings.Trim(string(told.TenantID), `"`); id != "" && id != "null" {
			return id
		}
	}
	return ""
}

func decoded(text string) []byte {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return data
}

// Counts tells of the events of each name, and of the dead letters.
func (a *Admin) Counts(ctx context.Context) ([]Count, error) {
	var list []Count
	for _, name := range append(slices.Clone(a.Names), a.Queue) {
		s, err := a.Archive.Summarize(ctx, name)
		if err != nil {
			return nil, err
		}
		list = append(list, a.count(name, s))
	}
	return list, nil
}

// List gives the events of a name, in their order: not more than one answer holds. Of no known name it is an error.
func (a *Admin) List(ctx context.Context, name string, f Filter, allowed TenantFilter) ([]*View, error) {
	if err := a.checkName(ctx, name, allowed); err != nil {
		return nil, err
	}
	q := a.bounded(ctx, f, allowed)
	q.Bytes = maxListed
	list := []*View{}
	err := a.Archive.Each(ctx, name, q, func(r *events.Record) error {
		list = append(list, a.View(r))
		return nil
	})
	return list, err
}

// Each shows all the chosen events of a name, in their order.
func (a *Admin) Each(ctx context.Context, name string, f Filter, show func(*View)) error {
	if err := a.checkName(ctx, name, nil); err != nil {
		return err
	}
	return a.Archive.Each(ctx, name, a.query(f, nil), func(r *events.Record) error {
		show(a.View(r))
		return nil
	})
}

// Tail shows events as they come, and first those since a moment, until ctx ends. Without names it follows all that
// this service shows. A name that is not known is an error.
func (a *Admin) Tail(ctx context.Context, names []string, since time.Time, show func(*View)) error {
	for _, name := range names {
		if err := a.checkName(ctx, name, nil); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		names = append(slices.Clone(a.Names), a.Queue)
	}
	return a.Archive.Tail(ctx, names, since, func(r *events.Record) { show(a.View(r)) })
}

// Replay publishes chosen events of a name again, as Archive.Replay does, and says how far it got: at most a thousand, 64 MB,
// and as many as its caller waits for. Of no known name it is an error.
func (a *Admin) Replay(ctx context.Context, name string, f Filter, allowed TenantFilter) (events.Progress, error) {
	if err := a.checkName(ctx, name, allowed); err != nil {
		return events.Progress{}, err
	}
	return a.Archive.Replay(ctx, name, a.bounded(ctx, f, allowed))
}

// Group is how far a group of consumers is with an event.
type Group struct {
	Event          string `json:"event"`
	Group          string `json:"group"`          // the durable: the group's name with underscores for dots
	Pending        uint64 `json:"pending"`        // not delivered yet
	Unacknowledged int    `json:"unacknowledged"` // delivered, and neither handled nor given up yet
	Redelivered    int    `json:"redelivered"`    // those of them that have been delivered before
	LastActive     *Age   `json:"lastActive,omitempty"`
	Members        bool   `json:"members"` // whether a member is connected
}

// Groups tells how far all groups are, or those of some events. A name that is not known is an error.
func (a *Admin) Groups(ctx context.Context, names []string) ([]Group, error) {
	for _, name := range names {
		if err := a.checkName(ctx, name, nil); err != nil {
			return nil, err
		}
	}
	found, err := a.Archive.Groups(ctx)
	list := []Group{}
	for _, g := range found {
		if len(names) == 0 || slices.Contains(names, g.Event) {
			list = append(list, Group{g.Event, g.Group, g.Pending, g.Unacknowledged, g.Redelivered, a.age(g.LastActive), g.Members})
		}
	}
	return list, err
}

// DeadLetters are those of a queue: counted by where they were and who gave them up, and some of them.
type DeadLetters struct {
	Queue   string          `json:"queue"`
	Total   Count           `json:"total"`
	Groups  []DeadLettersOf `json:"groups"`
	Letters []*View         `json:"letters"`
}

// DeadLettersOf counts those of one event and group.
type DeadLettersOf struct {
	Group string `json:"group,omitempty"`
	Count
}

// DeadLetters lists dead letters, without their content. All are counted, the choice's limit is for the list.
func (a *Admin) DeadLetters(ctx context.Context, queue string, f Filter, allowed TenantFilter) (*DeadLetters, error) {
	limit := f.Limit
	f.Limit = 0
	if err := a.checkQueue(ctx, cmp.Or(queue, a.Queue)); err != nil {
		return nil, err
	}
	type of struct{ subject, group string }
	found := &DeadLetters{Queue: cmp.Or(queue, a.Queue), Groups: []DeadLettersOf{}, Letters: []*View{}}
	var total events.Summary
	groups := map[of]*events.Summary{}
	var order []of
	err := a.Archive.EachDead(ctx, found.Queue, a.query(f, allowed), func(r *events.Record) error {
		key := of{r.OriginalSubject(), r.OriginalGroup()}
		if groups[key] == nil {
			groups[key] = &events.Summary{}
			order = append(order, key)
		}
		groups[key].Add(r.Time)
		total.Add(r.Time)
		if limit == 0 || len(found.Letters) < limit {
			v := a.View(r)
			v.Payload, v.Headers, v.Meta = nil, nil, nil
			found.Letters = append(found.Letters, v)
		}
		return nil
	})
	found.Total = a.count(found.Queue, total)
	for _, key := range order {
		found.Groups = append(found.Groups, DeadLettersOf{key.group, a.count(a.Archive.Name(key.subject), *groups[key])})
	}
	if err == nil && total.Count == 0 {
		err = a.checkFilter(ctx, found.Queue, f, allowed)
	}
	return found, err
}

// DeadLetter shows one dead letter.
func (a *Admin) DeadLetter(ctx context.Context, queue string, sequence uint64, allowed TenantFilter) (*View, error) {
	if err := a.checkQueue(ctx, cmp.Or(queue, a.Queue)); err != nil {
		return nil, err
	}
	var view *View
	err := a.Archive.EachDead(ctx, cmp.Or(queue, a.Queue), a.query(Filter{Sequences: []uint64{sequence}}, allowed), func(r *events.Record) error {
		view = a.View(r)
		return nil
	})
	if err == nil && view == nil {
		err = action.Client(http.StatusNotFound, codes.DeadLetterNotFound, "there is no dead letter %d", sequence)
	}
	return view, err
}

// EachDead shows all the chosen dead letters of a queue, in their order.
func (a *Admin) EachDead(ctx context.Context, queue string, f Filter, show func(*View)) error {
	_, err := a.onDeadLetters(ctx, queue, f, nil, func(queue string, q events.Query) (p events.Progress, err error) {
		q.Limit, q.Bytes = 0, 0
		return p, a.Archive.EachDead(ctx, queue, q, func(r *events.Record) error {
			p.Count++
			show(a.View(r))
			return nil
		})
	})
	return err
}

// Revive sends chosen dead letters back to where they were, as Archive.Revive does, within the bounds of [Admin.Replay].
func (a *Admin) Revive(ctx context.Context, queue string, f Filter, allowed TenantFilter) (events.Progress, error) {
	return a.onDeadLetters(ctx, queue, f, allowed, func(queue string, q events.Query) (events.Progress, error) {
		return a.Archive.Revive(ctx, queue, q)
	})
}

// Drop deletes chosen dead letters for good, within the bounds of [Admin.Replay].
func (a *Admin) Drop(ctx context.Context, queue string, f Filter, allowed TenantFilter) (events.Progress, error) {
	return a.onDeadLetters(ctx, queue, f, allowed, func(queue string, q events.Query) (events.Progress, error) {
		return a.Archive.Drop(ctx, queue, q)
	})
}

// onDeadLetters does something to chosen dead letters. Where there are none because a name is not known, it says so.
func (a *Admin) onDeadLetters(ctx context.Context, queue string, f Filter, allowed TenantFilter, do func(string, events.Query) (events.Progress, error)) (events.Progress, error) {
	queue = cmp.Or(queue, a.Queue)
	if err := a.checkQueue(ctx, queue); err != nil {
		return events.Progress{}, err
	}
	p, err := do(queue, a.bounded(ctx, f, allowed))
	if err == nil && p.Count == 0 {
		err = a.checkFilter(ctx, queue, f, allowed)
	}
	return p, err
}

// View shows an event.
func (a *Admin) View(r *events.Record) *View {
	v := &View{
		Sequence: r.Sequence, Subject: r.Subject, MessageID: a.Secrets.Redact(r.MessageID()), TenantID: tenantOf(r), Stored: a.age(r.Time),
		Payload: a.shown(r.Payload), Headers: map[string]string{},
	}
	if r.OriginalSubject() != "" {
		v.Original = &Original{Event: a.Archive.Name(r.OriginalSubject()), Subject: r.OriginalSubject(), Group: r.OriginalGroup(), Error: a.Secrets.Redact(r.Failure())}
	}
	for key, values := range r.Header {
		text := strings.Join(values, ", ")
		switch key {
		case "$meta":
			v.Meta = a.shown(decoded(text))
		case "$headers", "x-error-data", "x-error-stack":
			v.Headers[key] = fmt.Sprint(a.asText(decoded(text)))
		default:
			v.Headers[key] = fmt.Sprint(a.masked(key, text))
		}
	}
	return v
}
