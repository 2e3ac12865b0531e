package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/leases"
)

const (
	// relistInterval is how often all channels of a platform are read again, for changes that nobody told of. Each is
	// opened for that, of which there may be thousands.
	relistInterval = 5 * time.Minute
	// relistAfterFailure is when they are read again after that failed.
	relistAfterFailure = 5 * time.Second
	// maxNews is how many channels are read one by one. After more changes all are read.
	maxNews = 1000
	// relistPause is how long a node waits after the news of a change for more of them.
	relistPause = 100 * time.Millisecond
	// listTimeout bounds one read of all channels.
	listTimeout = 30 * time.Second
	// maxShards bounds what a platform may ask for.
	maxShards = 10_000
	// maxNote bounds, in bytes, what a connection says of its state.
	maxNote = 512
)

// The pauses before a connection is opened again: they double from the first to the longest. Refused ones wait longer,
// because only somebody can mend them.
const (
	firstReopen   = 500 * time.Millisecond
	longestReopen = time.Minute
	firstRefused  = 15 * time.Second
	longestRefuse = 5 * time.Minute
	// steady is how long a connection has to last for the pauses to begin anew.
	steady = time.Minute
)

// ChannelLister is a [ChannelStore] that knows all its channels. Connections need one.
type ChannelLister interface {
	// OfPlatform returns those channels of a platform that wanted says true to, less those that cannot be read. The caller
	// does not change them.
	OfPlatform(ctx context.Context, platform string, wanted func(*Channel) bool) ([]*Channel, error)
	// OnChange has f called after each change of a channel: with its id, or "" where many may have changed. f must not
	// block. stop ends that.
	OnChange(f func(id string)) (stop func())
}

// connections keeps the connections of a platform's channels on this node.
type connections struct {
	s        *platformService
	receiver Receiver
	lister   ChannelLister
	news     chan struct{} // has an entry when channels have changed, see changed and relist
	rewant   chan struct{} // has an entry when only their shards may have changed
	stop     context.CancelFunc
	stopped  sync.WaitGroup

	mu       sync.Mutex
	group    *leases.Group          // nil until there is a channel that receives so
	channels map[string]*Channel    // that receive over connections, by id
	active   map[string]*connection // that this node keeps, by key
	changed  map[string]bool        // ids of channels that are to be read
	relist   bool                   // all are to be read
}

