package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/events/order"
)

// ChannelDegradedEvent names the reliable event of a channel with which something is wrong. Its payload is a
// [ConditionPayload].
func ChannelDegradedEvent(namespace string) string { return namespace + ".processing.channel.degraded" }

// ChannelRecoveredEvent names the reliable event of a condition that has ended. Its payload is a [ConditionPayload].
func ChannelRecoveredEvent(namespace string) string {
	return namespace + ".processing.channel.recovered"
}

// ConditionPayload is what [ChannelDegradedEvent] and [ChannelRecoveredEvent] carry.
type ConditionPayload struct {
	TenantID  string    `json:"tenantId"`
	ChannelID string    `json:"channelId"`
	Platform  string    `json:"platform"`
	NodeID    string    `json:"nodeId"` // of the node that noticed it
	Condition Condition `json:"condition"`
	Timestamp int64     `json:"timestamp"` // ms
}

// maxUnpublished bounds the events that wait for the next one because they could not be published.
const maxUnpublished = 100

// alerts are the events that could not be published. Safe for concurrent use.
type alerts struct {
	mu          sync.Mutex
	unpublished []order.Event
	failing     bool // the last one was not published, and that is logged
}

// publish hands the event of a condition over, and those that could not be published before. It does not wait.
func (c *conditions) publish(of conditionOf, told Condition, holds bool) {
	name, word := ChannelRecoveredEvent(c.s.runtime.Namespace), "recovered"
	if holds {
		name, word = ChannelDegradedEvent(c.s.runtime.Namespace), "degraded"
	}
	payload, err := json.Marshal(&ConditionPayload{
		TenantID: of.tenantID, ChannelID: of.channelID, Platform: c.s.def.Name, NodeID: c.s.runtime.NodeID,
		Condition: told, Timestamp: c.s.now().UnixMilli(),
	})
	if err != nil {
		return // it is made of texts and numbers
	}
	req := &action.Request{Service: c.s.fullName, RequestID: uuid.NewString()}
	c.hand(order.Event{
		Name: name, MsgID: fmt.Sprintf("%s:%s:%s:%s", c.s.def.Name, of.channelID, word, conditionID(told)),
		Header: c.s.eventHeader(req, of.tenantID, of.channelID), Payload: payload,
	})
}

// conditionID is the same for a condition that begins on two nodes, or again after a restart, within conditionEnd. One
// node never tells two of them: the first would have to be gone for that long.
func conditionID(told Condition) string {
	begin := told.Since / conditionEnd.Milliseconds()
	return told.Code + ":" + strconv.Itoa(told.Level) + ":" + strconv.FormatInt(begin, 10)
}

// hand gives the publisher an event, after those that it did not take before. They do not go to the spool: where a node
// may not make their streams, they would stay there.
func (c *conditions) hand(e order.Event) {
	c.alerts.mu.Lock()
	list := append(c.alerts.unpublished, e)
	c.alerts.unpublished = nil
	c.alerts.mu.Unlock()
	for _, e := range list {
		ctx, cancel := context.WithTimeout(context.Background(), outcomeTimeout)
		onAck := func(_ bool, err error) {
			cancel()
			c.published(e, err)
		}
		c.s.runtime.Events.Publish(ctx, e, onAck)
	}
}

// published takes what became of an event. One that failed goes with the next.
func (c *conditions) published(e order.Event, err error) {
	a := &c.alerts
	a.mu.Lock()
	logged := a.failing
	a.failing = err != nil
	if err != nil && !isPermanent(err) && len(a.unpublished) < maxUnpublished {
		a.unpublished = append(a.unpublished, e)
	}
	a.mu.Unlock()
	if err != nil && !logged {
		c.s.log.WithError(err).WithField("event", e.Name).
			Error("the event of a channel's condition could not be published, it goes with the next one")
	}
}

// sent takes the outcome of a call of the platform, all attempts together.
func (c *conditions) sent(l *channelLimiter, err error) {
	if c == nil {
		return
	}
	var e *Error
	if err != nil {
		if e = asError(err, FaultUnknown, codes.SendFailed); e.Kind == FaultInvalid || errors.Is(err, context.Canceled) {
			return
		}
	}
	level, counts := l.sends.add(c.s.now(), e)
	if e == nil && level == 0 && c.count.Load() == 0 {
		return
	}
	of := l.subject()
	if level > 0 {
		c.raise(of, codes.ConditionSendsFailing, level, counts)
	} else {
		c.clear(of.channelID, codes.ConditionSendsFailing)
	}
	c.credentials(of, e)
}

// called takes the outcome of a call of the platform that is not a send.
func (c *conditions) called(ch *Channel, err error) {
	switch {
	case err != nil:
		c.credentials(subjectOf(ch), asError(err, FaultTransient, codes.HealthCheckFailed))
	case c.count.Load() > 0:
		c.credentials(subjectOf(ch), nil)
	}
}

