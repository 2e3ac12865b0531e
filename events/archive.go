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

	"github.com/hiliosai/switchboard/events/order"
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

// Get returns the first value of a header, or "".
func (r *Record) Get(header string) string { return nats.Header(r.Header).Get(header) }

// MessageID returns the id that the event was published with. For a dead letter that is the id of the original event.
func (r *Record) MessageID() string {
	if id := r.Get(headerOriginalMessageID); id != "" {
		return id
	}
	return r.Get(jetstream.MsgIDHeader)
}

// OriginalSubject returns the subject of the event that became this dead letter, "" if it is no dead letter.
func (r *Record) OriginalSubject() string { return r.Get(headerOriginalChannel) }

// OriginalGroup returns the consumer group that gave up the event of this dead letter, "" if it is not known.
func (r *Record) OriginalGroup() string { return r.Get(headerOriginalGroup) }

// Failure returns the error text of a dead letter, with its type or code. It is "" if the headers have none, as those
// of @moleculer/channels before 0.3.
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

// Query selects stored events. The zero value selects all.
type Query struct {
	Since, Until time.Time
	After        uint64   // a sequence: only later ones
	Through      uint64   // a sequence: none later
	Sequences    []uint64 // only these, in this order, each once
	MessageIDs   []string // only those of these ids
	// Match is called for events that all other fields select. If it returns false, the event is left out.
	Match func(*Record) bool

	Limit int       // maximum number of events; zero is no limit
	Bytes int       // no more events once so many bytes are selected, headers included; zero is no limit
	By    time.Time // no more events from then on; zero is no limit
}

func (q *Query) matches(r *Record) bool {
	switch {
	case r.Time.Before(q.Since), !q.Until.IsZero() && r.Time.After(q.Until), q.Through > 0 && r.Sequence > q.Through:
		return false
	case len(q.MessageIDs) > 0 && !slices.Contains(q.MessageIDs, r.MessageID()) &&
		!slices.Contains(q.MessageIDs, r.Get(jetstream.MsgIDHeader)):
		return false
	}
	return q.Match == nil || q.Match(r)
}

// Progress says how far an operation on the events of a query got.
type Progress struct {
	Count   int    // number of events that were processed
	Last    uint64 // sequence of the last of them; zero without any
	Through uint64 // the last sequence of the stream at the start; zero if Query.Sequences was set
	// More says that a limit of the query ended the operation: there may be more events after Last and up to Through.
	More bool
}

// Summary counts stored events.
type Summary struct {
	Count          int
	Oldest, Newest time.Time // zero without any
}

// Add counts one more event, which must not be older than those before.
func (s *Summary) Add(t time.Time) {
	if s.Count == 0 {
		s.Oldest = t
	}
	s.Count++
	s.Newest = t
}

// Archive reads, replays and deletes stored events, for operators. Safe for concurrent use.
type Archive struct {
	p       *Publisher
	refused sync.Map // time.Time until which Stored does not read a stream that refused it, by the name of its events
}

// NewArchive returns the archive of the streams that a publisher uses. Events of other publishers are in them, too.
func NewArchive(p *Publisher) *Archive { return &Archive{p: p} }

// Subject returns the subject of the events of a name.
func (a *Archive) Subject(name string) string { return a.p.Subject(name) }

// Each calls do for the events of a name that a query selects, in order, until do returns an error. It leaves out
// events that are stored after it began.
func (a *Archive) Each(ctx context.Context, name string, q Query, do func(*Record) error) error {
	_, err := a.each(ctx, name, q, func(r *Record) (bool, error) { return true, do(r) })
	return err
}

// scan is one pass over the events of a query.
type scan struct {
	query Query
	do    func(*Record) (done bool, err error)
	found int // number of events that match
	bytes int
	Progress
}

