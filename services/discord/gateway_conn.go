package discord

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
)

// "Gateway Opcodes".
const (
	opDispatch       = 0
	opHeartbeat      = 1
	opIdentify       = 2
	opPresence       = 3
	opResume         = 6
	opReconnect      = 7
	opInvalidSession = 9
	opHello          = 10
	opHeartbeatACK   = 11
)

const (
	gatewayVersion = "10"
	// maxFrame bounds, in bytes, what comes in one frame of the WebSocket, and one payload once it is decompressed.
	maxFrame = 10 << 20
	// inflateStep is how many bytes are decompressed at once, at least.
	inflateStep = 4 << 10
	// largePayload is from which size, in bytes, the memory that a payload took is not kept for the next ones.
	largePayload = 64 << 10
	// sendTimeout bounds one send, and helloTimeout the wait for Discord's first words.
	sendTimeout  = 10 * time.Second
	helloTimeout = 20 * time.Second
	// sendBurst and sendsPerSecond keep below 120 sends within 60 s, "Rate Limiting".
	sendBurst      = 50
	sendsPerSecond = 1
	// The heartbeat interval that Discord says is taken within these bounds. It is about 41 s.
	minHeartbeat = 100 * time.Millisecond
	maxHeartbeat = 5 * time.Minute
)

// frame is the "Gateway Event Payload Structure". raw is all of it.
type frame struct {
	Op   int    `json:"op"`
	Seq  int64  `json:"s"`
	Type string `json:"t"`
	raw  json.RawMessage
}

// data returns the payload's data. It is read when it is needed only: most payloads are handed on as they are.
func (f *frame) data() json.RawMessage {
	var d struct {
		Data json.RawMessage `json:"d"`
	}
	_ = json.Unmarshal(f.raw, &d) // it has been read before
	return d.Data
}

// gatewayConn is one WebSocket to the Gateway. A goroutine of its own sends heartbeats; all else is for one goroutine.
type gatewayConn struct {
	socket *httpapi.Socket
	frames *inflated
	sends  *rate.Limiter
	seq    func() int64 // the sequence number to send with heartbeats, 0 for none
	asked  chan struct{}
	cancel context.CancelFunc
	beats  sync.WaitGroup

	mu      sync.Mutex
	unacked bool  // a heartbeat was sent that has not been acknowledged
	paused  bool  // nothing is read: no acknowledgement can arrive
	failure error // why the heartbeat goroutine closed the connection
}

// openGateway connects, and begins to send heartbeats until ctx ends or the connection is closed.
func openGateway(
	ctx context.Context, client *httpapi.Client, address string, seq func() int64,
) (*gatewayConn, error) {
	socket, err := client.Dial(ctx, "discord gateway", address, http.Header{"User-Agent": {userAgent}})
	if err != nil {
		return nil, err
	}
	socket.SetReadLimit(maxFrame)
	c := &gatewayConn{
		socket: socket, frames: newInflated(socket), seq: seq, asked: make(chan struct{}, 1),
		sends: rate.NewLimiter(sendsPerSecond, sendBurst),
	}
	interval, err := c.hello(ctx)
	if err != nil {
		socket.Shut(closeResumable, "")
		return nil, err
	}
	ctx, c.cancel = context.WithCancel(ctx)
	c.beats.Go(func() { c.beat(ctx, interval) })
	return c, nil
}

// hello waits for the interval of heartbeats.
func (c *gatewayConn) hello(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = c.socket.CloseNow() })()
	f, err := c.next()
	if err != nil {
		return 0, err
	}
	var hello struct {
		Interval int64 `json:"heartbeat_interval"` // ms
	}
	if err := payload.Unmarshal(f.data(), &hello); err != nil || f.Op != opHello || hello.Interval <= 0 {
		return 0, fmt.Errorf("the first payload is not Hello with an interval, but of opcode %d", f.Op)
	}
	return min(max(time.Duration(hello.Interval)*time.Millisecond, minHeartbeat), maxHeartbeat), nil
}

// close closes the connection so that its session can be resumed, and ends the heartbeats.
func (c *gatewayConn) close() {
	c.cancel()
	c.beats.Wait()
}

// next reads one payload. Its error is the reason why the connection was closed, where this side did it.
func (c *gatewayConn) next() (*frame, error) {
	raw, err := c.frames.next()
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.failure != nil {
			return nil, c.failure
		}
		return nil, err
	}
	f := &frame{raw: raw}
	if err := payload.Unmarshal(raw, f); err != nil {
		return nil, fmt.Errorf("%w: a payload of another form", errGarbage)
	}
	return f, nil
}

// send sends a payload, later where too many were sent within a minute.
func (c *gatewayConn) send(ctx context.Context, op int, data any) error {
	if err := c.sends.Wait(ctx); err != nil {
		return err
	}
	encoded, err := json.Marshal(struct {
		Op   int `json:"op"`
		Data any `json:"d"`
	}{op, data})
	if err != nil {
		return err
	}
	// A send that is cut off would end the connection without a word.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	return c.socket.Write(ctx, 1, encoded)
}

// errZombie is why a connection is given up whose heartbeats are not acknowledged.
var errZombie = errors.New("a heartbeat was not acknowledged")

// beat sends heartbeats, the first one after a random part of the interval, and closes the connection at the end.
func (c *gatewayConn) beat(ctx context.Context, interval time.Duration) {
	defer c.socket.Shut(closeResumable, "")
	timer := time.NewTimer(rand.N(interval))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.asked:
		case <-timer.C:
			if !c.expectAck() {
				return
			}
			timer.Reset(interval)
		}
		var seq *int64
		if n := c.seq(); n > 0 {
			seq = &n
		}
		if err := c.send(ctx, opHeartbeat, seq); err != nil {
			return
		}
	}
}

