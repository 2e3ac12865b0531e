// Package interop_test runs real Node.js Moleculer nodes against each other and against Switchboard.
package interop_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/testserver"
)

const (
	peerDir    = "peer"
	peer15Dir  = "peer15"
	gatewayDir = "../../examples/gateway"

	// namespace is that of every node which asks for no other.
	namespace = "hios"

	// patience bounds every wait. Nothing should come near it; it turns a hang into a failure.
	patience = time.Minute
	// farewell bounds the graceful end of a process, which is killed after it.
	farewell = time.Minute
)

func TestMain(m *testing.M) {
	for _, dir := range []string{peerDir, peer15Dir, gatewayDir} {
		if err := testserver.NodeModules(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(testserver.Main(testserver.Parallel(m)).Run())
}

// nodeBinary is the Node.js that came with the modules of dir, or the machine's where none did.
func nodeBinary(t *testing.T, dir string) string {
	t.Helper()
	own, err := filepath.Abs(filepath.Join(dir, "node_modules", ".bin", "node"))
	require.NoError(t, err)
	if _, err := os.Stat(own); err != nil {
		return "node"
	}
	return own
}

// natsd is a NATS server with JetStream inside the test process.
type natsd struct {
	opts server.Options
	srv  *server.Server
}

// natsServer starts a NATS server on a free port.
func natsServer(t *testing.T, adjust ...func(*server.Options)) *natsd {
	t.Helper()
	n := &natsd{opts: server.Options{
		Host:      "127.0.0.1",
		Port:      server.RANDOM_PORT,
		NoSigs:    true,
		NoLog:     true,
		JetStream: true,
		StoreDir:  t.TempDir(),
	}}
	for _, f := range adjust {
		f(&n.opts)
	}
	n.start(t)
	n.opts.Port = n.srv.Addr().(*net.TCPAddr).Port
	t.Cleanup(n.Stop)
	return n
}

func (n *natsd) start(t *testing.T) {
	t.Helper()
	srv, err := server.NewServer(n.opts.Clone())
	require.NoError(t, err)
	n.srv = srv
	srv.Start()
	require.True(t, srv.ReadyForConnections(patience), "nats-server is not ready")
}

// URL stays the same over Stop and Restart.
func (n *natsd) URL() string {
	u := url.URL{Scheme: "nats", Host: fmt.Sprintf("%s:%d", n.opts.Host, n.opts.Port)}
	if n.opts.Username != "" {
		u.User = url.UserPassword(n.opts.Username, n.opts.Password)
	}
	return u.String()
}

// Stop ends the server and keeps its port number and its store for Restart.
func (n *natsd) Stop() {
	n.srv.Shutdown()
	n.srv.WaitForShutdown()
}

// Restart stops the server, if it runs, and starts it anew on the same port and store.
func (n *natsd) Restart(t *testing.T) {
	t.Helper()
	n.Stop()
	n.start(t)
}

// process is a Node.js process which ends gracefully at the end of its stdin.
type process struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr bytes.Buffer
	// exited is closed when the process has ended and all its output was read; err and stderr may be read then.
	exited chan struct{}
	err    error
}

// startProcess runs node with args in dir. onLine gets each line of stdout and must not block.
func startProcess(t *testing.T, name, dir string, env []string, onLine func([]byte), args ...string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(nodeBinary(t, dir), args...), exited: make(chan struct{})}
	p.cmd.Dir = dir
	// Nothing of the developer's environment, where a NAMESPACE or NODE_OPTIONS may lurk.
	p.cmd.Env = append(env, "PATH="+os.Getenv("PATH"))
	p.cmd.Stderr = &p.stderr
	var err error
	p.stdin, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())

	go func() {
		defer close(p.exited)
		lines := bufio.NewReader(stdout)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				break
			}
			onLine(line)
		}
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("stderr of %s:\n%s", p.name, p.stderr.String())
		}
	})
	return p
}

// end lets the process stop gracefully and waits until it is gone.
func (p *process) end() {
	p.stdin.Close()
	select {
	case <-p.exited:
	case <-time.After(farewell):
		p.Kill()
	}
}

// Stop ends the process gracefully and requires that it succeeds.
func (p *process) Stop(t *testing.T) {
	t.Helper()
	p.end()
	require.NoError(t, p.err, "%s did not stop gracefully", p.name)
}

// Kill ends the process as a crash would: nobody is told.
func (p *process) Kill() {
	_ = p.cmd.Process.Kill() // it fails only where the process has ended already
	<-p.exited
}

// gone says why the process answers no more.
func (p *process) gone() error {
	return fmt.Errorf("%s has ended: %s\n%s", p.name, p.cmd.ProcessState, p.stderr.String())
}

