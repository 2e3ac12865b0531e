package channelstore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

// The TTLs of a [Cache] count from the moment at which the store began to read the channel.
const (
	softTTL      = 30 * time.Second // after it, a lookup returns the channel and reads it again in the background
	hardTTL      = 60 * time.Second // after it, a lookup waits for the store
	staleIfError = 5 * time.Minute  // until then, the channel is served if the store cannot be read
	negativeTTL  = time.Second      // for channels that do not exist or cannot be opened
)

const (
	cacheSize    = 100_000          // channels; the least used ones make room
	loadTimeout  = 5 * time.Second  // bounds one read
	maxWait      = time.Second      // how long a lookup waits for the store if it has an older channel to return
	maxReads     = 4096             // at once, of channels that are not in the cache
	retryPause   = time.Second      // between two reads of a cached channel while the store cannot be read
	outageWindow = 10 * time.Second // after a failed read, lookups of cached channels do not wait for the store
	logPause     = time.Minute      // between two log lines about a store that fails again and again
)

// Cache keeps the channels of a store in memory, so that a lookup on the hot path does not reach the store. Invalidate
// tells it about changes. While the store cannot be read, it serves the channels that it has for some minutes. Callers
// share the channels that it returns and must not change them. Safe for concurrent use.
type Cache struct {
	store   integration.ChannelStore
	log     *logrus.Entry
	entries *otter.Cache[string, *cached]
	epoch   atomic.Uint64 // counts the calls of InvalidateAll
	changes atomic.Uint64 // counts the calls of Invalidate and InvalidateAll

	indexing chan struct{} // held by the caller who reads an index of accounts

	ctx    context.Context // ends with the cache; reads run in it
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu     sync.Mutex
	reads  map[string]*read // in progress, by id; an invalidated one is not in it any more
	failed time.Time        // when the last read failed, zero if it did not
	logged time.Time        // when a failure was last logged

	accounts  map[string]*accountIndex // by platform
	listeners map[*func(id string)]struct{}
}

var _ integration.ChannelStore = (*Cache)(nil)

// cached is the last answer of the store for an id.
type cached struct {
	channel *integration.Channel
	err     error     // instead of a channel: ErrChannelNotFound or ErrSealed
	began   time.Time // when the read began
	epoch   uint64
	failed  time.Time // when a later read failed; guarded by the cache's mu
}

// read is one read of a channel, shared by all callers that wait for it.
type read struct {
	done    chan struct{} // closed when channel and err are set
	channel *integration.Channel
	err     error
}

