package cluster

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/cluster/wire"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

const (
	// maxStreams bounds how many request streams are open at once.
	maxStreams = 1024
	// streamIdle is how long a stream may pause between two packets. Node has no such bound, so a caller that dies in
	// the middle of a stream leaves it open for ever.
	streamIdle = time.Minute
	// maxEarly bounds how many packets of a stream wait for an earlier one.
	maxEarly = 1024
)

// streams collects request streams. A stream is a series of REQ packets with one id: the request itself, chunks, and an
// end (docs/design/moleculer-wire.md §4). Handlers get the whole stream. Response streams are not supported. Safe for
// concurrent use.
type streams struct {
	nodeID string // this node
	limit  int    // bytes of one stream

	mu   sync.Mutex
	open map[string]*incoming // by sender and id
}

type incoming struct {
	request  *wire.RequestPacket // the packet with seq 0, nil before it has come
	next     int                 // the next seq
	early    map[int]*wire.RequestPacket
	waiting  int  // bytes of the early packets
	objects  bool // else bytes
	size     int  // bytes of the objects
	refused  bool // answered already; the rest is dropped
	content  action.Stream
	lastSeen time.Time
}

func newStreams(nodeID string, limit int) *streams {
	return &streams{nodeID: nodeID, limit: limit, open: map[string]*incoming{}}
}

func streamKey(p *wire.RequestPacket) string { return p.Sender + " " + cmp.Or(p.ID, string(p.RawID)) }

// isStreamPart says whether a packet belongs to a request stream.
func isStreamPart(p *wire.RequestPacket) bool {
	return p.Stream || p.Seq != nil && *p.Seq > 0
}

// add adds a packet to its stream. When the stream is complete, add returns the request and the stream. It returns the
// request and an error if the request must be refused. accepts says whether the action takes streams; it is called
// once.
func (s *streams) add(
	p *wire.RequestPacket, now time.Time, accepts func(*wire.RequestPacket) *action.Error,
) (*wire.RequestPacket, *action.Stream, *action.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, seq := streamKey(p), 0
	if p.Seq != nil {
		seq = *p.Seq
	}
	in, ok := s.open[key]
	if !ok {
		if len(s.open) >= maxStreams {
			if seq == 0 {
				return p, nil, action.QueueIsFull(p.Action, s.nodeID, len(s.open), maxStreams)
			}
			return nil, nil, nil
		}
		in = &incoming{early: map[int]*wire.RequestPacket{}}
		s.open[key] = in
	}
	in.lastSeen = now
	switch {
	case in.refused:
		if !p.Stream { // the end
			delete(s.open, key)
		}
		return nil, nil, nil
	case seq < in.next || in.early[seq] != nil:
		return nil, nil, nil // a repetition
	}
	in.early[seq] = p
	in.waiting += len(p.Params)
	for in.early[in.next] != nil {
		due := in.early[in.next]
		delete(in.early, in.next)
		in.waiting -= len(due.Params)
		in.next++
		done, err := s.take(in, due, accepts)
		request := in.request
		switch {
		case done:
			delete(s.open, key)
			return request, &in.content, err
		case err != nil:
			s.refuse(key, in)
			return request, nil, err
		}
	}
	// A byte of a chunk takes at most six in JSON.
	if in.waiting > 6*s.limit || len(in.early) > maxEarly {
		s.refuse(key, in)
		return p, nil, s.tooLarge(p)
	}
	return nil, nil, nil
}

// refuse drops the content of a stream that has been answered. The stream is remembered until its end.
func (s *streams) refuse(key string, in *incoming) {
	for _, p := range in.early {
		if !p.Stream { // the end is here already
			delete(s.open, key)
		}
	}
	*in = incoming{refused: true, lastSeen: in.lastSeen}
}

// take adds the next packet to its stream. done says that it was the last.
func (s *streams) take(
	in *incoming, p *wire.RequestPacket, accepts func(*wire.RequestPacket) *action.Error,
) (done bool, _ *action.Error) {
	if in.request == nil {
		in.request = p
		in.objects = flagsOf(p.Meta).Objects || flagsOf(p.Headers).Objects
		return false, accepts(p)
	}
	if !p.Stream {
		if aborted(p) {
			return true, action.Client(
				http.StatusBadRequest, codes.StreamAborted, "the caller of '%s' broke its stream off", in.request.Action,
			)
		}
		return true, nil
	}
	if in.objects {
		in.content.Objects = append(in.content.Objects, p.Params)
		in.size += len(p.Params)
	} else {
		in.content.Bytes = append(in.content.Bytes, chunk(p.Params)...)
	}
	if len(in.content.Bytes)+in.size > s.limit {
		return false, s.tooLarge(in.request)
	}
	return false, nil
}

func (s *streams) tooLarge(p *wire.RequestPacket) *action.Error {
	return action.Client(
		http.StatusRequestEntityTooLarge, codes.StreamTooLarge, "the stream for '%s' is larger than %d bytes", p.Action,
		s.limit,
	)
}

// aborted says whether the end of a stream reports an error of its source.
func aborted(p *wire.RequestPacket) bool {
	return flagsOf(p.Meta).failed() || flagsOf(p.Headers).failed()
}

// streamFlags are in the meta of a stream's packets with protocol 4, and in their headers with 5.
type streamFlags struct {
	Objects bool            `json:"$streamObjectMode"`
	Error   json.RawMessage `json:"$streamError"`
}

func flagsOf(raw json.RawMessage) (f streamFlags) {
	_ = rawjson.UnmarshalParts(raw, &f) // values of the wrong type count as absent
	return f
}

func (f streamFlags) failed() bool { return len(f.Error) > 0 && string(f.Error) != "null" }

// chunk returns the bytes of a byte stream's packet: those of a Buffer as JSON, or of a string.
func chunk(params json.RawMessage) []byte {
	var text string
	if json.Unmarshal(params, &text) == nil {
		return []byte(text)
	}
	data, _ := rawjson.Buffer(params) // nil for anything else
	return data
}

// forget drops the streams of a node that is gone.
func (s *streams) forget(nodeID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.open {
		if strings.HasPrefix(key, nodeID+" ") {
			delete(s.open, key)
		}
	}
}

// expire drops the streams that have paused for too long. It returns the requests that still need an answer.
func (s *streams) expire(now time.Time) (unanswered []*wire.RequestPacket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, in := range s.open {
		if now.Sub(in.lastSeen) <= streamIdle {
			continue
		}
		delete(s.open, key)
		if in.request != nil {
			unanswered = append(unanswered, in.request)
		}
	}
	return unanswered
}

// onStreamPacket receives a packet of a request stream.
func (l *Link) onStreamPacket(p *wire.RequestPacket) {
	request, stream, err := l.streams.add(p, time.Now(), l.acceptsStream)
	switch {
	case request == nil:
	case err != nil:
		l.refuse(request, err)
	default:
		l.accept(&inbound{link: l, packet: *request, stream: stream})
	}
}

// acceptsStream returns why an action cannot take a stream, nil if it can.
func (l *Link) acceptsStream(p *wire.RequestPacket) *action.Error {
	local, ok := l.catalog.action(p.Action)
	switch {
	case !ok || !local.remote:
		return action.ServiceNotFound(p.Action, l.opts.NodeID)
	case !local.stream:
		return action.Client(
			http.StatusNotImplemented, codes.StreamNotSupported, "action '%s' does not take streams", p.Action,
		)
	}
	return nil
}
