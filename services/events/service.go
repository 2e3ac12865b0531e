package events

import (
	"errors"
	"net/http"
	"time"

	"github.com/moleculer-go/moleculer"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	store "github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/integration"
)

// The permissions of the service's actions. A user sees, replays and drops the events of the user's own tenant. With
// AllTenants these are the events of all tenants, and those without a tenant.
const (
	PermissionRead  = "events.read"
	PermissionWrite = "events.write"
	AllTenants      = "tenants.all"
)

// actionTimeout bounds an action. Long queues take time.
const actionTimeout = time.Minute

// Definition defines the service for operators: events.count, groups, list and replay, and events.dlq.list, show,
// replay and drop.
func Definition(a *Admin) integration.ServiceDefinition {
	s := &service{a}
	spec := func(permission, rest, description string) action.Spec {
		permissions := []string{PermissionWrite}
		if permission == PermissionRead {
			permissions = []string{PermissionRead, PermissionWrite}
		}
		return action.Spec{Description: description, Rest: rest, Permissions: permissions, Timeout: actionTimeout}
	}
	return integration.ServiceDefinition{
		Name: "events",
		Actions: []moleculer.Action{
			integration.NewAction(
				"count", s.count,
				spec(PermissionRead, "GET /", "Counts the events of each name, with their ages; for users of all tenants."),
			),
			integration.NewAction(
				"groups", s.groups,
				spec(PermissionRead, "GET /groups", "Tells how far each group of consumers is; for users of all tenants."),
			),
			integration.NewAction(
				"list", s.list, spec(PermissionRead, "GET /list", "Shows events of a name in their order, without secrets."),
			),
			integration.NewAction(
				"replay", s.replay, spec(PermissionWrite, "POST /replay", "Publishes stored events of a name again."),
			),
			integration.NewAction("dlq.list", s.dlqList, spec(PermissionRead, "GET /dlq", "Counts and lists dead letters.")),
			integration.NewAction(
				"dlq.show", s.dlqShow, spec(PermissionRead, "GET /dlq/:sequence", "Shows a dead letter, without secrets."),
			),
			integration.NewAction(
				"dlq.replay", s.dlqReplay,
				spec(PermissionWrite, "POST /dlq/replay", "Sends dead letters back to where they were."),
			),
			integration.NewAction(
				"dlq.drop", s.dlqDrop, spec(PermissionWrite, "POST /dlq/drop", "Deletes dead letters for good."),
			),
		},
	}
}

type service struct{ admin *Admin }

// allowed returns what the caller may see. A user without a tenant sees nothing.
func allowed(ctx *integration.Context) (TenantFilter, error) {
	if ctx.HasPermission(AllTenants) {
		return nil, nil
	}
	tenant, err := ctx.RequireTenant()
	if err != nil {
		return nil, err
	}
	return func(id string) bool { return id == tenant }, nil
}

func (s *service) count(ctx *integration.Context, _ integration.None) ([]Count, error) {
	if err := ctx.RequirePermission(AllTenants); err != nil {
		return nil, err
	}
	return s.admin.Counts(ctx)
}

// GroupsParams select groups by their events.
type GroupsParams struct {
	Name string `json:"name" params:"optional"` // empty is all
}

func (s *service) groups(ctx *integration.Context, in GroupsParams) ([]Group, error) {
	if err := ctx.RequirePermission(AllTenants); err != nil {
		return nil, err
	}
	if in.Name == "" {
		return s.admin.Groups(ctx, nil)
	}
	return s.admin.Groups(ctx, []string{in.Name})
}

// ListParams select events of a name.
type ListParams struct {
	Name string `json:"name" params:"min:1"`
	Filter
}

// page bounds a list that has no limit of its own.
const page = 100

func (s *service) list(ctx *integration.Context, in ListParams) ([]*View, error) {
	mine, err := allowed(ctx)
	if err != nil {
		return nil, err
	}
	if in.Limit <= 0 {
		in.Limit = page
	}
	return s.admin.List(ctx, in.Name, in.Filter, mine)
}

// Rest says what a call has left for the next one.
type Rest struct {
	More    bool   `json:"more,omitempty"`    // a bound of the call was reached: there may be more
	Last    uint64 `json:"last,omitempty"`    // sequence of the last event: "after" in the next call
	Through uint64 `json:"through,omitempty"` // "through" in the next call, which leaves out events that were stored since
}