// expectAck notes that a heartbeat is sent. It is false if the one before was not acknowledged, though it could have
// been: the connection is a zombie.
func (c *gatewayConn) expectAck() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unacked && !c.paused {
		c.failure = errZombie
		return false
	}
	c.unacked = true
	return true
}

func (c *gatewayConn) acked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unacked = false
}

// pause says whether the connection is not read for a while. What was not acknowledged meanwhile does not count.
func (c *gatewayConn) pause(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = on
	if !on {
		c.unacked = false
	}
}

// askForBeat has a heartbeat be sent at once.
func (c *gatewayConn) askForBeat() {
	select {
	case c.asked <- struct{}{}:
	default: // one is to be sent already
	}
}

// errGarbage is for what is no payload of the Gateway.
var errGarbage = errors.New("what came is no payload of the Gateway")

// inflated reads payloads of a WebSocket with the transport compression zlib-stream: all frames are parts of one zlib
// stream, whose content is one JSON object after the other. Frames and payloads need not end together.
type inflated struct {
	source io.Reader // of compressed bytes
	stream io.Reader // nil before the first payload
	buffer []byte    // what was read and not returned yet
	end    objectEnd
}

func newInflated(socket *httpapi.Socket) *inflated {
	return &inflated{source: &frameReader{socket: socket}}
}

// next returns the next payload, which may be no valid JSON. The caller may keep it.
func (r *inflated) next() (json.RawMessage, error) {
	if r.stream == nil {
		stream, err := zlib.NewReader(r.source)
		if err != nil {
			return nil, garbage(err)
		}
		r.stream = stream
	}
	for {
		end, err := r.end.find(r.buffer)
		switch {
		case err != nil:
			return nil, err
		case end > maxFrame || end == 0 && len(r.buffer) > maxFrame:
			return nil, errTooLarge
		case end > 0:
			return r.take(end), nil
		}
		r.buffer = slices.Grow(r.buffer, inflateStep)
		n, err := r.stream.Read(r.buffer[len(r.buffer):cap(r.buffer)])
		r.buffer = r.buffer[:len(r.buffer)+n]
		if n == 0 && err != nil {
			return nil, garbage(err)
		}
	}
}

// take returns a copy of the buffer's beginning, and removes that.
func (r *inflated) take(end int) json.RawMessage {
	raw := bytes.Clone(r.buffer[:end])
	rest := r.buffer[end:]
	if cap(r.buffer) > largePayload {
		r.buffer = bytes.Clone(rest)
	} else {
		r.buffer = append(r.buffer[:0], rest...)
	}
	r.end = objectEnd{}
	return raw
}

// objectEnd looks for the end of a JSON object of which more and more is known.
type objectEnd struct {
	at, depth int
	inText    bool
	escaped   bool
}

// find returns where the object ends, 0 if its end is not there yet. data begins as it did before.
func (e *objectEnd) find(data []byte) (int, error) {
	for ; e.at < len(data); e.at++ {
		c := data[e.at]
		switch {
		case e.escaped:
			e.escaped = false
		case e.inText:
			e.inText, e.escaped = c != '"', c == '\\'
		case c == '"':
			e.inText = true
		case c == '{' || c == '[':
			e.depth++
		case c == '}' || c == ']':
			if e.depth--; e.depth == 0 {
				return e.at + 1, nil
			}
		}
		if e.depth <= 0 && c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return 0, errGarbage // a payload is an object
		}
	}
	return 0, nil
}

// garbage tells an error of the content from one of the connection.
func garbage(err error) error {
	var corrupt flate.CorruptInputError
	if errors.As(err, &corrupt) || errors.Is(err, zlib.ErrHeader) || errors.Is(err, zlib.ErrChecksum) {
		return fmt.Errorf("%w: %w", errGarbage, err)
	}
	return err
}

// frameReader reads the content of all frames of a WebSocket, one after the other.
type frameReader struct {
	socket *httpapi.Socket
	frame  io.Reader // nil between two frames
}

// Read implements io.Reader.
func (r *frameReader) Read(p []byte) (int, error) {
	for {
		if r.frame == nil {
			var err error
			if _, r.frame, err = r.socket.Reader(context.Background()); err != nil {
				return 0, err
			}
		}
		n, err := r.frame.Read(p)
		if errors.Is(err, io.EOF) {
			r.frame, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// gatewayAddress makes the address to connect to of one that Discord handed out. ws is for an API over http only: the
// bot's token goes over the connection.
func gatewayAddress(handedOut, apiBase string) (string, error) {
	u, err := url.Parse(handedOut)
	if err != nil || u.Host == "" || u.Scheme != "wss" && (u.Scheme != "ws" || !strings.HasPrefix(apiBase, "http:")) {
		return "", &integration.Error{
			Kind: integration.FaultTransient, Code: codes.AnswerUnreadable,
			Message: "discord handed out no wss address of the Gateway",
		}
	}
	u.RawQuery = url.Values{"v": {gatewayVersion}, "encoding": {"json"}, "compress": {"zlib-stream"}}.Encode()
	return u.String(), nil
}

// isTrue says whether a payload's data is true, as that of opInvalidSession.
func isTrue(data json.RawMessage) bool { return bytes.Equal(bytes.TrimSpace(data), []byte("true")) }
