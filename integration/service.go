package integration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/claims"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/internal/inflight"
	"github.com/hiliosai/switchboard/leases"
	"github.com/hiliosai/switchboard/mixins"
)

// ServiceDefinition is what the author of a service writes: the SDK's defineService.
type ServiceDefinition struct {
	Name    string // such as "users"
	Version string // "2" makes it v2.users; empty for none

	Settings map[string]any // $secureSettings names those that are not announced
	Metadata map[string]any

	// Dependencies are full names of services, on any node, that must be there before Started.
	Dependencies []string
	// Datasources are opened in this order before Started, and closed in reverse after Stopped.
	// Handlers get at them by datasource.Get.
	Datasources []datasource.Definition
	// Cache is the service's own; the zero value shares the node's.
	Cache CacheOptions

	Actions []moleculer.Action // see NewAction; a plain moleculer-go action does too
	Events  []moleculer.Event  // see NewEvent
	// ReliableEvents are the channels of @moleculer/channels that the service consumes; see NewReliableEvent.
	ReliableEvents []ReliableEvent
	Hooks          []Hook
	Mixins         []moleculer.Mixin // what a service defines itself comes before what a mixin brings

	// Created runs before anything else of the service is started, Started when its datasources and
	// dependencies are there and before it takes calls, Stopped when it takes none any more. An error of the
	// first two ends the start.
	Created, Started, Stopped func(ctx *Context) error
}

// CacheOptions are a service's own cache settings.
type CacheOptions struct {
	RedisURL  string        // a Redis of the service's own; empty takes the node's cache
	Namespace string        // before every key of ctx.Cache; empty takes the service's full name
	TTL       time.Duration // of values set without one; zero takes the node's
}

// Runtime is what the node lends to its services.
type Runtime struct {
	Cluster  Cluster // nil: handlers reach it by their requests only
	Channels ChannelStore
	Events   Publisher
	Consumer Consumer     // nil: no service may consume reliable events
	Cache    *cache.Cache // nil keeps nothing
	Spool    Spool        // nil: what the stream does not take is refused
	Claims   claims.Store // of work that must be done once; nil has none
	// Leases says which node keeps a connection to a platform; nil: this node keeps none. See [Receiver].
	Leases *leases.Member
	// OpenRedis opens a Redis of a service's own, by its URL, as the cluster's Node services would; nil opens none.
	OpenRedis func(url string) (cache.Store, error)
	// Dialect is how the cluster's Node services write the keys of a cache.
	Dialect   cache.Dialect
	Secrets   Secrets
	Namespace string // of reliable events: "hios" publishes hios.processing.message.received
	// PlainEvents sends the events of SDK 0.1.4, integration.message.*, beside the reliable ones.
	PlainEvents bool
	// AnyTenant lets every caller use every tenant's channels. Without it a caller of one tenant gets no other's.
	AnyTenant bool
	// TrustForwarded takes the URL that a webhook was sent to from the headers X-Forwarded-Proto and X-Forwarded-Host.
	TrustForwarded bool
	// PacketLimit is how many bytes the answer to a request may have, 0 for any number; nil is that for all.
	PacketLimit func(*action.Request) int64
	// MediaBytes counts the bytes of attachments under way; nil counts none.
	MediaBytes *inflight.Bytes
	// ChannelCalls is how many calls of one channel may be under way to its platform; zero takes 512.
	ChannelCalls int
	Log          *logrus.Entry
	Now          func() time.Time // nil means time.Now
}

// Cluster is how a service reaches others outside of a call.
type Cluster interface {
	action.Cluster
	// WaitForServices waits until each of the services, by full name, is on some node.
	WaitForServices(ctx context.Context, names ...string) error
}

// Secrets removes values from texts before they leave the node. Safe for concurrent use.
type Secrets interface {
	// Add makes the values unmentionable for as long as they are in use: it is called again for what is.
	Add(values ...string)
	// Keep makes the values unmentionable for good, short ones too.
	Keep(values ...string)
	// Redact returns text without them.
	Redact(text string) string
	// RedactExcept is Redact for somebody who said all of said: what he said himself is left in the text. Else he could
	// guess secrets, and see by what becomes of a guess whether it is right.
	RedactExcept(text, said string) string
}