// The tokens that the example gateway knows.
const (
	opsToken          = "interop-ops"
	otherTenantsToken = "interop-eve"
)

// startGateway runs the example gateway and returns the URL of its root.
func startGateway(t *testing.T, natsURL string) (baseURL string) {
	t.Helper()
	ready := make(chan string, 1)
	onLine := func(line []byte) {
		if url, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "gateway ready "); ok {
			ready <- url
		}
	}
	// The gateway stops at SIGTERM and not at the end of its stdin, which would make it an awkward daemon.
	const stopAtEOF = `data:text/javascript,process.stdin.on("end", () => process.kill(process.pid, "SIGTERM")).resume()`
	users := fmt.Sprintf(`{"%x": {"id": "ops", "permissions": ["*"]}, "%x": {"id": "eve", "tenantId": "tenant-2"}}`,
		sha256.Sum256([]byte(opsToken)), sha256.Sum256([]byte(otherTenantsToken)))
	env := []string{"NATS_URL=" + natsURL, "NAMESPACE=" + namespace, "PORT=0", "LOG_LEVEL=warn", "API_USERS=" + users}
	p := startProcess(t, "gateway", gatewayDir, env, onLine, "--import", stopAtEOF, "index.js")

	select {
	case baseURL = <-ready:
	case <-p.exited:
		require.NoError(t, p.gone())
	case <-time.After(patience):
		require.Fail(t, "the gateway is not ready")
	}
	return baseURL
}

// peer is a Node.js Moleculer node. Its methods may be used concurrently.
type peer struct {
	*process
	NodeID string

	mu      sync.Mutex
	lastID  int
	pending map[int]chan reply

	lines *inbox[event]
}

type peerOptions struct {
	Line      string // of Moleculer: 0.14, the default, or 0.15
	NodeID    string // default: a new one
	Namespace string // default: namespace
	LogLevel  string // default: warn
	Script    string // of the folder peer; default: peer.js

	// Services are hosted from the start.
	Services []service

	// Channels loads @moleculer/channels; a nil ChannelsPrefix leaves its prefix option alone.
	Channels       bool
	ChannelsPrefix *string

	// Broker holds more options of the ServiceBroker.
	Broker map[string]any
}

// service is one of peer/services.js.
type service struct {
	Name   string         `json:"name"`
	Params map[string]any `json:"params,omitempty"`
	// Schema replaces parts of the service schema: name, version, settings…
	Schema map[string]any `json:"schema,omitempty"`
}

type reply struct {
	OK     bool            `json:"ok"`
	Result json.RawMessage `json:"result"`
	Error  *callError      `json:"error"`
	Meta   json.RawMessage `json:"meta"`
}

type event struct {
	kind string
	line []byte
}

// callError is an error as a Node.js caller sees it.
type callError struct {
	Name      string          `json:"name"`
	Message   string          `json:"message"`
	Code      any             `json:"code"` // a number for Moleculer, a string for nats.js
	Type      string          `json:"type"`
	Data      json.RawMessage `json:"data"`
	Retryable bool            `json:"retryable"`
	NodeID    string          `json:"nodeID"`

	// Meta is the caller's meta after the failed call.
	Meta json.RawMessage `json:"-"`
}

func (e *callError) Error() string {
	return fmt.Sprintf("%s: %s (code %v, type %s)", e.Name, e.Message, e.Code, e.Type)
}

var peers atomic.Int32

// startPeer runs a Node.js node and returns when its broker has started.
func startPeer(t *testing.T, natsURL string, opts peerOptions) *peer {
	t.Helper()
	if opts.NodeID == "" {
		opts.NodeID = fmt.Sprintf("peer-%d", peers.Add(1))
	}
	if opts.Namespace == "" {
		opts.Namespace = namespace
	}
	env := []string{"NATS_URL=" + natsURL, "NAMESPACE=" + opts.Namespace, "NODE_ID=" + opts.NodeID}
	if opts.LogLevel != "" {
		env = append(env, "LOG_LEVEL="+opts.LogLevel)
	}
	if opts.Channels {
		env = append(env, "CHANNELS=1")
	}
	if opts.ChannelsPrefix != nil {
		env = append(env, "CHANNELS_PREFIX="+*opts.ChannelsPrefix)
	}
	if opts.Broker != nil {
		broker, err := json.Marshal(opts.Broker)
		require.NoError(t, err)
		env = append(env, "OPTIONS="+string(broker))
	}

	dir := peerDir
	if opts.Line == "0.15" {
		dir = peer15Dir
	}
	p := &peer{NodeID: opts.NodeID, pending: map[int]chan reply{}, lines: newInbox[event]()}
	p.process = startProcess(t, opts.NodeID, dir, env, p.receive, "../peer/"+cmp.Or(opts.Script, "peer.js"))
	for _, s := range opts.Services {
		p.CreateService(t, s)
	}
	p.require(t, "start", nil)
	return p
}

