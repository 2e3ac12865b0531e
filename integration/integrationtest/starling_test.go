package integrationtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/test/parrot"
)

// starling is a parrot that listens: it receives over a WebSocket. Each frame is a webhook of the parrot's with a
// number, and is acknowledged by that. The platform sends again what was not acknowledged, and says a word every ten
// seconds.
type starling struct {
	sound
	client *httpapi.Client
	habits *habits
}

// habits are the faults that a starling may have. The zero value has none.
type habits struct {
	acksAtOnce     bool // it acknowledges what is not durable
	acksAtEnd      bool // likewise, but only when it ends
	dropsWhenBusy  bool // it leaves out what cannot be handed over within a second
	impatient      bool // it takes what is not durable within five seconds for lost
	swaps          bool // it hands items over in pairs, the second one first
	forgets        bool // an item that comes again has another dedup key
	startsAfresh   bool // it asks only for what comes from now on
	hoards         bool // it reads on while nothing can be handed over
	hammers        bool // it tries refused credentials itself, again and again
	saysNothing    bool // it ends without an error where it is refused
	keepsQuiet     bool // it never says that it is ready
	deaf           bool // it ends only with its connection
	deafForGood    bool // it never ends
	waitsForever   bool // it does not bound the wait for another word
	faints         bool // what cannot be read ends it, until it is told to end
	narrow         bool // it reads no large frames
	modest         bool // it leaves large frames out, but takes some for large that are not
	forgetsPlace   bool // its cursor stays where it was first, and it acknowledges nothing
	wide           bool // it reads frames of any size
	despairs       bool // it takes a platform that is away for one that refuses
	clings         bool // its connections stay open when it ends
	remembers      bool // it goes on with the first credentials that it has seen
	logsKey        bool
	logsKeyQuietly bool // at level debug
	statesKey      bool // in the note with which it is ready
	errsKey        bool // in the error when it is refused
	savesKey       bool // in the cursor
	storesKey      bool // in the metadata of its messages

	seen  atomic.Int64 // items
	first sync.Once
	known string // the first key
}

func starlingDefinition(client *httpapi.Client, h *habits) integration.Definition {
	def := parrot.Definition(client)
	def.Platform = starling{def.Platform.(sound), client, h}
	return def
}

func (starling) Connections(*integration.Channel) int { return 1 }

func (s starling) Normalize(ctx context.Context, w *integration.Webhook) ([]integration.Message, error) {
	messages, err := s.sound.Normalize(ctx, w)
	for i := range messages {
		if s.habits.forgets {
			messages[i].DedupKey += fmt.Sprint("-", s.habits.seen.Add(1))
		}
		if s.habits.storesKey {
			messages[i].Metadata = map[string]any{"key": w.Channel.Credentials["apiKey"]}
		}
	}
	return messages, err
}

// song is a frame: what is sent, or acknowledged.
type song struct {
	N int `json:"n"`
}

func (s starling) Receive(ctx context.Context, session *integration.Session) error {
	h := s.habits
	if h.deafForGood {
		session.Ready()
		select {}
	}
	conn, err := s.dial(ctx, session)
	if errors.Is(err, errQuiet) {
		return nil
	}
	if err != nil {
		return err
	}
	if !h.clings {
		defer func() { _ = conn.CloseNow() }()
	}
	conn.SetReadLimit(16 << 20)
	if h.narrow {
		conn.SetReadLimit(1 << 20)
	}
	if h.modest {
		conn.SetReadLimit(100 << 10)
	}
	if h.wide {
		conn.SetReadLimit(-1)
	}
	switch {
	case h.keepsQuiet:
	case h.statesKey:
		session.Ready("the key is " + session.Channel.Credentials["apiKey"])
	default:
		session.Ready()
	}
	ended := make(chan struct{})
	e := &ear{habits: h, session: session, conn: conn, acks: make(chan int, 4096), frames: make(chan []byte)}
	if h.clings {
		go e.cling(ended)
	}
	if h.acksAtEnd {
		defer context.AfterFunc(ctx, e.ackAll)()
	}
	var helpers sync.WaitGroup
	helpers.Go(func() { e.writeAcks(ended) })
	err = e.listen(ctx)
	close(ended)
	helpers.Wait()
	return err
}

