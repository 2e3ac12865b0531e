package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Record is an event as it is stored.
type Record struct {
	Stream   string
	Sequence uint64
	Subject  string
	Time     time.Time
	Header   map[string][]string
	Payload  []byte
}

// Get is the first value of a header, or "".
func (r *Record) Get(header string) string { return nats.Header(r.Header).Get(header) }

// MessageID is what names the event, also among the dead letters.
func (r *Record) MessageID() string {
	if id := r.Get(headerOriginalMessageID); id != "" {
		return id
	}
	return r.Get(jetstream.MsgIDHeader)
}

// OriginalSubject is where a dead letter was, OriginalGroup whose it was, Failure why it is one, and FailedAt
// when it became one. All are empty where nothing tells of it: @moleculer/channels before 0.3 keeps no errors.
func (r *Record) OriginalSubject() string { return r.Get(headerOriginalChannel) }

// OriginalGroup is told of by [Record.OriginalSubject].
func (r *Record) OriginalGroup() string { return r.Get(headerOriginalGroup) }

// Failure is told of by [Record.OriginalSubject].
func (r *Record) Failure() string {
	text := r.Get("x-error-message")
	if typ := r.Get("x-error-type"); typ != "" {
		text = strings.TrimSpace(text + " (" + typ + ")")
	}
	return text
}

// Query chooses stored events. The zero values of its fields choose all.
type Query struct {
	Since, Until time.Time
	After        uint64   // a sequence: only later ones
	Sequences    []uint64 // only these
	MessageIDs   []string // only those of these ids
	Limit        int      // at most so many; zero is no limit
	// Match has the last word. It is called for what all the rest has chosen.
	Match func(*Record) bool
}

func (q Query) matches(r *Record) bool {
	switch {
	case r.Time.Before(q.Since), !q.Until.IsZero() && r.Time.After(q.Until):
		return false
	case len(q.MessageIDs) > 0 && !slices.Contains(q.MessageIDs, r.MessageID()) && !slices.Contains(q.MessageIDs, r.Get(jetstream.MsgIDHeader)):
		return false
	}
	return q.Match == nil || q.Match(r)
}

// Summary counts stored events.
type Summary struct {
	Count          int
	Oldest, Newest time.Time // zero without any
}

// Add counts one more, not older than those before.
func (s *Summary) Add(t time.Time) {
	if s.Count == 0 {
		s.Oldest = t
	}
	s.Count++
	s.Newest = t
}

// Archive is what operators do with stored events. Safe for concurrent use.
type Archive struct {
	p       *Publisher
	refused sync.Map // until when a stream is not asked what it has stored, by the name of its events
}

// NewArchive gives the events that a publisher stores, and those of others in the same streams.
func NewArchive(p *Publisher) *Archive { return &Archive{p: p} }

// Subject is where events of a name are.
func (a *Archive) Subject(name string) string { return a.p.Subject(name) }

// Each calls do for the events of a name that a query chooses, in their order, until do returns an error.
// Those that come meanwhile are left.
func (a *Archive) Each(ctx context.Context, name string, q Query, do func(*Record) error) error {
	subject := a.p.Subject(name)
	stream, err := a.stream(ctx, subject)
	if err != nil || stream == nil {
		return err
	}
	found := 0
	visit := func(r *Record) error {
		if q.Limit > 0 && found >= q.Limit || !q.matches(r) {
			return nil
		}
		found++
		return do(r)
	}
	if len(q.Sequences) > 0 {
		return a.eachOf(ctx, stream, subject, q.Sequences, visit)
	}
	seq, last := q.After+1, stream.CachedInfo().State.LastSeq
	if !q.Since.IsZero() {
		if seq, err = a.firstSince(ctx, stream, subject, seq, last, q.Since); err != nil {
			return err
		}
	}
	for seq <= last && (q.Limit == 0 || found < q.Limit) {
		r, err := a.next(ctx, stream, subject, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.Sequence > last || !q.Until.IsZero() && r.Time.After(q.Until) {
			return nil
		}
		if err := visit(r); err != nil {
			return err
		}
		seq = r.Sequence + 1
	}
	return nil
}

// eachOf visits single events; what is not there is left.
func (a *Archive) eachOf(ctx context.Context, stream jetstream.Stream, subject string, sequences []uint64, visit func(*Record) error) error {
	for _, seq := range sequences {
		r, err := a.next(ctx, stream, subject, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && r.Sequence != seq {
			continue
		}
		if err != nil {
			return err
		}
		if err := visit(r); err != nil {
			return err
		}
	}
	return nil
}

// stream is the one with a subject, nil where there is none.
func (a *Archive) stream(ctx context.Context, subject string) (jetstream.Stream, error) {
	name, err := a.p.js.StreamNameBySubject(ctx, subject)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the stream of %s: %w", subject, err)
	}
	stream, err := a.p.js.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("look at stream %s: %w", name, err)
	}
	return stream, nil
}

