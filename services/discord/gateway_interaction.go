package discord

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
)

const (
	// callbackPause is the pause before an interaction's callback is called again.
	callbackPause = 100 * time.Millisecond
	// answersTimeout bounds, when a connection ends, the wait for answers to interactions that came over it.
	answersTimeout = 700 * time.Millisecond
)

// interactionAnswers answer the interactions that came over the Gateway, "Create Interaction Response": within 3 s,
// once they are durable. Safe for concurrent use.
type interactionAnswers struct {
	api    api // without the bot's token: the path holds the interaction's
	log    *logrus.Entry
	ctx    context.Context // of the calls
	cancel context.CancelFunc

	mu      sync.Mutex
	waiting int           // interactions that are not answered yet
	idle    chan struct{} // closed when waiting becomes 0; nil if nobody waits for that
	closed  bool
	calls   sync.WaitGroup
}

func newInteractionAnswers(ctx context.Context, a api, log *logrus.Entry) *interactionAnswers {
	answers := &interactionAnswers{api: a, log: log}
	answers.ctx, answers.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return answers
}

// expect returns what is to be called with the answer to an interaction that came just now.
func (a *interactionAnswers) expect(data json.RawMessage) func(*integration.Response, error) {
	var in struct {
		ID    snowflake `json:"id"`
		Token string    `json:"token"`
	}
	_ = payload.Unmarshal(data, &in) // Normalize says what is wrong
	deadline := time.Now().Add(webhookTimeout)
	a.mu.Lock()
	a.waiting++
	a.mu.Unlock()
	return func(response *integration.Response, err error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.closed || err != nil || response == nil || response.Body == "" || in.ID == "" || in.Token == "" {
			a.answered()
			return
		}
		ctx, cancel := context.WithDeadline(a.ctx, deadline)
		a.calls.Go(func() {
			defer cancel()
			a.answer(ctx, "/interactions/"+url.PathEscape(string(in.ID))+"/"+url.PathEscape(in.Token)+"/callback", response.Body)
			a.mu.Lock()
			defer a.mu.Unlock()
			a.answered()
		})
	}
}

// answered counts an interaction as done. The lock is held.
func (a *interactionAnswers) answered() {
	a.waiting--
	if a.waiting == 0 && a.idle != nil {
		close(a.idle)
		a.idle = nil
	}
}

// answer calls an interaction's callback until that is answered or ctx ends. A repetition does nothing more: Discord
// refuses it.
func (a *interactionAnswers) answer(ctx context.Context, path, body string) {
	call := httpapi.Call{
		Name: "interaction callback", Path: path, Again: httpapi.Idempotent,
		Body: httpapi.Body{Bytes: []byte(body), ContentType: "application/json"},
	}
	for {
		_, err := a.api.Do(ctx, call, nil)
		e, ok := errors.AsType[*integration.Error](err)
		if err == nil || ok && e.PlatformCode == alreadyAnswered {
			return
		}
		if ok && e.Retryable() {
			timer := time.NewTimer(max(callbackPause, e.RetryAfter))
			select {
			case <-timer.C:
				continue
			case <-ctx.Done():
				timer.Stop()
			}
		}
		a.log.WithError(err).Warn("an interaction could not be answered in time; its message is stored")
		return
	}
}

// alreadyAnswered is Discord's error for a second answer, such as by the connection's last owner.
const alreadyAnswered = "40060"

// flush waits a moment for the interactions that came already: nobody else can answer them once they are durable.
func (a *interactionAnswers) flush(session *integration.Session) {
	a.mu.Lock()
	if a.waiting == 0 {
		a.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	a.idle = idle
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), answersTimeout)
	defer cancel()
	if session.Flush(ctx) != nil {
		return
	}
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// close waits a moment for answers, and ends those under way. Later ones are not sent.
func (a *interactionAnswers) close(session *integration.Session) {
	a.flush(session)
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.cancel()
	a.calls.Wait()
}