func (c *conditions) credentials(of conditionOf, e *Error) {
	switch {
	case e == nil:
		c.clear(of.channelID, codes.ConditionCredentialsRefused)
	case e.Kind == FaultAuth:
		c.raise(of, codes.ConditionCredentialsRefused, 0, e.Message)
	}
}

// subject is the channel of a limiter's conditions.
func (l *channelLimiter) subject() conditionOf {
	return conditionOf{l.channelID, l.tenantID, l.fingerprint}
}

const (
	sendSlots     = 10
	sendSlot      = 5 * time.Minute / sendSlots
	sendsForLevel = 10 // fewer begin no level
)

// sendWindow counts the sends of a channel within the last five minutes. Safe for concurrent use.
type sendWindow struct {
	mu          sync.Mutex
	slots       [sendSlots]struct{ at, all, failed int64 } // at: slots since 1970
	all, failed int64
	level       int
	last        string // the text of the last failure
}

// add counts a send; failure is nil for one that succeeded. It returns the level of the condition, 0 for none, and the
// condition's text.
func (w *sendWindow) add(now time.Time, failure *Error) (level int, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := now.UnixNano() / int64(sendSlot)
	slot := &w.slots[at%sendSlots]
	if slot.at != at {
		w.expire(at)
		slot.at = at
	}
	slot.all++
	w.all++
	if failure != nil {
		slot.failed++
		w.failed++
		w.last = failure.Message
	}
	if w.level = w.next(); w.level > 0 {
		text = fmt.Sprintf("%d of %d sends within five minutes have failed; the last failure: %s", w.failed, w.all, w.last)
	}
	return w.level, text
}

// expire takes out the slots that are older than five minutes.
func (w *sendWindow) expire(at int64) {
	for i := range w.slots {
		if s := &w.slots[i]; s.at <= at-sendSlots {
			w.all, w.failed = w.all-s.all, w.failed-s.failed
			s.all, s.failed = 0, 0
		}
	}
}

// isFailing says whether a level has begun.
func (w *sendWindow) isFailing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.level > 0
}

// next returns the level of what is counted. A level that has begun stays, with few sends, while half of them fail.
func (w *sendWindow) next() int {
	percent := int(100 * w.failed / w.all)
	if percent >= 50 && w.all < sendsForLevel {
		return w.level
	}
	for _, level := range [...]int{100, 90, 70, 50} {
		if percent >= level {
			return level
		}
	}
	return 0
}

// connection takes the state of a connection that this node keeps. One that is being opened is neither away nor ready.
func (c *conditions) connection(conn *connection, state connectionState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state.State {
	case ConnectionConnecting:
	case ConnectionReady:
		c.back(conn, true)
	default:
		c.goneAway(conn, state.Code+": "+state.Message)
	}
}

// goneAway notes that a connection is away. The caller holds c.mu.
func (c *conditions) goneAway(conn *connection, message string) *condition {
	id := conn.channelID
	if c.away[id] == nil {
		c.away[id] = map[int]bool{}
	}
	c.away[id][conn.index] = true
	of := conditionOf{channelID: id}
	if ch := conn.of.channel(id); ch != nil {
		of.tenantID = ch.TenantID
	}
	return c.begin(of, codes.ConditionReceivingStopped, 0, message)
}

// back notes that a connection is not away, or not this node's any more. After the last one the condition ends; it is
// told where tells is true. The caller holds c.mu.
func (c *conditions) back(conn *connection, tells bool) {
	id := conn.channelID
	delete(c.away[id], conn.index)
	if len(c.away[id]) > 0 {
		return
	}
	delete(c.away, id)
	if one := c.byKey[conditionKey{id, codes.ConditionReceivingStopped}]; one != nil && !tells {
		c.remove(one)
		return
	}
	c.end(id, codes.ConditionReceivingStopped)
}

// taken goes on with what the last owner of a connection has told.
func (c *conditions) taken(conn *connection) {
	since := conn.shared().Stopped
	if since == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.goneAway(conn, "the connection was away when this node took it over"); one != nil {
		one.stop()
		one.told, one.Since = true, since
	}
}

// released forgets a connection that this node has given up. Its next owner goes on with what was told. There is none
// if the channel receives in another way now.
func (c *conditions) released(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.back(conn, conn.of.channel(conn.channelID) == nil)
}

// share lets the next owners of a channel's connections know whether the condition is told.
func (c *conditions) share(channelID string, since int64, holds bool) {
	if !holds {
		since = 0
	}
	c.s.mu.Lock()
	connections := c.s.connections
	c.s.mu.Unlock()
	if connections == nil {
		return
	}
	for _, conn := range connections.ofChannel(channelID) {
		if !holds || c.isAway(conn) {
			conn.share(func(s *shared) { s.Stopped = since })
		}
	}
}

func (c *conditions) isAway(conn *connection) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.away[conn.channelID][conn.index]
}
