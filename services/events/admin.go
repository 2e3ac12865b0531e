// Package events shows operators the reliable events and the dead letters, replays them and drops them. It is the
// service events of the cluster, and serves the command line. Both use an [Admin].
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

// Count says how many events of a name there are, and how old they are.
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

// View is an event as operators see it, without secrets.
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

// Original is the event that became a dead letter.
type Original struct {
	Event   string `json:"event"` // its name, without the prefix
	Subject string `json:"subject"`
	Group   string `json:"group,omitempty"`
	Error   string `json:"error,omitempty"`
}

// Filter selects events; its zero value selects all.
type Filter struct {
	Since *time.Time `json:"since" params:"optional"`
	Until *time.Time `json:"until" params:"optional"`
	// only later sequences: the last one of the page before
	After      uint64   `json:"after" params:"optional|convert"`
	Through    uint64   `json:"through" params:"optional|convert"`     // no later sequences
	Sequences  []uint64 `json:"sequences" params:"optional|max:1000"`  // only these, each once
	MessageIDs []string `json:"messageIds" params:"optional|max:1000"` // only these
	// of dead letters: the original subject, with or without the prefix
	Subject string `json:"subject" params:"optional"`
	// of dead letters: the group that gave them up
	Group string `json:"group" params:"optional"`
	// zero means as many as one call takes
	Limit int `json:"limit" params:"optional|integer|min:0|max:1000|convert"`
}

// Bounds of one call. Its answer says how far it got, so that the next call can go on.
const (
	maxEvents    = 1000     // events that are replayed, dropped or listed
	maxReplayed  = 64 << 20 // bytes
	maxListed    = 512 << 10
	partOfTheWay = 5 // a fifth of the time that the caller waits is left for the answer
)

// TenantFilter says whether a caller may see the events of a tenant; nil means all events.
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

// bounded returns the query for one call, within its bounds and the time that its caller waits.
func (a *Admin) bounded(ctx context.Context, f Filter, allowed TenantFilter) events.Query {
	q := a.query(f, allowed)
	q.Limit, q.Bytes = min(cmp.Or(q.Limit, maxEvents), maxEvents), maxReplayed
	if end, ok := ctx.Deadline(); ok {
		q.By = end.Add(-end.Sub(a.Now()) / partOfTheWay)
	}
	return q
}

// tenantOf returns the tenant in the payload of an event, else the one in its meta.
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

// Counts counts the events of each name, and the dead letters.
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

// List returns the events of a name in their order, as many as fit into one answer. An unknown name is an error.
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

// Each shows all events of a name that the filter selects, in their order. An unknown name is an error.
func (a *Admin) Each(ctx context.Context, name string, f Filter, show func(*View)) error {
	if err := a.checkName(ctx, name, nil); err != nil {
		return err
	}
	return a.Archive.Each(ctx, name, a.query(f, nil), func(r *events.Record) error {
		show(a.View(r))
		return nil
	})
}

// Tail shows the events since a moment and then new ones as they come, until ctx ends. Without names it shows all
// events and the dead letters. An unknown name is an error.
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

// Replay publishes the selected events of a name again, as Archive.Replay does, and returns how far it got. One call
// replays at most 1,000 events and 64 MB, and ends before its caller stops waiting. An unknown name is an error.
func (a *Admin) Replay(ctx context.Context, name string, f Filter, allowed TenantFilter) (events.Progress, error) {
	if err := a.checkName(ctx, name, allowed); err != nil {
		return events.Progress{}, err
	}
	return a.Archive.Replay(ctx, name, a.bounded(ctx, f, allowed))
}

// Group says how far a group of consumers is with an event.
type Group struct {
	Event          string `json:"event"`
	Group          string `json:"group"`          // the durable: the group's name with underscores for dots
	Pending        uint64 `json:"pending"`        // not delivered yet
	Unacknowledged int    `json:"unacknowledged"` // delivered, and neither handled nor given up yet
	Redelivered    int    `json:"redelivered"`    // unacknowledged ones that were delivered more than once
	LastActive     *Age   `json:"lastActive,omitempty"`
	Members        bool   `json:"members"` // whether a member is connected
}

// Groups returns how far each group is, or only those of some events. An unknown name is an error.
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
			list = append(
				list, Group{g.Event, g.Group, g.Pending, g.Unacknowledged, g.Redelivered, a.age(g.LastActive), g.Members},
			)
		}
	}
	return list, err
}

// DeadLetters are the dead letters of a queue, counted by event and group, and some of them.
type DeadLetters struct {
	Queue   string          `json:"queue"`
	Total   Count           `json:"total"`
	Groups  []DeadLettersOf `json:"groups"`
	Letters []*View         `json:"letters"`
}

// DeadLettersOf counts the dead letters of one event and group.
type DeadLettersOf struct {
	Group string `json:"group,omitempty"`
	Count
}

// DeadLetters counts all selected dead letters and lists them without their content. The filter's limit bounds the
// list.
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
	err := a.Archive.EachDead(ctx, cmp.Or(queue, a.Queue), a.query(
		Filter{Sequences: []uint64{sequence}}, allowed,
	), func(r *events.Record) error {
		view = a.View(r)
		return nil
	})
	if err == nil && view == nil {
		err = action.Client(http.StatusNotFound, codes.DeadLetterNotFound, "there is no dead letter %d", sequence)
	}
	return view, err
}

// EachDead shows all selected dead letters of a queue, in their order.
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

// Revive sends the selected dead letters back to their subjects, as Archive.Revive does, within the bounds of
// [Admin.Replay].
func (a *Admin) Revive(ctx context.Context, queue string, f Filter, allowed TenantFilter) (events.Progress, error) {
	return a.onDeadLetters(ctx, queue, f, allowed, func(queue string, q events.Query) (events.Progress, error) {
		return a.Archive.Revive(ctx, queue, q)
	})
}

// Drop deletes the selected dead letters for good, within the bounds of [Admin.Replay].
func (a *Admin) Drop(ctx context.Context, queue string, f Filter, allowed TenantFilter) (events.Progress, error) {
	return a.onDeadLetters(ctx, queue, f, allowed, func(queue string, q events.Query) (events.Progress, error) {
		return a.Archive.Drop(ctx, queue, q)
	})
}

// onDeadLetters calls do with the selected dead letters. If there are none because of an unknown name, it returns an
// error that says so.
func (a *Admin) onDeadLetters(
	ctx context.Context, queue string, f Filter, allowed TenantFilter,
	do func(string, events.Query) (events.Progress, error),
) (events.Progress, error) {
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

// View returns an event as operators see it.
func (a *Admin) View(r *events.Record) *View {
	v := &View{
		Sequence: r.Sequence, Subject: r.Subject, MessageID: a.Secrets.Redact(r.MessageID()), TenantID: tenantOf(r),
		Stored:  a.age(r.Time),
		Payload: a.shown(r.Payload), Headers: map[string]string{},
	}
	if r.OriginalSubject() != "" {
		v.Original = &Original{
			Event: a.Archive.Name(r.OriginalSubject()), Subject: r.OriginalSubject(), Group: r.OriginalGroup(),
			Error: a.Secrets.Redact(r.Failure()),
		}
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