// next is the first event of a subject from a sequence on.
func (a *Archive) next(ctx context.Context, stream jetstream.Stream, subject string, seq uint64) (*Record, error) {
	msg, err := stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject))
	if err != nil {
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil, err
		}
		return nil, fmt.Errorf("read %s: %w", subject, err)
	}
	return &Record{Stream: stream.CachedInfo().Config.Name, Sequence: msg.Sequence, Subject: msg.Subject, Time: msg.Time, Header: msg.Header, Payload: msg.Data}, nil
}

// firstSince finds, by halves, the sequence from which on events are not older than since.
func (a *Archive) firstSince(ctx context.Context, stream jetstream.Stream, subject string, first, last uint64, since time.Time) (uint64, error) {
	if last < first {
		return first, nil
	}
	var failed error
	n := sort.Search(int(last-first+1), func(i int) bool {
		if failed != nil {
			return true
		}
		r, err := a.next(ctx, stream, subject, first+uint64(i))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return true
		}
		if err != nil {
			failed = err
			return true
		}
		return !r.Time.Before(since)
	})
	return first + uint64(n), failed
}

// Summarize counts the events of a name, without reading them.
func (a *Archive) Summarize(ctx context.Context, name string) (Summary, error) {
	subject := a.p.Subject(name)
	stream, err := a.stream(ctx, subject)
	if err != nil || stream == nil {
		return Summary{}, err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return Summary{}, fmt.Errorf("look at stream %s: %w", stream.CachedInfo().Config.Name, err)
	}
	s := Summary{Count: int(info.State.Subjects[subject])}
	first, err := a.next(ctx, stream, subject, 1)
	if err == nil {
		s.Oldest = first.Time
		var last *jetstream.RawStreamMsg
		if last, err = stream.GetLastMsgForSubject(ctx, subject); err == nil {
			s.Newest = last.Time
		}
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) { // all have gone meanwhile, or there has never been one
		return Summary{}, nil
	}
	return s, err
}

// EachDead is Each for dead letters: what else may be in the queue is left.
func (a *Archive) EachDead(ctx context.Context, queue string, q Query, do func(*Record) error) error {
	match := q.Match
	q.Match = func(r *Record) bool { return r.OriginalSubject() != "" && (match == nil || match(r)) }
	return a.Each(ctx, queue, q, do)
}

// Replay publishes stored events again, and counts them. Each goes where it was, with its headers but those
// of the server, and with a message id of its own: under the old one the stream would take it for a
// repetition and not store it, if its duplicate window is still open. x-replayed-from and x-replayed-at mark
// it.
func (a *Archive) Replay(ctx context.Context, name string, q Query) (int, error) {
	count := 0
	err := a.Each(ctx, name, q, func(r *Record) error {
		header := replayed(r)
		if err := a.p.store(ctx, a.p.route(r.Subject), uuid.NewString(), header, r.Payload); err != nil {
			return err
		}
		count++
		return nil
	})
	return count, err
}

func replayed(r *Record) map[string][]string {
	header := again(r.Header)
	delete(header, headerReplayedGroup)
	header[headerReplayedFrom] = []string{fmt.Sprintf("%s:%d", r.Stream, r.Sequence)}
	header[headerReplayedAt] = []string{strconv.FormatInt(time.Now().UnixMilli(), 10)}
	return header
}

// ErrNotReplayable says that a dead letter is the record of an event, without its content.
var ErrNotReplayable = errors.New("this dead letter only tells of an event that could not be stored: there is nothing to replay")