// dial opens the connection. The platform sends what comes after the cursor.
func (s starling) dial(ctx context.Context, session *integration.Session) (*httpapi.Socket, error) {
	h, ch := s.habits, session.Channel
	key, after := ch.Credentials["apiKey"], "0"
	if h.remembers {
		h.first.Do(func() { h.known = key })
		key = h.known
	}
	if h.logsKey {
		session.Log().WithField("key", key).Info("it connects")
	}
	if h.logsKeyQuietly {
		session.Log().Debugf("it connects with %s", key)
	}
	var position song
	if json.Unmarshal(session.Cursor(), &position) == nil {
		after = strconv.Itoa(position.N)
	}
	if h.startsAfresh {
		after = "now"
	}
	address := "ws" + strings.TrimPrefix(ch.Settings["apiBase"], "http") + "/v1/songs?after=" + after
	for {
		conn, err := s.client.Dial(ctx, "starling songs", address, http.Header{"Authorization": {"Bearer " + key}})
		switch {
		case err == nil || ctx.Err() != nil:
			return conn, err
		case h.saysNothing:
			return nil, errQuiet
		case h.errsKey:
			return nil, &integration.Error{Kind: integration.FaultAuth, Code: "REFUSED", Message: key + " is refused"}
		case h.despairs:
			return nil, &integration.Error{Kind: integration.FaultAuth, Code: "REFUSED", Message: "it is refused"}
		case !h.hammers:
			return nil, err
		}
	}
}

// errQuiet is of a starling that says nothing.
var errQuiet = errors.New("quiet")

// ear is one connection.
type ear struct {
	*habits
	session *integration.Session
	conn    *httpapi.Socket
	acks    chan int
	heard   atomic.Int64          // the number of the last item
	frames  chan []byte           // of a starling that clings
	waits   *integration.Incoming // one that is handed over after the next one
}

// silence is how long the platform may say nothing.
const silence = 30 * time.Second

func (e *ear) listen(ctx context.Context) error {
	if e.hoards {
		return e.hoard(ctx)
	}
	for {
		data, err := e.read(ctx)
		if err == nil {
			err = e.take(ctx, data)
		}
		if err != nil {
			return err
		}
	}
}

