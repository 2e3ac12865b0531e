// Package mixins gives services what is not their own business: datasources, memoised results,
// permissions. Each function returns a moleculer.Mixin and works on any moleculer-go service, also on
// one that package integration has not made: the link runs what the mixin's hooks hold round the
// service's actions.
//
// In an action of such a plain service action.ContextOf gives the context that datasource.Get and
// cache.From ask for; what an action asks of the mixins stands in its Settings, in Moleculer's words:
// cache and permissions.
package mixins

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/datasource"
)

// The names of the hooks, which also tell a service's own mixin of a kind from one it inherits.
const (
	hookPermissions = "permissions"
	hookMemoize     = "memoize"
	hookDatasources = "datasources"
)

// Permissions lets an action be called only for a user who has one of the permissions that it asks
// for; see [action.Request.Require]. Nothing is read from a cache before.
func Permissions() moleculer.Mixin {
	return moleculer.Mixin{Name: hookPermissions, Hooks: map[string]any{hookPermissions: action.Middleware{
		Stage: action.StageAccess,
		Wrap: func(e action.Endpoint, next action.Handler) action.Handler {
			anyOf := e.Spec.Permissions
			if len(anyOf) == 0 {
				return next
			}
			return func(ctx context.Context, req *action.Request) (any, error) {
				if err := req.Require(anyOf...); err != nil {
					return nil, err
				}
				return next(ctx, req)
			}
		},
	}}}
}

// Datasources puts the set into the context of the service's actions and events, and makes errors of
// drivers that may pass, such as those of a database that is restarting, retryable ones for callers.
// The set is opened when the service starts and closed when it has stopped. moleculer-go's
// lifecycle knows no errors: a set that does not open is tried again until it does or the service
// stops, while datasource.Get says that it is not open.
func Datasources(set *datasource.Set, log *logrus.Entry) moleculer.Mixin {
	o := &opener{set: set, log: log}
	return moleculer.Mixin{
		Name:    hookDatasources,
		Hooks:   DatasourceHooks(hookDatasources, set),
		Started: func(moleculer.BrokerContext, moleculer.ServiceSchema) { o.start() },
		Stopped: func(moleculer.BrokerContext, moleculer.ServiceSchema) { o.stop() },
	}
}

// opener opens a set in the background and closes it.
type opener struct {
	set *datasource.Set
	log *logrus.Entry

	mu  sync.Mutex
	end func() // ends the opening and waits for that; nil while the service is not started
}

func (o *opener) start() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	var opening sync.WaitGroup
	opening.Go(func() { o.open(ctx) })
	o.end = func() { cancel(); opening.Wait() }
}

func (o *opener) open(ctx context.Context) {
	for {
		err := o.set.Open(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		o.log.WithError(err).Error("the service's datasources do not open")
		pause := time.NewTimer(reopen)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}

func (o *opener) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end == nil {
		return
	}
	o.end()
	o.end = nil
	if err := o.set.Close(context.Background()); err != nil {
		o.log.WithError(err).Warn("the service's datasources did not close cleanly")
	}
}

// reopen is the pause between two attempts to open a set.
const reopen = time.Second

// DatasourceHooks is the part of [Datasources] for those who open and close the set themselves, as a
// hook of that name.
func DatasourceHooks(name string, set *datasource.Set) map[string]any {
	return map[string]any{name: action.Middleware{
		Stage:   action.StageInner,
		Context: set.Context,
		Wrap: func(_ action.Endpoint, next action.Handler) action.Handler {
			return func(ctx context.Context, req *action.Request) (any, error) {
				result, err := next(ctx, req)
				return action.Then(result, err, func(result any, err error) (any, error) {
					if err != nil {
						return nil, asError(err)
					}
					return result, nil
				})
			}
		},
	}}
}

// asError finds the driver's error also in what the link makes of a plain handler's: one without a type.
func asError(err error) error {
	if e, ok := errors.AsType[*action.Error](err); ok && e.Type == "" {
		if passing, ok := errors.AsType[action.Moleculer](datasource.AsError(e.Unwrap())); ok {
			return passing
		}
	}
	return datasource.AsError(err)
}