func (p *peer) receive(line []byte) {
	var head struct {
		ID    int    `json:"id"`
		Event string `json:"event"`
		reply
	}
	if err := json.Unmarshal(line, &head); err != nil {
		head.Event = "garbage"
	}
	if head.Event != "" {
		p.lines.add(event{head.Event, line})
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if answer, ok := p.pending[head.ID]; ok {
		delete(p.pending, head.ID)
		answer <- head.reply
	}
}

// do has the peer execute op. The error is a *callError where the peer answered with one.
func (p *peer) do(ctx context.Context, op string, args map[string]any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer := make(chan reply, 1)
	if err := p.send(op, args, answer); err != nil {
		return nil, err
	}
	select {
	case r := <-answer:
		if r.OK {
			return r.Result, nil
		}
		r.Error.Meta = r.Meta
		return nil, r.Error
	case <-p.exited:
		return nil, p.gone()
	case <-ctx.Done():
		return nil, fmt.Errorf("%s of %s: %w", op, p.name, ctx.Err())
	}
}

func (p *peer) send(op string, args map[string]any, answer chan reply) error {
	request := map[string]any{"op": op}
	maps.Copy(request, args)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastID++
	request["id"] = p.lastID
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	p.pending[p.lastID] = answer
	return nil
}

func (p *peer) require(t *testing.T, op string, args map[string]any) json.RawMessage {
	t.Helper()
	result, err := p.do(t.Context(), op, args)
	require.NoError(t, err)
	return result
}

// callResult is what a call returned, and the caller's meta after it.
type callResult struct {
	Data json.RawMessage `json:"data"`
	Meta json.RawMessage `json:"meta"`
}

// Call calls action with Moleculer's call options opts: meta, nodeID, timeout, retries… A failure of the call is a
// *callError.
func (p *peer) Call(ctx context.Context, action string, params, opts any) (callResult, error) {
	var res callResult
	raw, err := p.do(ctx, "call", map[string]any{"action": action, "params": params, "opts": opts})
	if err != nil {
		return res, err
	}
	return res, json.Unmarshal(raw, &res)
}

// WaitForServices waits until the peer knows these services by their full names.
func (p *peer) WaitForServices(t *testing.T, names ...string) {
	t.Helper()
	p.require(t, "waitForServices", map[string]any{"names": names, "timeout": patience.Milliseconds()})
}

// WaitForRoute waits until the gateway routes method and path, which is written as in the alias: /telegram/:channelId.
func (p *peer) WaitForRoute(t *testing.T, method, path string) {
	t.Helper()
	p.require(t, "waitForRoute", map[string]any{"method": method, "path": path, "timeout": patience.Milliseconds()})
}

// Ping returns Moleculer's {nodeID, elapsedTime, timeDiff}, or null where nodeID did not answer.
func (p *peer) Ping(t *testing.T, nodeID string) json.RawMessage {
	t.Helper()
	return p.require(t, "ping", map[string]any{"nodeID": nodeID, "timeout": patience.Milliseconds() / 2})
}

// Registry returns what the peer knows of the cluster; what is "services", "actions" or "nodes", params are those of
// $node's action.
func (p *peer) Registry(t *testing.T, what string, params map[string]any) json.RawMessage {
	t.Helper()
	return p.require(t, what, map[string]any{"params": params})
}

// CreateService hosts one more service.
func (p *peer) CreateService(t *testing.T, s service) {
	t.Helper()
	p.require(t, "createService", map[string]any{"name": s.Name, "params": s.Params, "schema": s.Schema})
}

// Emit emits an event to one node of each group; opts are Moleculer's: meta, groups…
func (p *peer) Emit(t *testing.T, name string, data any, opts map[string]any) {
	t.Helper()
	p.require(t, "emit", map[string]any{"name": name, "data": data, "opts": opts})
}

// Broadcast sends an event to all nodes.
func (p *peer) Broadcast(t *testing.T, name string, data any, opts map[string]any) {
	t.Helper()
	p.require(t, "broadcast", map[string]any{"name": name, "data": data, "opts": opts})
}

// Consume subscribes a new service to a channel and reports its messages to NextMessage. options are those of a channel
// definition. The error is that of the adapter, as a *callError.
func (p *peer) Consume(ctx context.Context, channel, group string, options map[string]any) error {
	_, err := p.do(ctx, "consume", map[string]any{"channel": channel, "group": group, "options": options})
	return err
}

// ConsumeInVain is Consume with a handler that reports each message, and fails.
func (p *peer) ConsumeInVain(t *testing.T, channel, group, failure string, options map[string]any) {
	t.Helper()
	p.require(t, "consume", map[string]any{"channel": channel, "group": group, "options": options, "failure": failure})
}

// SendToChannel sends a message with a handler's ctx and returns its requestID.
func (p *peer) SendToChannel(t *testing.T, channel string, payload, meta any) (requestID string) {
	t.Helper()
	require.NoError(
		t,
		json.Unmarshal(
			p.require(t, "sendToChannel", map[string]any{"channel": channel, "payload": payload, "meta": meta}), &requestID,
		),
	)
	return requestID
}

// message is one message of a channel, as the handler in Node.js got it.
type message struct {
	Channel   string          `json:"channel"` // as given to Consume
	Subject   string          `json:"subject"`
	Payload   json.RawMessage `json:"payload"`
	Headers   nats.Header     `json:"headers"`
	Meta      json.RawMessage `json:"meta"`
	RequestID string          `json:"requestID"`
	ParentID  string          `json:"parentID"`
	Caller    string          `json:"caller"`
	Level     int             `json:"level"`
}

// NextMessage waits for the next message of the channels which the peer consumes.
func (p *peer) NextMessage(t *testing.T) message {
	t.Helper()
	var m message
	require.NoError(t, json.Unmarshal(p.NextLine(t, "message"), &m))
	return m
}

// moleculerEvent is an event that reached a service "listener".
type moleculerEvent struct {
	Listener  string          `json:"listener"` // the service
	Name      string          `json:"name"`
	Type      string          `json:"type"` // emit or broadcast
	Groups    []string        `json:"groups"`
	Data      json.RawMessage `json:"data"`
	Meta      json.RawMessage `json:"meta"`
	Sender    string          `json:"sender"`
	RequestID string          `json:"requestID"`
	ParentID  string          `json:"parentID"`
	Caller    string          `json:"caller"`
	Level     int             `json:"level"`
}

// NextEvent waits for the next event of the service "listener".
func (p *peer) NextEvent(t *testing.T) moleculerEvent {
	t.Helper()
	var e moleculerEvent
	require.NoError(t, json.Unmarshal(p.NextLine(t, "event"), &e))
	return e
}

// NextLine waits for the next line {event: kind, …} and removes it.
func (p *peer) NextLine(t *testing.T, kind string) json.RawMessage {
	t.Helper()
	line, err := p.nextLine(t.Context(), func(e event) bool { return e.kind == kind })
	require.NoError(t, err, kind)
	return line
}

func (p *peer) nextLine(ctx context.Context, match func(event) bool) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	go func() { // a peer that has ended says nothing more
		select {
		case <-p.exited:
			cancel()
		case <-ctx.Done():
		}
	}()
	next, err := p.lines.next(ctx, match)
	if err == nil {
		return next.line, nil
	}
	select {
	case <-p.exited:
		return nil, p.gone()
	default:
		return nil, fmt.Errorf("no such line from %s: %w", p.name, err)
	}
}

