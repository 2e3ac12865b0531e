package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Events counts reliable events. Nil counts nothing. Safe for concurrent use.
type Events struct {
	sent     *series[string, prometheus.Counter]
	consumed func(c Consumed) *Consumer
}

// Consumed names a consumer.
type Consumed struct {
	Name    string // of the events, without the prefix
	Subject string // with it
	Group   string
}

// Consumer counts what a consumer of reliable events handles. Nil counts nothing.
type Consumer struct {
	total, errors, retries, dead prometheus.Counter
	active                       prometheus.Gauge
	time                         prometheus.Observer
}

func newEvents(r *Registry) *Events {
	sent := r.counter(channelSent)
	total, active, took := r.counter(channelTotal), r.gauge(channelActive), r.histogram(channelTime)
	failed, retried, dead := r.counter(channelErrors), r.counter(channelRetries), r.counter(channelDead)
	return &Events{
		sent: newSeries(maxEvents, others, func(name string) prometheus.Counter { return sent.WithLabelValues(name) }),
		consumed: func(c Consumed) *Consumer {
			return &Consumer{
				total: total.WithLabelValues(c.Name, c.Group), active: active.WithLabelValues(c.Name, c.Group),
				time: took.WithLabelValues(c.Name, c.Group), errors: failed.WithLabelValues(c.Subject, c.Group),
				retries: retried.WithLabelValues(c.Subject, c.Group), dead: dead.WithLabelValues(c.Subject, c.Group),
			}
		},
	}
}

// Events counts reliable events.
func (r *Registry) Events() *Events {
	if r == nil {
		return nil
	}
	return r.events
}

// Sent counts an event that is given to JetStream.
func (e *Events) Sent(name string) {
	if e != nil {
		e.sent.of(name).Inc()
	}
}

// Consumer returns what counts for a consumer. The services of a node make a few of them.
func (e *Events) Consumer(c Consumed) *Consumer {
	if e == nil {
		return nil
	}
	return e.consumed(c)
}

// Begin counts an event in whose handler begins.
func (c *Consumer) Begin() {
	if c != nil {
		c.total.Inc()
		c.active.Inc()
	}
}

// End counts an event out whose handler began then.
func (c *Consumer) End(began time.Time, err error) {
	if c == nil {
		return
	}
	c.active.Dec()
	c.time.Observe(milliseconds(time.Since(began)))
	if err != nil {
		c.errors.Inc()
	}
}

// Retried counts an event that comes again.
func (c *Consumer) Retried() {
	if c != nil {
		c.retries.Inc()
	}
}

// DeadLettered counts an event that is in the dead letters.
func (c *Consumer) DeadLettered() {
	if c != nil {
		c.dead.Inc()
	}
}
