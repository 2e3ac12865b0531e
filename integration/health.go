package integration

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/internal/rawjson"
	"github.com/hiliosai/switchboard/internal/redact"
)

// healthCheck is i_healthCheck. A channel that cannot work is an answer, not an error.
func (s *platformService) healthCheck(ctx context.Context, req *action.Request) (any, error) {
	fields, err := s.actions[ActionHealthCheck].Params.Decode(req)
	if err != nil {
		return nil, err
	}
	health := &Health{Status: HealthHealthy, Message: s.def.Title + " is running; name a channelId to check a channel"}
	id := rawjson.Text(fields.Get("channelId"))
	if id == "" {
		health = s.withConditions(ctx, req, s.withConnections(req, "", s.withSuspensions(ctx, req, health)))
	} else {
		ch, err := s.callersChannel(ctx, req, id)
		if err != nil {
			return nil, err
		}
		health = s.withConnections(req, id, s.withSuspension(ch, s.channelHealth(ctx, s.cleaner(req), ch)))
		health = s.withConditionsOf(ch, health)
	}
	return s.withDatasources(ctx, health), nil
}

// copied returns a copy with details of its own: a platform may hand out the same health again.
func (h *Health) copied() *Health {
	c := *h
	c.Details = maps.Clone(h.Details)
	if c.Details == nil {
		c.Details = map[string]any{}
	}
	return &c
}

// withSuspension adds that this node holds the channel's calls back: whatever the platform says, nothing is sent.
func (s *platformService) withSuspension(ch *Channel, health *Health) *Health {
	suspension := s.limiter.suspensionOf(ch)
	if suspension == nil {
		return health
	}
	suspension.Message = s.cleaner(nil).text(suspension.Message)
	h := health.copied()
	h.Fail(suspension.Message)
	h.Details["suspended"] = suspension
	return h
}

// withSuspensions adds which channels' calls this node holds back, of those that the caller may use. The service itself
// is well.
func (s *platformService) withSuspensions(ctx context.Context, req *action.Request, health *Health) *Health {
	list := s.limiter.suspensions(func(tenantID string) bool { return !s.isForeign(req, tenantID) })
	list = slices.DeleteFunc(list, func(suspended Suspension) bool {
		removed := s.isRemoved(ctx, suspended.ChannelID)
		if removed {
			s.limiter.drop(suspended.ChannelID)
		}
		return removed
	})
	if len(list) == 0 {
		return health
	}
	for i := range list {
		list[i].Message = s.cleaner(nil).text(list[i].Message)
	}
	h := health.copied()
	h.Details["suspended"] = list
	return h
}

func (s *platformService) isRemoved(ctx context.Context, channelID string) bool {
	_, err := s.def.Channels.Channel(ctx, channelID)
	return errors.Is(err, ErrChannelNotFound)
}

// withConditionsOf adds what is wrong with a channel for this node. A channel with a condition is not healthy.
func (s *platformService) withConditionsOf(ch *Channel, health *Health) *Health {
	list := s.conditions.list(func(id, _ string) bool { return id == ch.ID })
	if len(list) == 0 {
		return health
	}
	h := health.copied()
	if h.Status == HealthHealthy {
		h.Degrade(list[0].Code + ": " + list[0].Message)
	}
	told := make([]Condition, len(list))
	for i := range list {
		told[i] = list[i].Condition
	}
	h.Details["conditions"] = told
	return h
}

// withConditions adds which channels have conditions on this node, of those that the caller may use. The service itself
// is well.
func (s *platformService) withConditions(ctx context.Context, req *action.Request, health *Health) *Health {
	list := s.conditions.list(func(_, tenantID string) bool { return !s.isForeign(req, tenantID) })
	list = slices.DeleteFunc(list, func(one ChannelCondition) bool {
		removed := s.isRemoved(ctx, one.ChannelID)
		if removed {
			s.conditions.drop(one.ChannelID)
		}
		return removed
	})
	if len(list) == 0 {
		return health
	}
	h := health.copied()
	h.Details["conditions"] = list[:min(len(list), maxListed)]
	return h
}

// maxListed bounds the connections, and the conditions, that one answer lists.
const maxListed = 1000

// withConnections adds who keeps the connections of a channel, or with an empty id of those that the caller may use,
// and how they are. A channel with one that is not ready is no longer healthy.
func (s *platformService) withConnections(req *action.Request, id string, health *Health) *Health {
	list := s.connectionList(func(ch *Channel) bool {
		return (id == "" || ch.ID == id) && !s.isForeign(req, ch.TenantID)
	})
	if len(list) == 0 {
		return health
	}
	h := health.copied()
	ready := 0
	for i := range list {
		c := &list[i]
		switch {
		case c.State == ConnectionReady:
			ready++
		case id == "" || h.Status == HealthUnhealthy:
		case c.State == ConnectionRefused:
			h.Fail(c.Message)
		default:
			h.Degrade(cmp.Or(c.Message, "a connection is not ready yet"))
		}
	}
	h.Details["connectionsReady"], h.Details["connectionsTotal"] = ready, len(list)
	slices.SortStableFunc(list, func(a, b Connection) int { // those with trouble first
		return cmp.Compare(isReady(a), isReady(b))
	})
	h.Details["connections"] = list[:min(len(list), maxListed)]
	return h
}

