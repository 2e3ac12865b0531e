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

	"github.com/hiliosai/switchboard/internal/oneline"
)

// Headers of dead letters. All but the message id are those of @moleculer/channels.
const (
	headerOriginalChannel   = "x-original-channel"
	headerOriginalGroup     = "x-original-group"
	headerOriginalMessageID = "x-original-message-id"
	headerError             = "x-error-" // begins those that tell of the error
	headerErrorTimestamp    = "x-error-timestamp"
)

// Headers of what has been replayed.
const (
	headerReplayedFrom  = "x-replayed-from"  // stream:sequence
	headerReplayedAt    = "x-replayed-at"    // ms
	headerReplayedGroup = "x-replayed-group" // the only group that it is for, of those that know of this header
)

// serverHeader begins the headers that mean something to the server: an event that is published again must
// not be taken for what it once was, nor may it expect, expire or roll up anything.
const serverHeader = "Nats-"

// bury moves an event to the dead letters: as it was, with what became of it. Until they have it it is not
// acknowledged. The same one is buried once inside the duplicate window.
func (c *Consumer) bury(d *delivery, cause error) error {
	header := again(d.Header)
	header[headerOriginalChannel] = []string{d.Subject}
	header[headerOriginalGroup] = []string{c.sub.Group}
	for k, v := range errorHeader(cause) {
		header[k] = []string{v}
	}
	err := c.putDown(d, header)
	if isPermanent(err) { // too large with what has been added
		maps.DeleteFunc(header, func(k string, _ []string) bool { return strings.HasPrefix(k, headerError) })
		err = c.putDown(d, header)
	}
	return err
}

func (c *Consumer) putDown(d *delivery, header map[string][]string) error {
	id := fmt.Sprintf("dead:%s:%s:%d:%d", c.sub.Group, d.Stream, d.Sequence, d.Time.UnixNano())
	ctx, cancel := context.WithTimeout(c.ctx, c.p.opts.Timeout)
	defer cancel()
	return c.p.Store(ctx, c.sub.DeadLetters, id, header, d.Payload)
}

// again is the header that an event is published again with: without what would make it fail, do harm, or
// count as a repetition.
func again(header map[string][]string) map[string][]string {
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

// errorHeader tells of an error as @moleculer/channels does.
func errorHeader(err error) map[string]string {
	header := map[string]string{"x-error-name": "Error", "x-error-message": err.Error()}
	var told interface{ ErrorHeader() map[string]string }
	if errors.As(err, &told) {
		header = told.ErrorHeader()
	}
	for k, v := range header {
		header[k] = oneline.Of(v)
	}
	header[headerErrorTimestamp] = strconv.FormatInt(time.Now().UnixMilli(), 10)
	return header
}
