//go:build slow || chaos

package chaos_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/test/chaos"
)

const (
	// sendEvery is the pause between two sends: below the rate at which Telegram's pacing would hold them up.
	sendEvery = 100 * time.Millisecond
	// sendPatience bounds one call of a send.
	sendPatience = 10 * time.Second
)

// sender calls i_sendMessage as another node of the cluster does, each message under a key of its own.
type sender struct {
	journal   *chaos.Journal
	fault     *atomic.Pointer[string]
	disturbed *atomic.Int64 // counts what disturbs a send, and is odd while something does

	link *cluster.Link
	busy sync.WaitGroup
}

// newSender joins the cluster until the test ends.
func newSender(t *testing.T, nc *nats.Conn) *sender {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	s := &sender{link: cluster.New(nc, cluster.Options{
		NodeID: "sender", Namespace: namespace, Version: "chaos", Concurrency: 16, Queue: 16, DrainTimeout: time.Second,
		Log: logrus.NewEntry(log),
	})}
	broker := s.link.NewBroker()
	broker.Start()
	t.Cleanup(func() { broker.Stop() })
	return s
}

// start sends until sending ends, and repeats those without a known outcome until life ends.
func (s *sender) start(sending, life context.Context) (done <-chan struct{}) {
	s.busy.Go(func() {
		ticks := time.NewTicker(sendEvery)
		defer ticks.Stop()
		for n := 1; ; n++ {
			select {
			case <-sending.Done():
				return
			case <-ticks.C:
				s.busy.Go(func() { s.send(life, n) })
			}
		}
	})
	over := make(chan struct{})
	go func() {
		defer close(over)
		s.busy.Wait()
	}()
	return over
}

func (s *sender) send(life context.Context, n int) {
	send := &chaos.Send{Text: fmt.Sprintf("send %d", n), Fault: *s.fault.Load()}
	before := s.disturbed.Load()
	defer func() {
		send.Disturbed = before%2 == 1 || s.disturbed.Load() != before
		s.journal.Send(send)
	}()
	params := map[string]any{
		"channelId": channelWindow, "idempotencyKey": fmt.Sprintf("key-%d", n),
		"message": map[string]any{
			"to": map[string]any{"id": fmt.Sprint(500_000 + n)}, "content": map[string]any{"type": "TEXT", "text": send.Text},
		},
	}
	opts := action.CallOptions{Timeout: sendPatience, Retries: 1, Meta: json.RawMessage(`{"tenantId":"acme"}`)}
	for {
		result, err := s.link.Call(life, "telegram.i_sendMessage", params, opts)
		if err == nil {
			var sent struct {
				Success   bool   `json:"success"`
				MessageID string `json:"messageId"`
				Error     struct{ Code, Message string }
			}
			if err = json.Unmarshal(result.Data, &sent); err == nil {
				send.Success, send.MessageID = sent.Success, sent.MessageID
				send.Trouble = sent.Error.Code + ": " + sent.Error.Message
				return
			}
		}
		send.Trouble = err.Error()
		if e, ok := errors.AsType[*action.Error](err); ok {
			send.Trouble = fmt.Sprintf("%s: %s (%d)", e.Type, e.Message, e.Code)
			if !e.Retryable && e.Code != 504 {
				return
			}
		}
		if !wait(life, 500*time.Millisecond) {
			return
		}
	}
}
