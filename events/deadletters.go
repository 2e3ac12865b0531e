package events

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/internal/oneline"
)

// Headers of dead letters. All but the message id are those of @moleculer/channels.
const (
	headerOriginalChannel   = "x-original-channel"
	headerOriginalGroup     = "x-original-group"
	headerOriginalMessageID = "x-original-message-id"
	headerError             = "x-error-" // prefix of the headers that describe the error
	headerErrorTimestamp    = "x-error-timestamp"
)

// Headers of replayed events.
const (
	headerReplayedFrom  = "x-replayed-from"  // stream:sequence
	headerReplayedAt    = "x-replayed-at"    // ms
	headerReplayedGroup = "x-replayed-group" // the only group that handles it, of those that know this header
)

// serverHeader is the prefix of the headers that the server interprets. A republished event must not have them: they
// would make it a duplicate, or make it expect, expire or roll up something.
const serverHeader = "Nats-"

// deadLetter stores an event in the dead letter queue, unchanged but for headers that say where it was and why it
// failed. The event must not be acknowledged before. Inside the duplicate window the queue stores it once.
func (c *Consumer) deadLetter(d *delivery, cause error) error {
	header := republishHeader(d.Header)
	header[headerOriginalChannel] = []string{d.Subject}
	header[headerOriginalGroup] = []string{c.sub.Group}
	for k, v := range errorHeader(cause) {
		header[k] = []string{v}
	}
	err := c.storeDeadLetter(d, header)
	if isPermanent(err) { // too large with the added headers
		maps.DeleteFunc(header, func(k string, _ []string) bool { return strings.HasPrefix(k, headerError) })
		err = c.storeDeadLetter(d, header)
	}
	return err
}

func (c *Consumer) storeDeadLetter(d *delivery, header map[string][]string) error {
	id := fmt.Sprintf("dead:%s:%s:%d:%d", c.sub.Group, d.Stream, d.Sequence, d.Time.UnixNano())
	ctx, cancel := context.WithTimeout(c.ctx, c.p.opts.Timeout)
	defer cancel()
	return c.p.Store(ctx, order.Event{Name: c.sub.DeadLetters, MsgID: id, Header: header, Payload: d.Payload})
}

// republishHeader returns the header for publishing an event again: a copy without the server's headers.
func republishHeader(header map[string][]string) map[string][]string {
	copied := map[string][]string{}
	for k, v := range header {
		if !strings.HasPrefix(k, serverHeader) {
			copied[k] = v
		}
	}
	if id := nats.Header(header).Get(jetstream.MsgIDHeader); id != "" && copied[headerOriginalMessageID] == nil {
		copied[headerOriginalMessageID] = []string{id}
	}
	return copied
}

// errorHeader describes an error in the headers of @moleculer/channels.
func errorHeader(err error) map[string]string {
	header := map[string]string{"x-error-name": "Error", "x-error-message": err.Error()}
	var described interface{ ErrorHeader() map[string]string }
	if errors.As(err, &described) {
		header = described.ErrorHeader()
	}
	for k, v := range header {
		header[k] = oneline.Of(v)
	}
	header[headerErrorTimestamp] = strconv.FormatInt(time.Now().UnixMilli(), 10)
	return header
}
