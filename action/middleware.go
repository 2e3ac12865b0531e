package action

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/moleculer-go/moleculer"
)

// Stage says how far outside a middleware stands: the first stages see a call first.
type Stage int

// The stages of middlewares, outermost first: what every answer passes, whether the caller may, what is
// in a cache already, what the handler needs, and what belongs to the handler itself.
const (
	StageOuter Stage = iota
	StageAccess
	StageCache
	StageInner
	StageHandler
)

// Middleware stands between the cluster and the actions of a service. A [moleculer.Mixin] or schema
// carries it as a value of its Hooks, under a name of its own; the link finds it there.
type Middleware struct {
	Stage Stage
	// Context adds to the context of every call and event of the service; nil adds nothing.
	Context func(ctx context.Context) context.Context
	// Wrap returns what handles the endpoint's calls instead of next, or next itself. It is called once
	// for each action, as the service starts; nil wraps nothing. A result may be a [*Promise].
	Wrap func(e Endpoint, next Handler) Handler
}

// Endpoint is an action as a middleware gets to know it.
type Endpoint struct {
	Service string // full name
	Action  string // full name
	Spec    Spec
}

// Middlewares finds the middlewares among a schema's hooks, outermost first, in the order of their
// names within a stage.
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

// Wrap puts the middlewares round an action.
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

// SpecOf gives the spec of an action: the one it was made with by [New], or what the settings of a
// plain moleculer-go action say in Moleculer's words (cache, permissions).
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

// texts reads a string or a list of strings; nil where there is none.
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