// startConnections begins to keep connections, where the platform has any.
func (s *platformService) startConnections(ctx context.Context) error {
	receiver, ok := s.def.Platform.(Receiver)
	if !ok || s.runtime.Leases == nil {
		return nil
	}
	lister, ok := s.def.Channels.(ChannelLister)
	if !ok {
		s.log.Warn("the channel store cannot list its channels: this node keeps no connections of its own")
		return nil
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c := &connections{
		s: s, receiver: receiver, lister: lister, stop: cancel, news: make(chan struct{}, 1),
		rewant: make(chan struct{}, 1), channels: map[string]*Channel{}, active: map[string]*connection{},
		changed: map[string]bool{}, relist: true,
	}
	s.mu.Lock()
	s.connections = c
	s.consuming = append(s.consuming, c.close)
	s.mu.Unlock()
	unsubscribe := lister.OnChange(c.note)
	c.stopped.Go(func() {
		defer unsubscribe()
		c.follow(ctx)
	})
	return nil
}

// close gives all connections up: other nodes take them over.
func (c *connections) close(ctx context.Context) error {
	c.stop()
	c.stopped.Wait()
	if group := c.leases(); group != nil {
		return group.Close(ctx)
	}
	return nil
}

func (c *connections) leases() *leases.Group {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.group
}

// openGroup lets the node take part in sharing the platform's connections.
func (c *connections) openGroup() error {
	group, err := c.s.runtime.Leases.Group(c.s.def.Name, leases.GroupOptions{
		Run: c.run, OnChange: func() { ask(c.rewant) }, Log: c.s.log,
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.group = group
	return nil
}

// ask puts an entry into a channel that has none.
func ask(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// note notes that a channel has changed, or with an empty id that any may have.
func (c *connections) note(id string) {
	c.mu.Lock()
	if id == "" || len(c.changed) >= maxNews {
		c.relist = true
	} else {
		c.changed[id] = true
	}
	c.mu.Unlock()
	ask(c.news)
}

// toRead returns what has changed since it was asked last.
func (c *connections) toRead() (ids []string, all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids, all = slices.Collect(maps.Keys(c.changed)), c.relist
	clear(c.changed)
	c.relist = false
	return ids, all
}

// follow keeps the wanted connections as the channels are, until ctx ends.
func (c *connections) follow(ctx context.Context) {
	again := time.NewTimer(relistInterval)
	defer again.Stop()
	c.read(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.rewant:
			if !sleep(ctx, relistPause) {
				return
			}
			c.want()
			continue
		case <-again.C:
			c.note("")
		case <-c.news:
			if !sleep(ctx, relistPause) {
				return
			}
		}
		if c.read(ctx) {
			again.Reset(relistInterval)
		} else {
			again.Reset(relistAfterFailure)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// read reads the channels that have changed and says which connections there are. It returns false if it failed.
func (c *connections) read(ctx context.Context) bool {
	short, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	found, err := c.find(short)
	if err == nil && len(found) > 0 && c.leases() == nil {
		err = c.openGroup()
	}
	if err != nil {
		c.mu.Lock()
		c.relist = true
		c.mu.Unlock()
		if ctx.Err() == nil {
			c.s.log.WithError(err).
				Warn("the channels that receive over connections cannot be read; what is known goes on")
		}
		return false
	}
	c.mu.Lock()
	c.channels = found
	c.mu.Unlock()
	c.reopenWhere(func(conn *connection) bool {
		now := found[conn.channelID]
		return now != nil && !conn.isOf(now)
	})
	c.want()
	return true
}

// find returns the channels that receive over connections, by id: all of them read anew, or those that have changed.
func (c *connections) find(ctx context.Context) (map[string]*Channel, error) {
	ids, all := c.toRead()
	if all {
		list, err := c.lister.OfPlatform(ctx, c.s.def.Name, c.isWanted)
		if err != nil {
			return nil, err
		}
		found := make(map[string]*Channel, len(list))
		for _, ch := range list {
			found[ch.ID] = ch
		}
		return found, nil
	}
	c.mu.Lock()
	found := maps.Clone(c.channels)
	c.mu.Unlock()
	for _, id := range ids {
		ch, err := c.s.def.Channels.Channel(ctx, id)
		switch {
		case errors.Is(err, ErrChannelNotFound) || err == nil && (ch.Platform != c.s.def.Name || !c.isWanted(ch)):
			delete(found, id)
		case err != nil:
			return nil, err
		default:
			found[id] = ch
		}
	}
	return found, nil
}

// isWanted says whether a channel receives over connections. Its secrets are known to the log from then on.
func (c *connections) isWanted(ch *Channel) bool {
	if ch.Status != ChannelActive || c.receiver.Connections(ch) == 0 {
		return false
	}
	c.s.runtime.Secrets.Add(ch.secrets(c.s.def.Fields)...)
	return true
}

// want says which connections there are. Only follow calls it.
func (c *connections) want() {
	c.mu.Lock()
	channels, group := c.channels, c.group
	c.mu.Unlock()
	if group == nil {
		return
	}
	var wanted []leases.Wanted
	count := make(map[string]int, len(channels))
	for id, ch := range channels {
		n, apart := c.receiver.Connections(ch), ""
		if n > 1 {
			apart = id
		}
		count[id] = max(n, c.shards(id))
		for i := range count[id] {
			wanted = append(wanted, leases.Wanted{Key: connectionKey(id, i), Apart: apart})
		}
	}
	group.Want(wanted)
	c.reopenWhere(func(conn *connection) bool {
		n := count[conn.channelID]
		return n != 0 && !conn.isOneOf(n)
	})
}

// reopenWhere opens connections of this node anew, such as shards whose number has changed.
func (c *connections) reopenWhere(outdated func(*connection) bool) {
	c.mu.Lock()
	active := slices.Collect(maps.Values(c.active))
	c.mu.Unlock()
	for _, conn := range active {
		if outdated(conn) {
			conn.reopen()
		}
	}
}

// connectionKey is the key of a connection's lease.
func connectionKey(channelID string, index int) string { return channelID + "/" + strconv.Itoa(index) }

func splitKey(key string) (channelID string, index int) {
	channelID, number, _ := strings.Cut(key, "/")
	index, _ = strconv.Atoi(number)
	return channelID, index
}

// shards returns how many connections a channel needs, by what its first one found out; 1 while that is not known.
func (c *connections) shards(channelID string) int {
	group := c.leases()
	if group == nil {
		return 1
	}
	told := group.Owner(connectionKey(channelID, 0)).Shared
	if len(told) == 0 { // as with most platforms
		return 1
	}
	var known shared
	_ = json.Unmarshal(told, &known) // an owner of this code has written it
	return min(max(known.Shards, 1), maxShards)
}

// shared is what the owner of a connection tells the other nodes and the next owner.
type shared struct {
	Shards  int   `json:"shards,omitempty"`  // of a channel's first connection
	Stopped int64 `json:"stopped,omitempty"` // ms: it is told that the connection is away, since then; see conditions
}

func (c *connections) channel(id string) *Channel {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.channels[id]
}

// own returns how many connections this node keeps.
func (c *connections) own() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.active)
}

// ofChannel returns the connections of a channel that this node keeps.
func (c *connections) ofChannel(id string) []*connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []*connection
	for _, conn := range c.active {
		if conn.channelID == id {
			list = append(list, conn)
		}
	}
	return list
}

// run keeps one connection for as long as this node has its lease.
func (c *connections) run(ctx context.Context, lease *leases.Lease) {
	conn := &connection{of: c, lease: lease}
	conn.channelID, conn.index = splitKey(lease.Key())
	conn.log = c.s.log.WithFields(logrus.Fields{"channel": conn.channelID, "connection": conn.index})
	c.mu.Lock()
	c.active[lease.Key()] = conn
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.active, lease.Key())
		c.mu.Unlock()
		c.s.conditions.released(conn)
	}()
	c.s.conditions.taken(conn)
	conn.keep(ctx)
}

// connection is one that this node keeps.
type connection struct {
	of        *connections
	lease     *leases.Lease
	channelID string
	index     int
	log       *logrus.Entry

	mu      sync.Mutex
	channel *Channel           // of the session; nil before the first
	count   int                // how many connections the session takes the channel to have; 0 before the first
	cancel  context.CancelFunc // ends the session
	changed bool               // the session was ended because the channel is another one now
}

// keep opens the connection again and again until ctx ends.
func (c *connection) keep(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		ch := c.of.channel(c.channelID)
		if ch == nil { // it was removed a moment ago
			<-ctx.Done()
			return
		}
		opened := time.Now()
		err := c.session(ctx, ch)
		if ctx.Err() != nil {
			return
		}
		if time.Since(opened) >= steady {
			failures = 0
		}
		switch {
		case c.wasChanged():
			continue
		case err == nil:
			sleep(ctx, firstReopen-time.Since(opened)) // one that ends at once would be opened again without a pause
			continue
		}
		failures++
		c.pause(ctx, asError(err, FaultTransient, codes.ConnectionLost), failures)
	}
}

