package integration

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action/codes"
)

const (
	// conditionDelay is how long a condition lasts before it is told, conditionEnd how long it is gone before its end is.
	conditionDelay = 10 * time.Second
	conditionEnd   = 30 * time.Second
	// deadLettersQuiet is how long after the last dead letter of a channel its condition ends.
	deadLettersQuiet = 10 * time.Minute
	// conditionCheck bounds the look at the channel before a condition is told.
	conditionCheck = 5 * time.Second
)

// Condition says what is wrong with a channel.
type Condition struct {
	Code    string `json:"code"` // such as codes.ConditionCredentialsRefused
	Message string `json:"message"`
	Level   int    `json:"level,omitempty"` // of codes.ConditionSendsFailing: percent
	Since   int64  `json:"since"`           // ms since 1970
}

// ChannelCondition is a condition in a list of several channels.
type ChannelCondition struct {
	ChannelID string `json:"channelId"`
	Condition
}

// conditions keeps what is wrong with the channels of a platform, as far as this node knows. A condition that lasts is
// told, and so is its end: by an event, in the log and by i_healthCheck. There are as many as channels times codes at
// most. Safe for concurrent use; on nil it does nothing.
type conditions struct {
	s      *platformService
	count  atomic.Int64 // of byKey, to be read without the lock
	alerts alerts

	mu     sync.Mutex
	byKey  map[conditionKey]*condition
	away   map[string]map[int]bool // indexes of this node's connections that are away, by channel
	closed bool
}

type conditionKey struct{ channelID, code string }

// conditionOf is the channel that a condition is about.
type conditionOf struct {
	channelID, tenantID string
	fingerprint         uint64 // of its credentials and settings; 0 where a change of them does not end the condition
}

// condition is one of a channel. It begins when it is raised for the first time, and ends when its end is told.
type condition struct {
	Condition
	of        conditionOf
	holds     bool
	told      bool
	toldLevel int
	timer     *time.Timer // when it is due, nil while nothing is to be told
	plans     int         // how often the timer was set or stopped
	quiet     *time.Timer // clears it, nil for none
}

func subjectOf(ch *Channel) conditionOf { return conditionOf{ch.ID, ch.TenantID, fingerprint(ch)} }

// raise says that a condition holds. It may be called again and again. An empty message leaves the last one.
func (c *conditions) raise(of conditionOf, code string, level int, message string) {
	if c == nil {
		return
	}
	message = c.s.cleaner(nil).text(message)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begin(of, code, level, message)
}

// begin is raise for those who hold c.mu. It returns nil after close.
func (c *conditions) begin(of conditionOf, code string, level int, message string) *condition {
	if c.closed {
		return nil
	}
	key := conditionKey{of.channelID, code}
	one := c.byKey[key]
	if one == nil {
		one = &condition{Condition: Condition{Code: code, Since: c.s.now().UnixMilli()}}
		c.byKey[key] = one
		c.count.Add(1)
	}
	if !one.holds {
		one.stop()
	}
	one.of, one.holds, one.Level, one.Message = of, true, level, cmp.Or(message, one.Message)
	if one.timer == nil && (!one.told || level > one.toldLevel) {
		c.plan(one, conditionDelay)
	}
	return one
}

// raiseFor is like raise; the condition is cleared when it was not raised again for so long.
func (c *conditions) raiseFor(quiet time.Duration, of conditionOf, code, message string) {
	message = c.s.cleaner(nil).text(message)
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.begin(of, code, 0, message)
	switch {
	case one == nil:
	case one.quiet == nil:
		one.quiet = time.AfterFunc(quiet, func() { c.clear(of.channelID, code) })
	default:
		one.quiet.Reset(quiet)
	}
}

// clear says that a condition does not hold.
func (c *conditions) clear(channelID string, codes ...string) {
	if c == nil || c.count.Load() == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, code := range codes {
		c.end(channelID, code)
	}
}

// end is clear for those who hold c.mu.
func (c *conditions) end(channelID, code string) {
	one := c.byKey[conditionKey{channelID, code}]
	if one == nil || !one.holds {
		return
	}
	one.holds = false
	one.stop()
	if !one.told {
		c.remove(one)
		return
	}
	c.plan(one, conditionEnd)
}

// remove forgets a condition without a word. The caller holds c.mu.
func (c *conditions) remove(one *condition) {
	one.stop()
	if one.quiet != nil {
		one.quiet.Stop()
	}
	delete(c.byKey, conditionKey{one.of.channelID, one.Code})
	c.count.Add(-1)
}

// drop forgets all conditions of a channel that was removed or switched off.
func (c *conditions) drop(channelID string) {
	if c == nil || c.count.Load() == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removeAll(channelID)
}

func (c *conditions) removeAll(channelID string) {
	for key, one := range c.byKey {
		if key.channelID == channelID {
			c.remove(one)
		}
	}
}

// plan has a condition told later. The caller holds c.mu.
func (c *conditions) plan(one *condition, after time.Duration) {
	one.stop()
	plan := one.plans
	one.timer = time.AfterFunc(after, func() { c.due(one, plan) })
}

