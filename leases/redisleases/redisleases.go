// Package redisleases keeps leases in a Redis.
package redisleases

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hiliosai/switchboard/internal/redisclient"
	"github.com/hiliosai/switchboard/leases"
)

// Options configure the store.
type Options struct {
	// URL is redis://[user:password@]host:port[/database], rediss:// for TLS, or unix://.
	URL string
	// Namespace separates the leases of clusters that share a Redis.
	Namespace string
	// Timeout bounds a call; 0 means 2 s.
	Timeout time.Duration
}

const (
	defaultTimeout = 2 * time.Second
	// checkEvery is how often a watch asks whether it has missed a change.
	checkEvery = 10 * time.Second
	// watchWait is the pause before a watch that failed begins again.
	watchWait = 500 * time.Millisecond
)

// New returns a store in the Redis at a URL, version 5 or later. It has one hash, "leases:<namespace>", and publishes
// changes under the same name. If Redis evicts the hash, or a replica without the latest writes takes over, all nodes
// begin anew and cursors are lost. The store connects at its first use, and again after a connection breaks. The error
// is about the URL.
func New(opts Options) (leases.Store, error) {
	timeout := opts.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	client, err := redisclient.New(opts.URL, timeout)
	if err != nil {
		return nil, err
	}
	return &store{client, "leases:" + opts.Namespace, timeout}, nil
}

type store struct {
	client  *redis.Client
	hash    string // and the channel of changes
	timeout time.Duration
}

// A field of the hash is "<revision> <value>". The field "" counts the changes, which are the revisions. It begins with
// the time: a new hash in the place of an old one must not use its revisions again.
//
// changeScript has the arguments key, expected revision, p for put or d for delete, and value. The answer is the
// revision of the change, "conflict", or "gone" where a key to be deleted is not there. The message of a change is
// "<revision> <p or d> <length of the key> <key><value>".
var changeScript = redis.NewScript(`
local hash, key, expected, op, value = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local there = redis.call("hget", hash, key)
if op == "d" and not there then
	return "gone"
end
if (there and string.match(there, "^%d+") or "0") ~= expected then
	return "conflict"
end
if redis.call("hexists", hash, "") == 0 then
	local now = redis.call("time")
	redis.call("hset", hash, "", now[1] .. string.format("%06d", now[2]))
end
local revision = string.format("%.0f", redis.call("hincrby", hash, "", 1))
if op == "d" then
	redis.call("hdel", hash, key)
else
	redis.call("hset", hash, key, revision .. " " .. value)
end
redis.call("publish", hash, revision .. " " .. op .. " " .. string.len(key) .. " " .. key .. value)
return revision`)

var errAnswer = errors.New("the answer of Redis has an unexpected form")

func (s *store) change(ctx context.Context, key string, revision uint64, op string, value []byte) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return changeScript.Run(ctx, s.client, []string{s.hash}, key, strconv.FormatUint(revision, 10), op, value).Text()
}

// Put implements [leases.Store].
func (s *store) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	answer, err := s.change(ctx, key, revision, "p", value)
	switch {
	case err != nil:
		return 0, &leases.Error{Op: "put", Err: err}
	case answer == "conflict":
		return 0, &leases.Error{Op: "put", Rejected: true, Err: leases.ErrConflict}
	}
	written, err := strconv.ParseUint(answer, 10, 64)
	if err != nil {
		return 0, &leases.Error{Op: "put", Err: errAnswer}
	}
	return written, nil
}

// Delete implements [leases.Store].
func (s *store) Delete(ctx context.Context, key string, revision uint64) error {
	answer, err := s.change(ctx, key, revision, "d", nil)
	switch {
	case err != nil:
		return &leases.Error{Op: "delete", Err: err}
	case answer == "conflict":
		return &leases.Error{Op: "delete", Rejected: true, Err: leases.ErrConflict}
	}
	return nil
}

// Get implements [leases.Store].
func (s *store) Get(ctx context.Context, key string) (leases.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	field, err := s.client.HGet(ctx, s.hash, key).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return leases.Entry{Key: key}, nil
	case err != nil:
		return leases.Entry{}, &leases.Error{Op: "get", Err: err}
	}
	e, err := entryOf(key, field)
	if err != nil {
		return leases.Entry{}, &leases.Error{Op: "get", Rejected: true, Err: err}
	}
	return e, nil
}

var errField = errors.New("what Redis holds under the key is no entry")

func entryOf(key, field string) (leases.Entry, error) {
	revision, value, found := strings.Cut(field, " ")
	n, err := strconv.ParseUint(revision, 10, 64)
	if !found || err != nil {
		return leases.Entry{}, errField
	}
	return leases.Entry{Key: key, Value: []byte(value), Revision: n}, nil
}

