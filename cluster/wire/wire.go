// Package wire reads and writes the packets of Moleculer's protocol 4 as Node brokers put them on
// NATS: one JSON document each, with "ver" and "sender" in it.
//
// It reads leniently, since other nodes' versions and languages differ: a field of the wrong type
// counts as absent, unknown ones are skipped, and no input makes it panic. It writes exactly what
// Node 0.14 writes. Facts and their sources: the wire note, §2 to §4.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Protocol is the version that every packet of a 0.14 cluster carries, a string on the wire.
const Protocol = "4"

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
)

// Prefix is what all subjects of a namespace start with.
func Prefix(namespace string) string {
	if namespace == "" {
		return "MOL"
	}
	return "MOL-" + namespace
}

// Subject of a command: to one node, or with an empty nodeID to all.
func Subject(prefix string, cmd Command, nodeID string) string {
	if nodeID == "" {
		return prefix + "." + string(cmd)
	}
	return prefix + "." + string(cmd) + "." + nodeID
}

// Faults of a packet that cannot be used. The receiver drops it.
var (
	ErrMalformed = errors.New("not a Moleculer packet")
	ErrVersion   = errors.New("protocol version differs")
)

// Header is in every packet.
type Header struct {
	Ver    string `json:"ver"`
	Sender string `json:"sender"`
}

// From is the id of the node that sent the packet.
func (h *Header) From() string { return h.Sender }

func (h *Header) version() string { return h.Ver }

// Packet is any of this package's packets that can be decoded.
type Packet interface {
	From() string
	version() string
}

// mender is a packet with pointers among its fields. Unmarshal makes them before it finds that the
// value does not fit, so that "absent" would read as zero, which for a timeout means none.
type mender interface {
	mend(fields map[string]json.RawMessage)
}

// mend makes a pointer nil again whose value did not fit.
func mend[T any](field **T, raw json.RawMessage) {
	var typeErr *json.UnmarshalTypeError
	if err := json.Unmarshal(raw, new(T)); errors.As(err, &typeErr) && typeErr.Field == "" {
		*field = nil
	}
}

// maxNodeID bounds, in bytes, the id of a node: NATS ends the connection of who publishes to a
// subject that is too long.
const maxNodeID = 256

// isNodeID says whether an id can be part of a subject to publish to.
func isNodeID(id string) bool {
	return id != "" && len(id) <= maxNodeID &&
		!strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r == '*' || r == '>' || r == 0x7f })
}