// limitReached says whether the query's limits allow no more events, and sets More.
func (s *scan) limitReached() bool {
	q := &s.query
	s.More = q.Limit > 0 && s.found >= q.Limit || q.Bytes > 0 && s.bytes >= q.Bytes ||
		!q.By.IsZero() && !time.Now().Before(q.By)
	return s.More
}

func (s *scan) event(r *Record) error {
	if !s.query.matches(r) {
		return nil
	}
	s.found++
	s.bytes += r.size()
	done, err := s.do(r)
	if err == nil && done {
		s.Count++
		s.Last = r.Sequence
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

// each is Each with a do that says whether it has processed the event.
func (a *Archive) each(
	ctx context.Context, name string, q Query, do func(*Record) (done bool, err error),
) (Progress, error) {
	subject := a.p.Subject(name)
	stream, err := a.stream(ctx, subject)
	if err != nil || stream == nil {
		return Progress{}, err
	}
	s := &scan{query: q, do: do}
	if len(q.Sequences) > 0 {
		err = a.eachOf(ctx, stream, subject, s)
	} else {
		err = a.eachFrom(ctx, stream, subject, s)
	}
	return s.Progress, err
}

// eachFrom scans events in order, up to the last one that is stored now.
func (a *Archive) eachFrom(ctx context.Context, stream jetstream.Stream, subject string, s *scan) (err error) {
	q := &s.query
	seq, last := q.After+1, stream.CachedInfo().State.LastSeq
	if q.Through > 0 {
		last = min(last, q.Through)
	}
	s.Through = last
	if !q.Since.IsZero() {
		if seq, err = a.firstSince(ctx, stream, subject, span{seq, last, q.Since}); err != nil {
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
		if r.Sequence > last || !q.Until.IsZero() && r.Time.After(q.Until) || s.limitReached() {
			return nil
		}
		if err := s.event(r); err != nil {
			return err
		}
		seq = r.Sequence + 1
	}
	return nil
}

// eachOf scans single events, each once, and leaves out missing ones.
func (a *Archive) eachOf(ctx context.Context, stream jetstream.Stream, subject string, s *scan) error {
	seen := make(map[uint64]bool, len(s.query.Sequences))
	for _, seq := range s.query.Sequences {
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
		if s.limitReached() {
			return nil
		}
		if err := s.event(r); err != nil {
			return err
		}
	}
	return nil
}

// stream returns the stream that stores a subject, nil if there is none.
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

// next returns the first event of a subject from a sequence on.
func (a *Archive) next(ctx context.Context, stream jetstream.Stream, subject string, seq uint64) (*Record, error) {
	msg, err := stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject))
	if err != nil {
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil, err
		}
		return nil, fmt.Errorf("read %s: %w", subject, err)
	}
	return &Record{
		Stream: stream.CachedInfo().Config.Name, Sequence: msg.Sequence, Subject: msg.Subject,
		Time: msg.Time, Header: msg.Header, Payload: msg.Data,
	}, nil
}

// span is a part of a stream: the sequences from first to last, as far as their events are not older than since.
type span struct {
	first, last uint64
	since       time.Time
}

// firstSince finds the first sequence of a span whose event is not older than since, by binary search.
func (a *Archive) firstSince(ctx context.Context, stream jetstream.Stream, subject string, in span) (uint64, error) {
	if in.last < in.first {
		return in.first, nil
	}
	var failed error
	n := sort.Search(int(in.last-in.first+1), func(i int) bool {
		if failed != nil {
			return true
		}
		r, err := a.next(ctx, stream, subject, in.first+uint64(i))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return true
		}
		if err != nil {
			failed = err
			return true
		}
		return !r.Time.Before(in.since)
	})
	return in.first + uint64(n), failed
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
	if errors.Is(err, jetstream.ErrMsgNotFound) { // all were deleted meanwhile, or there was none
		return Summary{}, nil
	}
	return s, err
}

// EachDead is [Archive.Each] for the dead letters of a queue. It leaves out other events of the queue.
func (a *Archive) EachDead(ctx context.Context, queue string, q Query, do func(*Record) error) error {
	return a.Each(ctx, queue, dead(q), do)
}

