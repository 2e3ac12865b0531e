// Package chaos judges what became of webhooks and sends while servers were killed, paused and cut off: it compares
// what was answered with what is stored. It knows neither NATS nor how the faults are made; its tests do.
package chaos

import (
	"slices"
	"sync"
)

// NoFault names the times at which nothing was broken.
const NoFault = "(none)"

// Webhook is a webhook that a platform has posted, at first and again.
type Webhook struct {
	Conversation string
	Number       int      // in its conversation, from 1
	Texts        []string // of its messages, each unlike all others
	Poisoned     bool     // the consumers refuse its messages
	// InOrder says that the next webhook of the conversation was only posted once this one was answered with success.
	InOrder bool
	Fault   string // what was broken when it was first posted

	mu      sync.Mutex
	answers []int // their statuses; 0 is no answer at all
	blind   bool
}

// Blind notes that the webhook was posted while the claims were away, to a channel that spools: of what one node has on
// its disk another one may store a repetition, which nothing tells from a new message.
func (w *Webhook) Blind() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blind = true
}

func (w *Webhook) isBlind() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.blind
}

// Answered notes the status of an answer; 0 is none.
func (w *Webhook) Answered(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers = append(w.answers, status)
}

func isSuccess(status int) bool { return status >= 200 && status < 300 }

// Accepted says whether any answer was a success.
func (w *Webhook) Accepted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.answers, isSuccess)
}

// final lists the statuses that no platform is to see: those that may make it give the webhook up.
func (w *Webhook) final() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.answers), func(status int) bool {
		return isSuccess(status) || status == 0 || status == 429 || status >= 500
	})
}

// count counts the answers by their statuses.
func (w *Webhook) count(statuses map[int]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, status := range w.answers {
		statuses[status]++
	}
}

// Send is a call of i_sendMessage, repeated under the same idempotency key until its outcome is known.
type Send struct {
	Text  string // unlike all others
	Fault string // what was broken when it was first called
	// Disturbed says that, between its first call and its last answer, something was broken that may leave a send
	// unfinished for good: whoever had claimed it died, or could not tell the claims.
	Disturbed bool
	Success   bool
	MessageID string // with success
	Trouble   string // without
}

// Journal is what those noted who posted and sent. Safe for concurrent use.
type Journal struct {
	mu       sync.Mutex
	webhooks []*Webhook
	sends    []*Send
}

// Webhook adds a webhook, before it is posted.
func (j *Journal) Webhook(w *Webhook) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.webhooks = append(j.webhooks, w)
}

// Send adds a send that is over.
func (j *Journal) Send(s *Send) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sends = append(j.sends, s)
}

// Webhooks lists all webhooks so far.
func (j *Journal) Webhooks() []*Webhook {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.webhooks)
}

// Sends lists all sends that are over so far.
func (j *Journal) Sends() []*Send {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.sends)
}

// Stored is what is found in the end.
type Stored struct {
	Received []string            // the texts of the received events, in the order of their stream
	Spooled  map[string]bool     // the texts of those that a node kept on its disk before
	Sent     []string            // the platform's message ids of the sent events
	Failed   []string            // the texts of the failed events
	Seen     map[string][]string // the texts that each group of consumers has seen
	Dead     map[string][]string // the texts of the dead letters, by group; "" are those of no group
	Platform map[string][]string // the ids that the platform gave to each text, one for each time it took it
}
