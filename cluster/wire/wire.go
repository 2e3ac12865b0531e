// Package wire reads and writes the packets of Moleculer's protocols 4 and 5 as Node brokers put
// them on NATS: one JSON document each, with "ver" and "sender" in it.
//
// It reads leniently, because other nodes have other versions and languages: a field of the wrong type
// counts as absent, unknown fields are skipped, and no input causes a panic. It writes exactly what
// Node writes. Facts and their sources: docs/design/moleculer-wire.md §2 to §5.
package wire

import (
	"errors"
	"fmt"
	"strings"
)

// Version is a protocol version, a string on the wire. Nodes of different versions do not understand
// each other, and drop each other's packets.
type Version string

// The versions of Moleculer 0.14 and 0.15.
const (
	V4 Version = "4"
	V5 Version = "5"
)

// Command is a packet type, and the part of its subject that names it.
type Command string

// The packet types that travel over NATS.
const (
	Discover   Command = "DISCOVER"
	Info       Command = "INFO"
	Heartbeat  Command = "HEARTBEAT"
	Ping       Command = "PING"
	Pong       Command = "PONG"
	Request    Command = "REQ"
	Response   Command = "RES"
	Event      Command = "EVENT"
	Disconnect Command = "DISCONNECT"

	// The subjects of nodes with their balancer disabled: NATS balances.
	BalancedRequest Command = "REQB"
	BalancedEvent   Command = "EVENTB"
)

// Prefix returns the first token of all subjects of a namespace.
func Prefix(namespace string) string {
	if namespace == "" {
		return "MOL"
	}
	return "MOL-" + namespace
}

// Subject returns the subject of a command: to one node, or with an empty nodeID to all.
func Subject(prefix string, cmd Command, nodeID string) string {
	if nodeID == "" {
		return prefix + "." + string(cmd)
	}
	return prefix + "." + string(cmd) + "." + nodeID
}

// Errors of packets that cannot be used. The receiver drops such a packet.
var (
	ErrMalformed = errors.New("not a Moleculer packet")
	ErrVersion   = errors.New("protocol version differs")
	// ErrSender wraps ErrMalformed.
	ErrSender = fmt.Errorf("%w: no usable sender", ErrMalformed)
)

// Header is in every packet.
type Header struct {
	Ver    Version `json:"ver"`
	Sender string  `json:"sender"`
}

// From is the id of the node that sent the packet.
func (h *Header) From() string { return h.Sender }

func (h *Header) head() *Header { return h }

// maxNodeID bounds the id of a node, in bytes: NATS closes the connection of a client that publishes to a longer
// subject.
const maxNodeID = 256

// isNodeID says whether an id can be part of a subject to publish to.
func isNodeID(id string) bool {
	return id != "" && len(id) <= maxNodeID &&
		!strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r == '*' || r == '>' || r == 0x7f })
}
