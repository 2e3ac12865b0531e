package mixins

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/moleculer-go/moleculer"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cache"
)

// cleanEvent and the full name of a service make the event that cleans its memoised results: the
// convention of moleculer-db and others.
const cleanEvent = "cache.clean."

// Memoize keeps the results of the actions that have a cache rule, under the keys and in the form of
// Moleculer's cachers, so that instances of the service on Go and Node nodes share them through one
// Redis. A call with meta.$cache false goes past it. Errors are not kept. The event cache.clean.<service>
// drops the service's results; [Clean] does so on all nodes.
func Memoize(c *cache.Cache, keys cache.Keygen) moleculer.Mixin {
	var services sync.Map // full names
	drop := func(ctx context.Context, event *action.Event) error {
		service := strings.TrimPrefix(event.Name, cleanEvent)
		if _, ours := services.Load(service); !ours {
			return nil
		}
		return c.Clean(ctx, service+".**")
	}
	return moleculer.Mixin{
		Name: hookMemoize,
		Hooks: map[string]any{hookMemoize: action.Middleware{
			Stage: action.StageCache,
			Wrap: func(e action.Endpoint, next action.Handler) action.Handler {
				if e.Spec.Cache == nil {
					return next
				}
				services.Store(e.Service, true)
				return memoized(c, keys, e, next)
			},
		}},
		Events: []moleculer.Event{action.NewEvent(cleanEvent+"**", "", drop)},
	}
}

func memoized(c *cache.Cache, keys cache.Keygen, e action.Endpoint, next action.Handler) action.Handler {
	rule := e.Spec.Cache
	policy := cache.Policy{TTL: rule.TTL, Stale: rule.Stale, Lock: rule.Lock}
	return func(ctx context.Context, req *action.Request) (any, error) {
		var use bool
		if req.Meta.Get("$cache", &use) && !use {
			return next(ctx, req)
		}
		// The computing may outlast this call, so it has a request of its own. What it adds to meta reaches the
		// caller who has waited for it, as in Node, and no other.
		own := *req
		own.Meta = req.Meta.With(nil)
		var computed atomic.Bool
		answer, err := c.Once(ctx, keys.Key(e.Action, rule, req), policy, func(ctx context.Context) (json.RawMessage, error) {
			result, err := next(ctx, &own)
			result, err = action.Wait(ctx, result, err)
			computed.Store(true)
			if err != nil {
				return nil, err
			}
			if raw, ok := result.(json.RawMessage); ok {
				return raw, nil
			}
			raw, err := json.Marshal(result)
			if err != nil {
				return nil, fmt.Errorf("encode the result of %s: %w", e.Action, err)
			}
			return raw, nil
		})
		if computed.Load() {
			if meta, err := own.Meta.MarshalJSON(); err == nil {
				req.Meta.Merge(meta)
			}
		}
		if err != nil {
			return nil, err
		}
		return answer, nil
	}
}

// Clean drops all memoised results of the service whose action runs in ctx, on every node.
func Clean(ctx context.Context) error {
	req := action.RequestFrom(ctx)
	if req == nil || req.Service == "" {
		return fmt.Errorf("no service's call is running in this context")
	}
	return req.Broadcast(ctx, cleanEvent+req.Service, nil)
}
