package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/alecthomas/kong"
	"github.com/sirupsen/logrus"

	store "github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/services/events"
)

type eventsCommand struct {
	List   listEventsCommand   `cmd:"" help:"Count the events of each name, with their ages."`
	Groups groupsCommand       `cmd:"" help:"Show how far each group of consumers is, on Go and Node nodes."`
	Tail   tailCommand         `cmd:"" help:"Show events as they come, a line of JSON each, without secrets."`
	Replay replayEventsCommand `cmd:"" help:"Publish stored events again, marked and under new message ids."`
}

type dlqCommand struct {
	List   listDeadCommand   `cmd:"" help:"Count and list dead letters, with their ages."`
	Show   showDeadCommand   `cmd:"" help:"Show a dead letter, without secrets."`
	Replay replayDeadCommand `cmd:"" help:"Send dead letters back to where they were, and take them off the queue."`
	Drop   dropDeadCommand   `cmd:"" help:"Delete dead letters for good."`
}

// operate connects to NATS for as long as do runs.
func (f configFlag) operate(
	ctx context.Context, log *logrus.Logger, secrets *redact.Secrets, do func(*app.Events) error,
) error {
	c, err := f.load(log, secrets)
	if err != nil {
		return err
	}
	log.SetLevel(min(log.Level, logrus.WarnLevel)) // the result is what was asked for
	desk, err := app.OpenEvents(ctx, c, log, secrets)
	if err != nil {
		return err
	}
	defer desk.Close()
	return plain(do(desk))
}

// moment is a time, given as such (2026-01-31T12:00:00Z) or as how long ago it was (90m).
type moment struct{ time.Time }

// Decode implements kong.MapperValue.
func (m *moment) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("time", &text); err != nil {
		return err
	}
	if ago, err := time.ParseDuration(text); err == nil {
		m.Time = time.Now().Add(-ago)
		return nil
	}
	var err error
	if m.Time, err = time.Parse(time.RFC3339, text); err != nil {
		return fmt.Errorf("expects a time such as 2026-01-31T12:00:00Z or how long ago it was, such as 90m, found %q", text)
	}
	return nil
}

func (m moment) pointer() *time.Time {
	if m.IsZero() {
		return nil
	}
	return &m.Time
}

type listEventsCommand struct {
	configFlag
	outputFlag
}

func (l *listEventsCommand) Run(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets) error {
	return l.operate(ctx, log, secrets, func(desk *app.Events) error {
		counts, err := desk.Counts(ctx)
		if err != nil {
			return err
		}
		return l.print(counts, func() error {
			return table(os.Stdout, func(row func(...string)) {
				row("EVENT", "COUNT", "OLDEST", "NEWEST")
				for _, c := range counts {
					row(c.Name, strconv.Itoa(c.Count), ago(c.Oldest), ago(c.Newest))
				}
			})
		})
	})
}

func ago(a *events.Age) string {
	if a == nil {
		return ""
	}
	return a.Age + " ago"
}

type groupsCommand struct {
	configFlag
	outputFlag
	Names []string `arg:"" optional:"" name:"name" help:"Events, such as hios.processing.message.received, or all."`
}

func (g *groupsCommand) Run(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets) error {
	return g.operate(ctx, log, secrets, func(desk *app.Events) error {
		groups, err := desk.Groups(ctx, g.Names)
		if err != nil {
			return err
		}
		return g.print(groups, func() error {
			return table(os.Stdout, func(row func(...string)) {
				row("EVENT", "GROUP", "PENDING", "UNACKNOWLEDGED", "REDELIVERED", "LAST ACTIVE", "MEMBERS")
				for _, g := range groups {
					members := "none"
					if g.Members {
						members = "connected"
					}
					row(
						g.Event, g.Group, strconv.FormatUint(g.Pending, 10), strconv.Itoa(g.Unacknowledged), strconv.Itoa(g.Redelivered),
						ago(g.LastActive), members,
					)
				}
			})
		})
	})
}

type tailCommand struct {
	configFlag
	Names []string `arg:"" optional:"" name:"name" help:"Events; without any those of integrations and dead letters."`
	Since moment   `help:"First those since a time, or for so long." placeholder:"TIME"`
}

