package events

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/events"
)

// checkName refuses the name of an event that is neither published by this node nor stored. The error lists the known
// names; callers of all tenants also get those of other nodes.
func (a *Admin) checkName(ctx context.Context, name string, allowed TenantFilter) error {
	if name == a.Queue || slices.Contains(a.Names, name) {
		return nil
	}
	names, err := a.Archive.Names(ctx)
	if err != nil || slices.Contains(names, name) {
		return err
	}
	known := append(slices.Clone(a.Names), a.Queue)
	if allowed == nil {
		known = append(known, names...)
	}
	return unknown(codes.EventNotFound, "event", name, known)
}

// checkQueue refuses the name of a queue of dead letters that does not exist.
func (a *Admin) checkQueue(ctx context.Context, name string) error {
	if name == a.Queue {
		return nil
	}
	names, err := a.Archive.Names(ctx)
	if err != nil || slices.Contains(names, name) && !slices.Contains(a.Names, name) {
		return err
	}
	queues, err := a.Archive.Queues(ctx)
	if err != nil {
		return err
	}
	return unknown(codes.QueueNotFound, "queue of dead letters", name, append(queues, a.Queue))
}

// checkFilter refuses an unknown event or group in a filter of dead letters: none of the letters that the caller may
// see has it, and nobody publishes or consumes it. If the queue is empty, the group is not checked.
func (a *Admin) checkFilter(ctx context.Context, queue string, f Filter, allowed TenantFilter) error {
	if f.Subject == "" && f.Group == "" {
		return nil
	}
	var subjects, groups []string
	err := a.Archive.EachDead(ctx, queue, a.query(Filter{}, allowed), func(r *events.Record) error {
		if s := a.Archive.Name(r.OriginalSubject()); !slices.Contains(subjects, s) {
			subjects = append(subjects, s)
		}
		if g := r.OriginalGroup(); g != "" && !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if name := a.Archive.Name(f.Subject); f.Subject != "" && !slices.Contains(subjects, f.Subject) &&
		!slices.Contains(subjects, name) {
		err := a.checkName(ctx, f.Subject, allowed)
		if err != nil && a.checkName(ctx, name, allowed) != nil {
			return err
		}
	}
	if f.Group == "" || len(groups) == 0 || slices.Contains(groups, f.Group) {
		return nil
	}
	consuming, err := a.Archive.Groups(ctx)
	if err != nil {
		return err
	}
	for _, g := range consuming {
		if g.Group == strings.ReplaceAll(f.Group, ".", "_") {
			return nil
		}
		if allowed == nil {
			groups = append(groups, g.Group)
		}
	}
	return unknown(codes.GroupNotFound, "group", f.Group, groups)
}

func unknown(code, what, name string, known []string) error {
	slices.Sort(known)
	known = slices.Compact(known)
	return action.Client(
		http.StatusNotFound, code, "there is no %s %q; there are: %s", what, name, strings.Join(known, ", "),
	)
}
