// Package listener takes webhooks in over HTTP without a gateway: POST and GET /<service>/<channelId> and /<service>,
// the paths that moleculer-web's auto-aliases give them. It calls this node's own integrations, so a
// webhook needs no way through the cluster.
package listener

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

// handleTimeout bounds the work on one webhook; platforms wait for some seconds.
const handleTimeout = 15 * time.Second

// Caller runs the actions of this node; the link of package cluster does.
type Caller interface {
	Call(ctx context.Context, name string, params any, opts action.CallOptions) (*action.CallResult, error)
}

// closingTime bounds how long connections are asked to end, one answer each, before those that are idle are closed.
const closingTime = 2 * time.Second

// FromSystemd is the address that stands for the socket that systemd, or any other parent process, has opened and hands
// over by its protocol: LISTEN_FDS and LISTEN_PID in the environment.
const FromSystemd = "systemd"

// Listener serves HTTP. Start it once, then Stop it.
type Listener struct {
	server   *http.Server
	stopping atomic.Bool
	open     connections
	socket   net.Listener
	caller   Caller
	channel  func(ctx context.Context, service, id string) error
	services []string
	bodies   *bodies
	log      *logrus.Entry
}

// Options are what a listener serves.
type Options struct {
	Address  string // HOST:PORT, or FromSystemd
	Caller   Caller
	Services []string // those that take webhooks
	// Channel says what is wrong with a channel of a service, nil where it takes webhooks. It is asked before a body is
	// read; nil asks nobody.
	Channel func(ctx context.Context, service, id string) error
	// MaxBodies is how many bytes the bodies of webhooks under way may have together; zero takes DefaultMaxBodies.
	MaxBodies int64
	// Ready says whether the node can do its work, and why not, for GET /-/ready.
	Ready func(ctx context.Context) (ok bool, report any)
	Log   *logrus.Entry
}

// Start listens and serves in the background: webhooks, and for whoever watches over the node GET
// /-/live, which answers as long as the process runs, and GET /-/ready.
func Start(ctx context.Context, opts Options) (*Listener, error) {
	socket, err := listen(ctx, opts.Address)
	if err != nil {
		return nil, fmt.Errorf("http.listen %s: %w", opts.Address, reason(err))
	}
	log := opts.Log
	l := &Listener{
		socket: &onceClosed{Listener: socket}, caller: opts.Caller, channel: opts.Channel, services: opts.Services,
		bodies: newBodies(opts.MaxBodies), log: log,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{service}/{channelId}", l.receive)
	mux.HandleFunc("GET /{service}/{channelId}", l.verify)
	mux.HandleFunc("POST /{service}", l.receive) // the webhook names its accounts
	mux.HandleFunc("GET /{service}", l.verify)
	mux.HandleFunc("GET /-/live", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, r *http.Request) {
		ok, report := opts.Ready(r.Context())
		status := http.StatusOK
		if !ok {
			status = http.StatusServiceUnavailable
		}
		data, err := json.Marshal(report)
		if err != nil {
			status, data = http.StatusInternalServerError, []byte("{}")
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		l.write(w, data)
	})
	l.server = &http.Server{
		Handler:           l.closing(mux),
		ConnState:         l.open.note,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          stdlog.New(debugWriter{log}, "", 0),
	}
	go func() {
		if err := l.server.Serve(l.socket); !l.stopping.Load() {
			log.WithError(err).Error("the webhook listener ended")
		}
	}()
	return l, nil
}

// listen opens the socket, or takes over the one that the parent process has opened.
func listen(ctx context.Context, address string) (net.Listener, error) {
	if address != FromSystemd {
		var config net.ListenConfig
		return config.Listen(ctx, "tcp", address)
	}
	handedOver, err := activation.Listeners()
	if err != nil {
		return nil, err
	}
	handedOver = slices.DeleteFunc(handedOver, func(l net.Listener) bool { return l == nil }) // no stream socket
	if len(handedOver) != 1 {
		return nil, fmt.Errorf("expects one socket from systemd, found %d", len(handedOver))
	}
	return handedOver[0], nil
}

// onceClosed is a socket that Stop closes, and after it the server.
type onceClosed struct {
	net.Listener
	once sync.Once
	err  error
}

// Close implements [net.Listener]. It returns the same error each time.
func (c *onceClosed) Close() error {
	c.once.Do(func() { c.err = c.Listener.Close() })
	return c.err
}

// debugWriter takes in what net/http has to say of its clients' connections.
type debugWriter struct{ log *logrus.Entry }

func (w debugWriter) Write(p []byte) (int, error) {
	w.log.Debug(strings.TrimSpace(string(p)))
	return len(p), nil
}

// reason is what is wrong with an address, without repeating it.
func reason(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// Address is where the listener listens, with the real port.
func (l *Listener) Address() string { return l.socket.Addr().String() }

// Stop takes no new connections; another process that has the same socket goes on. It waits for the running webhooks
// until ctx is over. For two seconds at most it waits for senders, too, which are told with the next answer that their
// connection ends: otherwise they could write into one that is being closed.
func (l *Listener) Stop(ctx context.Context) error {
	l.stopping.Store(true)
	// Shutdown drops what is read after its call, so that it comes when nothing is expected any more.
	if err := l.socket.Close(); err != nil {
		l.log.WithError(err).Warn("the socket for webhooks could not be closed")
	}
	l.open.awaitNone(ctx, closingTime)
	if err := l.server.Shutdown(ctx); err != nil {
		return errors.Join(err, l.server.Close())
	}
	return nil
}

// closing tells clients to end their connections while the listener stops.
func (l *Listener) closing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.stopping.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func (l *Listener) receive(w http.ResponseWriter, r *http.Request) {
	if !l.serves(w, r) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), handleTimeout)
	defer cancel()
	if l.channel != nil && r.PathValue("channelId") != "" {
		if err := l.channel(ctx, r.PathValue("service"), r.PathValue("channelId")); err != nil {
			l.fail(w, err)
			return
		}
	}
	body, err := l.bodies.read(w, r)
	if err != nil {
		body.release()
		l.refuse(w, r, err)
		return
	}
	defer body.release()
	l.accept(w, r, body)
}

