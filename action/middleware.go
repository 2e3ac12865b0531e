package action

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/moleculer-go/moleculer"
)

// Stage orders middlewares: a call passes the first stages first.
type Stage int

// The stages of middlewares, outermost first: for every answer, for permissions, for the cache, for what the handler
// needs, and for the handler itself.
const (
	StageOuter Stage = iota
	StageAccess
	StageCache
	StageInner
	StageHandler
)

// Middleware wraps the actions of a service. A [moleculer.Mixin] or schema has it as a value of its Hooks, under a name
// of its own, where the link finds it.
type Middleware struct {
	Stage Stage
	// Context adds to the context of every call and event of the service; nil adds nothing.
	Context func(ctx context.Context) context.Context
	// Wrap returns the handler to call instead of next, or next itself. It is called once for each action when the
	// service starts; nil wraps nothing. A result may be a [*Promise].
	Wrap func(e Endpoint, next Handler) Handler
}

// Endpoint is the action that a middleware wraps.
type Endpoint struct {
	Service string // full name
	Action  string // full name
	Spec    Spec
}

// Middlewares returns the middlewares in a schema's hooks, outermost first, and sorted by name within a stage.
func Middlewares(hooks map[string]any) []Middleware {
	var list []Middleware
	for _, name := range slices.Sorted(maps.Keys(hooks)) {
		if m, ok := hooks[name].(Middleware); ok {
			list = append(list, m)
		}
	}
	slices.SortStableFunc(list, func(a, b Middleware) int { return int(a.Stage) - int(b.Stage) })
	return list
}

// Wrap wraps a handler in middlewares; the first is the outermost.
func Wrap(list []Middleware, e Endpoint, handle Handler) Handler {
	for _, m := range slices.Backward(list) {
		if m.Wrap != nil {
			handle = m.Wrap(e, handle)
		}
		if add := m.Context; add != nil {
			next := handle
			handle = func(ctx context.Context, req *Request) (any, error) { return next(add(ctx), req) }
		}
	}
	return handle
}

// SpecOf returns the spec of an action: the one given to [New], or for a moleculer-go action one made from its settings
// cache and permissions.
func SpecOf(a moleculer.Action) Spec {
	if spec, ok := a.Schema.(Spec); ok {
		return spec
	}
	return Spec{Cache: cacheRuleOf(a.Settings["cache"]), Permissions: texts(a.Settings["permissions"])}
}

// cacheRuleOf reads Moleculer's cache property: true, or an object with keys and ttl (seconds).
func cacheRuleOf(v any) *CacheRule {
	switch v := v.(type) {
	case bool:
		if v {
			return &CacheRule{}
		}
	case CacheRule:
		return &v
	case *CacheRule:
		return v
	case map[string]any:
		if enabled, ok := v["enabled"].(bool); ok && !enabled {
			return nil
		}
		rule := &CacheRule{Keys: texts(v["keys"])}
		switch ttl := v["ttl"].(type) {
		case int:
			rule.TTL = seconds(float64(ttl))
		case float64:
			rule.TTL = seconds(ttl)
		}
		return rule
	}
	return nil
}

// texts reads a string with words, or a list of strings. It returns nil for anything else.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return strings.Fields(v)
	case []string:
		return v
	case []any:
		list := []string{}
		for _, item := range v {
			if s, ok := item.(string); ok {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}