// countConnections implements [Service.Connections].
func (s *platformService) countConnections() ConnectionCount {
	var count ConnectionCount
	for _, c := range s.connectionList(func(*Channel) bool { return true }) {
		count.Total++
		count.Ready += isReady(c)
	}
	s.mu.Lock()
	connections := s.connections
	s.mu.Unlock()
	if connections != nil {
		count.Own = connections.own()
	}
	return count
}

func isReady(c Connection) int {
	if c.State == ConnectionReady {
		return 1
	}
	return 0
}

// connectionList tells of the connections that this node knows of.
func (s *platformService) connectionList(visible func(*Channel) bool) []Connection {
	s.mu.Lock()
	connections := s.connections
	s.mu.Unlock()
	if connections == nil {
		return nil
	}
	return connections.list(visible)
}

// channelHealth asks the platform.
func (s *platformService) channelHealth(ctx context.Context, cleaner cleaner, ch *Channel) *Health {
	checker, ok := s.def.Platform.(HealthChecker)
	if !ok {
		return &Health{Status: HealthHealthy, Message: "this platform has no health check of its own"}
	}
	health, err := checker.CheckHealth(ctx, ch)
	s.conditions.called(ch, err)
	if err != nil {
		e := asError(err, FaultTransient, codes.HealthCheckFailed)
		status := HealthUnhealthy
		if e.Kind == FaultThrottled {
			status = HealthDegraded
		}
		return &Health{
			Status: status, Message: cleaner.text(e.Message), Details: map[string]any{"code": e.Code, "kind": e.Kind},
		}
	}
	if health == nil {
		return &Health{Status: HealthHealthy}
	}
	clean := *health
	clean.Message, clean.Details = cleaner.text(health.Message), cleaner.values(health.Details)
	return &clean
}

// withDatasources adds how the service's datasources are: while one of them is ill, so is the service.
func (s *platformService) withDatasources(ctx context.Context, health *Health) *Health {
	list := s.Health(ctx)
	if len(list) == 0 {
		return health
	}
	h := *health
	h.Details = maps.Clone(health.Details)
	if h.Details == nil {
		h.Details = map[string]any{}
	}
	h.Details["datasources"] = list
	for _, d := range list {
		if d.Status != datasource.Healthy && h.Status != HealthUnhealthy {
			h.Status, h.Message = HealthUnhealthy, "datasource "+d.Name+": "+d.Message
		}
	}
	return &h
}

// validateCredentials is i_validateCredentials.
func (s *platformService) validateCredentials(ctx context.Context, req *action.Request) (any, error) {
	fields, err := s.actions[ActionValidateCredentials].Params.Decode(req)
	if err != nil {
		return nil, err
	}
	credentials, err := stringMap(req, "credentials", fields.Get("credentials"))
	if err != nil {
		return nil, err
	}
	settings, err := stringMap(req, "settings", fields.Get("settings"))
	if err != nil {
		return nil, err
	}
	validator, ok := validatorOf(s.def.Platform)
	if !ok {
		return nil, action.Client(http.StatusNotImplemented, codes.NotSupported, "%s cannot check credentials", s.def.Name)
	}
	valid, err := accepts(ctx, validator, credentials, WithChosenAddresses(settings))
	if err != nil {
		return nil, withoutGiven(
			asError(err, FaultTransient, codes.CredentialsUnchecked),
			(&Channel{Credentials: credentials, Settings: settings}).secrets(s.def.Fields),
		)
	}
	return struct {
		Valid bool `json:"valid"`
	}{valid}, nil
}

// withoutGiven takes credentials that somebody asks about out of an error. They may be no secrets at all, and are none
// of the node's: nobody else's texts change by them.
func withoutGiven(e *Error, given []string) *Error {
	var secrets redact.Secrets
	secrets.Add(given...)
	clean := *e
	clean.Message, clean.PlatformCode = secrets.Redact(e.Message), secrets.Redact(e.PlatformCode)
	if clean.Err != nil {
		clean.Err = errors.New(secrets.Redact(clean.Err.Error())) // it is logged
	}
	return &clean
}

// validatorOf is what checks a platform's credentials: the platform itself, or else its health check.
func validatorOf(p Platform) (CredentialsValidator, bool) {
	if validator, ok := p.(CredentialsValidator); ok {
		return validator, true
	}
	checker, ok := p.(HealthChecker)
	return byHealth{checker}, ok
}

// byHealth takes credentials for good with which the health check gets an answer.
type byHealth struct{ checker HealthChecker }

func (b byHealth) ValidateCredentials(ctx context.Context, credentials, settings map[string]string) (bool, error) {
	_, err := b.checker.CheckHealth(ctx, &Channel{Status: ChannelActive, Credentials: credentials, Settings: settings})
	return err == nil, err
}

// accepts asks the platform about credentials. That it would not let the asker in is an answer: no.
func accepts(
	ctx context.Context, validator CredentialsValidator, credentials, settings map[string]string,
) (bool, error) {
	valid, err := validator.ValidateCredentials(ctx, credentials, settings)
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == FaultAuth {
		return false, nil
	}
	return valid, err
}

func stringMap(req *action.Request, name string, raw json.RawMessage) (map[string]string, error) {
	var m map[string]string
	if len(raw) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, action.Validation(action.Fault{
			Type: "string", Field: name, Message: "The '" + name + "' must hold strings only.", Action: req.Action,
			NodeID: req.Sender,
		})
	}
	return m, nil
}