// NewCache returns a cache of a store. The caller closes the store, after the cache.
func NewCache(store integration.ChannelStore, log *logrus.Entry) (*Cache, error) {
	entries, err := otter.New(&otter.Options[string, *cached]{MaximumSize: cacheSize})
	if err != nil {
		return nil, err
	}
	c := &Cache{
		store: store, log: log, entries: entries, reads: map[string]*read{}, accounts: map[string]*accountIndex{},
		listeners: map[*func(string)]struct{}{},
		indexing:  make(chan struct{}, 1),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// Close ends the reads in progress and waits for them. Later reads fail.
func (c *Cache) Close() {
	c.mu.Lock()
	c.cancel()
	c.mu.Unlock()
	c.tasks.Wait()
}

// Channel implements [integration.ChannelStore].
func (c *Cache) Channel(ctx context.Context, id string) (*integration.Channel, error) {
	entry, ok := c.entries.GetIfPresent(id)
	if !ok && !possible(id) {
		return nil, integration.ErrChannelNotFound // and takes no room
	}
	if !ok {
		r := c.readFirst(ctx, id)
		if r == nil {
			return nil, &UnavailableError{"read a channel", errManyReads}
		}
		return c.wait(ctx, r)
	}
	age := time.Since(entry.began)
	if entry.epoch == c.epoch.Load() {
		switch {
		case entry.err != nil && age < negativeTTL:
			return nil, entry.err
		case entry.err == nil && age < softTTL:
			return entry.channel, nil
		case entry.err == nil && age < hardTTL:
			c.reread(c.ctx, id, entry) // in the background, with no caller's context
			return entry.channel, nil
		}
	}
	if entry.err != nil || age >= staleIfError {
		return c.wait(ctx, c.read(ctx, id))
	}
	return c.refresh(ctx, id, entry)
}

// refresh reads a cached channel again. It returns the cached one if the store cannot be read or takes long.
func (c *Cache) refresh(ctx context.Context, id string, entry *cached) (*integration.Channel, error) {
	r, outage := c.reread(ctx, id, entry)
	if outage {
		return entry.channel, nil // the read finds out when the outage is over
	}
	short, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	ch, err := c.wait(short, r)
	if isOutage(err) {
		return entry.channel, nil
	}
	return ch, err
}

// HasChannels says whether there is a channel that would be served now if the store could not be read.
func (c *Cache) HasChannels() bool {
	for entry := range c.entries.Values() {
		if entry.err == nil && time.Since(entry.began) < staleIfError {
			return true
		}
	}
	return false
}

func (c *Cache) wait(ctx context.Context, r *read) (*integration.Channel, error) {
	select {
	case <-r.done:
		return r.channel, r.err
	case <-ctx.Done():
		return nil, &UnavailableError{"wait for a channel", ctx.Err()}
	}
}

// isOutage says whether an error is about the store and not about the channel.
func isOutage(err error) bool {
	return err != nil && !errors.Is(err, integration.ErrChannelNotFound) && !errors.Is(err, ErrSealed)
}

// read starts to read a channel, or joins the read that is in progress.
func (c *Cache) read(ctx context.Context, id string) *read {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readLocked(ctx, id)
}

// readFirst is read for a channel that is not in the cache. It returns nil if many such reads are in progress: anybody
// can make up ids, and they must not fill the memory or load the store.
func (c *Cache) readFirst(ctx context.Context, id string) *read {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.reads[id]; !ok && len(c.reads) >= maxReads {
		return nil
	}
	return c.readLocked(ctx, id)
}

var errManyReads = errors.New("many channels are being read for the first time")

// reread is read for a channel that is in the cache. outage says that the last read of the store failed. Shortly after
// a read of this channel has failed, reread starts none and returns nil.
func (c *Cache) reread(ctx context.Context, id string, entry *cached) (r *read, outage bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(entry.failed) < retryPause {
		return nil, true
	}
	return c.readLocked(ctx, id), time.Since(c.failed) < outageWindow
}

func (c *Cache) readLocked(ctx context.Context, id string) *read {
	if r, ok := c.reads[id]; ok {
		return r
	}
	r := &read{done: make(chan struct{})}
	if err := c.ctx.Err(); err != nil {
		r.err = &UnavailableError{"read channel " + id, err}
		close(r.done)
		return r
	}
	c.reads[id] = r
	ctx = detached(ctx)
	c.tasks.Go(func() { c.load(ctx, id, r) })
	return r
}

// detached returns a context for a read that may outlast the call of its first caller. It has a copy of that call's
// request, because a request is valid only during its call.
func detached(ctx context.Context) context.Context {
	req := action.RequestFrom(ctx)
	ctx = context.WithoutCancel(ctx)
	if req == nil {
		return ctx
	}
	parent := *req
	parent.Params, parent.Headers, parent.Stream, parent.Meta = nil, nil, nil, req.Meta.With(nil)
	parent.SetFields(nil)
	return action.WithRequest(ctx, &parent)
}

func (c *Cache) load(ctx context.Context, id string, r *read) {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	began := time.Now()
	r.channel, r.err = c.store.Channel(ctx, id)
	c.keep(id, r, began)
	close(r.done)
}

// keep puts the result of a read into the cache, unless the channel was invalidated since the read began.
func (c *Cache) keep(id string, r *read, began time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	outage := isOutage(r.err)
	if c.ctx.Err() == nil {
		c.noteOutage(r.err, outage)
	}
	if c.reads[id] != r {
		return
	}
	delete(c.reads, id)
	if !outage {
		c.entries.Set(id, &cached{channel: r.channel, err: r.err, began: began, epoch: c.epoch.Load()})
	} else if entry, ok := c.entries.GetIfPresent(id); ok {
		entry.failed = time.Now()
	}
}

// noteOutage records whether the store can be read, and logs once that it cannot.
func (c *Cache) noteOutage(err error, outage bool) {
	began := outage && c.failed.IsZero()
	c.failed = time.Time{}
	if outage {
		c.failed = time.Now()
	}
	if began && time.Since(c.logged) >= logPause {
		c.logged = time.Now()
		c.log.WithError(err).Warnf(
			"the channel store cannot be read; known channels are served for up to %s more", staleIfError)
	}
}

// Invalidate removes a channel that was changed. The result of a read in progress is not kept.
func (c *Cache) Invalidate(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.reads, id)
	c.entries.Invalidate(id)
	c.changes.Add(1)
	c.tell(id)
}

// InvalidateAll makes the next lookup of each channel read it again, because any may have changed. Unlike after
// Invalidate, which knows of a change, the channels are still served while the store cannot be read.
func (c *Cache) InvalidateAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.reads)
	c.epoch.Add(1)
	c.changes.Add(1)
	c.tell("")
}
