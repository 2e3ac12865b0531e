package telegramtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// UpdateKinds are the kinds of updates, "Update".
var UpdateKinds = strings.Fields(`message edited_message channel_post edited_channel_post business_connection
	business_message edited_business_message deleted_business_messages guest_message message_reaction
	message_reaction_count inline_query chosen_inline_result callback_query shipping_query pre_checkout_query
	purchased_paid_media poll poll_answer my_chat_member chat_member chat_join_request chat_boost removed_chat_boost
	managed_bot subscription stopped_message_generation`)

// onRequest are the kinds that a bot gets only if it asks for them.
var onRequest = []string{"chat_member", "message_reaction", "message_reaction_count"}

// maxPolls is how many polls of a bot are remembered.
const maxPolls = 1000

// bot is what the Bot API keeps of a bot. It is guarded by the server's lock.
type bot struct {
	queue   []queued // not confirmed, oldest first
	lastID  int64
	allowed []string // nil is all but onRequest
	webhook WebhookInfo
	secret  string   // of the webhook
	waiting chan int // takes the status that ends the poll that waits: 0 for updates; nil without one
	polls   []Poll
}

type queued struct {
	id  int64
	raw json.RawMessage
}

// Poll is one call of getUpdates.
type Poll struct {
	Offset         int64
	Limit, Timeout int
	AllowedUpdates []string // nil where the call has none
}

func newBot() *bot { return &bot{lastID: 1000} }

// AddBot adds a bot. The server then takes its token, too.
func (s *Server) AddBot(token string) { s.Locked(func() { s.bots[token] = newBot() }) }

// Push adds an update of a kind to what the bot with this token receives, and returns its update_id. Like the Bot API,
// it leaves out kinds that the bot has not asked for: the id is 0 then. It panics where the server has no such bot.
func (s *Server) Push(token, kind string, object any) (id int64) {
	encoded, err := json.Marshal(object)
	if err != nil {
		panic(fmt.Sprintf("telegramtest: the update cannot be encoded: %v", err)) //nolint:forbidigo // the test is at fault
	}
	s.Locked(func() {
		if b := s.bots[token]; b.allows(kind) {
			id = b.lastID + 1
			b.push(id, fmt.Appendf(nil, `{"update_id":%d,%q:%s}`, id, kind, encoded))
		}
	})
	return id
}

// PushText adds a text of a user in a private chat. The message's id is the update's.
func (s *Server) PushText(token string, chat int64, text string) (id int64) {
	s.Locked(func() {
		b := s.bots[token]
		if !b.allows("message") {
			return
		}
		id = b.lastID + 1
		user := map[string]any{"id": chat, "is_bot": false, "first_name": "Ada"}
		encoded, _ := json.Marshal(map[string]any{"update_id": id, "message": map[string]any{
			"message_id": id, "date": time.Now().Unix(), "text": text, "from": user,
			"chat": map[string]any{"id": chat, "type": "private", "first_name": "Ada"},
		}}) // of texts and numbers
		b.push(id, encoded)
	})
	return id
}

// PushRaw adds an update as it is written, even if it is no JSON, and returns the update_id under which it is kept.
func (s *Server) PushRaw(token, update string) (id int64) {
	s.Locked(func() {
		b := s.bots[token]
		id = b.lastID + 1
		b.push(id, json.RawMessage(update))
	})
	return id
}

// NextID returns the update_id that the bot's next update gets.
func (s *Server) NextID(token string) (id int64) {
	s.Locked(func() { id = s.bots[token].lastID + 1 })
	return id
}

// Unconfirmed returns how many updates of the bot no later poll has confirmed.
func (s *Server) Unconfirmed(token string) (n int) {
	s.Locked(func() { n = len(s.bots[token].queue) })
	return n
}

// Polls returns the last calls of getUpdates by a bot, at most 1,000.
func (s *Server) Polls(token string) (polls []Poll) {
	s.Locked(func() { polls = slices.Clone(s.bots[token].polls) })
	return polls
}

// Waiting returns how many bots have a poll that waits.
func (s *Server) Waiting() (n int) {
	s.Locked(func() {
		for b := range maps.Values(s.bots) {
			if b.waiting != nil {
				n++
			}
		}
	})
	return n
}

func (b *bot) allows(kind string) bool {
	if b.allowed == nil {
		return !slices.Contains(onRequest, kind)
	}
	return slices.Contains(b.allowed, kind)
}

func (b *bot) push(id int64, raw json.RawMessage) {
	b.lastID = id
	b.queue = append(b.queue, queued{id, raw})
	b.end(0)
}

// end ends the poll that waits: with 0 by what there is, else with that status.
func (b *bot) end(status int) {
	if b.waiting != nil {
		b.waiting <- status // it has room for one
		b.waiting = nil
	}
}

func (b *bot) info() WebhookInfo {
	info := b.webhook
	info.PendingUpdateCount += len(b.queue)
	if info.AllowedUpdates == nil {
		info.AllowedUpdates = b.allowed
	}
	return info
}

const (
	webhookActive = "Conflict: can't use getUpdates method while webhook is active; " +
		"use deleteWebhook to delete the webhook first"
	otherPoll  = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
	webhookSet = "Conflict: terminated by setWebhook request"
)