// Revive replays dead letters of a queue and takes them off it, and counts them. Each goes back to where it
// was, as it was: without what tells of its error. Groups on Go nodes other than the one that gave it up leave
// it aside; those on Node nodes get to see it again. A dead letter is off the queue only after the event is
// stored; trying again what was interrupted between the two doubles nothing inside the duplicate window. Those that
// cannot be replayed stay, and are told of in the error.
func (a *Archive) Revive(ctx context.Context, queue string, q Query) (int, error) {
	var faults []error
	count, err := a.takeOff(ctx, queue, q, func(r *Record) (bool, error) {
		subject, err := r.target()
		if err != nil {
			faults = append(faults, fmt.Errorf("dead letter %d: %w", r.Sequence, err))
			return false, nil
		}
		header := replayed(r)
		for k := range header {
			if strings.HasPrefix(k, headerError) || k == headerOriginalChannel || k == headerOriginalGroup {
				delete(header, k)
			}
		}
		header[headerReplayedGroup] = []string{r.OriginalGroup()}
		id := fmt.Sprintf("replay:%s:%d:%d", r.Stream, r.Sequence, r.Time.UnixNano())
		return true, a.p.store(ctx, a.p.route(subject), id, header, r.Payload)
	})
	return count, errors.Join(append(faults, err)...)
}

// target is where a dead letter goes back to.
func (r *Record) target() (string, error) {
	subject := r.OriginalSubject()
	switch {
	case r.OriginalGroup() == "":
		return "", ErrNotReplayable
	case strings.HasPrefix(subject, "$") || strings.ContainsAny(subject, "*> \t") || strings.Contains("."+subject+".", ".."):
		return "", fmt.Errorf("%q is no event's subject", subject)
	}
	return subject, nil
}

// Drop deletes dead letters of a queue for good, and counts them.
func (a *Archive) Drop(ctx context.Context, queue string, q Query) (int, error) {
	return a.takeOff(ctx, queue, q, func(*Record) (bool, error) { return true, nil })
}

// takeOff deletes dead letters, each as soon as first has said that it may go.
func (a *Archive) takeOff(ctx context.Context, queue string, q Query, first func(*Record) (bool, error)) (int, error) {
	stream, err := a.stream(ctx, a.p.Subject(queue))
	if err != nil || stream == nil {
		return 0, err
	}
	count := 0
	err = a.EachDead(ctx, queue, q, func(r *Record) error {
		if ok, err := first(r); err != nil || !ok {
			return err
		}
		if err := stream.DeleteMsg(ctx, r.Sequence); err != nil {
			return fmt.Errorf("take dead letter %d off the queue: %w", r.Sequence, err)
		}
		count++
		return nil
	})
	return count, err
}

// Tail calls show for the events of these names as they come, and first for those since a moment, until ctx
// ends. Names without a stream have none; they are not waited for.
func (a *Archive) Tail(ctx context.Context, names []string, since time.Time, show func(*Record)) error {
	records := make(chan *Record)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, name := range names {
		subject := a.p.Subject(name)
		stream, err := a.stream(ctx, subject)
		if err != nil {
			return err
		}
		if stream == nil {
			continue
		}
		stop, err := follow(ctx, stream, subject, since, records)
		if err != nil {
			return fmt.Errorf("follow %s: %w", subject, err)
		}
		defer stop()
	}
	for {
		select {
		case r := <-records:
			show(r)
		case <-ctx.Done():
			return nil
		}
	}
}

func follow(ctx context.Context, stream jetstream.Stream, subject string, since time.Time, records chan<- *Record) (stop func(), err error) {
	config := jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}, DeliverPolicy: jetstream.DeliverNewPolicy}
	if !since.IsZero() {
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &since
	}
	consumer, err := stream.OrderedConsumer(ctx, config)
	if err != nil {
		return nil, err
	}
	following, err := consumer.Consume(func(msg jetstream.Msg) {
		meta, err := msg.Metadata()
		if err != nil {
			return // not an event
		}
		select {
		case records <- &Record{Stream: meta.Stream, Sequence: meta.Sequence.Stream, Subject: msg.Subject(), Time: meta.Timestamp, Header: msg.Headers(), Payload: msg.Data()}:
		case <-ctx.Done():
		}
	})
	if err != nil {
		return nil, err
	}
	return func() {
		following.Stop()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = stream.DeleteConsumer(ctx, consumer.CachedInfo().Name) // else the server does so after some minutes
	}, nil
}
