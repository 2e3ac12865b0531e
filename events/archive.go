package events

import (
	"cmp"
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
	if text == "" {
		text = r.Get("x-error-name")
	}
	if typ := cmp.Or(r.Get("x-error-type"), r.Get("x-error-code")); typ != "" {
		text = strings.TrimSpace(text + " (" + typ + ")")
	}
	return text
}

// Query chooses stored events. The zero values of its fields choose all.
type Query struct {
	Since, Until time.Time
	After        uint64   // a sequence: only later ones
	Through      uint64   // a sequence: none later
	Sequences    []uint64 // only these, in this order, each once
	MessageIDs   []string // only those of these ids
	// Match has the last word. It is called for what all the rest has chosen.
	Match func(*Record) bool

	Limit int       // at most so many; zero is no limit
	Bytes int       // no more once so many bytes have been chosen, with their headers; zero is no limit
	By    time.Time // no more from then on; zero is no limit
}

func (q *Query) matches(r *Record) bool {
	switch {
	case r.Time.Before(q.Since), !q.Until.IsZero() && r.Time.After(q.Until), q.Through > 0 && r.Sequence > q.Through:
		return false
	case len(q.MessageIDs) > 0 && !slices.Contains(q.MessageIDs, r.MessageID()) && !slices.Contains(q.MessageIDs, r.Get(jetstream.MsgIDHeader)):
		return false
	}
	return q.Match == nil || q.Match(r)
}

// Progress says how far something got that is done to the events of a query.
type Progress struct {
	Count   int    // events that it was done to
	Last    uint64 // sequence of the last of them; zero without any
	Through uint64 // the last sequence of the stream when it began; zero where single sequences were asked for
	// More says that it ended at one of the query's limits: there may be more events, after Last and up to Through.
	More bool
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
	_, err := a.each(ctx, name, q, func(r *Record) (bool, error) { return true, do(r) })
	return err
}

// visit is a walk through the events of a query.
type visit struct {
	query Query
	do    func(*Record) (done bool, err error)
	found int
	bytes int
	Progress
}

// full says whether the walk has reached a limit, before another event.
func (v *visit) full() bool {
	q := &v.query
	v.More = q.Limit > 0 && v.found >= q.Limit || q.Bytes > 0 && v.bytes >= q.Bytes || !q.By.IsZero() && !time.Now().Before(q.By)
	return v.More
}

func (v *visit) event(r *Record) error {
	if !v.query.matches(r) {
		return nil
	}
	v.found++
	v.bytes += r.size()
	done, err := v.do(r)
	if err == nil && done {
		v.Count++
		v.Last = r.Sequence
	}
	return err
}

func (r *Record) size() int {
	n := len(r.Payload)
	for key, values := range r.Header {
		for _, value := range values {
			n += len(key) + len(value)
		}
	}
	return n
}

// each is Each, where do says whether it has done something to an event.
func (a *Archive) each(ctx context.Context, name string, q Query, do func(*Record) (done bool, err error)) (Progress, error) {
	subject := a.p.Subject(name)
	stream, err := a.stream(ctx, subject)
	if err != nil || stream == nil {
		return Progress{}, err
	}
	v := &visit{query: q, do: do}
	if len(q.Sequences) > 0 {
		err = a.eachOf(ctx, stream, subject, v)
	} else {
		err = a.eachFrom(ctx, stream, subject, v)
	}
	return v.Progress, err
}

// eachFrom visits events in their order, up to the last one that is there now.
func (a *Archive) eachFrom(ctx context.Context, stream jetstream.Stream, subject string, v *visit) (err error) {
	q := &v.query
	seq, last := q.After+1, stream.CachedInfo().State.LastSeq
	if q.Through > 0 {
		last = min(last, q.Through)
	}
	v.Through = last
	if !q.Since.IsZero() {
		if seq, err = a.firstSince(ctx, stream, subject, seq, last, q.Since); err != nil {
			return err
		}
	}
	for seq <= last {
		r, err := a.next(ctx, stream, subject, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.Sequence > last || !q.Until.IsZero() && r.Time.After(q.Until) || v.full() {
			return nil
		}
		if err := v.event(r); err != nil {
			return err
		}
		seq = r.Sequence + 1
	}
	return nil
}

// eachOf visits single events, each once; what is not there is left.
func (a *Archive) eachOf(ctx context.Context, stream jetstream.Stream, subject string, v *visit) error {
	seen := make(map[uint64]bool, len(v.query.Sequences))
	for _, seq := range v.query.Sequences {
		if seen[seq] {
			continue
		}
		seen[seq] = true
		r, err := a.next(ctx, stream, subject, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && r.Sequence != seq {
			continue
		}
		if err != nil {
			return err
		}
		if v.full() {
			return nil
		}
		if err := v.event(r); err != nil {
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
	return a.Each(ctx, queue, dead(q), do)
}

func dead(q Query) Query {
	match := q.Match
	q.Match = func(r *Record) bool { return r.OriginalSubject() != "" && (match == nil || match(r)) }
	return q
}

// Replay publishes stored events again, and says how far it got, also with an error. Each goes where it was, with its
// headers but those of the server, and with a message id of its own: under the old one the stream would take it for a
// repetition and not store it, if its duplicate window is still open. x-replayed-from and x-replayed-at mark
// it.
func (a *Archive) Replay(ctx context.Context, name string, q Query) (Progress, error) {
	return a.each(ctx, name, q, func(r *Record) (bool, error) {
		return true, a.p.store(ctx, a.p.route(r.Subject), uuid.NewString(), replayed(r), r.Payload)
	})
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

// Revive replays dead letters of a queue and takes them off it, and says how far it got, also with an error. Each goes back to where it
// was, as it was: without what tells of its error. Groups on Go nodes other than the one that gave it up leave
// it aside; those on Node nodes get to see it again. A dead letter is off the queue only after the event is
// stored; trying again what was interrupted between the two doubles nothing inside the duplicate window. Those that
// cannot be replayed stay, and are told of in the error.
func (a *Archive) Revive(ctx context.Context, queue string, q Query) (Progress, error) {
	var faults []error
	progress, err := a.takeOff(ctx, queue, q, func(r *Record) (bool, error) {
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
	return progress, errors.Join(append(faults, err)...)
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

// Drop deletes dead letters of a queue for good, and says how far it got, also with an error.
func (a *Archive) Drop(ctx context.Context, queue string, q Query) (Progress, error) {
	return a.takeOff(ctx, queue, q, func(*Record) (bool, error) { return true, nil })
}

// takeOff deletes dead letters, each as soon as first has said that it may go.
func (a *Archive) takeOff(ctx context.Context, queue string, q Query, first func(*Record) (bool, error)) (Progress, error) {
	stream, err := a.stream(ctx, a.p.Subject(queue))
	if err != nil || stream == nil {
		return Progress{}, err
	}
	return a.each(ctx, queue, dead(q), func(r *Record) (bool, error) {
		if ok, err := first(r); err != nil || !ok {
			return false, err
		}
		if err := stream.DeleteMsg(ctx, r.Sequence); err != nil {
			return false, fmt.Errorf("take dead letter %d off the queue: %w", r.Sequence, err)
		}
		return true, nil
	})
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
