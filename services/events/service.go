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

// The permissions that the service's actions ask for. A user sees, replays and drops the events of his tenant; one
// with AllTenants those of every tenant, and those of none.
const (
	PermissionRead  = "events.read"
	PermissionWrite = "events.write"
	AllTenants      = "tenants.all"
)

// actionTimeout bounds the actions: long queues take their time.
const actionTimeout = time.Minute

// Definition is the service that operators work with reliable events through: events.count, groups, list and replay, and
// events.dlq.list, show, replay and drop.
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
			integration.NewAction("count", s.count, spec(PermissionRead, "GET /", "Counts the events of each name, with their ages; for users of all tenants.")),
			integration.NewAction("groups", s.groups, spec(PermissionRead, "GET /groups", "Tells how far each group of consumers is; for users of all tenants.")),
			integration.NewAction("list", s.list, spec(PermissionRead, "GET /list", "Shows events of a name in their order, without secrets.")),
			integration.NewAction("replay", s.replay, spec(PermissionWrite, "POST /replay", "Publishes stored events of a name again.")),
			integration.NewAction("dlq.list", s.dlqList, spec(PermissionRead, "GET /dlq", "Counts and lists dead letters.")),
			integration.NewAction("dlq.show", s.dlqShow, spec(PermissionRead, "GET /dlq/:sequence", "Shows a dead letter, without secrets.")),
			integration.NewAction("dlq.replay", s.dlqReplay, spec(PermissionWrite, "POST /dlq/replay", "Sends dead letters back to where they were.")),
			integration.NewAction("dlq.drop", s.dlqDrop, spec(PermissionWrite, "POST /dlq/drop", "Deletes dead letters for good.")),
		},
	}
}

type service struct{ admin *Admin }

// allowed gives what the caller gets to see. A user of no tenant sees nothing.
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

// GroupsParams choose groups by their events.
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

// ListParams choose events of a name.
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

// Rest says what one call has left, for one that goes on.
type Rest struct {
	More    bool   `json:"more,omitempty"`    // the call was full, or its caller's time short: there may be more
	Last    uint64 `json:"last,omitempty"`    // sequence of the last event: "after" of the next call
	Through uint64 `json:"through,omitempty"` // "through" of the next call; what is stored since is left
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
		return Replayed{}, action.Client(http.StatusUnprocessableEntity, codes.EventsNotChosen, "say which events: since, messageIds or sequences")
	}
	mine, err := allowed(ctx)
	if err != nil {
		return Replayed{}, err
	}
	p, err := s.admin.Replay(ctx, in.Name, in.Filter, mine)
	// Retrying would replay the first ones again.
	return Replayed{p.Count, rest(p)}, interrupted(action.Server, p, "replayed", err)
}

// interrupted makes known how far something got.
func interrupted(kind func(int, string, string, ...any) *action.Error, p store.Progress, what string, err error) error {
	if _, told := errors.AsType[*action.Error](err); err == nil || told {
		return err
	}
	return kind(http.StatusServiceUnavailable, codes.EventsInterrupted, "%d event(s) have been %s before it failed", p.Count, what).
		With(map[string]any{what: p.Count, "last": p.Last, "through": p.Through}).Because(err)
}

// DeadLetterParams choose dead letters.
type DeadLetterParams struct {
	Queue string `json:"queue" params:"optional"` // empty is FAILED_MESSAGES
	All   bool   `json:"all" params:"optional"`   // needed to replay or drop without naming sequences, messageIds, subject or group
	Filter
}

// chosen refuses to do something to all dead letters by mistake.
func (p DeadLetterParams) chosen() error {
	if p.All || len(p.Sequences) > 0 || len(p.MessageIDs) > 0 || p.Subject != "" || p.Group != "" {
		return nil
	}
	return action.Client(http.StatusUnprocessableEntity, codes.DeadLettersNotChosen, "say which dead letters: sequences, messageIds, subject, group or all")
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

// DeadLetterBySequence names a dead letter.
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
