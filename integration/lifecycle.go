package integration

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/datasource"
)

// dependencyReminder is the time between log lines of a service that waits for its dependencies.
const dependencyReminder = 5 * time.Second

// Start creates the service, opens its datasources, waits for its dependencies and starts it: after
// that its schema may be published. ctx bounds all of it. What was begun is undone when it fails.
func (s *Service) Start(ctx context.Context) error {
	err := s.start(ctx)
	if err != nil {
		err = fmt.Errorf("service %s does not start: %w", s.fullName, err)
		if e := s.Stop(context.WithoutCancel(ctx)); e != nil {
			err = errors.Join(err, e)
		}
	}
	return err
}

func (s *Service) start(ctx context.Context) error {
	def := s.definition
	if err := s.run(ctx, "created", def.Created); err != nil {
		return err
	}
	if err := s.datasources.Open(datasource.WithCluster(ctx, s.runtime.Cluster)); err != nil {
		return err
	}
	s.onStop(s.datasources.Close)
	if err := s.waitForDependencies(ctx); err != nil {
		return err
	}
	// Also where Started fails: it may have begun what Stopped ends.
	s.onStop(func(ctx context.Context) error { return s.run(ctx, "stopped", def.Stopped) })
	return s.run(ctx, "started", def.Started)
}

// run calls a lifecycle function; nil does nothing. A panic becomes an error, so that the other parts are still stopped
// in order.
func (s *Service) run(ctx context.Context, stage string, f func(*Context) error) (err error) {
	if f == nil {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			s.log.WithField("stack", string(debug.Stack())).Errorf("%s panicked: %v", stage, r)
			err = fmt.Errorf("%s: panic: %v", stage, r)
		}
	}()
	if err := f(s.lifecycleContext(ctx)); err != nil {
		return fmt.Errorf("%s: %w", stage, err)
	}
	return nil
}

// Stop ends the service: Stopped, then its datasources in reverse. It is called when no handler runs any
// more. Calling it again does nothing. The error joins all that went wrong.
func (s *Service) Stop(ctx context.Context) error {
	faults := []error{s.StopConsuming(ctx)}
	s.mu.Lock()
	undo := s.undo
	s.undo = nil
	s.mu.Unlock()
	for i := len(undo) - 1; i >= 0; i-- {
		faults = append(faults, undo[i](ctx))
	}
	return errors.Join(faults...)
}

func (s *Service) onStop(undo func(ctx context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.undo = append(s.undo, undo)
}

func (s *Service) waitForDependencies(ctx context.Context) error {
	names := s.definition.Dependencies
	if len(names) == 0 {
		return nil
	}
	if s.runtime.Cluster == nil {
		return errors.New("dependencies need a cluster")
	}
	log := s.log.WithField("dependencies", strings.Join(names, ","))
	log.Infof("%s waits for the services it depends on", s.fullName)
	began := time.Now()
	for {
		wait, cancel := context.WithTimeout(ctx, dependencyReminder)
		err := s.runtime.Cluster.WaitForServices(wait, names...)
		cancel()
		switch {
		case err == nil:
			log.Infof("%s has found the services it depends on after %s", s.fullName, time.Since(began).Round(time.Millisecond))
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf(
				"the services it depends on have not appeared: %s: %w", strings.Join(names, ", "), context.Cause(ctx),
			)
		}
		log.Warnf("%s still waits for the services it depends on", s.fullName)
	}
}

// lifecycleContext is the context of a lifecycle function: it has no caller, and a trace of its own.
func (s *Service) lifecycleContext(ctx context.Context) *Context {
	return newContext(s.ownContext(ctx), &action.Request{
		Service: s.fullName, RequestID: uuid.NewString(), Meta: action.NewMeta(nil), Cluster: s.runtime.Cluster,
	})
}

// ownContext adds what the service's handlers find in the context of every call.
func (s *Service) ownContext(ctx context.Context) context.Context {
	return context.WithValue(cache.With(s.datasources.Context(ctx), s.cache), serviceKey{}, s)
}
