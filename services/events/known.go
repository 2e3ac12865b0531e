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

// knows refuses the name of an event that is neither published here nor stored anywhere. Its error names those that there
// are, to users of all tenants also those of others.
func (d *Desk) knows(ctx context.Context, name string, allowed Allowed) error {
	if name == d.Queue || slices.Contains(d.Names, name) {
		return nil
	}
	names, err := d.Archive.Names(ctx)
	if err != nil || slices.Contains(names, name) {
		return err
	}
	known := append(slices.Clone(d.Names), d.Queue)
	if allowed == nil {
		known = append(known, names...)
	}
	return unknown(codes.EventNotFound, "event", name, known)
}

// knowsQueue refuses the name of a queue of dead letters that is not there.
func (d *Desk) knowsQueue(ctx context.Context, name string) error {
	if name == d.Queue {
		return nil
	}
	names, err := d.Archive.Names(ctx)
	if err != nil || slices.Contains(names, name) && !slices.Contains(d.Names, name) {
		return err
	}
	queues, err := d.Archive.Queues(ctx)
	if err != nil {
		return err
	}
	return unknown(codes.QueueNotFound, "queue of dead letters", name, append(queues, d.Queue))
}

// knowsChoice refuses the event or group that dead letters are chosen by, if nothing is known of it: neither is it among
// the letters that the caller gets to see, nor does anybody publish or consume it. An empty queue has no group to compare with.
func (d *Desk) knowsChoice(ctx context.Context, queue string, c Choice, allowed Allowed) error {
	if c.Subject == "" && c.Group == "" {
		return nil
	}
	var subjects, groups []string
	err := d.Archive.EachDead(ctx, queue, d.query(Choice{}, allowed), func(r *events.Record) error {
		if s := d.Archive.Name(r.OriginalSubject()); !slices.Contains(subjects, s) {
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
	if name := d.Archive.Name(c.Subject); c.Subject != "" && !slices.Contains(subjects, c.Subject) && !slices.Contains(subjects, name) {
		err := d.knows(ctx, c.Subject, allowed)
		if err != nil && d.knows(ctx, name, allowed) != nil {
			return err
		}
	}
	if c.Group == "" || len(groups) == 0 || slices.Contains(groups, c.Group) {
		return nil
	}
	consuming, err := d.Archive.Groups(ctx)
	if err != nil {
		return err
	}
	for _, g := range consuming {
		if g.Group == strings.ReplaceAll(c.Group, ".", "_") {
			return nil
		}
		if allowed == nil {
			groups = append(groups, g.Group)
		}
	}
	return unknown(codes.GroupNotFound, "group", c.Group, groups)
}

func unknown(code, what, name string, known []string) error {
	slices.Sort(known)
	known = slices.Compact(known)
	return action.Client(http.StatusNotFound, code, "there is no %s %q; there are: %s", what, name, strings.Join(known, ", "))
}