// session lets the platform receive once. A panic of the platform is an error.
func (c *connection) session(ctx context.Context, ch *Channel) (err error) {
	ctx, cancel := context.WithCancel(c.of.s.ownContext(ctx))
	defer cancel()
	of := max(c.of.receiver.Connections(ch), c.of.shards(ch.ID))
	c.mu.Lock()
	c.channel, c.count, c.cancel, c.changed = ch, of, cancel, false
	c.mu.Unlock()
	if now := c.of.channel(c.channelID); now == nil || !c.isOf(now) { // it has changed since it was looked up
		return nil
	}
	c.tell(connectionState{State: ConnectionConnecting})
	session := newSession(ctx, c, ch, of)
	defer session.close()
	defer func() {
		if r := recover(); r != nil {
			c.log.WithField("stack", string(debug.Stack())).Errorf("a connection panicked: %v", r)
			err = action.Internal(fmt.Errorf("panic: %v", r))
		}
	}()
	return c.of.receiver.Receive(ctx, session)
}

// pause says why the connection is away, and waits before it is opened again.
func (c *connection) pause(ctx context.Context, e *Error, failures int) {
	state, first, longest := ConnectionWaiting, firstReopen, longestReopen
	if e.Kind == FaultAuth || e.Kind == FaultPermanent || e.Kind == FaultForbidden || e.Kind == FaultInvalid {
		state, first, longest = ConnectionRefused, firstRefused, longestRefuse
	}
	wait := min(first<<min(failures-1, 10), longest)
	wait = max(wait-rand.N(wait/2), e.RetryAfter) // nodes that lost their connections together come back one by one
	cleaner := c.of.s.cleaner(nil)
	c.log.WithFields(logrus.Fields{"code": e.Code, "pause": wait.Round(time.Millisecond).String()}).
		Warnf("the connection is away: %s", cleaner.text(e.Message))
	c.tell(connectionState{State: state, Code: e.Code, Message: cut(cleaner.text(e.Message), maxNote)})
	c.mu.Lock()
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	c.cancel = cancel // a change of the channel ends the pause
	if c.changed {
		cancel()
	}
	c.mu.Unlock()
	<-waiting.Done()
}