func (t *tailCommand) Run(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets) error {
	return t.operate(ctx, log, secrets, func(desk *app.Events) error {
		out := json.NewEncoder(os.Stdout)
		out.SetEscapeHTML(false)
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		err := desk.Tail(ctx, t.Names, t.Since.Time, func(v *events.View) {
			if err := out.Encode(v); err != nil {
				cancel(err)
			}
		})
		if cause := context.Cause(ctx); err == nil && !errors.Is(cause, context.Canceled) {
			err = cause
		}
		return err
	})
}

// doItFlags are those of commands that change many events.
type doItFlags struct {
	DryRun bool `help:"Only show which they are, and how old."`
	Yes    bool `short:"y" help:"Do not ask on a terminal."`
}

// inParts does something part by part, as much as one call takes each time, until all of it is done.
func inParts(choice events.Filter, do func(events.Filter) (store.Progress, error)) (int, error) {
	for count := 0; ; {
		p, err := do(choice)
		count += p.Count
		if err != nil || !p.More {
			return count, err
		}
		if len(choice.Sequences) > 0 {
			choice.Sequences = choice.Sequences[slices.Index(choice.Sequences, p.Last)+1:]
			continue
		}
		choice.After, choice.Through = max(p.Last, choice.After), p.Through
	}
}

type replayEventsCommand struct {
	configFlag
	doItFlags
	Name  string   `arg:"" help:"Event, such as hios.processing.message.received."`
	Since moment   `help:"Those since a time, or for so long." placeholder:"TIME"`
	Until moment   `help:"Those until a time." placeholder:"TIME"`
	ID    []string `name:"id" help:"Those of these message ids." placeholder:"ID"`
}

func (r *replayEventsCommand) Run(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets) error {
	if r.Since.IsZero() && len(r.ID) == 0 {
		return errors.New("say which events: --since or --id")
	}
	return r.operate(ctx, log, secrets, func(desk *app.Events) error {
		choice := events.Filter{Since: r.Since.pointer(), Until: r.Until.pointer(), MessageIDs: r.ID}
		return r.replay(ctx, desk, choice)
	})
}

func (r *replayEventsCommand) replay(ctx context.Context, desk *app.Events, choice events.Filter) error {
	var found [][]string
	err := desk.Each(ctx, r.Name, choice, func(v *events.View) {
		found = append(found, []string{strconv.FormatUint(v.Sequence, 10), v.Stored.Age, v.MessageID})
	})
	if err != nil {
		return err
	}
	if r.DryRun {
		return table(os.Stdout, func(row func(...string)) {
			row("SEQUENCE", "AGE", "MESSAGE ID")
			for _, cells := range found {
				row(cells...)
			}
		})
	}
	if len(found) > 0 {
		if err := confirm(
			r.Yes, fmt.Sprintf("publish %d event(s) of %s again, for every group", len(found), r.Name),
		); err != nil {
			return err
		}
	}
	n, err := inParts(
		choice, func(part events.Filter) (store.Progress, error) { return desk.Replay(ctx, r.Name, part, nil) },
	)
	fmt.Printf("%d event(s) replayed\n", n)
	return err
}

// queueFlag names a queue of dead letters.
type queueFlag struct {
	configFlag
	Queue string `default:"FAILED_MESSAGES" help:"Queue of dead letters, without the prefix." placeholder:"NAME"`
}

// deadFlags choose dead letters.
type deadFlags struct {
	queueFlag
	Event string `help:"Only those of this event." placeholder:"NAME"`
	Group string `help:"Only those that this group gave up." placeholder:"NAME"`
}

func (f deadFlags) choice() events.Filter { return events.Filter{Subject: f.Event, Group: f.Group} }

type listDeadCommand struct {
	deadFlags
	outputFlag
	Limit int `default:"50" help:"At most so many; 0 is all."`
}

func (l *listDeadCommand) Run(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets) error {
	return l.operate(ctx, log, secrets, func(desk *app.Events) error {
		choice := l.choice()
		choice.Limit = l.Limit
		dead, err := desk.DeadLetters(ctx, l.Queue, choice, nil)
		if err != nil {
			return err
		}
		return l.print(dead, func() error { return printDead(dead) })
	})
}