// The statuses with which [bot.end] ends a poll.
const (
	endedByPoll    = 1
	endedByWebhook = 2
)

func (s *Server) getUpdates(r *Request) Response {
	b := s.bots[tokenOf(r)]
	poll := Poll{
		Offset: number(r, "offset", 0), Limit: int(number(r, "limit", 100)), Timeout: int(number(r, "timeout", 0)),
	}
	if _, asked := r.Body["allowed_updates"]; asked {
		poll.AllowedUpdates = texts(r, "allowed_updates")
		b.allowed = poll.AllowedUpdates
		if len(b.allowed) == 0 {
			b.allowed = nil
		}
	}
	if b.polls = append(b.polls, poll); len(b.polls) > maxPolls {
		b.polls = b.polls[1:]
	}
	if b.webhook.URL != "" {
		return Failure(http.StatusConflict, webhookActive, nil)
	}
	b.end(endedByPoll)
	b.confirm(poll.Offset)
	if len(b.queue) > 0 || poll.Timeout == 0 {
		return b.updates(poll.Limit)
	}
	waiting := make(chan int, 1)
	b.waiting = waiting
	return Response{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.hold(b, waiting, poll, w, r)
	})}
}

// hold holds a poll until there are updates, it is ended, or its time is over.
func (s *Server) hold(b *bot, waiting chan int, poll Poll, w http.ResponseWriter, r *http.Request) {
	timer := time.NewTimer(time.Duration(min(poll.Timeout, 50)) * time.Second)
	defer timer.Stop()
	status := 0
	select {
	case status = <-waiting:
	case <-timer.C:
	case <-s.Closing():
	case <-r.Context().Done():
	}
	var answer Response
	s.Locked(func() {
		if b.waiting == waiting {
			b.waiting = nil
		}
		select {
		case status = <-waiting:
		default:
		}
		answer = b.updates(poll.Limit)
	})
	switch status {
	case endedByPoll:
		answer = Failure(http.StatusConflict, otherPoll, nil)
	case endedByWebhook:
		answer = Failure(http.StatusConflict, webhookSet, nil)
	}
	if r.Context().Err() == nil {
		answer.Write(w)
	}
}

// confirm forgets the updates before an offset, or all but the last -offset ones. An offset that lies ahead of all
// updates confirms nothing: their ids may have begun anew.
func (b *bot) confirm(offset int64) {
	switch {
	case offset < 0:
		b.queue = b.queue[max(0, int64(len(b.queue))+offset):]
	case offset <= b.lastID+10:
		b.queue = slices.DeleteFunc(b.queue, func(u queued) bool { return u.id < offset })
	}
}

// updates is the answer with the first updates. They are joined as they are: one may be no JSON.
func (b *bot) updates(limit int) Response {
	var list []string
	for _, u := range b.queue[:min(limit, len(b.queue))] {
		list = append(list, string(u.raw))
	}
	return Response{
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   `{"ok":true,"result":[` + strings.Join(list, ",") + `]}`,
	}
}

func (s *Server) setWebhook(r *Request) Response {
	link := is.At[string](r.Body, "url")
	if link == "" {
		return s.deleteWebhook(r)
	}
	if !strings.HasPrefix(link, "https://") {
		return Failure(http.StatusBadRequest, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook", nil)
	}
	if port := portOf(link); !slices.Contains(webhookPorts, port) {
		return Failure(http.StatusBadRequest, "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, "+
			"443 or 8443", nil)
	}
	secret := is.At[string](r.Body, "secret_token")
	if !webhookSecret.MatchString(secret) {
		return Failure(http.StatusBadRequest, "Bad Request: secret token contains illegal characters", nil)
	}
	b := s.bots[tokenOf(r)]
	b.webhook = WebhookInfo{URL: link, MaxConnections: int(number(r, "max_connections", defaultConnections))}
	b.secret = secret
	b.forget(r)
	if _, asked := r.Body["allowed_updates"]; asked {
		b.allowed = texts(r, "allowed_updates")
	}
	b.end(endedByWebhook)
	return success(true)
}

// defaultConnections is max_connections of a setWebhook without one.
const defaultConnections = 40

var (
	webhookPorts  = []string{"", "80", "88", "443", "8443"}
	webhookSecret = regexp.MustCompile(`^[A-Za-z0-9_-]{0,256}$`)
)

func portOf(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return "none"
	}
	return u.Port()
}

func (s *Server) deleteWebhook(r *Request) Response {
	b := s.bots[tokenOf(r)]
	b.webhook, b.secret = WebhookInfo{}, ""
	b.forget(r)
	return success(true)
}

// forget does what the parameter drop_pending_updates says.
func (b *bot) forget(r *Request) {
	if is.At[bool](r.Body, "drop_pending_updates") {
		b.queue = nil
	}
}

// number returns an integer parameter, by default what a call without it means.
func number(r *Request, name string, without int64) int64 {
	n, err := is.At[json.Number](r.Body, name).Int64()
	if err != nil {
		return without
	}
	return n
}

func texts(r *Request, name string) []string {
	list := []string{}
	for _, v := range is.At[[]any](r.Body, name) {
		if text, ok := v.(string); ok {
			list = append(list, text)
		}
	}
	return list
}