// accept hands a webhook on that was read.
func (l *Listener) accept(w http.ResponseWriter, r *http.Request, body *body) {
	ctx, cancel := context.WithTimeout(r.Context(), handleTimeout)
	defer cancel()
	done, err := l.bodies.handle(ctx, body)
	if err != nil {
		l.refuse(w, r, err)
		return
	}
	defer done()
	payload, err := payloadOf(r.Header.Get("Content-Type"), body.data)
	if err != nil {
		l.fail(w, err)
		return
	}
	params, err := paramsOf(r, payload, body.data, time.Now())
	if err != nil {
		l.fail(w, err)
		return
	}
	l.call(ctx, w, r, integration.ActionReceiveWebhook, params)
}

// refuse answers a webhook that was not read, or for which there was no room.
func (l *Listener) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.Is(err, errBusy) {
		l.fail(w, err)
		return
	}
	if count, log := l.bodies.busy(time.Now()); log {
		l.log.WithField("webhooks", count).Warn("webhooks are refused: " + errBusy.Message)
	}
	// The sender reads no answer before it has sent all: what is left is read away, which takes no room.
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody))
	l.answer(w, errBusy)
}

// serves answers for services that are not here, before their body is read.
func (l *Listener) serves(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if slices.Contains(l.services, r.PathValue("service")) {
		return true
	}
	l.fail(w, action.Client(http.StatusNotFound, codes.NotFound, "no such service here: %q", r.PathValue("service")))
	return false
}

