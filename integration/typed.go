package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/moleculer-go/moleculer"

	"github.com/hiliosai/switchboard/action"
)

// None is the type of params or results that an action does not have.
type None = struct{}

// NewAction makes an action of a function. In is a struct: the json tags of its fields name the params, and the params
// tags hold Moleculer's rules, such as `params:"min:3|optional"` (see [action.ParamsOf]). The rules are announced, and
// checked before handle is called. spec sets everything else that Moleculer knows of an action (rest, cache,
// permissions, timeout…); its Params and Handle are overwritten.
func NewAction[In, Out any](
	name string, handle func(ctx *Context, in In) (Out, error), spec action.Spec,
) moleculer.Action {
	spec.Params, spec.Fault = action.ParamsOf(reflect.TypeFor[In]())
	if handle == nil {
		spec.Fault = errors.Join(spec.Fault, errors.New("has no handler"))
	}
	spec.Handle = func(ctx context.Context, req *action.Request) (any, error) {
		var in In
		if len(req.Params) > 0 && string(req.Params) != "null" {
			if err := json.Unmarshal(req.Params, &in); err != nil {
				return nil, paramsFault(req, "", err)
			}
		}
		return handle(newContext(ctx, req), in)
	}
	return action.New(name, spec)
}

// NewEvent makes a listener of a function, for an event or one of Moleculer's patterns (*, ** and ?). An event whose
// data does not fit T is logged and dropped. An empty group is the service's name.
func NewEvent[T any](name, group string, handle func(ctx *Context, data T) error) moleculer.Event {
	return action.NewEvent(name, group, func(ctx context.Context, event *action.Event) error {
		var data T
		if len(event.Params) > 0 {
			if err := json.Unmarshal(event.Params, &data); err != nil {
				return fmt.Errorf("the data of event %s does not fit: %w", event.Name, err)
			}
		}
		return handle(newContext(ctx, &event.Request), data)
	})
}

// checked checks a call's params before its handler, and converts them if the rules say so.
func (s *Service) checked(spec action.Spec, next action.Handler) action.Handler {
	if len(spec.Params) == 0 || spec.ChecksParams {
		return next
	}
	return func(ctx context.Context, req *action.Request) (any, error) {
		params, err := spec.Params.Check(req)
		if err != nil {
			return nil, err
		}
		req.Params = params
		return next(ctx, req)
	}
}
