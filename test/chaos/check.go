package chaos

import (
	"fmt"
	"slices"
)

// Violation is a promise that was not kept.
type Violation struct {
	Promise string
	Fault   string // what was broken at the time, as far as that is known
	Detail  string
}

// row is the account of one sort of fault.
type row struct {
	sent, accepted        int // webhooks
	stored, duplicates    int // messages; stored are different ones
	spooled               int // of stored
	lost, reordered       int
	sends, sendsSucceeded int
}

// Report is what Check found.
type Report struct {
	Violations []Violation
	rows       map[string]*row
	answers    map[int]int // how many of each status webhooks got; 0 is none
}

func (r *Report) row(fault string) *row {
	if r.rows[fault] == nil {
		r.rows[fault] = &row{}
	}
	return r.rows[fault]
}

func (r *Report) violated(promise, fault, format string, args ...any) {
	r.Violations = append(r.Violations, Violation{promise, fault, fmt.Sprintf(format, args...)})
}

// The promises.
const (
	PromiseStored    = "a webhook answered with success is stored"
	PromiseOnce      = "a message is stored once"
	PromiseRetryable = "a webhook is answered with success or with an error that has it sent again"
	PromiseOrder     = "the messages of a conversation are stored in order"
	PromiseCause     = "no event is without its cause"
	PromiseSeen      = "each group of consumers sees every message"
	PromiseDead      = "the dead letters are the poisoned messages"
	PromiseCall      = "a send under an idempotency key is carried out at most once"
	PromiseSent      = "a send answered with success has one platform call and one sent event"
	PromiseSucceeded = "a send that nothing disturbs ends in success"
)

// Promises lists all of them.
var Promises = []string{
	PromiseStored, PromiseOnce, PromiseRetryable, PromiseOrder, PromiseCause, PromiseSeen, PromiseDead, PromiseCall,
	PromiseSent, PromiseSucceeded,
}

// Check compares what was answered with what is stored.
func Check(j *Journal, s *Stored) *Report {
	r := &Report{rows: map[string]*row{}, answers: map[int]int{}}
	r.webhooks(j.Webhooks(), s)
	r.consumers(j.Webhooks(), s)
	r.sends(j.Sends(), s)
	return r
}

// index gives the places of each text, in order.
func index(texts []string) map[string][]int {
	places := make(map[string][]int, len(texts))
	for i, text := range texts {
		places[text] = append(places[text], i)
	}
	return places
}

func (r *Report) webhooks(webhooks []*Webhook, s *Stored) {
	places := index(s.Received)
	last := map[string]int{}  // the place of the latest message of a conversation
	late := map[string]bool{} // conversations whose latest webhook may come late: a node has kept it on its disk
	caused := 0
	for _, w := range slices.SortedFunc(slices.Values(webhooks), func(a, b *Webhook) int { return a.Number - b.Number }) {
		row := r.row(w.Fault)
		row.sent++
		accepted := w.Accepted()
		w.count(r.answers)
		if accepted {
			row.accepted++
		}
		if final := w.final(); len(final) > 0 {
			r.violated(PromiseRetryable, w.Fault, "%s/%d was answered with %v", w.Conversation, w.Number, final)
		}
		before, known := last[w.Conversation]
		// by another node's: what is on a disk is late, and says so, but for a blind repetition
		overtaken := late[w.Conversation]
		for _, text := range w.Texts {
			at := places[text]
			caused += len(at)
			if len(at) == 0 {
				if accepted {
					row.lost++
					r.violated(PromiseStored, w.Fault, "%s", text)
				}
				continue
			}
			row.stored++
			if s.Spooled[text] {
				row.spooled++
			}
			if len(at) > 1 {
				row.duplicates += len(at) - 1
				r.violated(PromiseOnce, w.Fault, "%s is stored %d times", text, len(at))
			}
			// One that was given up may come late; its own messages are in order all the same.
			if known && at[0] < before && !overtaken {
				row.reordered++
				r.violated(PromiseOrder, w.Fault, "%s is stored before what came earlier", text)
			}
			before, known, overtaken = at[0], true, false
		}
		if w.InOrder && accepted && known {
			last[w.Conversation] = before
			late[w.Conversation] = w.isBlind() || slices.ContainsFunc(w.Texts, func(text string) bool { return s.Spooled[text] })
		}
	}
	if caused < len(s.Received) {
		posted := map[string]bool{}
		for _, w := range webhooks {
			for _, text := range w.Texts {
				posted[text] = true
			}
		}
		for text := range places {
			if !posted[text] {
				r.violated(PromiseCause, NoFault, "nobody has posted %q", text)
			}
		}
	}
}

func (r *Report) consumers(webhooks []*Webhook, s *Stored) {
	stored := index(s.Received)
	poisoned, fault := map[string]bool{}, map[string]string{}
	for _, w := range webhooks {
		for _, text := range w.Texts {
			poisoned[text], fault[text] = w.Poisoned, w.Fault
		}
	}
	for group, texts := range s.Seen {
		seen, dead := index(texts), index(s.Dead[group])
		for text := range stored {
			if len(seen[text]) == 0 {
				r.violated(PromiseSeen, fault[text], "%s has not seen %s", group, text)
			}
			if poisoned[text] && len(dead[text]) == 0 {
				r.violated(PromiseDead, fault[text], "%s of %s is not there", text, group)
			}
		}
		for text := range dead {
			if !poisoned[text] {
				r.violated(PromiseDead, fault[text], "%s of %s is not poisoned", text, group)
			}
		}
	}
	for group, texts := range s.Dead {
		if _, known := s.Seen[group]; !known {
			r.violated(PromiseDead, NoFault, "%d are of the group %q", len(texts), group)
		}
	}
}

func (r *Report) sends(sends []*Send, s *Stored) {
	events, failed := index(s.Sent), index(s.Failed)
	known, given := map[string]bool{}, map[string]bool{}
	for _, send := range sends {
		known[send.Text] = true
		row := r.row(send.Fault)
		row.sends++
		ids := s.Platform[send.Text]
		for _, id := range ids {
			given[id] = true
			if n := len(events[id]); n > 1 {
				r.violated(PromiseSent, send.Fault, "%s has %d sent events", send.Text, n)
			}
		}
		if len(ids) > 1 {
			r.violated(PromiseCall, send.Fault, "the platform took %s %d times", send.Text, len(ids))
		}
		switch {
		case send.Success:
			row.sendsSucceeded++
			if len(ids) == 0 || !slices.Contains(ids, send.MessageID) {
				r.violated(
					PromiseSent, send.Fault, "%s was answered with the message %s, but the platform gave %v", send.Text,
					send.MessageID, ids,
				)
			} else if len(events[send.MessageID]) == 0 {
				r.violated(PromiseSent, send.Fault, "%s has no sent event", send.Text)
			}
		case !send.Disturbed:
			r.violated(PromiseSucceeded, send.Fault, "%s: %s", send.Text, send.Trouble)
		}
	}
	for id := range events {
		if !given[id] {
			r.violated(PromiseCause, NoFault, "a sent event tells of the message %s, which the platform never gave", id)
		}
	}
	for text := range failed {
		if !known[text] {
			r.violated(PromiseCause, NoFault, "a failed event tells of %q, which nobody sent", text)
		}
	}
}
