package integration

import (
	"net/http"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/claims"
	"github.com/hiliosai/switchboard/metrics"
)

// metrics counts for the channel of the run.
func (r *webhookRun) metrics() *metrics.Channel {
	if r.channel == nil {
		return r.s.metrics.Channel("")
	}
	return r.s.metrics.Channel(r.channel.ID)
}

// outcomeOf is the outcome of a webhook that was not taken: refused, or failed where the platform should send it again.
func outcomeOf(err error) metrics.Outcome {
	e := action.AsError(err, "", "")
	if e.Retryable && e.Code >= http.StatusInternalServerError {
		return metrics.Failed
	}
	return metrics.Refused
}

// count counts a webhook whose messages have their outcomes. again says that the platform is to send it again.
func (r *webhookRun) count(again bool) {
	counted, result := r.metrics(), &r.result
	stored := result.Messages - result.Duplicates
	failed := len(r.messages) - result.Messages - result.Failed
	counted.Messages(metrics.Stored, stored)
	counted.Messages(metrics.Duplicate, result.Duplicates)
	counted.Messages(metrics.Ignored, result.Ignored)
	counted.Messages(metrics.Rejected, result.Failed)
	counted.Messages(metrics.Failed, failed)
	outcome := metrics.Ignored
	switch {
	case again:
		outcome = metrics.Failed
	case stored+result.Failed > 0:
		outcome = metrics.Stored
	case result.Duplicates > 0:
		outcome = metrics.Duplicate
	}
	counted.Webhook(r.arrived, outcome)
}

// countClaims counts claims by their state.
func (s *platformService) countClaims(list []claims.Claim) {
	for i := range list {
		s.metrics.Claimed(list[i].State.String())
	}
}

// measure sets what the service knows anyway.
func (s *platformService) measure(set func(f *metrics.Family, value float64, labels ...string)) {
	set(metrics.Suspended, float64(s.limiter.countSuspended()), s.def.Name)
	if _, ok := s.def.Platform.(Receiver); !ok {
		return
	}
	count := s.countConnections()
	set(metrics.Connections, float64(count.Ready), s.def.Name, "ready")
	set(metrics.Connections, float64(count.Total-count.Ready), s.def.Name, "waiting")
	set(metrics.OwnConnections, float64(count.Own), s.def.Name)
}

// countSuspended counts the channels whose calls are held back.
func (t *limiter) countSuspended() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.channels {
		if l.isSuspended() {
			n++
		}
	}
	return n
}
