package integration

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/cache"
)

// ReliableEvent says how a service handles the reliable events of one name: a channel of @moleculer/channels.
// NewReliableEvent makes one.
type ReliableEvent struct {
	Name    string // without the prefix, such as hios.processing.message.received
	Options ConsumeOptions
	handle  func(ctx *Context, payload json.RawMessage) error
}

// ConsumeOptions are those of a channel of @moleculer/channels. The zero value is that library's default, with a pause
// between deliveries.
type ConsumeOptions struct {
	// Group shares the events among its members, which may be on Go and Node nodes; empty is the service's full name. The
	// first member decides the other options of the consumer on the server.
	Group string
	// MaxInFlight is how many events the group handles at once. Zero is 1: the events are handled in order.
	MaxInFlight int
	// MaxRetries is how often an event is delivered before it is given up; zero is 3. A delivery also counts if the
	// process ended before the handler returned.
	MaxRetries int
	// DeadLettering says what happens to an event that is given up.
	DeadLettering DeadLettering
	// Backoff is how long to wait before an event is delivered again after its first, second… failure. The last one holds
	// for all that follow; nil is 1s, 5s, 30s. With MaxInFlight 1 the whole group waits.
	Backoff []time.Duration
	// Timeout bounds one call of the handler; zero is no bound. No other member gets the event in the meantime, however
	// long it takes.
	Timeout time.Duration
}

// DeadLettering is a channel's deadLettering.
type DeadLettering struct {
	Enabled   bool   // otherwise an event that is given up is dropped, with an error in the log
	QueueName string // without the prefix; empty is FAILED_MESSAGES
}

// NewReliableEvent makes a consumer of a function. After an error or a panic the event is delivered again. The event is
// given up at once if the payload does not fit T, or if the error is a Moleculer error that is not retryable, such as
// [action.Client]'s. An event is delivered at least once, so handlers must be idempotent. ctx has the trace and the
// meta of the event's sender, and ctx.Delivery describes the event itself.
func NewReliableEvent[T any](
	name string, options ConsumeOptions, handle func(ctx *Context, payload T) error,
) ReliableEvent {
	e := ReliableEvent{Name: name, Options: options}
	if handle != nil {
		e.handle = func(ctx *Context, payload json.RawMessage) error {
			var data T
			if err := json.Unmarshal(payload, &data); err != nil {
				return undecodable(fmt.Errorf("the payload of %s does not fit: %w", name, err))
			}
			return handle(ctx, data)
		}
	}
	return e
}

// undecodable is an error that no retry can mend, with the name that @moleculer/channels gives it.
func undecodable(err error) error {
	return poison{action.Server(http.StatusBadRequest, codes.InvalidMessageSerialization, "%v", err).Because(err)}
}

type poison struct{ cause *action.Error }

func (p poison) Error() string { return p.cause.Error() }
func (p poison) Unwrap() error { return p.cause }
func (poison) Permanent() bool { return true }

// Delivery is a reliable event as it was delivered.
type Delivery struct {
	Name          string // as the consumer is defined
	Subject       string // with the prefix
	Group         string
	MessageID     string
	Attempt       int       // from 1
	Time          time.Time // when it was stored
	ParentChannel string    // the event, with its prefix, whose handler sent this one; or ""
	Header        map[string][]string
}

// Subscription is what a service passes to a [Consumer].
type Subscription struct {
	Name, Group, Service    string
	MaxInFlight, MaxRetries int
	DeadLetters             string // without the prefix; "" drops events that are given up
	Backoff                 []time.Duration
	// Handle takes one event. Its error has a method ErrorHeader() map[string]string for dead letters, and a method
	// Permanent() bool that returns true if the event must not be delivered again.
	Handle func(ctx context.Context, d *Delivery, payload []byte) error
}

// Consumer delivers reliable events.
type Consumer interface {
	// Consume delivers events until stop is called. stop waits for running handlers until its ctx ends.
	Consume(ctx context.Context, sub Subscription) (stop func(ctx context.Context) error, err error)
}

type deliveryKey struct{}

// Delivery is the reliable event that is being handled, nil in any other call.
func (c *Context) Delivery() *Delivery { return deliveryOf(c) }

func deliveryOf(ctx context.Context) *Delivery {
	d, _ := ctx.Value(deliveryKey{}).(*Delivery)
	return d
}

const maxRetries = 3

var defaultBackoff = []time.Duration{time.Second, 5 * time.Second, 30 * time.Second}

