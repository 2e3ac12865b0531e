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
	"sync"
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
	// pollLimit is how many updates an answer has at most.
	pollLimit = 100
	// quickPolls is how many polls may be under way at once that are answered without delay. They come where a bot may be
	// behind, which is so for all bots when a node starts: a full answer may have some megabytes, and where thousands of
	// polls begin in the same moment each opens a connection, even with HTTP/2.
	quickPolls = 64
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
		Help: "the kinds of updates to receive, with commas between them; without it all. Polling asks for them, and " +
			"channels setup tells them to setWebhook",
	}
)

var _ integration.Receiver = (*platform)(nil)

// quick bounds the quick polls of a node. Channels whose apiBase a tenant chose do not keep the others waiting.
type quick struct{ own, tenants *semaphore.Weighted }

func newQuick() quick {
	return quick{semaphore.NewWeighted(quickPolls), semaphore.NewWeighted(quickPolls)}
}

func (q *quick) of(settings map[string]string) *semaphore.Weighted {
	if integration.ChoseAddresses(settings) {
		return q.tenants
	}
	return q.own
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
		quick: p.quick.of(session.Channel.Settings),
	}
	poller.api.Errors = pollErrors
	var notes []string
	poller.allowed, notes = allowedUpdates(session.Channel)
	poller.answered = sync.OnceFunc(func() { session.Ready(notes...) })
	if position := session.Cursor(); position != nil {
		var c cursor
		if err := json.Unmarshal(position, &c); err != nil {
			session.Log().WithError(err).Warn("the saved offset cannot be read; Telegram sends what it has not confirmed")
		}
		poller.offset = c.Offset
	}
	behind, err := true, error(nil)
	for err == nil {
		behind, err = poller.next(ctx, behind)
	}
	return poller.explain(ctx, err)
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
	quick   *semaphore.Weighted
	allowed []string
	offset  int64 // of the next update; 0 for the first one that Telegram has

	answered func() // is called when Telegram has let the bot in
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

// next takes the updates of one answer and returns when they are durable. Where the bot is not behind, Telegram holds
// the answer back until there are some. stillBehind says that it probably has more.
func (p *poller) next(ctx context.Context, behind bool) (stillBehind bool, err error) {
	wait := pollWait
	if behind {
		wait = 0
		if err := p.quick.Acquire(ctx, 1); err != nil {
			return false, err
		}
	}
	n, err := p.take(ctx, wait)
	if behind {
		p.quick.Release(1)
	}
	if err != nil {
		return false, err
	}
	began := time.Now()
	if err := p.session.Flush(ctx); err != nil {
		return false, err
	}
	return n == pollLimit || time.Since(began) > slowFlush, nil
}

// take asks for updates once and hands them over. It returns how many there were.
func (p *poller) take(ctx context.Context, wait time.Duration) (n int, err error) {
	asked := time.Now()
	updates, answer, err := p.ask(ctx, wait, pollLimit)
	if isUnreadable(err) {
		// One update may be what spoils the answer: it must not keep back all others for ever.
		updates, answer, err = p.ask(ctx, 0, 1)
		if isUnreadable(err) && p.passOver(ctx, answer) {
			return 0, nil
		}
	}
	if err != nil {
		return 0, err
	}
	p.answered()
	switch {
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
		Name: "getUpdates", Wait: max(wait, time.Second),
		JSON: getUpdates{p.offset, limit, int(wait / time.Second), p.allowed},
	}, &updates)
	return updates, answer, err
}

// isUnreadable says whether an answer came that cannot be read.
func isUnreadable(err error) bool {
	e, ok := errors.AsType[*integration.Error](err)
	return ok && e.Code == codes.AnswerUnreadable || errors.Is(err, httpapi.ErrAnswerTooLong)
}

// spoiled is the beginning of an answer whose first update cannot be read, as Telegram writes it.
var spoiled = regexp.MustCompile(`^\{"ok":true,"result":\[\{\s*"update_id":\s*(\d{1,18})\b`)

// passOver leaves out the one update of an answer that cannot be read, if the answer is Telegram's and says which
// one it is.
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
	base := defaultAPIBase
	if integration.APIBaseOf(ch.Settings, base) != base {
		base = "$API_BASE"
	}
	return fmt.Sprintf(
		"the bot's updates go to its webhook at %s, so polling gets none; delete the webhook with "+
			"`switchboard channels setup %s` or `curl %s/bot$BOT_TOKEN/deleteWebhook`, or set receive to webhook",
		cmp.Or(httpapi.LinkHost(url), "an unknown host"), ch.ID, base,
	)
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
