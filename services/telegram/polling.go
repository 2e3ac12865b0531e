package telegram

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
)

// The ways of the setting receive.
const (
	byWebhook = "webhook"
	byPolling = "polling"
)

const (
	// pollWait is how long Telegram holds back an answer without updates. It is the longest that its server takes.
	pollWait = 50 * time.Second
	// pollLimit is how many updates an answer has at most. The first one of a session has less: it comes for all bots of a
	// node at once.
	pollLimit      = 100
	firstPollLimit = 10
	// backlogPolls is how many bots may read a backlog at once: a full answer may have some megabytes.
	backlogPolls = 64
	// slowFlush is how long updates may take to become durable before a backlog is expected.
	slowFlush = 5 * time.Second
	// emptyPause is the pause after an answer without updates that was not held back at all.
	emptyPause = time.Second
)

// updateKinds are all kinds of updates, "Update". Without a list Telegram leaves out chat_member, message_reaction and
// message_reaction_count. Its server passes over names that it does not know.
var updateKinds = strings.Fields(`message edited_message channel_post edited_channel_post business_connection
	business_message edited_business_message deleted_business_messages guest_message message_reaction
	message_reaction_count inline_query chosen_inline_result callback_query shipping_query pre_checkout_query
	purchased_paid_media poll poll_answer my_chat_member chat_member chat_join_request chat_boost removed_chat_boost
	managed_bot subscription stopped_message_generation`)

var (
	receiveField = integration.ReceiveField(
		"webhook: Telegram calls the gateway. polling: the node asks Telegram for updates, without any public URL",
		byWebhook, byPolling,
	)
	allowedUpdatesField = integration.Field{
		In: integration.InSettings, Name: "allowedUpdates", Pattern: regexp.MustCompile(`^[a-z_]+( *, *[a-z_]+)*$`),
		Help: "with polling, the kinds of updates to receive, with commas between them; without it all",
	}
)

var _ integration.Receiver = (*platform)(nil)

// backlogs bounds how many bots of a node read backlogs at once. Channels whose apiBase a tenant chose do not keep the
// others waiting.
type backlogs struct{ own, tenants *semaphore.Weighted }

func newBacklogs() backlogs {
	return backlogs{semaphore.NewWeighted(backlogPolls), semaphore.NewWeighted(backlogPolls)}
}

func (b *backlogs) of(settings map[string]string) *semaphore.Weighted {
	if integration.ChoseAddresses(settings) {
		return b.tenants
	}
	return b.own
}

// Connections returns 1 for a channel with receive: polling.
func (*platform) Connections(ch *integration.Channel) int {
	if receiveField.Of(ch) == byPolling {
		return 1
	}
	return 0
}

// Receive polls the Bot API with "getUpdates". The next poll's offset confirms the updates before it, so there is none
// before these are durable.
func (p *platform) Receive(ctx context.Context, session *integration.Session) error {
	poller := &poller{
		session: session, api: p.api(session.Channel.Credentials, session.Channel.Settings),
		backlog: p.backlogs.of(session.Channel.Settings), limit: firstPollLimit,
	}
	poller.api.Errors = pollErrors
	var notes []string
	poller.allowed, notes = allowedUpdates(session.Channel)
	if position := session.Cursor(); position != nil {
		var c cursor
		if err := json.Unmarshal(position, &c); err != nil {
			session.Log().WithError(err).Warn("the saved offset cannot be read; Telegram sends what it has not confirmed")
		}
		poller.offset = c.Offset
	}
	// The first answer comes at once: it shows that Telegram lets the bot in.
	behind, err := poller.next(ctx, 0)
	if err != nil {
		return poller.explain(ctx, err)
	}
	session.Ready(notes...)
	for {
		if behind, err = poller.again(ctx, behind); err != nil {
			return poller.explain(ctx, err)
		}
	}
}