// reopen ends the session, or the pause before the next one, because the channel has changed.
func (c *connection) reopen() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed = true
	if c.cancel != nil {
		c.cancel()
	}
}

func (c *connection) wasChanged() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// isOf says whether the session was opened for the channel as it is now.
func (c *connection) isOf(now *Channel) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.channel == nil || c.channel.TenantID == now.TenantID && fingerprint(c.channel) == fingerprint(now)
}

// isOneOf says whether the session was opened as one of n.
func (c *connection) isOneOf(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count == 0 || c.count == n
}

func (c *connection) ready(notes []string) {
	c.tell(connectionState{
		State: ConnectionReady, Message: cut(c.of.s.cleaner(nil).text(strings.Join(notes, "; ")), maxNote),
	})
}

// connectionState is a connection's state as its lease carries it.
type connectionState struct {
	State   string `json:"state"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Since   int64  `json:"since"` // ms
}

func (c *connection) tell(state connectionState) {
	c.of.s.conditions.connection(c, state)
	state.Since = c.of.s.now().UnixMilli()
	data, err := json.Marshal(state)
	if err != nil {
		return // it is made of texts
	}
	if err := c.lease.SetState(data); err != nil {
		c.log.WithError(err).Debug("the state of a connection could not be told")
	}
}

// setShards tells the other nodes how many connections the channel has.
func (c *connection) setShards(n int) {
	c.share(func(s *shared) { s.Shards = min(max(n, 1), maxShards) })
	ask(c.of.rewant)
}

func (c *connection) shared() shared {
	var known shared
	_ = json.Unmarshal(c.lease.Shared(), &known) // an owner of this code has written it, or nobody
	return known
}

// share changes what the other nodes are told.
func (c *connection) share(change func(*shared)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.shared()
	change(&known)
	data, _ := json.Marshal(known) // of numbers
	if err := c.lease.SetShared(data); err != nil {
		c.log.WithError(err).Warn("the other nodes could not be told how the connection is")
	}
}

// kept is a cursor as the lease carries it. It belongs to the credentials: another bot begins anew.
type kept struct {
	Generation string          `json:"generation"`
	Cursor     json.RawMessage `json:"cursor,omitempty"`
}

// cursorFor returns the cursor that the last owner saved, if it belongs to these credentials.
func (c *connection) cursorFor(generation string) json.RawMessage {
	var k kept
	if json.Unmarshal(c.lease.Cursor(), &k) != nil || k.Generation != generation {
		return nil
	}
	return k.Cursor
}

// save gives the lease a cursor.
func (c *connection) save(generation string, cursor json.RawMessage) {
	data, err := json.Marshal(kept{generation, cursor})
	if err == nil {
		err = c.lease.Save(data)
	}
	if err != nil {
		c.log.WithError(err).Error("the position of a connection could not be saved")
	}
}

// list tells of the platform's connections, those of all nodes. visible says which channels its reader may see.
func (c *connections) list(visible func(*Channel) bool) []Connection {
	c.mu.Lock()
	channels, group := c.channels, c.group
	c.mu.Unlock()
	if group == nil {
		return nil
	}
	owners := group.Owners()
	list := make([]Connection, 0, len(owners))
	of := map[string]int{}
	for _, e := range owners {
		id, index := splitKey(e.Key)
		if ch := channels[id]; ch == nil || !visible(ch) {
			continue
		}
		of[id]++
		conn := Connection{ChannelID: id, Index: index, Node: e.Node, Epoch: e.Epoch}
		var state connectionState
		if json.Unmarshal(e.State, &state) == nil && e.Node != "" {
			conn.State, conn.Code, conn.Message = state.State, state.Code, state.Message
			conn.Since = time.UnixMilli(state.Since)
		}
		list = append(list, conn)
	}
	for i := range list {
		list[i].Of = of[list[i].ChannelID]
	}
	slices.SortFunc(list, func(a, b Connection) int {
		if byChannel := strings.Compare(a.ChannelID, b.ChannelID); byChannel != 0 {
			return byChannel
		}
		return a.Index - b.Index
	})
	return list
}