// Decode reads a packet into target, which embeds [Header]. It fails for what is not a JSON object,
// names no sender that could be answered, or speaks another protocol version; the sender is filled in
// where it is known.
func Decode(data []byte, target Packet) error {
	err := json.Unmarshal(data, target)
	var typeErr *json.UnmarshalTypeError
	// On a field of the wrong type, Unmarshal leaves it out, reads on and tells in the end.
	if err != nil && (!errors.As(err, &typeErr) || typeErr.Field == "") {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if m, ok := target.(mender); ok && err != nil {
		var fields map[string]json.RawMessage
		if json.Unmarshal(data, &fields) == nil {
			m.mend(fields)
		}
	}
	switch sender, ver := target.From(), target.version(); {
	case !isNodeID(sender):
		return fmt.Errorf("%w: no usable sender", ErrMalformed)
	case ver != Protocol:
		return fmt.Errorf("%w: %q sends %q, this node speaks %q", ErrVersion, sender, ver, Protocol)
	}
	return nil
}

// RequestPacket is a REQ.
type RequestPacket struct {
	Header
	ID        string          `json:"id"`
	Action    string          `json:"action"`
	Params    json.RawMessage `json:"params,omitempty"`
	Meta      json.RawMessage `json:"meta"`
	Timeout   *float64        `json:"timeout,omitempty"` // ms; Node puts fractions on the wire. Absent: no limit
	Level     int             `json:"level"`
	Tracing   *bool           `json:"tracing"`
	ParentID  *string         `json:"parentID"`
	RequestID string          `json:"requestID,omitempty"`
	Caller    *string         `json:"caller"`
	Stream    bool            `json:"stream"`
	Seq       *int            `json:"seq,omitempty"` // of streams only
}

func (r *RequestPacket) mend(fields map[string]json.RawMessage) {
	mend(&r.Timeout, fields["timeout"])
	mend(&r.Tracing, fields["tracing"])
	mend(&r.ParentID, fields["parentID"])
	mend(&r.Caller, fields["caller"])
	mend(&r.Seq, fields["seq"])
}

// Limit is the packet's timeout as a duration, zero when it sets none.
func (r *RequestPacket) Limit() time.Duration {
	if r.Timeout == nil || !(*r.Timeout > 0) || *r.Timeout > 1e12 {
		return 0
	}
	return max(time.Duration(*r.Timeout*float64(time.Millisecond)), 1)
}

// ResponsePacket is a RES as it is read.
type ResponsePacket struct {
	Header
	ID      string          `json:"id"`
	Meta    json.RawMessage `json:"meta"`
	Success bool            `json:"success"`
	Data    json.RawMessage `json:"data"`
	Error   *ErrorObject    `json:"error"`
	Stream  bool            `json:"stream"`
}

func (r *ResponsePacket) mend(fields map[string]json.RawMessage) { mend(&r.Error, fields["error"]) }

// ErrorObject is an error on the wire.
type ErrorObject struct {
	Name      string          `json:"name"`
	Message   string          `json:"message"`
	Code      Code            `json:"code"`
	Type      string          `json:"type"`
	Data      json.RawMessage `json:"data"`
	Retryable bool            `json:"retryable"`
	NodeID    string          `json:"nodeID"`
}

// Code is an error's code. Node's own errors have numbers, its libraries' errors also strings.
type Code string

// UnmarshalJSON takes a number or a string, and anything else for no code.
func (c *Code) UnmarshalJSON(data []byte) error {
	*c = ""
	switch first := data[0]; {
	case first == '"':
		return json.Unmarshal(data, (*string)(c))
	case first == '-' || '0' <= first && first <= '9':
		*c = Code(data)
	}
	return nil
}

// Int is the code as an HTTP status, 500 when it is not a number.
func (c Code) Int() int {
	if n, err := strconv.Atoi(string(c)); err == nil {
		return n
	}
	return 500
}

// InfoPacket is an INFO as it is read. Services nil means that the packet says nothing of them.
type InfoPacket struct {
	Header
	Services   []ServiceInfo `json:"services"`
	IPList     []string      `json:"ipList"`
	Hostname   string        `json:"hostname"`
	Client     Client        `json:"client"`
	InstanceID string        `json:"instanceID"`
	Seq        int64         `json:"seq"`
}

// ServiceInfo is what an INFO tells of one service. Actions and events are keyed by full name.
type ServiceInfo struct {
	Name     string                     `json:"name"`
	Version  json.RawMessage            `json:"version,omitempty"` // number or string
	FullName string                     `json:"fullName"`
	Settings json.RawMessage            `json:"settings,omitempty"`
	Metadata json.RawMessage            `json:"metadata,omitempty"`
	Actions  map[string]json.RawMessage `json:"actions"`
	Events   map[string]json.RawMessage `json:"events"`
}

// Client says what software a node runs.
type Client struct {
	Type        string `json:"type"`
	Version     string `json:"version"`
	LangVersion string `json:"langVersion"`
}

// Announcement is an INFO as it is written.
type Announcement struct {
	Header
	Services   []any          `json:"services"`
	IPList     []string       `json:"ipList"`
	Hostname   string         `json:"hostname"`
	Client     Client         `json:"client"`
	Config     struct{}       `json:"config"` // Node sends {}: never anything of the configuration
	InstanceID string         `json:"instanceID"`
	Metadata   map[string]any `json:"metadata"`
	Seq        int64          `json:"seq"`
}

// HeartbeatPacket is a HEARTBEAT.
type HeartbeatPacket struct {
	Header
	CPU *int `json:"cpu"` // percent
}

func (h *HeartbeatPacket) mend(fields map[string]json.RawMessage) { mend(&h.CPU, fields["cpu"]) }

// PingPacket is a PING, and with Arrived a PONG. Times are ms since 1970; id and time are echoed as
// they came.
type PingPacket struct {
	Header
	Time    json.RawMessage `json:"time"`
	ID      json.RawMessage `json:"id,omitempty"`
	Arrived int64           `json:"arrived,omitempty"`
}

// BarePacket is a DISCOVER or DISCONNECT, and what is read first of any packet.
type BarePacket struct {
	Header
}

// Encode writes a packet. HTML characters stay as they are, as in Node's JSON.
func Encode(p any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}

// Result writes the RES of a call that succeeded. data and meta are JSON already.
func Result(sender, id string, meta, data []byte) []byte {
	return response(sender, id, meta, data, nil)
}

// Failure writes the RES of a call that failed.
func Failure(sender, id string, meta, errorObject []byte) []byte {
	return response(sender, id, meta, nil, errorObject)
}

func response(sender, id string, meta, data, errorObject []byte) []byte {
	b := make([]byte, 0, len(meta)+len(data)+len(errorObject)+len(id)+len(sender)+96)
	b = appendString(append(b, `{"id":`...), id)
	b = append(append(b, `,"meta":`...), orElse(meta, "{}")...)
	if errorObject == nil {
		b = append(append(b, `,"success":true,"data":`...), orElse(data, "null")...)
	} else {
		b = append(append(b, `,"success":false,"data":null,"error":`...), errorObject...)
	}
	b = append(b, `,"ver":"`+Protocol+`","sender":`...)
	return append(appendString(b, sender), '}')
}

func orElse(data []byte, absent string) []byte {
	if len(data) == 0 {
		return []byte(absent)
	}
	return data
}

func appendString(b []byte, s string) []byte {
	encoded, err := json.Marshal(s)
	if err != nil { // no string fails to encode
		return append(b, `""`...)
	}
	return append(b, encoded...)
}