// allowedUpdates returns the kinds of updates that a channel wants, and what its operator should know about them.
func allowedUpdates(ch *integration.Channel) (kinds, notes []string) {
	list := allowedUpdatesField.Of(ch)
	if list == "" {
		return updateKinds, nil
	}
	for kind := range strings.SplitSeq(list, ",") {
		kinds = append(kinds, strings.TrimSpace(kind))
	}
	if !slices.Contains(kinds, "message") {
		notes = []string{`no messages of users are received: allowedUpdates leaves out "message"`}
	}
	return kinds, notes
}

// poller reads the updates of one bot.
type poller struct {
	session *integration.Session
	api     api
	backlog *semaphore.Weighted
	allowed []string
	offset  int64 // of the next update; 0 for the first one that Telegram has
	limit   int
}

// cursor is the position that a session keeps.
type cursor struct {
	Offset int64 `json:"offset"`
}

// getUpdates has the parameters of the method.
type getUpdates struct {
	Offset         int64    `json:"offset,omitempty"`
	Limit          int      `json:"limit"`
	Timeout        int      `json:"timeout"` // seconds
	AllowedUpdates []string `json:"allowed_updates"`
}

// again waits for the next updates, or reads more of a backlog at once where the bot is behind.
func (p *poller) again(ctx context.Context, behind bool) (stillBehind bool, err error) {
	if !behind {
		return p.next(ctx, pollWait)
	}
	if err := p.backlog.Acquire(ctx, 1); err != nil {
		return false, err
	}
	n, err := p.take(ctx, 0)
	p.backlog.Release(1)
	if err != nil {
		return false, err
	}
	return p.flush(ctx, n)
}

// next takes the updates of one answer, which Telegram may hold back for wait, and returns when they are durable. behind
// says that Telegram probably has more.
func (p *poller) next(ctx context.Context, wait time.Duration) (behind bool, err error) {
	n, err := p.take(ctx, wait)
	if err != nil {
		return false, err
	}
	return p.flush(ctx, n)
}

// flush waits until the updates that were handed over are durable. n is how many the last answer had.
func (p *poller) flush(ctx context.Context, n int) (behind bool, err error) {
	full := n >= p.limit
	p.limit = pollLimit
	began := time.Now()
	if err := p.session.Flush(ctx); err != nil {
		return false, err
	}
	return full || time.Since(began) > slowFlush, nil
}

// take asks for updates once and hands them over. It returns how many there were.
func (p *poller) take(ctx context.Context, wait time.Duration) (n int, err error) {
	asked := time.Now()
	updates, answer, err := p.ask(ctx, wait, p.limit)
	if isUnreadable(err) {
		// One update may be what spoils the answer: it must not keep back all others for ever.
		updates, answer, err = p.ask(ctx, 0, 1)
		if isUnreadable(err) && p.passOver(ctx, answer) {
			return 0, nil
		}
	}
	switch {
	case err != nil:
		return 0, err
	case len(updates) == 0 && wait > 0 && time.Since(asked) < emptyPause:
		return 0, pause(ctx, emptyPause) // a server that knows no long polls is not asked in a tight loop
	case len(updates) == 0:
		return 0, nil
	}
	before := p.offset
	for _, update := range updates {
		if err := p.deliver(ctx, update); err != nil {
			return 0, err
		}
	}
	if p.offset == before {
		err := httpapi.Unreadable("telegram getUpdates", answer.Status, errors.New("no update has a new update_id"))
		return 0, httpapi.Repeatable(err)
	}
	return len(updates), nil
}

// deliver hands over an update. One without an id is refused where it is read, and the next one's id passes it.
func (p *poller) deliver(ctx context.Context, update json.RawMessage) error {
	in := integration.Incoming{Payload: update}
	if id, err := updateID(payload.First(update, "update_id")); err == nil {
		p.offset = id + 1
		in.Cursor = p.cursor()
	}
	return p.session.Deliver(ctx, in)
}

func (p *poller) cursor() json.RawMessage {
	return append(strconv.AppendInt([]byte(`{"offset":`), p.offset, 10), '}')
}