// inbox keeps what arrives until a test takes it. Safe for concurrent use.
type inbox[T any] struct {
	mu    sync.Mutex
	items []T
	more  chan struct{} // closed and replaced whenever items grows
}

func newInbox[T any]() *inbox[T] { return &inbox[T]{more: make(chan struct{})} }

func (b *inbox[T]) add(item T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items = append(b.items, item)
	close(b.more)
	b.more = make(chan struct{})
}

// next waits for the first item that matches and removes it.
func (b *inbox[T]) next(ctx context.Context, match func(T) bool) (T, error) {
	for {
		item, found, more := b.take(match)
		if found {
			return item, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			item, found, _ = b.take(match) // what came last
			if found {
				return item, nil
			}
			return item, ctx.Err()
		}
	}
}

// clear forgets what nobody has taken.
func (b *inbox[T]) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items = nil
}

func (b *inbox[T]) take(match func(T) bool) (item T, found bool, more <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.items, match)
	if i < 0 {
		return item, false, b.more
	}
	item = b.items[i]
	b.items = slices.Delete(b.items, i, i+1)
	return item, true, b.more
}

// asCallError requires that err is an error which a Node.js caller got.
func asCallError(t *testing.T, err error) *callError {
	t.Helper()
	var ce *callError
	require.ErrorAs(t, err, &ce)
	return ce
}
