package integration

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
)

// maxMessages bounds the messages of one webhook, all of which are on their way at once. Meta, which
// batches most, puts up to 1000 updates into one.
const maxMessages = 10_000

// webhookRun carries a webhook of one channel from its checks to its answer.
type webhookRun struct {
	s   *platformService
	ctx context.Context
	req *action.Request
	// routed says that the channel was found by an account in the webhook: then others' parts are theirs, and the group
	// answers.
	routed bool
	// fence says whether events may be published that came over a connection, and failed is called at once when one could
	// not be; both are nil for webhooks by HTTP.
	fence  func() bool
	failed func()
	// unanswered says that nobody waits for a Responder's answer.
	unanswered bool

	arrived  time.Time
	channel  *Channel
	webhook  *Webhook // set before the run where several channels get it
	messages []Message
	outcomes []outcome // of each message
	claimed  *claimed  // nil: nothing is claimed
	ignored  int

	open     atomic.Int32 // messages under way, and one more while they are handed over
	result   receiveResult
	response *Response // what a Responder answers over a connection
	answer   action.Promise
}

// outcome is what became of a message.
type outcome struct {
	duplicate bool
	err       error
}

func (o outcome) failed() bool { return o.err != nil }

// accept checks a webhook and hands its messages over, to be published after those of all webhooks of the channel that
// came before. It waits no longer than these take to be read, and never for an ack.
func (r *webhookRun) accept(id string, fields action.Fields) error {
	r.arrived = time.Now()
	err := r.handOver(id, fields)
	if err != nil {
		r.metrics().Webhook(r.arrived, outcomeOf(err))
	}
	return err
}

// handOver is accept, uncounted.
func (r *webhookRun) handOver(id string, fields action.Fields) error {
	arrival := r.s.channelOrder.join(id)
	defer arrival.leave()
	if err := r.check(id, fields); err != nil {
		r.s.refused(id, r.channel, err)
		return err
	}
	r.dropUnwanted()
	if err := arrival.wait(r.ctx); err != nil {
		return webhookLate(err)
	}
	if r.claims() || slices.ContainsFunc(r.messages, isStatus) {
		return r.publishByConversation(arrival)
	}
	r.publish()
	return nil
}

func webhookLate(err error) error {
	return action.Retryable(
		http.StatusServiceUnavailable, codes.WebhookLate,
		"an earlier webhook of the channel held this one up; send it again",
	).Because(err)
}

// check loads the channel, runs all checks, and finds the messages.
func (r *webhookRun) check(id string, fields action.Fields) (err error) {
	if r.channel, err = r.s.platformsChannel(r.ctx, r.req, id); err != nil {
		return err
	}
	if r.webhook == nil {
		if r.webhook, err = r.s.readWebhook(r.req, fields); err != nil {
			return err
		}
	}
	r.webhook.setChannel(r.channel, r.s.runtime.TrustForwarded)
	if !r.webhook.Connection { // which the node has opened itself
		if err := r.s.validateWebhook(r.ctx, r.webhook); err != nil {
			return err
		}
	}
	if r.messages, err = r.s.normalize(r.ctx, r.webhook); err != nil {
		return asError(err, FaultInvalid, codes.WebhookInvalid)
	}
	for i := range r.messages {
		m := &r.messages[i]
		maskLinks(&m.Content)
		if n := len(m.ReplyContext); n > maxReplyContext {
			r.log().WithFields(logrus.Fields{"messageId": m.ID, "bytes": n}).
				Error("the platform's replyContext is too large and is left out: an answer to this message may fail")
			m.ReplyContext = ""
		}
	}
	if len(r.messages) > maxMessages {
		return tooLarge("the webhook holds %d messages; at most %d are taken", len(r.messages), maxMessages)
	}
	return nil
}

// dropUnwanted drops what the channel's own account or a bot wrote, unless the channel wants it marked. It logs and
// counts what is another account's.
func (r *webhookRun) dropUnwanted() {
	if r.channel.Settings[settingOwnMessages] != markOwnMessages && slices.ContainsFunc(r.messages, isOwn) {
		before := len(r.messages)
		r.messages = slices.DeleteFunc(slices.Clone(r.messages), isOwn) // the list is the platform's
		r.ignored = before - len(r.messages)
	}
	if r.routed {
		return
	}
	r.ignored += len(r.webhook.foreign)
	for _, whose := range r.webhook.foreign {
		r.s.refusals.note(refusalKind{r.channel.ID, r.channel.TenantID, "FOREIGN_ACCOUNT"}, r.channel.ID,
			"it is for "+whose+", which is not the channel's; nothing of it was published")
	}
}

func isOwn(m Message) bool { return m.Direction == DirectionEcho }

// claims says whether the channel wants claims to recognise repeated messages.
func (r *webhookRun) claims() bool { return r.channel.Settings[settingDedup] == dedupByHorizon }

// publishByConversation publishes messages about which others are asked before: the claims, or the memory of statuses.
// Meanwhile only the same conversations wait.
func (r *webhookRun) publishByConversation(arrival *ticket) error {
	r.messages = slices.Clone(r.messages) // the list is the platform's
	conversations := r.s.conversations(r.channel, r.messages)
	arrival.leave()
	defer conversations.leave()
	if r.claims() {
		r.claimed = r.s.claim(r.ctx, r.req, r.channel, r.messages)
	}
	if err := conversations.wait(r.ctx); err != nil {
		_ = r.claimed.finish(context.WithoutCancel(r.ctx), make([]bool, len(r.messages))) // else their lease gives them back
		return webhookLate(err)
	}
	r.s.markLate(r.ctx, r.channel, r.messages)
	r.publish()
	return nil
}

