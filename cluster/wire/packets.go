package wire

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

// RequestPacket is a REQ.
type RequestPacket struct {
	Header
	ID        string          `json:"id"`
	Action    string          `json:"action"`
	Params    json.RawMessage `json:"params,omitempty"`
	Meta      json.RawMessage `json:"meta"`
	Headers   json.RawMessage `json:"headers,omitempty"` // of version 5, always there
	Timeout   *float64        `json:"timeout,omitempty"` // ms; Node puts fractions on the wire. Absent: no limit
	Level     int             `json:"level"`
	Tracing   *bool           `json:"tracing"`
	ParentID  *string         `json:"parentID"`
	RequestID string          `json:"requestID,omitempty"`
	Caller    *string         `json:"caller"`
	Stream    bool            `json:"stream"`
	Seq       *int            `json:"seq,omitempty"` // of streams only

	// Fields are the members of Params if Params are a large object; nil means unknown.
	Fields rawjson.Fields `json:"-"`
	// RawID is the JSON of the id, which goes back with the answer whatever its type. Nil if there is no id.
	RawID json.RawMessage `json:"-"`
}

func (r *RequestPacket) params() *rawjson.Fields { return &r.Fields }

func (r *RequestPacket) field(key, value []byte) {
	switch string(key) {
	case "id":
		r.ID, r.RawID = text(value), value
	case "action":
		r.Action = rawjson.StringNoCopy(value)
	case "params":
		r.Params = value
	case "meta":
		r.Meta = raw(value)
	case "headers":
		r.Headers = raw(value)
	case "timeout":
		r.Timeout = floatPtr(value)
	case "level":
		r.Level = int(integer(value))
	case "tracing":
		r.Tracing = boolPtr(value)
	case "parentID":
		r.ParentID = textPtr(value)
	case "requestID":
		r.RequestID = text(value)
	case "caller":
		r.Caller = textPtr(value)
	case "stream":
		r.Stream = value[0] == 't'
	case "seq":
		r.Seq = intPtr(value)
	default:
		r.Header.field(key, value)
	}
}

// Limit returns the packet's timeout, zero if it has none.
func (r *RequestPacket) Limit() time.Duration {
	if r.Timeout == nil || !(*r.Timeout > 0) || *r.Timeout > 1e12 {
		return 0
	}
	return max(time.Duration(*r.Timeout*float64(time.Millisecond)), 1)
}

// ResponsePacket is a received RES.
type ResponsePacket struct {
	Header
	ID      string          `json:"id"`
	Meta    json.RawMessage `json:"meta"`
	Success bool            `json:"success"`
	Data    json.RawMessage `json:"data"`
	Error   *ErrorObject    `json:"error"`
	Stream  bool            `json:"stream"`
}

func (r *ResponsePacket) field(key, value []byte) {
	switch string(key) {
	case "id":
		r.ID = text(value)
	case "meta":
		r.Meta = raw(value)
	case "success":
		r.Success = truthy(value)
	case "data":
		r.Data = value
	case "error":
		r.Error = fits[ErrorObject](value)
	case "stream":
		r.Stream = value[0] == 't'
	default:
		r.Header.field(key, value)
	}
}

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

// UnmarshalJSON reads a number or a string. Anything else counts as no code.
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

// Int returns the code as an HTTP status, 500 if it is not a number.
func (c Code) Int() int {
	if n, err := strconv.Atoi(string(c)); err == nil {
		return n
	}
	return 500
}

// EventPacket is an EVENT. Groups nil means every group of the receiving node.
type EventPacket struct {
	Header
	ID        string          `json:"id"`
	Event     string          `json:"event"`
	Data      json.RawMessage `json:"data,omitempty"`
	Groups    []string        `json:"groups,omitempty"`
	Broadcast bool            `json:"broadcast"`
	Meta      json.RawMessage `json:"meta"`
	Headers   json.RawMessage `json:"headers,omitempty"` // of version 5, always there
	Level     int             `json:"level"`
	Tracing   *bool           `json:"tracing"`
	ParentID  *string         `json:"parentID"`
	RequestID string          `json:"requestID,omitempty"`
	Caller    *string         `json:"caller"`
	NeedAck   *bool           `json:"needAck"` // without function
}

func (e *EventPacket) field(key, value []byte) {
	switch string(key) {
	case "id":
		e.ID = text(value)
	case "event":
		e.Event = rawjson.Text(value)
	case "data":
		e.Data = value
	case "groups":
		e.Groups = lenient[[]string](value)
	case "broadcast":
		e.Broadcast = truthy(value)
	case "meta":
		e.Meta = raw(value)
	case "headers":
		e.Headers = raw(value)
	case "level":
		e.Level = int(integer(value))
	case "tracing":
		e.Tracing = boolPtr(value)
	case "parentID":
		e.ParentID = textPtr(value)
	case "requestID":
		e.RequestID = text(value)
	case "caller":
		e.Caller = textPtr(value)
	case "needAck":
		e.NeedAck = boolPtr(value)
	default:
		e.Header.field(key, value)
	}
}

// InfoPacket is a received INFO. Nil Services mean that the packet has none, and that those known before stay.
type InfoPacket struct {
	Header
	Services   []ServiceInfo   `json:"services"`
	IPList     []string        `json:"ipList"`
	Hostname   string          `json:"hostname"`
	Client     Client          `json:"client"`
	InstanceID string          `json:"instanceID"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
	Seq        int64           `json:"seq"`
}

func (i *InfoPacket) field(key, value []byte) {
	switch string(key) {
	case "services":
		i.Services = lenient[[]ServiceInfo](value)
	case "ipList":
		i.IPList = lenient[[]string](slices.Clone(value)) // which is kept
	case "hostname":
		i.Hostname = rawjson.Text(value)
	case "client":
		i.Client = lenient[Client](slices.Clone(value)) // which is kept
	case "instanceID":
		i.InstanceID = strings.Clone(text(value)) // which is kept
	case "metadata":
		i.Metadata = raw(value)
	case "seq":
		i.Seq = integer(value)
	default:
		i.Header.field(key, value)
	}
}

// ServiceInfo is a service in an INFO. Actions and events are keyed by full name.
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

// Announcement is an INFO to be sent.
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

func (h *HeartbeatPacket) field(key, value []byte) {
	if string(key) == "cpu" {
		h.CPU = intPtr(value)
	} else {
		h.Header.field(key, value)
	}
}

// PingPacket is a PING, and with Arrived a PONG. Times are ms since 1970. ID and Time are echoed as they came.
type PingPacket struct {
	Header
	Time    json.RawMessage `json:"time,omitempty"`
	ID      json.RawMessage `json:"id,omitempty"`
	Arrived int64           `json:"arrived,omitempty"`
}

func (p *PingPacket) field(key, value []byte) {
	switch string(key) {
	case "time":
		p.Time = value
	case "id":
		p.ID = value
	case "arrived":
		p.Arrived = integer(value)
	default:
		p.Header.field(key, value)
	}
}

// BarePacket is a DISCOVER or DISCONNECT.
type BarePacket struct {
	Header
}
