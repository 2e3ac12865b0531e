// Package natsleases keeps leases in a key-value bucket of JetStream.
package natsleases

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hiliosai/switchboard/internal/natsbucket"
	"github.com/hiliosai/switchboard/leases"
)

// Options configure the store.
type Options struct {
	// Namespace separates the leases of clusters that share a server; see [Bucket].
	Namespace string
	// Replicas is the number of replicas of a bucket that is created; 0 means 1.
	Replicas int
	// MaxBytes bounds a bucket that is created, in bytes; 0 means no bound. Some accounts require one.
	MaxBytes int64
	// Timeout bounds a call; 0 means 2 s.
	Timeout time.Duration
}

// ErrOldServer says that the server is older than 2.11, which has no TTL for single messages. Nothing was created.
var ErrOldServer = natsbucket.ErrOldServer

// ErrMaxBytesRequired says that the account requires a bound for each stream.
var ErrMaxBytesRequired = natsbucket.ErrMaxBytesRequired

const (
	defaultTimeout = 2 * time.Second
	// markerTTL is how long the bucket keeps the marker of a deleted key, for watches that were cut off.
	markerTTL = time.Hour
	// watchWait is the pause before a watch that failed begins again.
	watchWait = 500 * time.Millisecond
	// stopWait bounds the wait for a watcher's goroutine.
	stopWait = time.Second
	// busyWait is the pause before a change that the servers were too busy for is made again.
	busyWait = 5 * time.Millisecond
)

type store struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	name    string // of the bucket
	config  jetstream.StreamConfig
	timeout time.Duration
	bucket  atomic.Pointer[jetstream.KeyValue] // nil until it was found
}

// New returns a store on a connection to nats-server 2.11 or later; see [ErrOldServer]. The caller closes the
// connection. The bucket is created at its first use. The connection must not buffer messages while it is down
// (nats.ReconnectBufSize(-1)), and must reconnect for ever.
//
// The user must be allowed to publish to $KV.<bucket>.>, to $JS.FC.KV_<bucket>.>, and below $JS.API to INFO and to
// STREAM.INFO, STREAM.CREATE, STREAM.MSG.GET, CONSUMER.CREATE and CONSUMER.DELETE of KV_<bucket>.
func New(nc *nats.Conn, opts Options) (leases.Store, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	timeout := opts.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	name := Bucket(opts.Namespace)
	config := natsbucket.Config(name, opts.Replicas, opts.MaxBytes)
	return &store{nc: nc, js: js, name: name, config: config, timeout: timeout}, nil
}

// Bucket returns the name of the bucket for a namespace, see [natsbucket.Name].
func Bucket(namespace string) string { return natsbucket.Name("leases", namespace) }

// Get implements [leases.Store].
func (s *store) Get(ctx context.Context, key string) (leases.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	kv, err := s.open(ctx)
	if err != nil {
		return leases.Entry{}, failed("get", err)
	}
	e, err := kv.Get(ctx, encodeKey(key))
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return leases.Entry{Key: key}, nil
	case err != nil:
		return leases.Entry{}, s.failed("get", err)
	}
	return leases.Entry{Key: key, Value: e.Value(), Revision: e.Revision()}, nil
}

// Put implements [leases.Store].
func (s *store) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	kv, err := s.open(ctx)
	if err != nil {
		return 0, failed("put", err)
	}
	var written uint64
	err = whenFree(ctx, func() (err error) {
		if revision == 0 {
			written, err = kv.Create(ctx, encodeKey(key), value)
		} else {
			written, err = kv.Update(ctx, encodeKey(key), value, revision)
		}
		return err
	})
	if err != nil {
		return 0, s.failed("put", err)
	}
	return written, nil
}

// Delete implements [leases.Store].
func (s *store) Delete(ctx context.Context, key string, revision uint64) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	kv, err := s.open(ctx)
	if err != nil {
		return failed("delete", err)
	}
	err = whenFree(ctx, func() error {
		return kv.Purge(ctx, encodeKey(key), jetstream.LastRevision(revision), jetstream.PurgeTTL(markerTTL))
	})
	if natsbucket.Conflict(err) {
		if _, getErr := kv.Get(ctx, encodeKey(key)); errors.Is(getErr, jetstream.ErrKeyNotFound) {
			return nil
		}
	}
	if err != nil {
		return s.failed("delete", err)
	}
	return nil
}