func printDead(dead *events.DeadLetters) error {
	fmt.Printf("%d dead letter(s)\n", dead.Total.Count)
	if dead.Total.Count == 0 {
		return nil
	}
	err := table(os.Stdout, func(row func(...string)) {
		row("EVENT", "GROUP", "COUNT", "OLDEST", "NEWEST")
		for _, g := range dead.Groups {
			row(g.Name, g.Group, strconv.Itoa(g.Count.Count), ago(g.Oldest), ago(g.Newest))
		}
	})
	if err != nil {
		return err
	}
	fmt.Println()
	return table(os.Stdout, func(row func(...string)) {
		letterHead(row)
		for _, v := range dead.Letters {
			letterRow(row, v)
		}
	})
}

func letterHead(row func(...string)) { row("SEQUENCE", "AGE", "EVENT", "GROUP", "TENANT", "ERROR") }

func letterRow(row func(...string), v *events.View) {
	// @moleculer/channels keeps no errors before 0.3.
	row(
		strconv.FormatUint(v.Sequence, 10), v.Stored.Age, v.Original.Event, v.Original.Group, v.TenantID,
		cmp.Or(v.Original.Error, "not recorded"),
	)
}

type showDeadCommand struct {
	queueFlag
	Sequence uint64 `arg:"" help:"Sequence, as dlq list shows it."`
}

func (s *showDeadCommand) Run(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets) error {
	return s.operate(ctx, log, secrets, func(desk *app.Events) error {
		view, err := desk.DeadLetter(ctx, s.Queue, s.Sequence, nil)
		if err != nil {
			return err
		}
		return printJSON(os.Stdout, view)
	})
}

// someDead choose dead letters that something is done to.
type someDead struct {
	deadFlags
	doItFlags
	Sequences []uint64 `arg:"" optional:"" name:"sequence" help:"Sequences, as dlq list shows them."`
	All       bool     `help:"All of them, or all that --event and --group choose."`
}

func (s someDead) chosen() (events.Filter, error) {
	choice := s.choice()
	choice.Sequences = once(s.Sequences)
	if (len(s.Sequences) > 0) == s.All {
		return choice, errors.New("say which dead letters: their sequences, or --all")
	}
	return choice, nil
}

func once(sequences []uint64) (list []uint64) {
	for _, seq := range sequences {
		if !slices.Contains(list, seq) {
			list = append(list, seq)
		}
	}
	return list
}

// doing is what is done to dead letters.
type doing struct {
	question, done string
	do             func(*app.Events, events.Filter) (store.Progress, error)
}

// each does something to the chosen dead letters and says to how many.
func (s someDead) each(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets, what doing) error {
	choice, err := s.chosen()
	if err != nil {
		return err
	}
	return s.operate(ctx, log, secrets, func(desk *app.Events) error {
		var found []*events.View
		if err := desk.EachDead(ctx, s.Queue, choice, func(v *events.View) { found = append(found, v) }); err != nil {
			return err
		}
		if s.DryRun {
			return printLetters(found)
		}
		if len(found) > 0 {
			if err := confirm(s.Yes, fmt.Sprintf(what.question, len(found))); err != nil {
				return err
			}
		}
		n, err := inParts(choice, func(part events.Filter) (store.Progress, error) { return what.do(desk, part) })
		fmt.Printf("%d dead letter(s) %s\n", n, what.done)
		return cmp.Or(err, missing(len(choice.Sequences)-n))
	})
}

func printLetters(list []*events.View) error {
	fmt.Printf("%d dead letter(s)\n", len(list))
	return table(os.Stdout, func(row func(...string)) {
		letterHead(row)
		for _, v := range list {
			letterRow(row, v)
		}
	})
}

// missing says how many of the sequences are not there.
func missing(n int) error {
	switch {
	case n <= 0:
		return nil
	case n == 1:
		return errors.New("1 sequence does not exist")
	default:
		return fmt.Errorf("%d sequences do not exist", n)
	}
}

type replayDeadCommand struct{ someDead }

func (r *replayDeadCommand) Run(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets) error {
	return r.each(ctx, log, secrets, doing{"send %d dead letter(s) back to where they were", "replayed", func(
		desk *app.Events, part events.Filter,
	) (store.Progress, error) {
		return desk.Revive(ctx, r.Queue, part, nil)
	}})
}

type dropDeadCommand struct{ someDead }

func (d *dropDeadCommand) Run(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets) error {
	return d.each(ctx, log, secrets, doing{"delete %d dead letter(s) for good", "dropped", func(
		desk *app.Events, part events.Filter,
	) (store.Progress, error) {
		return desk.Drop(ctx, d.Queue, part, nil)
	}})
}