func (e *ear) read(ctx context.Context) ([]byte, error) {
	limit := silence
	if e.waitsForever {
		limit = 1000 * time.Hour
	}
	if e.clings {
		select {
		case data, open := <-e.frames:
			if !open {
				return nil, io.EOF
			}
			return data, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if e.deaf || e.acksAtEnd {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, data, err := e.conn.Read(ctx)
	return data, err
}

// cling reads for as long as the platform keeps the connection.
func (e *ear) cling(ended <-chan struct{}) {
	defer close(e.frames)
	for {
		_, data, err := e.conn.Read(context.Background())
		if err != nil {
			return
		}
		select {
		case e.frames <- data:
		case <-ended:
		}
	}
}

// ackAll acknowledges all that has come, and ends the connection.
func (e *ear) ackAll() {
	for n := range e.heard.Load() {
		e.write(int(n) + 1)
	}
	_ = e.conn.CloseNow()
}

// hoard reads on whatever becomes of what it has read.
func (e *ear) hoard(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	items := make(chan []byte, 1_000_000)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer cancel(nil)
	reader.Go(func() {
		for {
			data, err := e.read(ctx)
			if err != nil {
				cancel(err)
				return
			}
			items <- data
		}
	})
	for {
		select {
		case data := <-items:
			if err := e.take(ctx, data); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// take hands an item over.
func (e *ear) take(ctx context.Context, data []byte) error {
	var item song
	if err := json.Unmarshal(data, &item); err != nil {
		if e.faints {
			<-ctx.Done()
		}
		return err
	}
	if item.N == 0 {
		return nil // a word
	}
	e.heard.Store(int64(item.N))
	if e.acksAtOnce {
		e.acks <- item.N
	}
	cursor := fmt.Appendf(nil, `{"n":%d}`, item.N)
	if e.savesKey {
		cursor = fmt.Appendf(nil, `{"n":%d,"key":%q}`, item.N, e.session.Channel.Credentials["apiKey"])
	}
	if e.forgetsPlace {
		return e.session.Deliver(ctx, integration.Incoming{Payload: data})
	}
	in := integration.Incoming{Payload: data, Cursor: cursor, Done: func(*integration.Response, error) {
		select {
		case e.acks <- item.N:
		default: // it comes again
		}
	}}
	if e.impatient {
		return e.hurry(ctx, item.N, in)
	}
	if e.dropsWhenBusy {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_ = e.session.Deliver(short, in)
		return ctx.Err()
	}
	if !e.swaps {
		return e.session.Deliver(ctx, in)
	}
	if e.waits == nil {
		e.waits = &in
		return nil
	}
	first := *e.waits
	e.waits = nil
	if err := e.session.Deliver(ctx, in); err != nil {
		return err
	}
	return e.session.Deliver(ctx, first)
}

// hurry hands an item over, and gives it up.
func (e *ear) hurry(ctx context.Context, n int, in integration.Incoming) error {
	short, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := e.session.Deliver(short, in)
	if err == nil {
		err = e.session.Flush(short)
	}
	if err != nil {
		e.write(n)
	}
	return err
}

func (e *ear) writeAcks(ended <-chan struct{}) {
	for {
		select {
		case n := <-e.acks:
			e.write(n)
		case <-ended:
			for len(e.acks) > 0 {
				e.write(<-e.acks)
			}
			return
		}
	}
}

func (e *ear) write(n int) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = e.conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"n":%d}`, n)) // else it comes again
}

// aviary is the platform that a starling listens to.
type aviary struct {
	mu        sync.Mutex
	refuses   bool
	last      int // item's number
	items     []tune
	listeners []*perch
	served    sync.WaitGroup
}

// tune is an item that was not acknowledged.
type tune struct {
	n    int
	text []byte
}

// perch is a connection.
type perch struct {
	conn *websocket.Conn
	at   int // the last item that was sent
	raw  [][]byte
	wake chan struct{}
}

func (f *aviary) each(change func(*perch)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.listeners {
		change(p)
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

func (f *aviary) push(text, padding string) {
	f.mu.Lock()
	f.last++
	frame, _ := json.Marshal(map[string]any{ // of texts and numbers
		"n": f.last, "padding": padding,
		"messages": []map[string]any{{"id": fmt.Sprint("m-", f.last), "chat": "perch", "user": "ada", "text": text}},
	})
	f.items = append(f.items, tune{f.last, frame})
	f.mu.Unlock()
	f.each(func(*perch) {})
}

func (f *aviary) garbage() {
	f.each(func(p *perch) { p.raw = append(p.raw, []byte(`{"n":`)) })
}

func (f *aviary) refuse(refuse bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuses = refuse
}

// next returns what is to be sent, nil for nothing.
func (f *aviary) next(p *perch) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(p.raw) > 0 {
		frame := p.raw[0]
		p.raw = p.raw[1:]
		return frame
	}
	for _, item := range f.items {
		if item.n > p.at {
			p.at = item.n
			return item.text
		}
	}
	return nil
}

// ack forgets an item. Those before it may be unacknowledged still.
func (f *aviary) ack(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.items = slices.DeleteFunc(f.items, func(item tune) bool { return item.n == n })
}

func (f *aviary) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	refused, last := f.refuses, f.last
	f.mu.Unlock()
	if refused || r.Header.Get("Authorization") != "Bearer cn4rqz81-wv0x6kty" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has answered
	}
	defer func() { _ = conn.CloseNow() }()
	p := &perch{conn: conn, wake: make(chan struct{}, 1)}
	if after, err := strconv.Atoi(r.URL.Query().Get("after")); err == nil {
		p.at = after
	} else {
		p.at = last
	}
	f.mu.Lock()
	f.listeners = append(f.listeners, p)
	f.served.Add(1)
	f.mu.Unlock()
	defer f.served.Done()
	ctx, cancel := context.WithCancel(context.Background())
	var writer sync.WaitGroup
	writer.Go(func() { f.send(ctx, p) })
	for {
		_, data, err := conn.Read(ctx)
		var ack song
		if err != nil || json.Unmarshal(data, &ack) != nil {
			break
		}
		f.ack(ack.N)
	}
	cancel()
	_ = conn.CloseNow()
	writer.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners = slices.DeleteFunc(f.listeners, func(other *perch) bool { return other == p })
}

// send sends what there is, and a word where there is nothing for a while.
func (f *aviary) send(ctx context.Context, p *perch) {
	words := time.NewTicker(10 * time.Second)
	defer words.Stop()
	for {
		frame := f.next(p)
		if frame == nil {
			select {
			case <-p.wake:
				continue
			case <-words.C:
				frame = []byte(`{"n":0}`)
			case <-ctx.Done():
				return
			}
		}
		if p.conn.Write(ctx, websocket.MessageText, frame) != nil {
			return
		}
	}
}

func (f *aviary) close() {
	f.each(func(p *perch) { _ = p.conn.CloseNow() })
	f.served.Wait()
}

func runStarling(t *testing.T, h func() *habits) {
	t.Helper()
	integrationtest.RunReceiver(t, integrationtest.Receiver{
		Define: func(client *httpapi.Client) integration.Definition { return starlingDefinition(client, h()) },
		Channel: func() *integration.Channel {
			return platform(t, parrot.Definition(nil)).Channel(integrationtest.ClusterURL)
		},
		Fake: func() integrationtest.ReceiverFake {
			f := &aviary{}
			return integrationtest.ReceiverFake{
				API: f, Close: f.close, Push: func(text string) { f.push(text, "") }, PushLarge: f.push, Refuse: f.refuse,
				Garbage: f.garbage,
			}
		},
	})
}