// publish hands the messages over. When the outcome of the last one is known, the webhook is answered.
func (r *webhookRun) publish() {
	r.outcomes = make([]outcome, len(r.messages))
	r.open.Store(1)
	defer r.oneDone()
	header, now := r.s.eventHeader(r.req, r.channel.TenantID, r.channel.ID), r.s.now().UnixMilli()
	for i := range r.messages {
		if r.claimed.isDone(i) {
			r.outcomes[i].duplicate = true
			continue
		}
		m := &r.messages[i]
		payload, err := encodeReceived(&MessageReceivedPayload{
			TenantID: r.channel.TenantID, ChannelID: r.channel.ID, Platform: r.webhook.Platform, Message: m, Timestamp: now,
		})
		if err != nil {
			r.outcomes[i].err = unencodable(received, err)
			continue
		}
		r.open.Add(1)
		e := messageEvent{received, m.ConversationID, dedupKey(m), header, payload, r.fence}
		r.s.publish(r.ctx, r.req, r.channel, e, func(duplicate bool, err error) {
			if err != nil && r.failed != nil && !isPermanent(err) {
				r.failed()
			}
			r.outcomes[i] = outcome{duplicate, err}
			r.oneDone()
		})
	}
}

// oneDone counts a message whose outcome is known. After the last one the webhook is answered: in a goroutine of its
// own where others have to be asked yet, because acks must not wait for them.
func (r *webhookRun) oneDone() {
	if r.open.Add(-1) > 0 {
		return
	}
	if r.claimed != nil || r.responds() || slices.ContainsFunc(r.outcomes, outcome.failed) {
		r.answer.Go(r.finish)
		return
	}
	r.answer.Resolve(r.finish())
}

// finish counts what became of the messages, and makes the webhook's answer. One that failed holds back no other.
func (r *webhookRun) finish() (any, error) {
	result := &r.result
	*result = receiveResult{Success: true, Ignored: r.ignored}
	var transient error
	for i := range r.outcomes {
		o := &r.outcomes[i]
		switch {
		case o.err == nil && o.duplicate:
			result.Duplicates++
			result.Messages++
		case o.err == nil:
			result.Messages++
		case isPermanent(o.err):
			result.Failed++
			if o.err = r.giveUp(&r.messages[i], o.err); o.err != nil && !isPermanent(o.err) {
				transient = o.err
			}
		default:
			transient = o.err
		}
	}
	if err := r.finishClaims(); err != nil {
		r.log().WithError(err).
			Warn("the claims could not be marked as done; if the webhook comes again, its messages may be published again")
	}
	r.count(transient != nil)
	if transient != nil {
		r.log().WithError(transient).Warn("the messages of a webhook could not be stored")
		// The platform sends the webhook again. The stream knows what it has stored by the message id.
		return nil, action.Retryable(http.StatusServiceUnavailable, codes.EventsUnavailable,
			"%d of %d messages could not be stored; send the webhook again",
			len(r.messages)-result.Messages, len(r.messages)).Because(transient)
	}
	if r.s.log.Logger.IsLevelEnabled(debugLevel) {
		r.log().WithField("messages", result.Messages).Debug("webhook received")
	}
	if r.responds() {
		return r.respond(result)
	}
	return result, nil
}

// giveUp puts a message that can never be published into the dead letters. The error says that this failed too. If it
// is permanent, the message is lost, and sending the webhook again would not help.
func (r *webhookRun) giveUp(m *Message, cause error) error {
	entry := r.log().WithField("messageId", m.ID)
	entry.WithError(cause).Error("a message cannot be published and goes to the dead letters")
	err := r.s.deadLetter(r, m, cause)
	if err == nil {
		r.s.metrics.DeadLettered()
	}
	if err == nil || isPermanent(err) {
		r.s.conditions.raiseFor(
			deadLettersQuiet, conditionOf{r.channel.ID, r.channel.TenantID, 0}, codes.ConditionDeadLetters,
			"a message cannot be stored as it is: "+cause.Error())
	}
	if isPermanent(err) {
		entry.WithError(err).Error("the dead letters do not take the message either: it is lost")
	}
	return err
}

// finishClaims marks as done the claims of all messages that are stored, also those that are stored as dead letters.
func (r *webhookRun) finishClaims() error {
	if r.claimed == nil {
		return nil
	}
	stored := make([]bool, len(r.outcomes))
	for i, o := range r.outcomes {
		stored[i] = o.err == nil
	}
	return r.claimed.finish(context.WithoutCancel(r.ctx), stored)
}

// responds says whether the platform makes an answer. For a group of runs the group asks it.
func (r *webhookRun) responds() bool {
	_, ok := r.s.def.Platform.(Responder)
	return ok && !r.routed && !r.unanswered
}

func (r *webhookRun) log() *logrus.Entry { return r.s.logFor(r.req, r.channel) }

// dedupKey returns the message's own key. Without one each message gets its own, so that they do not all count as the
// same.
func dedupKey(m *Message) string {
	if key := cmp.Or(m.DedupKey, string(m.ID)); key != "" {
		return key
	}
	return uuid.NewString()
}