// reliableFaults reports the faults in the reliable events of a service.
func reliableFaults(events []ReliableEvent, fault func(format string, args ...any)) {
	seen := map[string]bool{}
	for _, e := range events {
		o := e.Options
		switch {
		case !isEventName(e.Name):
			fault("reliable event %q: a name has parts between dots, and no spaces, * or >", e.Name)
		case e.handle == nil:
			fault("reliable event %s has no handler", e.Name)
		case seen[e.Name]:
			fault("reliable event %s is consumed twice", e.Name)
		case o.Group != "" && (!isEventName(o.Group) || strings.ContainsAny(o.Group, `/\`)):
			fault("reliable event %s: the group %q has spaces or any of * > / \\", e.Name, o.Group)
		case o.MaxInFlight < 0 || o.MaxRetries < 0 || o.Timeout < 0:
			fault("reliable event %s: maxInFlight, maxRetries and timeout are not negative", e.Name)
		case o.DeadLettering.QueueName != "" && !isEventName(o.DeadLettering.QueueName):
			fault("reliable event %s: the dead letter queue %q has spaces, * or >", e.Name, o.DeadLettering.QueueName)
		case o.DeadLettering.Enabled && cmp.Or(o.DeadLettering.QueueName, DeadLetters) == e.Name:
			fault("reliable event %s would be its own dead letter queue", e.Name)
		}
		seen[e.Name] = true
	}
}

func isEventName(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if part == "" || strings.ContainsAny(part, "*> \t\r\n") {
			return false
		}
	}
	return true
}

// StartConsuming begins to deliver the service's reliable events, and opens a platform's connections. Call it after the
// service was started and published.
func (s *Service) StartConsuming(ctx context.Context) error {
	for _, e := range s.definition.ReliableEvents {
		if s.runtime.Consumer == nil {
			return fmt.Errorf("service %s: this node delivers no reliable events", s.fullName)
		}
		stop, err := s.runtime.Consumer.Consume(ctx, s.subscription(e))
		if err != nil {
			return fmt.Errorf("service %s: %w", s.fullName, errors.Join(err, s.StopConsuming(ctx)))
		}
		s.mu.Lock()
		s.consuming = append(s.consuming, stop)
		s.mu.Unlock()
	}
	if s.connect == nil {
		return nil
	}
	if err := s.connect(ctx); err != nil {
		return fmt.Errorf("service %s: %w", s.fullName, errors.Join(err, s.StopConsuming(ctx)))
	}
	return nil
}

// StopConsuming closes the connections, takes no more reliable events, and waits for the running handlers until ctx
// ends. Call it before the node leaves the cluster, because handlers may still call other services. Stop calls it, too.
// A second call does nothing.
func (s *Service) StopConsuming(ctx context.Context) error {
	s.mu.Lock()
	consuming := s.consuming
	s.consuming = nil
	s.mu.Unlock()
	faults := make([]error, len(consuming))
	var stops sync.WaitGroup
	for i, stop := range consuming { // in parallel: all have the same deadline
		stops.Go(func() { faults[i] = stop(ctx) })
	}
	stops.Wait()
	return errors.Join(faults...)
}

func (s *Service) subscription(e ReliableEvent) Subscription {
	o := e.Options
	sub := Subscription{
		Name: e.Name, Group: cmp.Or(o.Group, s.fullName), Service: s.fullName,
		MaxInFlight: cmp.Or(o.MaxInFlight, 1), MaxRetries: cmp.Or(o.MaxRetries, maxRetries), Backoff: o.Backoff,
		Handle: func(ctx context.Context, d *Delivery, payload []byte) error {
			err := s.deliver(ctx, e, d, payload)
			if err != nil {
				return s.failure(err)
			}
			return nil
		},
	}
	if sub.Backoff == nil {
		sub.Backoff = defaultBackoff
	}
	if o.DeadLettering.Enabled {
		sub.DeadLetters = cmp.Or(o.DeadLettering.QueueName, DeadLetters)
	}
	return sub
}

// deliver runs the handler of an event in the context of the event's sender.
func (s *Service) deliver(ctx context.Context, e ReliableEvent, d *Delivery, payload []byte) (err error) {
	req, err := s.requestOf(d, payload)
	if err != nil {
		return undecodable(err)
	}
	if timeout := e.Options.Timeout; timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	ctx = cache.With(s.datasources.Context(ctx), s.cache)
	ctx = context.WithValue(ctx, serviceKey{}, s)
	ctx = context.WithValue(ctx, deliveryKey{}, d)
	c := newContext(ctx, req)
	defer func() {
		if r := recover(); r != nil {
			stack := string(debug.Stack())
			c.Log().WithField("stack", stack).Errorf("the handler of %s panicked: %v", e.Name, r)
			err = panicked{fmt.Errorf("panic: %v", r), stack}
		}
	}()
	return e.handle(c, payload)
}

// panicked is the error for a handler's panic.
type panicked struct {
	error
	stack string
}

// requestOf makes the request that an event is handled in, from the event's headers, as @moleculer/channels does.
func (s *Service) requestOf(d *Delivery, payload []byte) (*action.Request, error) {
	header := func(key string) string {
		if v := d.Header[key]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	d.ParentChannel = header("$parentChannelName")
	req := &action.Request{
		ID: uuid.NewString(), Service: s.fullName, Level: 1, Params: payload, Cluster: s.runtime.Cluster,
	}
	if trace := header("$requestID"); trace != "" {
		req.RequestID, req.ParentID, req.Caller = trace, header("$parentID"), header("$caller")
		level, _ := strconv.Atoi(header("$level")) // 0 if there is none
		req.Level = level + 1
		if tracing, err := strconv.ParseBool(header("$tracing")); err == nil {
			req.Tracing = &tracing
		}
	} else {
		req.RequestID = uuid.NewString()
	}
	meta, err := decoded(header("$meta"))
	if err != nil {
		return nil, fmt.Errorf("the header $meta of %s: %w", d.Name, err)
	}
	if req.Headers, err = decoded(header("$headers")); err != nil {
		return nil, fmt.Errorf("the header $headers of %s: %w", d.Name, err)
	}
	req.Meta = action.NewMeta(meta)
	return req, nil
}

// decoded returns the JSON in a header, nil for an empty one.
func decoded(header string) (json.RawMessage, error) {
	if header == "" {
		return nil, nil
	}
	data, err := base64.StdEncoding.DecodeString(header)
	if err == nil && !json.Valid(data) {
		err = errors.New("it holds no JSON")
	}
	return data, err
}

// failure is a handler's error as a consumer gets it, without secrets.
type failure struct {
	text   string
	header map[string]string
	cause  error
}

func (f *failure) Error() string                  { return f.text }
func (f *failure) Unwrap() error                  { return f.cause }
func (f *failure) Permanent() bool                { return isPermanent(f.cause) || isFinal(f.cause) }
func (f *failure) ErrorHeader() map[string]string { return f.header }

// isFinal says whether handling the event again cannot help: the error is a Moleculer error that is not retryable. Some
// errors say so although nobody decided it, so they are not final: an error hidden behind [action.Internal], a plain
// error of another node's server, and an HTTP status that may pass.
func isFinal(err error) bool {
	m, ok := errors.AsType[action.Moleculer](err)
	if !ok {
		return false
	}
	e := m.MoleculerError()
	if e == nil || e.Retryable {
		return false
	}
	switch e.Code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	if e.Code >= http.StatusBadRequest && e.Code < http.StatusInternalServerError {
		return true
	}
	return e.NodeID == "" && e.Type != action.Internal(nil).Type
}

// maxErrorData bounds, in bytes, an error's data and stack in a dead letter.
const maxErrorData = 4 << 10

// failure makes the error for the log and for dead letters. Stack and data are in base64, as in @moleculer/channels.
func (s *Service) failure(err error) *failure {
	clean := s.cleaner(nil)
	f := &failure{text: clean.text(err.Error()), cause: err}
	f.header = map[string]string{"x-error-name": "Error", "x-error-message": f.text}
	if m, ok := errors.AsType[action.Moleculer](err); ok {
		e := m.MoleculerError()
		f.header["x-error-name"], f.header["x-error-type"] = e.Name, e.Type
		f.header["x-error-message"] = clean.text(e.Message)
		f.header["x-error-code"], f.header["x-error-retryable"] = strconv.Itoa(e.Code), strconv.FormatBool(e.Retryable)
		if data, err := json.Marshal(clean.data(e.Data)); err == nil && e.Data != nil && len(data) <= maxErrorData {
			f.header["x-error-data"] = base64.StdEncoding.EncodeToString(data)
		}
	}
	if p, ok := errors.AsType[panicked](err); ok {
		f.header["x-error-stack"] = base64.StdEncoding.EncodeToString([]byte(cut(clean.redact(p.stack), maxErrorData)))
	}
	return f
}
