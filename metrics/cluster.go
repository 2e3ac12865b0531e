package metrics

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hiliosai/switchboard/action"
)

// Cluster counts requests, events and packets. Nil counts nothing. Safe for concurrent use.
type Cluster struct {
	requests *series[Call, *Requests]
	levels   *series[int, prometheus.Counter]
	retries  *series[string, prometheus.Counter] // by action
	timeouts *series[string, prometheus.Counter] // by action
	errors   *series[requestError, prometheus.Counter]
	emitted  [3]*series[string, prometheus.Counter] // by the way they take
	handled  *series[Listener, *Handled]

	published, received                      *series[string, prometheus.Counter] // by type of packet
	packetsOut, bytesOut, packetsIn, bytesIn prometheus.Counter
	orphans                                  prometheus.Counter
}

// Call names requests that are counted together.
type Call struct {
	Service string // full name; "" takes it from the action's
	Action  string // full name
	Caller  string // full name of the service that calls; "" is unknown
	Remote  bool   // another node serves it
}

// serviceOf is the name in front of the action's own.
func serviceOf(action string) string {
	if i := strings.LastIndexByte(action, '.'); i > 0 {
		return action[:i]
	}
	return ""
}

func (c Call) labels() []string {
	kind := "local"
	if c.Remote {
		kind = "remote"
	}
	return []string{orNull(cmp.Or(c.Service, serviceOf(c.Action))), c.Action, kind, orNull(c.Caller)}
}

// requestError names errors that are counted together.
type requestError struct {
	Call
	name, kind string
	code       int
}

// Requests counts the requests of one Call. Nil counts nothing.
type Requests struct {
	cluster *Cluster
	call    Call
	total   prometheus.Counter
	active  prometheus.Gauge
	time    prometheus.Observer
}

// Listener names event handlers that are counted together.
type Listener struct{ Service, Group, Event, Caller string }

func (l Listener) labels() []string { return []string{l.Service, l.Group, l.Event, orNull(l.Caller)} }

// Handled counts the events of one Listener. Nil counts nothing.
type Handled struct {
	total  prometheus.Counter
	active prometheus.Gauge
	time   prometheus.Observer
	panics func() prometheus.Counter
}

// The ways that an event takes.
const (
	Emitted = iota
	Broadcast
	BroadcastLocal
)

func newCluster(r *Registry) *Cluster {
	c := &Cluster{
		packetsOut: r.counter(packetsSent).WithLabelValues(), bytesOut: r.counter(bytesSent).WithLabelValues(),
		packetsIn: r.counter(packetsReceived).WithLabelValues(), bytesIn: r.counter(bytesReceived).WithLabelValues(),
		orphans: r.counter(transitOrphans).WithLabelValues(),
	}
	total, active, took := r.counter(requestTotal), r.gauge(requestActive), r.histogram(requestTime)
	restOf := func(call Call) Call { return Call{Action: other, Caller: other, Remote: call.Remote} }
	c.requests = newSeries(maxRequests, restOf, func(call Call) *Requests {
		l := call.labels()
		return &Requests{
			cluster: c, call: call, total: total.WithLabelValues(l...), active: active.WithLabelValues(l...),
			time: took.WithLabelValues(l...),
		}
	})
	failed := r.counter(requestErrors)
	c.errors = newSeries(maxErrors, func(e requestError) requestError {
		return requestError{Call: restOf(e.Call), name: other, kind: other}
	}, func(e requestError) prometheus.Counter {
		return failed.WithLabelValues(append(e.labels(), orNull(e.name), strconv.Itoa(e.code), orNull(e.kind))...)
	})
	levels := r.counter(requestLevels)
	c.levels = newSeries(maxLevels, func(int) int { return maxLevels }, func(level int) prometheus.Counter {
		return levels.WithLabelValues(strconv.Itoa(level))
	})
	c.retries, c.timeouts = byAction(r.counter(requestRetries)), byAction(r.counter(requestTimeouts))
	for way, f := range []*Family{eventEmitted, eventBroadcast, eventBroadcastLocal} {
		v := r.counter(f)
		c.emitted[way] = newSeries(maxEvents, others, func(event string) prometheus.Counter {
			return v.WithLabelValues(event, "")
		})
	}
	c.handled = newHandled(r)
	c.published, c.received = byType(r.counter(transitPublished)), byType(r.counter(transitReceived))
	return c
}

