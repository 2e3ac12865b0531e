package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster/wire"
)

// catalog holds what this node serves. Safe for concurrent use.
type catalog struct {
	mu       sync.RWMutex
	services []*localService
	actions  map[string]*localAction // by full name
	events   []*localEvents
	matcher  matcher
}

type localService struct {
	fullName string
	info     map[string]json.RawMessage // as INFO carries it
	actions  []string
}

type localAction struct {
	fullName string
	service  string // full name
	timeout  time.Duration
	remote   bool // callable by other nodes
	stream   bool // takes request streams
	handle   action.Handler
	bulkhead *bulkhead // nil: no bound of its own
	latency  latencyEWMA
}

// localEvents are the listeners to a pattern in a group; an event that is not broadcast goes to one
// of them, in turn.
type localEvents struct {
	pattern, group string
	listeners      []*listener
	next           int
}

type listener struct {
	service     string // full name
	name, group string // of the service without its version, and of the event
	handle      moleculer.EventHandler
	middlewares []action.Middleware
}

// context adds what the service's middlewares add.
func (l *listener) context(ctx context.Context) context.Context {
	for _, m := range l.middlewares {
		if m.Context != nil {
			ctx = m.Context(ctx)
		}
	}
	return ctx
}

func newCatalog() *catalog { return &catalog{actions: map[string]*localAction{}} }

// add takes a started moleculer-go service in. Actions that bring no handler of ours are run by bridge.
func (c *catalog) add(
	schema *moleculer.ServiceSchema, settings map[string]any, bridge func(moleculer.ActionHandler) action.Handler,
	log *logrus.Entry,
) {
	enc := encoder{log.WithField("service", schema.Name)}
	events := mergedEvents(schema)
	version := wireVersion(schema.Version)
	full := action.FullName(schema.Name, schema.Version, settings)
	service := &localService{fullName: full, info: map[string]json.RawMessage{
		"name":     enc.json("name", schema.Name),
		"fullName": enc.json("fullName", full),
		"settings": enc.object("settings", publicSettings(settings)),
		"metadata": enc.object("metadata", schema.Metadata),
		"events":   enc.json("events", eventDefinitions(schema.Name, events)),
	}}
	if version != nil {
		service.info["version"] = version
	}

	middlewares := action.Middlewares(schema.Hooks)
	definitions := map[string]map[string]json.RawMessage{}
	var actions []*localAction
	for _, a := range schema.Actions {
		name := full + "." + a.Name
		if flag(settings, "$noServiceNamePrefix") {
			name = a.Name
		}
		local := &localAction{fullName: name, service: full, remote: true}
		definition := enc.definition(name, a)
		spec := action.SpecOf(a)
		if spec.Handle == nil {
			spec.Handle = bridge(a.Handler)
		}
		local.timeout, local.stream = spec.Timeout, spec.Stream
		if spec.Concurrency > 0 {
			local.bulkhead = newBulkhead(spec.Concurrency)
		}
		local.handle = action.Wrap(middlewares, action.Endpoint{Service: full, Action: name, Spec: spec}, spec.Handle)
		switch string(definition["visibility"]) {
		case `"private"`:
			local.remote = false
		case `"protected"`:
			local.remote = false
			definitions[name] = definition
		default:
			definitions[name] = definition
		}
		actions = append(actions, local)
	}
	service.info["actions"] = enc.json("actions", definitions)

	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range actions {
		c.actions[a.fullName] = a
		service.actions = append(service.actions, a.fullName)
	}
	slices.Sort(service.actions)
	c.services = append(c.services, service)
	for _, e := range events {
		group := cmp.Or(e.Group, schema.Name)
		c.listen(e.Name, group, &listener{full, schema.Name, group, e.Handler, middlewares})
	}
}

func (c *catalog) listen(pattern, group string, added *listener) {
	for _, l := range c.events {
		if l.pattern == pattern && l.group == group {
			l.listeners = append(l.listeners, added)
			return
		}
	}
	c.events = append(c.events, &localEvents{pattern: pattern, group: group, listeners: []*listener{added}})
}

// listeners chooses who gets an event: all that listen to it, or one of each pattern and group. Empty
// groups mean every group.
func (c *catalog) listeners(name string, groups []string, broadcast bool) []*listener {
	c.mu.Lock()
	defer c.mu.Unlock()
	var chosen []*listener
	for _, l := range c.events {
		switch {
		case len(groups) > 0 && !slices.Contains(groups, l.group),
			!c.matcher.match(name, l.pattern):
		case broadcast:
			chosen = append(chosen, l.listeners...)
		default:
			l.next = (l.next + 1) % len(l.listeners)
			chosen = append(chosen, l.listeners[l.next])
		}
	}
	return chosen
}

// groups lists the groups of this node that listen to an event.
func (c *catalog) groups(name string) []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var groups []string
	for _, l := range c.events {
		if !slices.Contains(groups, l.group) && c.matcher.match(name, l.pattern) {
			groups = append(groups, l.group)
		}
	}
	return groups
}

// mergedEvents are a service's own events and those of its mixins. moleculer-go's own merge loses the
// latter where the service has none, and repeats them where it has several.
func mergedEvents(schema *moleculer.ServiceSchema) []moleculer.Event {
	var inherited []moleculer.Event
	for _, m := range schema.Mixins {
		inherited = append(inherited, m.Events...)
	}
	own := slices.DeleteFunc(slices.Clone(schema.Events), func(e moleculer.Event) bool {
		return slices.ContainsFunc(inherited, func(m moleculer.Event) bool {
			return e.Name == m.Name && e.Group == m.Group &&
				reflect.ValueOf(e.Handler).Pointer() == reflect.ValueOf(m.Handler).Pointer()
		})
	})
	return append(own, inherited...)
}