func rest(p store.Progress) Rest {
	if !p.More {
		return Rest{}
	}
	return Rest{true, p.Last, p.Through}
}

// Replayed is the answer of events.replay and events.dlq.replay.
type Replayed struct {
	Replayed int `json:"replayed"`
	Rest
}

func (s *service) replay(ctx *integration.Context, in ListParams) (Replayed, error) {
	if in.Since == nil && len(in.MessageIDs) == 0 && len(in.Sequences) == 0 {
		return Replayed{}, action.Client(
			http.StatusUnprocessableEntity, codes.EventsNotChosen, "say which events: since, messageIds or sequences",
		)
	}
	mine, err := allowed(ctx)
	if err != nil {
		return Replayed{}, err
	}
	p, err := s.admin.Replay(ctx, in.Name, in.Filter, mine)
	// Retrying would replay the first ones again.
	return Replayed{p.Count, rest(p)}, interrupted(action.Server, p, "replayed", err)
}

// interrupted returns an error that says how far a call got before it failed.
func interrupted(kind func(int, string, string, ...any) *action.Error, p store.Progress, what string, err error) error {
	if _, told := errors.AsType[*action.Error](err); err == nil || told {
		return err
	}
	return kind(
		http.StatusServiceUnavailable, codes.EventsInterrupted, "%d event(s) have been %s before it failed", p.Count, what,
	).
		With(map[string]any{what: p.Count, "last": p.Last, "through": p.Through}).Because(err)
}

// DeadLetterParams select dead letters.
type DeadLetterParams struct {
	Queue string `json:"queue" params:"optional"` // empty is FAILED_MESSAGES
	// needed to replay or drop without naming sequences, messageIds, subject or group
	All bool `json:"all" params:"optional"`
	Filter
}

// chosen returns an error if the params would select all dead letters by mistake.
func (p DeadLetterParams) chosen() error {
	if p.All || len(p.Sequences) > 0 || len(p.MessageIDs) > 0 || p.Subject != "" || p.Group != "" {
		return nil
	}
	return action.Client(
		http.StatusUnprocessableEntity, codes.DeadLettersNotChosen,
		"say which dead letters: sequences, messageIds, subject, group or all",
	)
}

func (s *service) dlqList(ctx *integration.Context, in DeadLetterParams) (*DeadLetters, error) {
	mine, err := allowed(ctx)
	if err != nil {
		return nil, err
	}
	if in.Limit <= 0 {
		in.Limit = page
	}
	return s.admin.DeadLetters(ctx, in.Queue, in.Filter, mine)
}

// DeadLetterBySequence selects one dead letter.
type DeadLetterBySequence struct {
	Queue    string `json:"queue" params:"optional"`
	Sequence uint64 `json:"sequence" params:"convert"`
}

func (s *service) dlqShow(ctx *integration.Context, in DeadLetterBySequence) (*View, error) {
	mine, err := allowed(ctx)
	if err != nil {
		return nil, err
	}
	return s.admin.DeadLetter(ctx, in.Queue, in.Sequence, mine)
}

func (s *service) dlqReplay(ctx *integration.Context, in DeadLetterParams) (Replayed, error) {
	mine, err := allowed(ctx)
	if err == nil {
		err = in.chosen()
	}
	if err != nil {
		return Replayed{}, err
	}
	p, err := s.admin.Revive(ctx, in.Queue, in.Filter, mine)
	return Replayed{p.Count, rest(p)}, interrupted(action.Retryable, p, "replayed", err)
}

// Dropped is the answer of events.dlq.drop.
type Dropped struct {
	Dropped int `json:"dropped"`
	Rest
}

func (s *service) dlqDrop(ctx *integration.Context, in DeadLetterParams) (Dropped, error) {
	mine, err := allowed(ctx)
	if err == nil {
		err = in.chosen()
	}
	if err != nil {
		return Dropped{}, err
	}
	p, err := s.admin.Drop(ctx, in.Queue, in.Filter, mine)
	return Dropped{p.Count, rest(p)}, interrupted(action.Retryable, p, "dropped", err)
}
