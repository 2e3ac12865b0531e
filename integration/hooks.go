package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moleculer-go/moleculer"

	"github.com/hiliosai/switchboard/action"
)

// Hook runs around the actions of a service, after their params were checked. Hooks are nested in the order of the
// list: the first one's Before runs first, its After and Error last.
type Hook struct {
	// Actions names the actions, separated by |; "*" is all.
	Actions string
	// Before may read and change the request, and refuse it with an error.
	Before func(ctx *Context) error
	// After may replace the result, or fail.
	After func(ctx *Context, result any) (any, error)
	// Error may replace the error; nil keeps it.
	Error func(ctx *Context, err error) error
}

func (h Hook) validate(actions []moleculer.Action) error {
	if h.Before == nil && h.After == nil && h.Error == nil {
		return errors.New("does nothing")
	}
	for name := range strings.SplitSeq(h.Actions, "|") {
		if name != "*" && !slices.ContainsFunc(actions, func(a moleculer.Action) bool { return a.Name == name }) {
			return fmt.Errorf("there is no action %q", name)
		}
	}
	return nil
}

func (h Hook) concerns(name string) bool {
	names := strings.Split(h.Actions, "|")
	return slices.Contains(names, "*") || slices.Contains(names, name)
}

// hooked puts the service's hooks around an action.
func (s *Service) hooked(name string, handle action.Handler) action.Handler {
	for _, h := range slices.Backward(s.definition.Hooks) {
		if h.concerns(name) {
			handle = h.around(handle)
		}
	}
	return handle
}

func (h Hook) around(next action.Handler) action.Handler {
	return func(ctx context.Context, req *action.Request) (any, error) {
		c := newContext(ctx, req)
		result, err := any(nil), error(nil)
		if h.Before != nil {
			err = h.Before(c)
		}
		if err == nil {
			result, err = next(ctx, req)
		}
		if h.After != nil || h.Error != nil {
			result, err = action.Wait(ctx, result, err)
		}
		if err == nil && h.After != nil {
			result, err = h.After(c, result)
		}
		if err != nil && h.Error != nil {
			if replaced := h.Error(c, err); replaced != nil {
				err = replaced
			}
		}
		if err != nil {
			return nil, err
		}
		return result, nil
	}
}