// ask calls "getUpdates" once.
func (p *poller) ask(ctx context.Context, wait time.Duration, limit int) ([]json.RawMessage, *httpapi.Answer, error) {
	var updates []json.RawMessage
	answer, err := p.api.Ask(ctx, httpapi.Call{
		Name: "getUpdates", Path: "getUpdates", Wait: max(wait, time.Second),
		JSON: getUpdates{p.offset, limit, int(wait / time.Second), p.allowed},
	}, &updates)
	return updates, answer, err
}

// isUnreadable says whether an answer came that cannot be read.
func isUnreadable(err error) bool {
	e, ok := errors.AsType[*integration.Error](err)
	return ok && e.Code == codes.AnswerUnreadable || errors.Is(err, httpapi.ErrAnswerTooLong)
}

// spoiled is the beginning of an answer whose first update cannot be read.
var spoiled = regexp.MustCompile(`^\s*\{\s*"ok"\s*:\s*true\s*,\s*"result"\s*:\s*\[\s*\{\s*"update_id"\s*:\s*(\d{1,18})\b`)

// passOver leaves out the one update of an answer that cannot be read, if the answer is Telegram's and says which one it
// is.
func (p *poller) passOver(ctx context.Context, answer *httpapi.Answer) bool {
	if answer == nil {
		return false
	}
	found := spoiled.FindSubmatch(answer.Body)
	if found == nil {
		return false
	}
	id, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil || id < p.offset {
		return false
	}
	p.offset = id + 1
	p.session.Log().WithField("updateID", id).WithField("bytes", len(answer.Body)).
		Error("an update of Telegram is no JSON; it is left out")
	return p.session.SetCursor(ctx, p.cursor()) == nil
}

// pause waits, or returns the error of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// explain adds to a conflict with a webhook whose webhook it is. The webhook is not deleted: somebody may rely on it.
func (p *poller) explain(ctx context.Context, err error) error {
	e, ok := errors.AsType[*integration.Error](err)
	if !ok || e.Code != codes.TelegramConflict || e.Kind != integration.FaultPermanent || ctx.Err() != nil {
		return err
	}
	info, infoErr := ask[webhookInfo](ctx, p.api, "getWebhookInfo", struct{}{})
	if infoErr != nil {
		return err
	}
	explained := *e
	if info.URL == "" { // it has just been deleted
		explained.Kind = integration.FaultTransient
		return &explained
	}
	explained.Message = "telegram getUpdates: " + webhookInTheWay(p.session.Channel, info.URL)
	return &explained
}

// webhookInTheWay says why polling gets nothing, and what to do.
func webhookInTheWay(ch *integration.Channel, url string) string {
	base := "https://api.telegram.org"
	if ch.Settings[fieldAPIBase] != "" {
		base = "$API_BASE"
	}
	return fmt.Sprintf(
		"the bot's updates go to its webhook at %s, so polling gets none; delete the webhook with "+
			"`curl %s/bot$BOT_TOKEN/deleteWebhook`, or set receive to webhook", cmp.Or(httpapi.LinkHost(url), "an unknown host"), base)
}

// pollErrors says what refusals of "getUpdates" mean.
var pollErrors = &integration.ErrorTable{
	Texts: []integration.ErrorText{
		// The server ends the older one of two polls.
		{Says: "other getupdates request", ErrorRow: integration.ErrorRow{
			Kind: integration.FaultTransient, Code: codes.TelegramConflict,
			Fix: "another program polls for this bot: stop it, a bot has one reader",
		}},
		{Says: "webhook", ErrorRow: integration.Permanent(
			codes.TelegramConflict, "delete the bot's webhook with deleteWebhook, or set receive to webhook",
		)},
		methodUnknown,
	},
	Statuses: pollStatuses(),
}

func pollStatuses() map[int]integration.ErrorRow {
	rows := maps.Clone(statuses)
	for status, fix := range map[int]string{
		http.StatusUnauthorized: "give the channel the bot's current token, as @BotFather shows it",
		http.StatusNotFound:     "check the channel's token, and its apiBase if it has one",
	} {
		row := rows[status]
		row.Fix = fix
		rows[status] = row
	}
	rows[http.StatusTooManyRequests] = integration.ErrorRow{Kind: integration.FaultThrottled, Code: codes.RateLimited}
	return rows
}