func newHandled(r *Registry) *series[Listener, *Handled] {
	total, active, took, failed := r.counter(eventReceived), r.gauge(eventActive), r.histogram(eventTime),
		r.counter(eventErrors)
	rest := func(l Listener) Listener { return Listener{l.Service, l.Group, other, other} }
	return newSeries(maxEvents, rest, func(listener Listener) *Handled {
		l := listener.labels()
		return &Handled{
			total: total.WithLabelValues(l...), active: active.WithLabelValues(l...), time: took.WithLabelValues(l...),
			panics: func() prometheus.Counter { return failed.WithLabelValues(append(l[:4:4], "Error", null, null)...) },
		}
	})
}

func others(string) string { return other }

func byAction(v *prometheus.CounterVec) *series[string, prometheus.Counter] {
	return newSeries(maxRequests, others, func(action string) prometheus.Counter {
		return v.WithLabelValues(orNull(serviceOf(action)), action)
	})
}

func byType(v *prometheus.CounterVec) *series[string, prometheus.Counter] {
	return newSeries(maxLevels, others, func(kind string) prometheus.Counter { return v.WithLabelValues(kind) })
}

// Begin counts a request in. level is its depth in a chain of calls.
func (c *Cluster) Begin(call Call, level int) *Requests {
	if c == nil {
		return nil
	}
	r := c.requests.of(call)
	r.total.Inc()
	r.active.Inc()
	c.levels.of(level).Inc()
	return r
}

// End counts a request out that began then. e is its error, nil for none.
func (r *Requests) End(began time.Time, e *action.Error) {
	if r == nil {
		return
	}
	r.active.Dec()
	r.time.Observe(milliseconds(time.Since(began)))
	if e == nil {
		return
	}
	r.cluster.errors.of(requestError{r.call, e.Name, e.Type, e.Code}).Inc()
	if e.Name == "RequestTimeoutError" {
		r.cluster.timeouts.of(r.call.Action).Inc()
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Retried counts a call that is made again.
func (c *Cluster) Retried(action string) {
	if c != nil {
		c.retries.of(action).Inc()
	}
}

// Sent counts an event that takes one of the ways.
func (c *Cluster) Sent(way int, event string) {
	if c != nil {
		c.emitted[way].of(event).Inc()
	}
}

// Handle counts an event in whose handler begins.
func (c *Cluster) Handle(l Listener) *Handled {
	if c == nil {
		return nil
	}
	h := c.handled.of(l)
	h.total.Inc()
	h.active.Inc()
	return h
}

// End counts an event out whose handler began then.
func (h *Handled) End(began time.Time, panicked bool) {
	if h == nil {
		return
	}
	h.active.Dec()
	h.time.Observe(milliseconds(time.Since(began)))
	if panicked {
		h.panics().Inc()
	}
}

// PacketSent counts a packet of a type, such as "REQ".
func (c *Cluster) PacketSent(kind string, bytes int) {
	if c != nil {
		c.published.of(kind).Inc()
		c.packetsOut.Inc()
		c.bytesOut.Add(float64(bytes))
	}
}

// PacketReceived counts a packet of a type.
func (c *Cluster) PacketReceived(kind string, bytes int) {
	if c != nil {
		c.received.of(kind).Inc()
		c.packetsIn.Inc()
		c.bytesIn.Add(float64(bytes))
	}
}

// Orphan counts an answer for which no call waits.
func (c *Cluster) Orphan() {
	if c != nil {
		c.orphans.Inc()
	}
}
