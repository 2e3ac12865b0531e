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
	"github.com/hiliosai/switchboard/metrics"
	"github.com/hiliosai/switchboard/mixins"
)

// ServiceDefinition is what the author of a service writes: the SDK's defineService.
type ServiceDefinition struct {
	Name    string // such as "users"
	Version string // "2" makes it v2.users; empty for none

	Settings map[string]any // $secureSettings lists the settings that are not announced
	Metadata map[string]any

	// Dependencies are full names of services. Started runs when all of them are available, on any node.
	Dependencies []string
	// Datasources are opened in this order before Started, and closed in reverse order after Stopped. Handlers find them
	// by datasource.Get.
	Datasources []datasource.Definition
	// Cache are the options of the service's own cache; the zero value uses the node's cache.
	Cache CacheOptions

	Actions []moleculer.Action // see NewAction; a plain moleculer-go action does too
	Events  []moleculer.Event  // see NewEvent
	// ReliableEvents are the channels of @moleculer/channels that the service consumes; see NewReliableEvent.
	ReliableEvents []ReliableEvent
	Hooks          []Hook
	Mixins         []moleculer.Mixin // the service's own definitions override those of mixins

	// Created runs first. Started runs when datasources and dependencies are available, before the service takes calls.
	// Stopped runs when it takes no more calls. An error of Created or Started ends the start.
	Created, Started, Stopped func(ctx *Context) error
}

// CacheOptions are a service's own cache settings.
type CacheOptions struct {
	RedisURL  string        // a Redis of the service's own; empty uses the node's cache
	Namespace string        // prefix of all keys of ctx.Cache; empty is the service's full name
	TTL       time.Duration // of values that are set without one; zero is the node's
}

// Runtime is what the node provides to its services.
type Runtime struct {
	Cluster  Cluster // nil: handlers reach the cluster by their requests only
	Channels ChannelStore
	Events   Publisher
	Consumer Consumer     // nil: no service may consume reliable events
	Cache    *cache.Cache // nil keeps nothing
	Spool    Spool        // nil: events that the stream does not take are refused
	Claims   claims.Store // of work that must be done once; nil for none
	// Leases says which node keeps a connection to a platform; nil: this node keeps none. See [Receiver].
	Leases *leases.Member
	// OpenRedis opens a service's own Redis by its URL, with the same keys as the cluster's Node services; nil allows
	// none.
	OpenRedis func(url string) (cache.Store, error)
	// Dialect is how the cluster's Node services write the keys of a cache.
	Dialect   cache.Dialect
	Secrets   Secrets
	NodeID    string
	Namespace string // of reliable events: "hios" publishes hios.processing.message.received
	// PlainEvents sends the events of SDK 0.1.4, integration.message.*, beside the reliable ones.
	PlainEvents bool
	// AnyTenant lets every caller use every tenant's channels. Otherwise a caller with a tenant gets the channels of that
	// tenant only.
	AnyTenant bool
	// TrustForwarded trusts the headers X-Forwarded-Proto and X-Forwarded-Host for the URL of a webhook.
	TrustForwarded bool
	// PacketLimit returns how many bytes the answer to a request may have, 0 for no limit; nil is no limit.
	PacketLimit func(*action.Request) int64
	// MediaBytes counts the attachment bytes in memory; nil counts none.
	MediaBytes *inflight.Bytes
	// Metrics counts webhooks, messages and sends; nil counts nothing.
	Metrics *metrics.Registry
	// ChannelCalls is how many calls of one channel to its platform may run at once; zero is 512.
	ChannelCalls int
	Log          *logrus.Entry
	Now          func() time.Time // nil means time.Now
}

// Cluster is how a service reaches others outside of a call.
type Cluster interface {
	action.Cluster
	// WaitForServices waits until each of the services, by full name, is available on some node.
	WaitForServices(ctx context.Context, names ...string) error
}

// Secrets removes values from texts before they leave the node. Safe for concurrent use.
type Secrets interface {
	// Add makes Redact remove the values for as long as they are in use. It is called again for values in use.
	Add(values ...string)
	// Keep makes Redact remove the values for good, also short ones.
	Keep(values ...string)
	// Redact returns text without the values.
	Redact(text string) string
	// RedactExcept is like Redact, for a caller who sent said: values that are in said stay in the text. Otherwise a
	// caller could guess secrets, and see in the answer whether a guess is right.
	RedactExcept(text, said string) string
}

// Service is a defined service. Start it, publish its Schema on the node's broker, then call StartConsuming. To end it,
// call StopConsuming, stop the broker, then call Stop.
type Service struct {
	definition  ServiceDefinition
	runtime     Runtime
	log         *logrus.Entry
	fullName    string
	schema      moleculer.ServiceSchema
	handlers    map[string]action.Handler // by action name, middlewares included
	datasources *datasource.Set
	channels    func(ctx context.Context, req *action.Request, id string) error // of a platform: see CheckChannel
	connect     func(ctx context.Context) error                                 // of a platform: keeps its connections
	connected   func() ConnectionCount                                          // of a platform
	results     *cache.Cache                                                    // of actions with a cache rule
	cache       *cache.Cache                                                    // of ctx.Cache

	mu        sync.Mutex
	undo      []func(ctx context.Context) error // what to undo at the end, in the order of the start
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

// newService checks a definition and makes the parts of a service.
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

// openCache returns the node's cache, or opens the service's own.
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

// assemble makes the schema, including what mixins add, and the handlers.
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

// Health returns the health of the service's datasources.
func (s *Service) Health(ctx context.Context) []datasource.Health { return s.datasources.Health(ctx) }

// Connections counts the connections of a platform's channels. It is zero for other services.
func (s *Service) Connections() ConnectionCount {
	if s.connected == nil {
		return ConnectionCount{}
	}
	return s.connected()
}

// CheckChannel returns nil if a channel takes webhooks and sends, and otherwise says what is wrong with it. For a
// service that is not a platform it returns nil. It is cheap, because channels are cached. Errors are *action.Error.
func (s *Service) CheckChannel(ctx context.Context, id string) error {
	if s.channels == nil {
		return nil
	}
	req := &action.Request{Service: s.fullName, Action: s.fullName + "." + ActionReceiveWebhook}
	_, err := s.cleaned(req, nil, s.channels(ctx, req, id))
	return err
}

// Call runs an action in this process, without a cluster, with all middlewares.
func (s *Service) Call(ctx context.Context, name string, req *action.Request) (any, error) {
	req.Service, req.Action = s.fullName, s.fullName+"."+name
	handle, ok := s.handlers[name]
	if !ok {
		return nil, action.ServiceNotFound(req.Action, "")
	}
	result, err := handle(ctx, req)
	return action.Wait(ctx, result, err)
}

// middlewares put the service into the context of its handlers, remove secrets from errors, check params and run hooks.
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

// guard puts the call into its context, and removes secrets from every error, because platforms may answer anything. An
// error that is not a Moleculer error stays unchanged, because callers do not see it.
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