func dead(q Query) Query {
	match := q.Match
	q.Match = func(r *Record) bool { return r.OriginalSubject() != "" && (match == nil || match(r)) }
	return q
}

// Replay publishes stored events again, each to its own subject. It returns how far it got, also with an error. A
// replayed event has the headers of the stored one without those of the server, is marked by x-replayed-from and
// x-replayed-at, and has a new message id: inside the duplicate window the stream would not store it under the old one.
func (a *Archive) Replay(ctx context.Context, name string, q Query) (Progress, error) {
	return a.each(ctx, name, q, func(r *Record) (bool, error) {
		return true, a.p.store(
			ctx, a.p.route(r.Subject), order.Event{MsgID: uuid.NewString(), Header: replayed(r), Payload: r.Payload},
		)
	})
}

func replayed(r *Record) map[string][]string {
	header := republishHeader(r.Header)
	delete(header, headerReplayedGroup)
	header[headerReplayedFrom] = []string{fmt.Sprintf("%s:%d", r.Stream, r.Sequence)}
	header[headerReplayedAt] = []string{strconv.FormatInt(time.Now().UnixMilli(), 10)}
	return header
}

// ErrNotReplayable says that a dead letter describes an event and does not hold its content.
var ErrNotReplayable = errors.New(
	"this dead letter only tells of an event that could not be stored: there is nothing to replay",
)

// Revive replays dead letters of a queue and deletes them there. It returns how far it got, also with an error. Each
// event goes back to its original subject, without the headers about its error. On Go nodes only the group that gave it
// up handles it again; on Node nodes all groups do. A dead letter is deleted only after the event is stored. If Revive
// is interrupted in between and called again, the event is stored once inside the duplicate window. Dead letters that
// cannot be replayed stay, and the error names them.
func (a *Archive) Revive(ctx context.Context, queue string, q Query) (Progress, error) {
	var faults []error
	progress, err := a.deleteDead(ctx, queue, q, func(r *Record) (bool, error) {
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
		return true, a.p.store(ctx, a.p.route(subject), order.Event{MsgID: id, Header: header, Payload: r.Payload})
	})
	return progress, errors.Join(append(faults, err)...)
}

// target returns the subject that a dead letter goes back to.
func (r *Record) target() (string, error) {
	subject := r.OriginalSubject()
	switch {
	case r.OriginalGroup() == "":
		return "", ErrNotReplayable
	case strings.HasPrefix(subject, "$"), strings.ContainsAny(subject, "*> \t"),
		strings.Contains("."+subject+".", ".."):
		return "", fmt.Errorf("%q is no event's subject", subject)
	}
	return subject, nil
}

// Drop deletes dead letters of a queue for good. It returns how far it got, also with an error.
func (a *Archive) Drop(ctx context.Context, queue string, q Query) (Progress, error) {
	return a.deleteDead(ctx, queue, q, func(*Record) (bool, error) { return true, nil })
}

// deleteDead calls first for each dead letter, and deletes the dead letter if first returns true.
func (a *Archive) deleteDead(
	ctx context.Context, queue string, q Query, first func(*Record) (bool, error),
) (Progress, error) {
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

// Tail calls show for the events of these names that were stored since a time, and then for new ones, until ctx ends.
// It leaves out names that have no stream when it begins.
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

func follow(
	ctx context.Context, stream jetstream.Stream, subject string, since time.Time, records chan<- *Record,
) (stop func(), err error) {
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
		r := &Record{
			Stream: meta.Stream, Sequence: meta.Sequence.Stream, Subject: msg.Subject(),
			Time: meta.Timestamp, Header: msg.Headers(), Payload: msg.Data(),
		}
		select {
		case records <- r:
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
		_ = stream.DeleteConsumer(ctx, consumer.CachedInfo().Name) // else the server deletes it after some minutes
	}, nil
}