// stop takes the plan back. The caller holds conditions.mu.
func (one *condition) stop() {
	one.plans++
	if one.timer != nil {
		one.timer.Stop()
		one.timer = nil
	}
}

// due tells a condition that has lasted, or one that has been gone, for long enough.
func (c *conditions) due(one *condition, plan int) {
	c.mu.Lock()
	id := one.of.channelID
	c.mu.Unlock()
	ch, gone := c.channel(id)
	c.mu.Lock()
	if c.closed || one.plans != plan {
		c.mu.Unlock()
		return
	}
	one.stop()
	told := one.Condition
	switch {
	case gone:
		c.removeAll(id)
		c.mu.Unlock()
		return
	case one.holds && !one.told && one.of.isOutdated(ch):
		c.remove(one)
		c.mu.Unlock()
		return
	case one.holds && one.told && one.Level <= one.toldLevel: // it was worse for a moment
		c.mu.Unlock()
		return
	case one.holds:
		one.told, one.toldLevel = true, one.Level
	default:
		told.Level = one.toldLevel
		c.remove(one)
	}
	of, holds := one.of, one.holds
	c.mu.Unlock()
	c.tell(of, told, holds)
}

// isOutdated says whether the channel has other credentials or settings by now. ch is nil when that is not known.
func (of conditionOf) isOutdated(ch *Channel) bool {
	return ch != nil && of.fingerprint != 0 && of.fingerprint != fingerprint(ch)
}

// channel returns a channel as it is now, nil if it cannot be read. gone says that it was removed or switched off.
func (c *conditions) channel(id string) (ch *Channel, gone bool) {
	ctx, cancel := context.WithTimeout(context.Background(), conditionCheck)
	defer cancel()
	ch, err := c.s.def.Channels.Channel(ctx, id)
	if err != nil {
		return nil, errors.Is(err, ErrChannelNotFound)
	}
	return ch, ch.Status != ChannelActive || ch.Platform != c.s.def.Name
}

// tell logs and publishes that a condition holds, or that it has ended.
func (c *conditions) tell(of conditionOf, told Condition, holds bool) {
	log := c.s.log.WithFields(logrus.Fields{"channel": of.channelID, "tenant": of.tenantID, "code": told.Code})
	if told.Level > 0 {
		log = log.WithField("percent", told.Level)
	}
	switch {
	case told.Code == codes.ConditionSendingSuspended: // the limiter has logged it
	case holds:
		log.Warn("channel degraded: " + told.Message)
	default:
		log.Info("channel recovered")
	}
	if holds {
		c.s.metrics.Degraded(told.Code)
	} else {
		c.s.metrics.Recovered(told.Code)
	}
	if told.Code == codes.ConditionReceivingStopped {
		c.share(of.channelID, told.Since, holds)
	}
	c.publish(of, told, holds)
}

// follow ends the conditions of channels that are removed, switched off or changed, where the store tells of changes.
func (c *conditions) follow() {
	lister, ok := c.s.def.Channels.(ChannelLister)
	if !ok {
		return
	}
	unsubscribe := lister.OnChange(func(id string) { // it must not block, and must not call the store
		if c.count.Load() > 0 {
			go c.changed(id)
		}
	})
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.consuming = append(c.s.consuming, func(context.Context) error {
		unsubscribe()
		return nil
	})
}

// changed looks at a channel that was changed; with an empty id at each that has a condition.
func (c *conditions) changed(id string) {
	for _, id := range c.ids(id) {
		ch, gone := c.channel(id)
		if gone {
			c.drop(id)
			continue
		}
		c.endOutdated(id, ch)
	}
}

// endOutdated ends the conditions that a channel had with other credentials or settings.
func (c *conditions) endOutdated(id string, ch *Channel) {
	if c == nil || c.count.Load() == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, one := range c.byKey {
		if key.channelID == id && one.of.isOutdated(ch) {
			c.end(id, key.code)
		}
	}
}

// ids returns the ids of the channels with conditions: all of them, or only one.
func (c *conditions) ids(only string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for key := range c.byKey {
		if (only == "" || key.channelID == only) && !slices.Contains(ids, key.channelID) {
			ids = append(ids, key.channelID)
		}
	}
	return ids
}

// list returns the conditions that are told, of channels that mayKnow accepts, in the order of their ids and codes.
func (c *conditions) list(mayKnow func(channelID, tenantID string) bool) []ChannelCondition {
	if c.count.Load() == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []ChannelCondition
	for key, one := range c.byKey {
		if one.told && mayKnow(key.channelID, one.of.tenantID) {
			list = append(list, ChannelCondition{key.channelID, one.Condition})
		}
	}
	slices.SortFunc(list, func(a, b ChannelCondition) int {
		return cmp.Or(strings.Compare(a.ChannelID, b.ChannelID), strings.Compare(a.Code, b.Code))
	})
	return list
}

// close stops all timers. What is told stays so: another node goes on with it.
func (c *conditions) close(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.byKey {
		c.remove(one)
	}
	c.closed = true
	return nil
}