// Check implements [leases.Store].
func (s *store) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.client.Ping(ctx).Err(); err != nil {
		return &leases.Error{Op: "check", Err: err}
	}
	return nil
}

// Close implements [leases.Store].
func (s *store) Close() error { return s.client.Close() }

// Watch implements [leases.Store]. Redis may lose messages without a word: a gap between revisions, or a count of
// changes that is ahead, shows it, and then all is read anew.
func (s *store) Watch(ctx context.Context, changed func(leases.Entry)) error {
	w := &watch{store: s, changed: changed, known: map[string]uint64{}}
	for ctx.Err() == nil {
		err := w.subscribe(ctx)
		if ctx.Err() != nil || errors.Is(err, errMissed) {
			continue
		}
		timer := time.NewTimer(watchWait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return ctx.Err()
}

type watch struct {
	*store
	changed func(leases.Entry)
	known   map[string]uint64 // revisions by key
	last    uint64            // the revision up to which all is known
	synced  bool
	next    time.Time // when to ask for missed changes; zero to read all
}

// errMissed says that a change came without a message: the subscription may be dead.
var errMissed = errors.New("a change was missed")

// subscribe tells of all entries and then of changes, until something fails.
func (w *watch) subscribe(ctx context.Context) error {
	channel := w.client.Subscribe(ctx, w.hash)
	defer func() { _ = channel.Close() }() // it may be closed already
	defer context.AfterFunc(ctx, func() { _ = channel.Close() })()
	w.next = time.Time{}
	for {
		if err := w.follow(ctx, channel); err != nil {
			return err
		}
	}
}

// follow takes the next message, or looks for changes that were missed.
func (w *watch) follow(ctx context.Context, channel *redis.PubSub) error {
	wait := time.Until(w.next)
	if !w.next.IsZero() && wait <= 0 {
		return w.check(ctx)
	}
	if w.next.IsZero() {
		wait = w.timeout // for the answer to the subscription
	}
	message, err := channel.ReceiveTimeout(ctx, wait)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		if w.next.IsZero() {
			return err
		}
		return nil
	}
	if err != nil {
		return err
	}
	switch m := message.(type) {
	case *redis.Subscription: // also after it was cut off
		return w.readAll(ctx)
	case *redis.Message:
		return w.take(ctx, m.Payload)
	}
	return nil
}

func (w *watch) take(ctx context.Context, message string) error {
	e, ours := changeOf(message)
	switch {
	case !ours || e.Revision <= w.last:
		return nil
	case e.Revision > w.last+1:
		return w.readAll(ctx)
	}
	w.last = e.Revision
	if e.Value != nil {
		w.known[e.Key] = e.Revision
	} else {
		delete(w.known, e.Key)
	}
	w.changed(e)
	return nil
}

// changeOf reads the message of a change. It returns false for a message that is none.
func changeOf(message string) (leases.Entry, bool) {
	revision, rest, _ := strings.Cut(message, " ")
	op, rest, _ := strings.Cut(rest, " ")
	length, rest, found := strings.Cut(rest, " ")
	n, err := strconv.ParseUint(revision, 10, 64)
	size, sizeErr := strconv.Atoi(length)
	if !found || err != nil || sizeErr != nil || size < 0 || size > len(rest) {
		return leases.Entry{}, false
	}
	e := leases.Entry{Key: rest[:size], Revision: n}
	if op == "p" {
		e.Value = []byte(rest[size:])
	}
	return e, true
}

// check reads all anew if there was a change of which no message came.
func (w *watch) check(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	last, err := w.client.HGet(bounded, w.hash, "").Uint64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	if last != w.last {
		return errMissed // or its message is on its way
	}
	w.next = time.Now().Add(checkEvery)
	return nil
}

func (w *watch) readAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	fields, err := w.client.HGetAll(ctx, w.hash).Result()
	if err != nil {
		return fmt.Errorf("read all: %w", err)
	}
	w.last, _ = strconv.ParseUint(fields[""], 10, 64) // 0 where nothing was ever written
	delete(fields, "")
	for key, revision := range w.known {
		if _, there := fields[key]; !there {
			delete(w.known, key)
			w.changed(leases.Entry{Key: key, Revision: revision})
		}
	}
	for key, field := range fields {
		e, err := entryOf(key, field)
		if err == nil && w.known[key] != e.Revision {
			w.known[key] = e.Revision
			w.changed(e)
		}
	}
	if !w.synced {
		w.synced = true
		w.changed(leases.Entry{})
	}
	w.next = time.Now().Add(checkEvery)
	return nil
}
