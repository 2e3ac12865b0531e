package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Group is the progress of a consumer group with the events of a name. Its members may be on Go and Node nodes.
type Group struct {
	Event          string // name of the events; a pattern if the group consumes several names
	Group          string // name of the durable: the group's name with underscores for dots
	Pending        uint64 // events that are not delivered yet
	Unacknowledged int    // delivered events without an ack: their handler runs, or they wait for their backoff
	Redelivered    int    // those of them that were delivered before
	LastActive     time.Time
	Members        bool // a member receives events now; always false for a pull consumer
}

// Groups returns all groups that consume events under the prefix, sorted by event and group.
func (a *Archive) Groups(ctx context.Context) ([]Group, error) {
	var list []Group
	err := a.streams(ctx, func(info *jetstream.StreamInfo) error {
		stream, err := a.p.js.Stream(ctx, info.Config.Name)
		if err != nil {
			return fmt.Errorf("look at stream %s: %w", info.Config.Name, err)
		}
		consumers := stream.ListConsumers(ctx)
		for c := range consumers.Info() {
			if c.Config.Durable == "" { // a consumer without a durable only reads, such as Tail
				continue
			}
			for _, subject := range filters(c.Config, info.Config) {
				if name, ok := a.name(subject); ok {
					list = append(list, group(name, c))
				}
			}
		}
		return consumers.Err()
	})
	slices.SortStableFunc(list, func(x, y Group) int {
		return cmp.Or(strings.Compare(x.Event, y.Event), strings.Compare(x.Group, y.Group))
	})
	return list, err
}

func group(name string, c *jetstream.ConsumerInfo) Group {
	g := Group{
		Event: name, Group: c.Config.Durable, Pending: c.NumPending, Unacknowledged: c.NumAckPending,
		Redelivered: c.NumRedelivered, Members: c.PushBound,
	}
	for _, last := range []*time.Time{c.Delivered.Last, c.AckFloor.Last} {
		if last != nil && last.After(g.LastActive) {
			g.LastActive = *last
		}
	}
	return g
}

// filters returns the subjects that a consumer consumes.
func filters(c jetstream.ConsumerConfig, s jetstream.StreamConfig) []string {
	switch {
	case c.FilterSubject != "":
		return []string{c.FilterSubject}
	case len(c.FilterSubjects) > 0:
		return c.FilterSubjects
	}
	return s.Subjects
}

// streams calls do for each stream that may hold events.
func (a *Archive) streams(ctx context.Context, do func(*jetstream.StreamInfo) error) error {
	list := a.p.js.ListStreams(ctx)
	var errs []error
	for info := range list.Info() { // it must be read to its end: a goroutine writes to it
		if len(errs) == 0 && !strings.HasPrefix(info.Config.Name, "KV_") && !strings.HasPrefix(info.Config.Name, "OBJ_") {
			if err := do(info); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if err := list.Err(); err != nil {
		errs = append(errs, fmt.Errorf("list the streams: %w", err))
	}
	return errors.Join(errs...)
}

// Name returns the name of the events of a subject: the subject without the prefix, if it has that.
func (a *Archive) Name(subject string) string {
	if name, ok := a.name(subject); ok {
		return name
	}
	return subject
}

// name is Name for subjects under the prefix. For others it returns false.
func (a *Archive) name(subject string) (string, bool) {
	if strings.HasPrefix(subject, "$") {
		return "", false
	}
	if a.p.opts.Prefix == "" {
		return subject, true
	}
	return strings.CutPrefix(subject, a.p.opts.Prefix+".")
}

// Names returns the names of the events under the prefix that have a stream, sorted. For a stream of many subjects
// these are the names of stored events, and those that a group consumes.
func (a *Archive) Names(ctx context.Context) ([]string, error) {
	var names []string
	add := func(subject string) {
		if name, ok := a.name(subject); ok && !strings.ContainsAny(name, "*>") {
			names = append(names, name)
		}
	}
	err := a.streams(ctx, func(info *jetstream.StreamInfo) error {
		stored, err := a.storedIn(ctx, info)
		for _, subject := range append(stored, info.Config.Subjects...) {
			add(subject)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	groups, err := a.Groups(ctx)
	for _, g := range groups {
		if !strings.ContainsAny(g.Event, "*>") {
			names = append(names, g.Event)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// storedIn returns the subjects of the events in a stream of many subjects, nil for another stream.
func (a *Archive) storedIn(ctx context.Context, info *jetstream.StreamInfo) ([]string, error) {
	if !slices.ContainsFunc(info.Config.Subjects, func(s string) bool { return strings.ContainsAny(s, "*>") }) {
		return nil, nil
	}
	name := info.Config.Name
	stream, err := a.p.js.Stream(ctx, name)
	if err == nil {
		info, err = stream.Info(ctx, jetstream.WithSubjectFilter(a.p.Subject(">")))
	}
	if err != nil {
		return nil, fmt.Errorf("look at stream %s: %w", name, err)
	}
	var list []string
	for subject := range info.State.Subjects {
		list = append(list, subject)
	}
	return list, nil
}

// Queues returns those of Names whose last event is a dead letter.
func (a *Archive) Queues(ctx context.Context) ([]string, error) {
	names, err := a.Names(ctx)
	if err != nil {
		return nil, err
	}
	var queues []string
	for _, name := range names {
		stream, err := a.stream(ctx, a.p.Subject(name))
		if err != nil || stream == nil {
			continue
		}
		last, err := stream.GetLastMsgForSubject(ctx, a.p.Subject(name))
		if err == nil && last.Header.Get(headerOriginalChannel) != "" {
			queues = append(queues, name)
		}
	}
	return queues, nil
}