// payloadOf decodes a body as a gateway would. A body that is neither JSON nor a form is {}: the platform reads its
// raw bytes.
func payloadOf(contentType string, body []byte) (json.RawMessage, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err == nil && kind == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, action.Client(http.StatusBadRequest, codes.BodyInvalid, "the body is not a valid form")
		}
		payload := make(map[string]any, len(form))
		for k, v := range form {
			if payload[k] = v; len(v) == 1 {
				payload[k] = v[0]
			}
		}
		return json.Marshal(payload)
	}
	trimmed := bytes.TrimSpace(body)
	switch {
	case len(trimmed) == 0:
		return json.RawMessage("{}"), nil
	case rawjson.Valid(trimmed):
		if trimmed[0] != '{' {
			return json.RawMessage("{}"), nil
		}
		return trimmed, nil
	case err != nil || kind == "application/json" || strings.HasSuffix(kind, "+json"):
		return nil, action.Client(http.StatusBadRequest, codes.BodyInvalid, "the body is not valid JSON")
	default:
		return json.RawMessage("{}"), nil
	}
}

func headersOf(r *http.Request) map[string]string {
	headers := make(map[string]string, len(r.Header)+1)
	for k, v := range r.Header {
		headers[strings.ToLower(k)] = strings.Join(v, ", ")
	}
	headers["host"] = r.Host
	return headers
}

func (l *Listener) verify(w http.ResponseWriter, r *http.Request) {
	if !l.serves(w, r) {
		return
	}
	params := map[string]any{}
	for k, v := range r.URL.Query() {
		params[k] = v[0]
	}
	if id := r.PathValue("channelId"); id != "" { // without it the query may name one
		params["channelId"] = id
	}
	ctx, cancel := context.WithTimeout(r.Context(), handleTimeout)
	defer cancel()
	l.call(ctx, w, r, integration.ActionVerifyWebhook, params)
}

func (l *Listener) call(ctx context.Context, w http.ResponseWriter, r *http.Request, name string, params any) {
	requestID := cmp.Or(r.Header.Get("X-Correlation-Id"), r.Header.Get("X-Request-Id")) // as moleculer-web
	if requestID == "" || len(requestID) > 128 {
		requestID = uuid.NewString()
	}
	w.Header().Set("X-Request-Id", requestID)
	result, err := l.caller.Call(ctx, r.PathValue("service")+"."+name, params, action.CallOptions{RequestID: requestID})
	if err != nil {
		l.fail(w, err)
		return
	}
	meta := action.NewMeta(result.Meta)
	var headers map[string]string
	if meta.Get("$responseHeaders", &headers) {
		for k, v := range headers {
			w.Header().Set(k, v)
		}
	}
	status, body, kind := http.StatusOK, []byte(result.Data), "application/json; charset=utf-8"
	if meta.Get("$statusCode", &status); status < 200 || status > 599 { // on others net/http panics
		status = http.StatusOK
	}
	if len(body) == 0 || string(body) == "null" || status == http.StatusNoContent || status == http.StatusNotModified {
		w.WriteHeader(status) // as moleculer-web: no answer is no body
		return
	}
	if t := meta.String("$responseType"); t != "" {
		kind = t
		var text string
		if json.Unmarshal(result.Data, &text) == nil {
			body = []byte(text)
		}
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	l.write(w, body)
}

// fail writes an error with the status and the body that moleculer-web gives it.
func (l *Listener) fail(w http.ResponseWriter, err error) {
	e := action.AsError(err, "webhook", "")
	if e.Code < 400 || e.Code > 598 {
		e = action.Internal(e)
	}
	if e.Code >= 500 {
		l.log.WithError(err).Warn("webhook not accepted")
	}
	l.answer(w, e)
}

// answer writes an error as its status and body.
func (l *Listener) answer(w http.ResponseWriter, e *action.Error) {
	data, err := json.Marshal(struct {
		Name    string `json:"name"`
		Message string `json:"message"`
		Code    int    `json:"code"`
		Type    string `json:"type"`
		Data    any    `json:"data,omitempty"`
	}{e.Name, e.Message, e.Code, e.Type, e.Data})
	if err != nil {
		data = []byte(`{"name":"MoleculerServerError","message":"Internal error","code":500,"type":"INTERNAL_ERROR"}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if e.Retryable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(e.Code)
	l.write(w, data)
}

func (l *Listener) write(w http.ResponseWriter, data []byte) {
	if _, err := w.Write(data); err != nil { // #nosec G705 -- JSON or plain text, and no browser may guess otherwise
		l.log.WithError(err).Debug("the platform did not wait for the answer")
	}
}
