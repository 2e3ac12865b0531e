package metrics

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Outcome is what became of a webhook or of a received message.
type Outcome int

// The outcomes. Refused is of webhooks, Rejected of messages.
const (
	Stored Outcome = iota
	Duplicate
	Ignored
	Refused
	Rejected
	Failed
	outcomes int = iota
)

var outcomeNames = [outcomes]string{"stored", "duplicate", "ignored", "refused", "rejected", "failed"}

// Platform counts webhooks, messages and sends of a platform. Nil counts nothing. Safe for concurrent use.
type Platform struct {
	channels    *series[string, *Channel] // nil: all channels are counted together
	together    *Channel
	webhookTime prometheus.Observer
	sendTime    prometheus.Observer
	dead        prometheus.Counter
	claims      func(state string) prometheus.Counter
	conditions  func(code, change string) prometheus.Counter
}

// Channel counts for one channel or, without Options.Channels, for all of the platform. Nil counts nothing.
type Channel struct {
	platform  *Platform
	webhooks  [outcomes]prometheus.Counter
	messages  [outcomes]prometheus.Counter
	throttled prometheus.Counter
	sends     *series[[2]string, prometheus.Counter] // by result and code
}

func newPlatforms(r *Registry) func(name string) *Platform {
	hooks, received, sent, waited := r.counter(webhooks), r.counter(messages), r.counter(sends), r.counter(throttled)
	hookTime, sendTook := r.histogram(webhookTime), r.histogram(sendTime)
	dead, claims, changes := r.counter(deadLetters), r.counter(claimed), r.counter(conditions)
	return func(name string) *Platform {
		p := &Platform{
			webhookTime: hookTime.WithLabelValues(name), sendTime: sendTook.WithLabelValues(name),
			dead:   dead.WithLabelValues(name),
			claims: func(state string) prometheus.Counter { return claims.WithLabelValues(name, state) },
			conditions: func(code, change string) prometheus.Counter {
				return changes.WithLabelValues(name, code, change)
			},
		}
		newChannel := func(labels ...string) *Channel { // no label or that of the channel
			with := func(values ...string) []string { return append(append([]string{name}, values...), labels...) }
			c := &Channel{platform: p, throttled: waited.WithLabelValues(with()...)}
			for i, outcome := range outcomeNames {
				if Outcome(i) != Rejected {
					c.webhooks[i] = hooks.WithLabelValues(with(outcome)...)
				}
				if Outcome(i) != Refused {
					c.messages[i] = received.WithLabelValues(with(outcome)...)
				}
			}
			rest := func(key [2]string) [2]string { return [2]string{key[0], other} }
			c.sends = newSeries(maxCodes, rest, func(key [2]string) prometheus.Counter {
				return sent.WithLabelValues(with(key[0], key[1])...)
			})
			return c
		}
		if r.opts.Channels == 0 {
			p.together = newChannel()
		} else {
			p.channels = newSeries(r.opts.Channels, others, func(id string) *Channel { return newChannel(id) })
		}
		return p
	}
}

// Platform counts for a platform. A node makes one for each.
func (r *Registry) Platform(name string) *Platform {
	if r == nil {
		return nil
	}
	return r.platform(name)
}

// Channel returns what counts for a channel. id is "" for webhooks of unknown channels, which anybody can invent.
func (p *Platform) Channel(id string) *Channel {
	switch {
	case p == nil:
		return nil
	case p.channels == nil:
		return p.together
	}
	return p.channels.of(id)
}

// Webhook counts a webhook that arrived then.
func (c *Channel) Webhook(arrived time.Time, outcome Outcome) {
	if c == nil {
		return
	}
	c.webhooks[outcome].Inc()
	if outcome == Stored {
		c.platform.webhookTime.Observe(time.Since(arrived).Seconds())
	}
}

// Messages counts received messages of the same outcome.
func (c *Channel) Messages(outcome Outcome, n int) {
	if c != nil && n > 0 {
		c.messages[outcome].Add(float64(n))
	}
}

// Sent counts a message that was to be sent, since then. code is that of its error, "" for none.
func (c *Channel) Sent(began time.Time, result, code string) {
	if c != nil {
		c.sends.of([2]string{result, code}).Inc()
		c.platform.sendTime.Observe(time.Since(began).Seconds())
	}
}

// Throttled counts the time that a call has waited.
func (c *Channel) Throttled(wait time.Duration) {
	if c != nil {
		c.throttled.Add(wait.Seconds())
	}
}

// DeadLettered counts a received message that is in the dead letters.
func (p *Platform) DeadLettered() {
	if p != nil {
		p.dead.Inc()
	}
}

// Degraded counts a condition of a channel that began, and Recovered one that ended. code is its code.
func (p *Platform) Degraded(code string) { p.changed(code, "degraded") }

// Recovered counts a condition that ended, see Degraded.
func (p *Platform) Recovered(code string) { p.changed(code, "recovered") }

func (p *Platform) changed(code, change string) {
	if p != nil {
		p.conditions(code, change).Inc()
	}
}

// Claimed counts a claim by its state.
func (p *Platform) Claimed(state string) {
	if p != nil {
		p.claims(state).Inc()
	}
}

// platformCall names calls of a platform's API that are counted together.
type platformCall struct {
	name   string // of the platform and the method, such as "telegram sendMessage"
	status int    // of HTTP; 0 is no answer
}

func newCalls(r *Registry) *series[platformCall, prometheus.Observer] {
	took := r.histogram(platformCalls)
	rest := func(c platformCall) platformCall {
		platform, _, _ := strings.Cut(c.name, " ")
		return platformCall{platform + " " + other, c.status}
	}
	return newSeries(maxCalls, rest, func(c platformCall) prometheus.Observer {
		platform, method, _ := strings.Cut(c.name, " ")
		status := "none"
		if c.status > 0 {
			status = strconv.Itoa(c.status)
		}
		return took.WithLabelValues(platform, methodOf(method), status)
	})
}

// methodOf is the name of a method as a label. Some platforms' methods are paths, which hold ids.
func methodOf(name string) string {
	digits := 0
	for _, c := range []byte(name) {
		digits++
		if c < '0' || c > '9' {
			digits = 0
		}
		if digits > 4 || c == '?' || c == '%' {
			return other
		}
	}
	return orNull(name)
}

// PlatformCall counts a call of a platform's API that began then. name is that of the platform, a space, and the
// method; status is that of HTTP, 0 for no answer.
func (r *Registry) PlatformCall(name string, status int, began time.Time) {
	if r != nil {
		r.calls.of(platformCall{name, status}).Observe(time.Since(began).Seconds())
	}
}
