// Package mixins gives services datasources, memoized results and permissions. Each function returns a moleculer.Mixin
// and works on any moleculer-go service, also on one that was not made by package integration: the link runs the
// middlewares in the mixin's hooks around the service's actions.
//
// In an action of a plain moleculer-go service, action.ContextOf returns the context for datasource.Get and cache.From.
// The Settings of an action configure the mixins by Moleculer's names: cache and permissions.
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

// The names of the hooks. By them a service's own mixin overrides one of the same kind that it inherits.
const (
	hookPermissions = "permissions"
	hookMemoize     = "memoize"
	hookDatasources = "datasources"
)

// Permissions allows a call only if the user has one of the permissions of the action; see [action.Request.Require]. It
// checks before a cache is read.
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

// Datasources puts the set into the context of the service's actions and events. Driver errors that may pass, such as
// those of a database that is restarting, become retryable errors for callers. The set is opened when the service
// starts and closed after it has stopped. In moleculer-go a start cannot fail: a set that does not open is tried again
// every second until the service stops, and datasource.Get returns an error meanwhile.
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
	end func() // cancels the opening and waits for its end; nil if the service is not started
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

// DatasourceHooks returns the hook of [Datasources] under a name, for callers that open and close the set themselves.
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

// asError also finds the driver's error in the error that the link returns for a plain handler, which has no type.
func asError(err error) error {
	if e, ok := errors.AsType[*action.Error](err); ok && e.Type == "" {
		if passing, ok := errors.AsType[action.Moleculer](datasource.AsError(e.Unwrap())); ok {
			return passing
		}
	}
	return datasource.AsError(err)
}
