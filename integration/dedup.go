package integration

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/claims"
)

// A repeated webhook's messages are told by their event's id for as long as the stream remembers it: two minutes,
// unless its configuration says otherwise. A channel whose setting dedup asks for it has them told for as
// long as the platform may repeat them, by the claims that all nodes share.
const (
	// publishLease is how long the publishing of a webhook's messages may take.
	publishLease = time.Minute
	// defaultHorizon is how long a platform may repeat a webhook if its definition does not say.
	defaultHorizon = 24 * time.Hour
	// dedupWait bounds the time for the claims, once before the messages are published and once after. The platform and
	// the gateway wait for the answer, and it must be a success even if the claims do not answer.
	dedupWait = time.Second
	// dedupRest is how long claims that did not answer are not asked again. So not every webhook waits for them.
	dedupRest = 2 * time.Second
)

var errClaimsAway = errors.New("the claims did not answer a moment ago")

// claimed holds the claims of a webhook's messages.
type claimed struct {
	store claims.Store
	list  []claims.Claim // one for each message
}

// claim finds out which messages of a webhook have been published before. If the claims do not answer, the webhook is
// taken in nevertheless: within the duplicate window the stream still recognises repeated messages.
func (s *platformService) claim(ctx context.Context, req *action.Request, ch *Channel, messages []Message) *claimed {
	keys := make([]string, len(messages))
	prefix := "received:" + s.def.Name + ":" + ch.ID + ":" + generation(ch) + ":"
	for i := range messages {
		if messages[i].DedupKey == "" {
			messages[i].DedupKey = dedupKey(&messages[i])
		}
		keys[i] = prefix + messages[i].DedupKey
	}
	terms := claims.Terms{Lease: publishLease, TTL: cmp.Or(s.def.RetryHorizon, defaultHorizon), TakeOver: true}
	list, err := s.askClaims(ctx, terms, keys)
	switch {
	case errors.Is(err, errClaimsAway): // logged already
	case err != nil:
		s.logFor(req, ch).WithError(err).
			Warn("repeated messages cannot be told by the claims at the moment, only by the stream")
	}
	for len(list) < len(messages) {
		list = append(list, claims.Claim{})
	}
	return &claimed{s.runtime.Claims, list}
}

// askClaims claims keys. After a failure it returns errClaimsAway until dedupRest is over; then one webhook after the
// other tries again.
func (s *platformService) askClaims(ctx context.Context, terms claims.Terms, keys []string) ([]claims.Claim, error) {
	at, now := s.claimsRetryAt.Load(), time.Now().UnixNano()
	if at != 0 && (now < at || !s.claimsRetryAt.CompareAndSwap(at, now+int64(dedupRest))) {
		return nil, errClaimsAway
	}
	short, cancel := context.WithTimeout(ctx, dedupWait)
	defer cancel()
	list, err := s.runtime.Claims.Claim(short, terms, keys...)
	s.countClaims(list)
	switch {
	case err == nil:
		s.claimsRetryAt.Store(0)
	case ctx.Err() == nil: // otherwise the caller's deadline may be the reason
		s.claimsRetryAt.Store(time.Now().Add(dedupRest).UnixNano())
	}
	return list, err
}

// isDone says whether message i was published before. A message that another call is publishing right now counts as not
// done: this call publishes it too, under the same id, because it may answer success only after it saw the message
// stored.
func (c *claimed) isDone(i int) bool { return c != nil && c.list[i].State == claims.Done }

// finish marks the claims of stored messages as done and releases all others.
func (c *claimed) finish(ctx context.Context, stored []bool) error {
	if c == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, dedupWait)
	defer cancel()
	var done, rest []claims.Claim
	for i, claim := range c.list {
		switch {
		case claim.State == claims.Mine && stored[i]:
			done = append(done, claim)
		case claim.State == claims.Mine, claim.State == claims.Unknown && claim.Key != "" && !stored[i]:
			rest = append(rest, claim)
		}
	}
	var faults []error
	if len(done) > 0 {
		faults = append(faults, c.store.Done(ctx, nil, done...))
	}
	if len(rest) > 0 {
		faults = append(faults, c.store.Release(ctx, rest...))
	}
	return errors.Join(faults...)
}

// generation is a key that changes with a channel's credentials. If the channel gets another bot, that bot's message
// ids start anew.
func generation(ch *Channel) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(ch.Credentials)) {
		h.Write([]byte(name + "\x00" + ch.Credentials[name] + "\x00"))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// conversations takes a ticket for each conversation of the messages, in the order of the messages.
func (s *platformService) conversations(ch *Channel, messages []Message) tickets {
	var list tickets
	seen := map[ID]bool{}
	for i := range messages {
		if id := messages[i].ConversationID; !seen[id] {
			seen[id] = true
			list = append(list, s.conversationOrder.join(ch.ID+"\x00"+string(id)))
		}
	}
	return list
}

// tickets are tickets of several keys. Their holder's turn comes when it has come for each of them.
type tickets []*ticket

func (l tickets) wait(ctx context.Context) error {
	for _, t := range l {
		if err := t.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (l tickets) leave() {
	for _, t := range l {
		t.leave()
	}
}