// Service is a defined service. Start it, publish its Schema on the node's broker, let it StartConsuming;
// StopConsuming comes before the broker is stopped, and Stop after that.
type Service struct {
	definition  ServiceDefinition
	runtime     Runtime
	log         *logrus.Entry
	fullName    string
	schema      moleculer.ServiceSchema
	handlers    map[string]action.Handler // by action name, with all that stands before them
	datasources *datasource.Set
	channels    func(ctx context.Context, req *action.Request, id string) error // of a platform: see CheckChannel
	connect     func(ctx context.Context) error                                 // of a platform: keeps its connections
	connected   func() ConnectionCount                                          // of a platform
	results     *cache.Cache                                                    // of actions with a cache rule
	cache       *cache.Cache                                                    // of ctx.Cache

	mu        sync.Mutex
	undo      []func(ctx context.Context) error // of what is running, in the order of its start
	consuming []func(ctx context.Context) error // stops what delivers reliable events
}

var (
	serviceName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*$`)
	actionName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
)

// DefineService checks a definition and makes a service of it. The error joins all faults.
func DefineService(def ServiceDefinition, runtime Runtime) (*Service, error) {
	s, err := newService(def, runtime)
	if err != nil {
		return nil, err
	}
	s.assemble()
	return s, nil
}

// newService checks a definition and makes what a service consists of.
func newService(def ServiceDefinition, runtime Runtime) (*Service, error) {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("service %q: %s", def.Name, fmt.Sprintf(format, args...)))
	}
	if !serviceName.MatchString(def.Name) {
		fault("name must begin with a letter and hold letters, digits, dots, dashes and underscores")
	}
	def = merged(def)
	seen := map[string]bool{}
	for _, a := range def.Actions {
		switch spec := action.SpecOf(a); {
		case !actionName.MatchString(a.Name):
			fault("action %q: a name holds letters, digits, dots, dashes and underscores", a.Name)
		case seen[a.Name]:
			fault("action %s is defined twice", a.Name)
		case spec.Fault != nil:
			fault("action %s: %v", a.Name, spec.Fault)
		case spec.Handle == nil && a.Handler == nil:
			fault("action %s has no handler", a.Name)
		}
		seen[a.Name] = true
	}
	for _, e := range def.Events {
		if e.Name == "" || e.Handler == nil {
			fault("event %q needs a name and a handler", e.Name)
		}
	}
	reliableFaults(def.ReliableEvents, fault)
	for i, h := range def.Hooks {
		if err := h.validate(def.Actions); err != nil {
			fault("hook %d: %v", i+1, err)
		}
	}
	if runtime.Log == nil || runtime.Secrets == nil { // which what follows needs
		fault("the runtime is incomplete")
		return nil, errors.Join(faults...)
	}
	s := &Service{
		definition: def, runtime: runtime, fullName: action.FullName(def.Name, def.Version, def.Settings),
		log: runtime.Log.WithField("service", def.Name),
	}
	var err error
	if s.datasources, err = datasource.NewSet(s.log, def.Datasources...); err != nil {
		fault("%v", err)
	}
	if s.results, err = s.openCache(); err != nil {
		fault("cache: %v", err)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, errors.Join(err, s.Stop(context.Background())) // of the cache
	}
	s.cache = s.results.Namespace(cmp.Or(def.Cache.Namespace, s.fullName))
	return s, nil
}

// openCache gives the node's cache, or opens the service's own.
func (s *Service) openCache() (*cache.Cache, error) {
	opts := s.definition.Cache
	if opts.RedisURL == "" {
		if opts.TTL == 0 {
			return s.runtime.Cache, nil
		}
		return s.runtime.Cache.WithTTL(opts.TTL), nil
	}
	if u, err := url.Parse(opts.RedisURL); err == nil && u.User != nil {
		if password, ok := u.User.Password(); ok {
			s.runtime.Secrets.Keep(password)
		}
	}
	if s.runtime.OpenRedis == nil {
		return nil, errors.New("this node opens no Redis for a service")
	}
	store, err := s.runtime.OpenRedis(opts.RedisURL)
	if err != nil {
		return nil, err
	}
	c := cache.New(store, cache.Options{TTL: opts.TTL, Dialect: s.runtime.Dialect, Log: s.log})
	s.undo = append(s.undo, func(context.Context) error { return c.Close() })
	return c, nil
}

// assemble makes the schema, complete with what mixins bring, and the handlers.
func (s *Service) assemble() {
	def := s.definition
	s.schema = moleculer.ServiceSchema{
		Name: def.Name, Version: def.Version, Settings: def.Settings, Metadata: def.Metadata,
		Hooks: s.middlewares(), Actions: def.Actions, Events: slices.Clone(def.Events),
	}
	hooks := s.schema.Hooks
	add := func(m moleculer.Mixin) bool {
		added := false
		for name, hook := range m.Hooks {
			if _, taken := hooks[name]; !taken {
				hooks[name], added = hook, true
			}
		}
		return added
	}
	for _, m := range def.Mixins {
		add(m)
		s.schema.Mixins = append(
			s.schema.Mixins, moleculer.Mixin{Name: m.Name, Created: m.Created, Started: m.Started, Stopped: m.Stopped},
		)
	}
	add(mixins.Permissions())
	if len(def.Datasources) > 0 {
		maps.Copy(hooks, mixins.DatasourceHooks("service.datasources", s.datasources)) // a mixin's stand beside them
	}
	if slices.ContainsFunc(def.Actions, func(a moleculer.Action) bool { return action.SpecOf(a).Cache != nil }) {
		if m := mixins.Memoize(s.results, cache.Keygen{Dialect: s.runtime.Dialect}); add(m) {
			s.schema.Events = append(s.schema.Events, m.Events...)
		}
	}
	middlewares := action.Middlewares(hooks)
	s.handlers = make(map[string]action.Handler, len(def.Actions))
	for _, a := range def.Actions {
		if spec := action.SpecOf(a); spec.Handle != nil {
			e := action.Endpoint{Service: s.fullName, Action: s.fullName + "." + a.Name, Spec: spec}
			s.handlers[a.Name] = action.Wrap(middlewares, e, spec.Handle)
		}
	}
}

// Name is the service's name in the cluster, without its version.
func (s *Service) Name() string { return s.definition.Name }

// FullName is the service's name in the cluster, version included, such as v2.users.
func (s *Service) FullName() string { return s.fullName }

// Schema is the service as moleculer-go publishes it.
func (s *Service) Schema() moleculer.ServiceSchema { return s.schema }

// Health tells how the service's datasources are.
func (s *Service) Health(ctx context.Context) []datasource.Health { return s.datasources.Health(ctx) }

// Connections counts the connections of a platform's channels. It is zero for other services.
func (s *Service) Connections() ConnectionCount {
	if s.connected == nil {
		return ConnectionCount{}
	}
	return s.connected()
}

// CheckChannel says what is wrong with a channel, nil where it takes webhooks and sends, and for services that are no
// platforms. It is cheap: channels are remembered. Errors are *action.Error.
func (s *Service) CheckChannel(ctx context.Context, id string) error {
	if s.channels == nil {
		return nil
	}
	req := &action.Request{Service: s.fullName, Action: s.fullName + "." + ActionReceiveWebhook}
	_, err := s.cleaned(req, nil, s.channels(ctx, req, id))
	return err
}

// Call runs an action in this process, without a cluster, through all that stands before its handler.
func (s *Service) Call(ctx context.Context, name string, req *action.Request) (any, error) {
	req.Service, req.Action = s.fullName, s.fullName+"."+name
	handle, ok := s.handlers[name]
	if !ok {
		return nil, action.ServiceNotFound(req.Action, "")
	}
	result, err := handle(ctx, req)
	return action.Wait(ctx, result, err)
}

// middlewares make the service known to its handlers, keep secrets out of what they fail with, check
// their params and run its hooks.
func (s *Service) middlewares() map[string]any {
	return map[string]any{
		"service": action.Middleware{
			Stage: action.StageOuter,
			Context: func(ctx context.Context) context.Context {
				return cache.With(context.WithValue(ctx, serviceKey{}, s), s.cache)
			},
			Wrap: func(_ action.Endpoint, next action.Handler) action.Handler { return s.guard(next) },
		},
		"service.handlers": action.Middleware{
			Stage: action.StageHandler,
			Wrap: func(e action.Endpoint, next action.Handler) action.Handler {
				return s.checked(e.Spec, s.hooked(ownName(e.Service, e.Action), next))
			},
		},
	}
}

type serviceKey struct{}

// guard makes the call known to all that get its context, and removes secrets from every error on its way out:
// platforms' answers are beyond our control. An error that is no Moleculer error stays as it is: callers get to see
// nothing of it.
func (s *Service) guard(handle action.Handler) action.Handler {
	return func(ctx context.Context, req *action.Request) (any, error) {
		result, err := handle(action.WithRequest(ctx, req), req)
		return action.Then(result, err, func(result any, err error) (any, error) { return s.cleaned(req, result, err) })
	}
}

func (s *Service) cleaned(req *action.Request, result any, err error) (any, error) {
	if err == nil {
		return result, nil
	}
	m, ok := errors.AsType[action.Moleculer](err)
	if !ok {
		return nil, err
	}
	cleaner := s.cleaner(req)
	if e, ok := m.(*Error); ok {
		m = cleaner.error(e)
	}
	clean := *m.MoleculerError()
	clean.Message, clean.Data = cleaner.text(clean.Message), cleaner.data(clean.Data)
	return nil, &clean
}

// ownName is an action's name within its service.
func ownName(service, action string) string { return strings.TrimPrefix(action, service+".") }