// whenFree makes a change again while the servers are busy with another change of its key. The leader of a cluster
// answers a change a moment before it forgets it, and refuses the next one until then, whatever its revision is.
func whenFree(ctx context.Context, change func() error) error {
	for {
		err := change()
		if !natsbucket.Busy(err) {
			return err
		}
		select {
		case <-time.After(busyWait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Check implements [leases.Store].
func (s *store) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if _, err := s.find(ctx); err != nil {
		return failed("check", err)
	}
	return nil
}

// Close implements [leases.Store].
func (s *store) Close() error { return nil }

func (s *store) open(ctx context.Context) (jetstream.KeyValue, error) {
	if known := s.bucket.Load(); known != nil {
		return *known, nil
	}
	return s.find(ctx)
}

// find opens the bucket and creates it if it is missing.
func (s *store) find(ctx context.Context) (jetstream.KeyValue, error) {
	stream, err := natsbucket.Find(ctx, s.js, s.config)
	if err != nil {
		return nil, err
	}
	config := stream.CachedInfo().Config
	if !config.AllowMsgTTL || config.MaxMsgsPerSubject != 1 || config.NoAck || config.AllowDirect {
		return nil, natsbucket.PermanentError{Err: fmt.Errorf("the bucket %s does not keep one acknowledged value a key, "+
			"read from its leader and with markers that end: delete it, or name another namespace", s.name)}
	}
	kv, err := s.js.KeyValue(ctx, s.name)
	if err != nil {
		return nil, fmt.Errorf("open the bucket %s: %w", s.name, err)
	}
	s.bucket.Store(&kv)
	return kv, nil
}

// Watch implements [leases.Store]. Where the connection was away it reads all entries anew.
func (s *store) Watch(ctx context.Context, changed func(leases.Entry)) error {
	w := &watch{store: s, changed: changed, known: map[string]uint64{}}
	for ctx.Err() == nil {
		if err := w.follow(ctx); err != nil && ctx.Err() == nil {
			timer := time.NewTimer(watchWait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
			}
		}
	}
	return ctx.Err()
}

type watch struct {
	*store
	changed func(leases.Entry)
	known   map[string]uint64 // revisions by key
	synced  bool
}

var errWatchEnded = errors.New("the watch has ended")

// follow tells of all entries and then of changes, until the connection was away or something fails.
func (w *watch) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	back := w.nc.StatusChanged(nats.CONNECTED)
	defer w.nc.RemoveStatusListener(back)
	watcher, err := w.begin(ctx, cancel)
	if err != nil {
		return err
	}
	defer stop(watcher)
	seen, reading := map[string]bool{}, true
	for {
		select {
		case e, open := <-watcher.Updates():
			switch {
			case !open:
				return errWatchEnded
			case e == nil:
				w.forget(seen)
				seen, reading = nil, false
				continue
			case reading:
				seen[e.Key()] = true
			}
			w.tell(e)
		case <-back:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin subscribes. The subscription ends with ctx, so ctx cannot have the deadline for subscribing.
func (w *watch) begin(ctx context.Context, cancel context.CancelFunc) (jetstream.KeyWatcher, error) {
	opening, opened := context.WithTimeout(ctx, w.timeout)
	defer opened()
	kv, err := w.find(opening)
	if err != nil {
		return nil, err
	}
	late := time.AfterFunc(w.timeout, cancel)
	defer late.Stop()
	return kv.WatchAll(ctx)
}

// stop ends a watcher, and takes what it may be about to say so that its goroutine ends. The channel is not closed in
// all cases.
func stop(watcher jetstream.KeyWatcher) {
	_ = watcher.Stop() // the connection may be away
	timer := time.NewTimer(stopWait)
	defer timer.Stop()
	for {
		select {
		case _, open := <-watcher.Updates():
			if !open {
				return
			}
		case <-timer.C:
			return
		}
	}
}

func (w *watch) tell(e jetstream.KeyValueEntry) {
	key, err := decodeKey(e.Key())
	if err != nil {
		return // not ours
	}
	entry := leases.Entry{Key: key, Revision: e.Revision()}
	known, isKnown := w.known[e.Key()]
	if isKnown && known >= entry.Revision {
		return
	}
	if e.Operation() != jetstream.KeyValuePut {
		delete(w.known, e.Key())
		if isKnown {
			w.changed(entry)
		}
		return
	}
	w.known[e.Key()] = entry.Revision
	entry.Value = e.Value()
	if entry.Value == nil {
		entry.Value = []byte{}
	}
	w.changed(entry)
}

// forget tells of the keys that a full read did not find.
func (w *watch) forget(seen map[string]bool) {
	for key, revision := range w.known {
		if seen != nil && !seen[key] {
			delete(w.known, key)
			plain, _ := decodeKey(key)
			w.changed(leases.Entry{Key: plain, Revision: revision})
		}
	}
	if !w.synced {
		w.synced = true
		w.changed(leases.Entry{})
	}
}

// encodeKey writes a key with the characters that keys of a bucket may have. Others become their code after =.
func encodeKey(key string) string {
	var text strings.Builder
	for i := range len(key) {
		switch b := key[i]; {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '-', b == '_', b == '/':
			text.WriteByte(b)
		default:
			fmt.Fprintf(&text, "=%02X", b)
		}
	}
	return text.String()
}

func decodeKey(text string) (string, error) {
	return url.PathUnescape(strings.ReplaceAll(text, "=", "%"))
}

// failed makes the error of a change or a read.
func (s *store) failed(op string, err error) error {
	if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrStreamNotFound) {
		s.bucket.Store(nil) // it was deleted, or the server is still restoring it
	}
	return failed(op, err)
}

func failed(op string, err error) error {
	if natsbucket.Conflict(err) {
		return &leases.Error{Op: op, Rejected: true, Err: leases.ErrConflict}
	}
	_, rejected := errors.AsType[natsbucket.PermanentError](err)
	api, ok := errors.AsType[*jetstream.APIError](err)
	rejected = rejected || errors.Is(err, nats.ErrMaxPayload) || ok && api.Code == 400
	return &leases.Error{Op: op, Rejected: rejected, Err: err}
}
