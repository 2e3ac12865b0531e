package integration

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// Receiver receives over connections that the node opens itself, such as a WebSocket or long polls. What comes goes the
// way of a webhook, without its signature: the same Normalize, the same order, claims, events and answers.
//
// Of all nodes that host the platform one keeps a connection: it holds the connection's lease. When that node dies,
// another one takes over and goes on from the cursor, so that nothing is lost and nothing is stored twice.
type Receiver interface {
	// Connections returns how many connections of the channel different nodes keep: 0 if the channel receives by webhook
	// only, 1 for most platforms, 2 where the platform spreads what it sends over several connections. It asks nobody.
	Connections(channel *Channel) int

	// Receive keeps one connection: it connects, calls [Session.Ready], and hands over what comes until ctx ends or the
	// connection must be opened anew. Nil opens it anew at once, though not twice within half a second. After an *[Error]
	// the factory waits first: long where the platform refuses, as long as RetryAfter says, else a little longer each
	// time. Receive must return soon after ctx has ended. It may read nothing further while [Session.Deliver] blocks.
	Receive(ctx context.Context, session *Session) error
}

// Incoming is one item that came over a connection.
type Incoming struct {
	// Payload is what Normalize reads: what a webhook's body would be. Without one only the cursor moves, in its turn: for
	// what the platform tells and no message is made of.
	Payload json.RawMessage
	// Headers are those of a webhook that Normalize would read, mostly none.
	Headers Headers
	// Cursor is the platform's position after this item, JSON of at most 4 KB; nil leaves it where it is. It is saved
	// once this item and all before it are durable.
	Cursor json.RawMessage
	// Done is called once, when the item's messages are durable or can never be; nil if nobody wants to know. response
	// is what the platform's Responder answers, nil without one. err says why nothing of the item was taken in, such as
	// that it is malformed. Done must not block. It is not called for items whose session ends before.
	Done func(response *Response, err error)
}

// The states of a connection.
const (
	ConnectionConnecting = "connecting"
	ConnectionReady      = "ready"
	ConnectionWaiting    = "waiting" // it is opened again after a pause, see the message
	ConnectionRefused    = "refused" // the platform does not let the channel in: somebody has to mend it, see the message
)

// Connection tells of a connection: who keeps it, and how it is.
type Connection struct {
	ChannelID string    `json:"channelId"`
	Index     int       `json:"index"`          // of the channel's connections, from 0; the number of a shard
	Of        int       `json:"of"`             // how many the channel has
	Node      string    `json:"node,omitempty"` // its owner; empty while nobody keeps it
	Epoch     uint64    `json:"epoch"`          // counts its owners
	State     string    `json:"state"`          // one of the Connection constants; empty where none is known yet
	Code      string    `json:"code,omitempty"` // of the error, see docs/errors.md
	Message   string    `json:"message,omitempty"`
	Since     time.Time `json:"since,omitzero"` // of the state
}

// ConnectionCount counts connections.
type ConnectionCount struct {
	Total int `json:"total"` // of all nodes
	Ready int `json:"ready"` // of Total
	Own   int `json:"own"`   // of Total, those that this node keeps
}

// settingReceive says how a channel receives, where its platform offers several ways.
const settingReceive = "receive"

// ReceiveField returns the field of the setting receive, for the platform's Fields. The first way is the default.
func ReceiveField(help string, ways ...string) Field {
	return Field{
		In: InSettings, Name: settingReceive, Default: ways[0], Help: help,
		Pattern: regexp.MustCompile(`^(` + strings.Join(ways, "|") + `)$`),
	}
}

// wayOf returns how a channel receives, "" where its platform offers no ways.
func wayOf(ch *Channel, fields []Field) string {
	for _, f := range fields {
		if f.In == InSettings && f.Name == settingReceive {
			return f.Of(ch)
		}
	}
	return ""
}
