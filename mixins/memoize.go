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

// cleanEvent is the prefix of the event that deletes the memoized results of a service; the service's full name
// follows. It is the convention of moleculer-db and others.
const cleanEvent = "cache.clean."

// Memoize keeps the results of the actions that have a cache rule. Keys and values have the format of Moleculer's
// cachers, so instances of the service on Go and Node nodes share them through one Redis. A call with meta.$cache false
// does not use the cache. Errors are not kept. The event cache.clean.<service> deletes the results of a service;
// [Clean] sends it to all nodes.
func Memoize(c *cache.Cache, keys cache.Keygen) moleculer.Mixin {
	var services sync.Map // full names
	clean := func(ctx context.Context, event *action.Event) error {
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
		Events: []moleculer.Event{action.NewEvent(cleanEvent+"**", "", clean)},
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
		// The action may outlast this call, so it gets its own request. Only the caller that ran it gets what it adds
		// to meta, as in Node.
		own := *req
		own.Meta = req.Meta.With(nil)
		var computed atomic.Bool
		key := keys.Key(e.Action, rule, req)
		cached, err := c.GetOrCompute(ctx, key, policy, func(ctx context.Context) (json.RawMessage, error) {
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
		return cached, nil
	}
}

// Clean deletes all memoized results of the service whose action runs in ctx, on all nodes.
func Clean(ctx context.Context) error {
	req := action.RequestFrom(ctx)
	if req == nil || req.Service == "" {
		return fmt.Errorf("no service's call is running in this context")
	}
	return req.Broadcast(ctx, cleanEvent+req.Service, nil)
}
