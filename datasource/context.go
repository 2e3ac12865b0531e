package datasource

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/action"
)

type scopeKey struct{}

// scope is a set in a context, and the scope that the context had before.
type scope struct {
	set   *Set
	outer *scope
}

// Context returns a context with the set, in which [Get] finds its datasources. Get looks for other names in the sets
// that ctx already has.
func (s *Set) Context(ctx context.Context) context.Context {
	outer, _ := ctx.Value(scopeKey{}).(*scope)
	if outer != nil && outer.set == s {
		return ctx
	}
	return context.WithValue(ctx, scopeKey{}, &scope{set: s, outer: outer})
}

// Get returns the datasource of that name as the type that it was opened as, such as *pgxpool.Pool, or as an interface
// that it implements. Errors are *NotFoundError, *NotOpenError and *TypeError.
func Get[T any](ctx context.Context, name string) (T, error) {
	var none T
	innermost, _ := ctx.Value(scopeKey{}).(*scope)
	for sc := innermost; sc != nil; sc = sc.outer {
		e := sc.set.find(name)
		if e == nil {
			continue
		}
		instance := e.instance.Load()
		if instance == nil {
			return none, &NotOpenError{Name: name}
		}
		typed, ok := (*instance).(T)
		if !ok {
			return none, &TypeError{Name: name, Is: reflect.TypeOf(*instance), Asked: reflect.TypeFor[T]()}
		}
		return typed, nil
	}
	return none, &NotFoundError{Name: name, Known: innermost.names()}
}

func (sc *scope) names() []string {
	var names []string
	for ; sc != nil; sc = sc.outer {
		for _, e := range sc.set.entries {
			names = append(names, e.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// NotFoundError says that the context has no datasource of the name.
type NotFoundError struct {
	Name  string
	Known []string // the existing names, sorted
}

func (e *NotFoundError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("there is no datasource %q: there are none in this context", e.Name)
	}
	return fmt.Sprintf("there is no datasource %q; there are: %s", e.Name, strings.Join(e.Known, ", "))
}

// TypeError says that the datasource has another type than was asked for.
type TypeError struct {
	Name      string
	Is, Asked reflect.Type
}

func (e *TypeError) Error() string {
	return fmt.Sprintf("datasource %q is a %v, not a %v", e.Name, e.Is, e.Asked)
}

// NotOpenError says that the datasource is not open yet, or is closed.
type NotOpenError struct{ Name string }

func (e *NotOpenError) Error() string { return fmt.Sprintf("datasource %q is not open", e.Name) }

// MoleculerError implements [action.Moleculer]. The error is retryable: another node, or this one later, may succeed.
func (e *NotOpenError) MoleculerError() *action.Error {
	return Unavailable("it is not open").Because(e)
}