// eventDefinitions is a service's events as INFO carries them.
func eventDefinitions(service string, events []moleculer.Event) map[string]map[string]string {
	definitions := map[string]map[string]string{}
	for _, e := range events {
		definitions[e.Name] = map[string]string{"name": e.Name}
		if e.Group != "" && e.Group != service {
			definitions[e.Name]["group"] = e.Group
		}
	}
	return definitions
}

func (c *catalog) action(name string) (*localAction, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	a, ok := c.actions[name]
	return a, ok
}

// announcement lists the services as INFO carries them.
func (c *catalog) announcement() []any {
	c.mu.RLock()
	defer c.mu.RUnlock()
	list := make([]any, len(c.services))
	for i, s := range c.services {
		list[i] = s.info
	}
	return list
}

func (c *catalog) list(nodeID string) []ServiceStatus {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var list []ServiceStatus
	for _, s := range c.services {
		list = append(list, ServiceStatus{FullName: s.fullName, NodeID: nodeID, Local: true, Actions: s.actions})
	}
	return list
}

// encoder makes JSON of what service authors wrote. What JSON cannot hold, such as a function, is
// left out, as Node does.
type encoder struct{ log *logrus.Entry }

func (e encoder) json(what string, v any) json.RawMessage {
	data, err := wire.Encode(v)
	if err != nil {
		e.log.WithError(err).Warnf("%s cannot be announced to the cluster and is left out", what)
		return nil
	}
	return data
}

func (e encoder) object(what string, m map[string]any) json.RawMessage {
	fields := map[string]json.RawMessage{}
	for k, v := range m {
		if data := e.json(what+"."+k, v); data != nil {
			fields[k] = data
		}
	}
	return e.json(what, fields)
}

// definition is an action as INFO carries it. Of a plain moleculer-go action, Settings holds
// Moleculer's properties (rest, visibility, timeout, cache…) and Schema the params.
func (e encoder) definition(fullName string, a moleculer.Action) map[string]json.RawMessage {
	props := map[string]any{}
	maps.Copy(props, a.Settings)
	delete(props, "fallback") // a name here makes Node callers throw another error than the real one
	if a.Description != "" {
		props["description"] = a.Description
	}
	switch schema := a.Schema.(type) {
	case action.Spec:
		if schema.Rest != nil {
			props["rest"] = schema.Rest
		}
		if len(schema.Params) > 0 {
			props["params"] = schema.Params
		}
		if schema.Timeout > 0 {
			props["timeout"] = schema.Timeout.Milliseconds()
		}
		if schema.Visibility != "" {
			props["visibility"] = schema.Visibility
		}
		if schema.Cache != nil {
			props["cache"] = schema.Cache
		}
		if len(schema.Permissions) > 0 {
			props["permissions"] = schema.Permissions
		}
		if schema.Concurrency > 0 {
			props["bulkhead"] = map[string]any{
				"enabled": true, "concurrency": schema.Concurrency, "maxQueueSize": schema.Concurrency,
			}
		}
	case moleculer.ObjectSchema:
		if schema.Source != nil {
			props["params"] = schema.Source
		}
	case map[string]any:
		props["params"] = schema
	}
	props["name"], props["rawName"] = fullName, a.Name
	definition := map[string]json.RawMessage{}
	for k, v := range props {
		if data := e.json(fullName+"."+k, v); data != nil {
			definition[k] = data
		}
	}
	return definition
}

// publicSettings leaves out $secureSettings and what it names, dotted paths included.
func publicSettings(settings map[string]any) map[string]any {
	public := maps.Clone(settings)
	for _, path := range secureSettings(settings) {
		delete(public, path)
		if keys := strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune(`.[]"'`, r) }); len(keys) > 0 {
			public = without(public, keys)
		}
	}
	delete(public, "$secureSettings")
	return public
}

func secureSettings(settings map[string]any) []string {
	switch list := settings["$secureSettings"].(type) {
	case []string:
		return list
	case []any:
		var names []string
		for _, v := range list {
			if name, ok := v.(string); ok {
				names = append(names, name)
			}
		}
		return names
	}
	return nil
}

// without returns m without the value at a path, sharing what it does not change.
func without(m map[string]any, path []string) map[string]any {
	v, ok := m[path[0]]
	if !ok {
		return m
	}
	m = maps.Clone(m)
	if inner, nested := v.(map[string]any); len(path) > 1 && nested {
		m[path[0]] = without(inner, path[1:])
	} else {
		delete(m, path[0])
	}
	return m
}

func flag(settings map[string]any, name string) bool {
	on, _ := settings[name].(bool)
	return on
}

// remoteActions lists the actions that other nodes may call, by full name.
func (c *catalog) remoteActions() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var names []string
	for name, a := range c.actions {
		if a.remote && !strings.HasPrefix(name, "$") {
			names = append(names, name)
		}
	}
	return names
}

// listened lists what this node listens to, without the listeners.
func (c *catalog) listened() []localEvents {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var list []localEvents
	for _, e := range c.events {
		list = append(list, localEvents{pattern: e.pattern, group: e.group})
	}
	return list
}
