package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/leases"
)

// listener is a platform that receives over connections, as scripted. Each item is a message of conversation "42".
type listener struct {
	platform
	connections int
	id          func(payload string) string  // of an item; nil is the payload
	seen        func(w *integration.Webhook) // what Normalize gets; nil if nobody looks
	receive     func(ctx context.Context, session *integration.Session) error
}

func (l *listener) Connections(*integration.Channel) int { return l.connections }

func (l *listener) Receive(ctx context.Context, session *integration.Session) error {
	l.step("receive")
	return l.receive(ctx, session)
}

func (l *listener) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	l.step("normalize")
	if l.seen != nil {
		l.seen(w)
	}
	if l.normalizeErr != nil {
		return nil, l.normalizeErr
	}
	id := string(w.Payload)
	if l.id != nil {
		id = l.id(id)
	}
	return []integration.Message{{ID: integration.ID(id), DedupKey: id, ConversationID: integration.ID("4" + id)}}, nil
}

func (s *store) OfPlatform(
	_ context.Context, _ string, wanted func(*integration.Channel) bool,
) ([]*integration.Channel, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists++
	if s.err != nil || !wanted(s.channel) {
		return nil, s.err
	}
	return []*integration.Channel{s.channel}, nil
}

func (s *store) OnChange(f func(string)) (stop func()) {
	before := s.changed
	s.changed = func(id string) {
		if before != nil {
			before(id)
		}
		f(id)
	}
	return func() {}
}

// connected is a node that keeps the connections of a harness's platform.
type connected struct {
	*harness
	listener *listener
	leases   leases.Store
}

func newConnected(t *testing.T) *connected {
	t.Helper()
	c := &connected{harness: newHarness(t), leases: leases.NewMemory()}
	c.listener = &listener{connections: 1}
	c.def.Platform = c.listener
	c.runtime.Now = nil
	return c
}

// node starts one node. stop ends it as a graceful stop does.
func (c *connected) node(id string) (service *integration.Service, stop func()) {
	c.t.Helper()
	member := leases.NewMember(c.leases, leases.Options{Node: id, Log: c.runtime.Log})
	c.runtime.Leases = member
	service = c.define()
	require.NoError(c.t, service.StartConsuming(c.t.Context()))
	return service, func() {
		require.NoError(c.t, service.StopConsuming(context.Background()))
		require.NoError(c.t, member.Close(context.Background()))
		require.NoError(c.t, service.Stop(context.Background()))
	}
}

// countOpen counts the connections that are open, each until its channel or its node ends it.
func (c *connected) countOpen() *int {
	open := 0
	c.listener.receive = func(ctx context.Context, _ *integration.Session) error {
		open++
		<-ctx.Done()
		open--
		return nil
	}
	return &open
}

func (c *connected) stored() []string {
	c.events.mu.Lock()
	defer c.events.mu.Unlock()
	var ids []string
	for _, e := range c.events.events {
		ids = append(ids, strings.TrimPrefix(e.ID, "parrot:c1:"))
	}
	return ids
}

// elapse lets time go by, and then waits until all goroutines of the bubble wait: what they did happened before.
func elapse(d time.Duration) {
	pass(d)
	synctest.Wait()
}

func incoming(n int) integration.Incoming {
	return integration.Incoming{Payload: json.RawMessage(fmt.Sprint(n)), Cursor: json.RawMessage(fmt.Sprint(n))}
}

func TestConnectionItemsGoTheWebhooksWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		var cursors []string
		c.listener.receive = func(ctx context.Context, session *integration.Session) error {
			cursors = append(cursors, string(session.Cursor()))
			session.Ready()
			for n := range 5 {
				if err := session.Deliver(ctx, incoming(n)); err != nil {
					return err
				}
			}
			if err := session.Flush(ctx); err != nil {
				return err
			}
			cursors = append(cursors, string(session.Cursor()))
			<-ctx.Done()
			return nil
		}
		service, stop := c.node("n1")
		elapse(10 * time.Second)
		require.Equal(t, []string{"0", "1", "2", "3", "4"}, c.stored())
		require.Equal(t, []string{"", "4"}, cursors)
		require.NotContains(t, c.listener.steps, "signature", "a connection of our own is not signed")

		health, err := service.Call(
			t.Context(), integration.ActionHealthCheck, &action.Request{Params: json.RawMessage(`{}`)},
		)
		require.NoError(t, err)
		require.Contains(t, toJSON(t, health), `"node":"n1"`)
		require.Contains(t, toJSON(t, health), `"state":"ready"`)
		stop()

		cursors = nil
		_, stop = c.node("n2")
		elapse(10 * time.Second)
		require.Equal(t, "4", cursors[0], "the next owner goes on from the cursor")
		stop()
	})
}

func TestConnectionItemThatFailsIsDeliveredAgainInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		failures := 3
		var mu sync.Mutex
		var kept []string
		c.events.fail = func(e event) error {
			mu.Lock()
			defer mu.Unlock()
			if id := strings.TrimPrefix(e.ID, "parrot:c1:"); failures > 0 && id >= "2" {
				failures--
				return errors.New("no response from stream")
			}
			kept = append(kept, strings.TrimPrefix(e.ID, "parrot:c1:"))
			return nil
		}
		attempts, times := 0, map[time.Time]bool{}
		c.listener.seen = func(w *integration.Webhook) {
			mu.Lock()
			defer mu.Unlock()
			if string(w.Payload) == "2" {
				attempts++
				times[w.Timestamp] = true
			}
		}
		var cursors []string
		c.listener.receive = func(ctx context.Context, session *integration.Session) error {
			for n := range 6 {
				if err := session.Deliver(ctx, incoming(n)); err != nil {
					return err
				}
				cursors = append(cursors, string(session.Cursor()))
			}
			err := session.Flush(ctx)
			cursors = append(cursors, string(session.Cursor()))
			<-ctx.Done()
			return err
		}
		_, stop := c.node("n1")
		elapse(time.Minute)
		stop()
		require.Equal(t, []string{"0", "1", "2", "3", "4", "5"}, kept)
		require.Greater(t, attempts, 1)
		require.Len(t, times, 1, "an item came when it came, however often it is tried")
		require.Equal(
			t, []string{"0", "1", "1", "1", "1", "1", "5"}, cursors, "the cursor passes nothing that is not durable",
		)
	})
}

func TestConnectionSkipsItemsThatCanNeverBeTakenIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		c.listener.normalizeErr = &integration.Error{
			Kind: integration.FaultInvalid, Code: "WEBHOOK_INVALID", Message: "garbage",
		}
		var outcome error
		var cursor string
		c.listener.receive = func(ctx context.Context, session *integration.Session) error {
			in := incoming(7)
			in.Done = func(_ *integration.Response, err error) { outcome = err }
			if err := session.Deliver(ctx, in); err != nil {
				return err
			}
			_ = session.Flush(ctx)
			cursor = string(session.Cursor())
			<-ctx.Done()
			return nil
		}
		_, stop := c.node("n1")
		elapse(10 * time.Second)
		stop()
		require.ErrorContains(t, outcome, "garbage")
		require.Equal(t, "7", cursor)
		require.Contains(t, c.logs.String(), "garbage")
	})
}

func TestConnectionMovesCursorWithoutMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		c.events.held = make(chan struct{})
		var cursors []string
		c.listener.receive = func(ctx context.Context, session *integration.Session) error {
			for _, in := range []integration.Incoming{
				{Cursor: json.RawMessage("0")}, incoming(1), {Cursor: json.RawMessage("2")}, incoming(3),
			} {
				if err := session.Deliver(ctx, in); err != nil {
					return err
				}
				cursors = append(cursors, string(session.Cursor()))
			}
			close(c.events.held)
			_ = session.Flush(ctx)
			cursors = append(cursors, string(session.Cursor()))
			<-ctx.Done()
			return nil
		}
		_, stop := c.node("n1")
		elapse(10 * time.Second)
		stop()
		require.Equal(t, []string{"1", "3"}, c.stored())
		require.Equal(t, []string{"0", "0", "0", "0", "3"}, cursors, "not past what is not durable")
	})
}

func TestConnectionThatIsRefusedWaitsAndSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		c.listener.receive = func(context.Context, *integration.Session) error {
			return &integration.Error{
				Kind: integration.FaultAuth, Code: "TOKEN_REVOKED", Message: "the token " + token + " is revoked",
			}
		}
		service, stop := c.node("n1")
		elapse(time.Minute)
		require.Less(t, len(c.listener.steps), 6, "it is opened again calmly")
		health, err := service.Call(t.Context(), integration.ActionHealthCheck,
			&action.Request{Params: json.RawMessage(`{"channelId":"c1"}`)})
		require.NoError(t, err)
		text := toJSON(t, health)
		require.Contains(t, text, `"state":"refused"`)
		require.Contains(t, text, "TOKEN_REVOKED")
		require.Contains(t, text, `"status":"unhealthy"`)
		require.NotContains(t, text+c.logs.String(), token)
		// A changed channel is tried at once.
		steps := len(c.listener.steps)
		mended := *c.store.channel
		mended.Settings = map[string]string{"apiBase": "http://elsewhere"}
		c.store.set(&mended, nil)
		c.store.changed("c1")
		elapse(time.Second)
		require.Greater(t, len(c.listener.steps), steps)
		stop()
	})
}

func TestConnectionThatEndsAtOnceIsOpenedAgainCalmly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		c.listener.receive = func(context.Context, *integration.Session) error { return nil }
		_, stop := c.node("n1")
		elapse(time.Minute)
		stop()
		require.Greater(t, len(c.listener.steps), 60)
		require.Less(t, len(c.listener.steps), 130)
	})
}

func TestConnectionOfRemovedChannelIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		open := c.countOpen()
		_, stop := c.node("n1")
		elapse(5 * time.Second)
		require.Equal(t, 1, *open)
		off := *c.store.channel
		off.Status = integration.ChannelInactive
		c.store.set(&off, nil)
		c.store.changed("c1")
		elapse(time.Second)
		require.Equal(t, 0, *open, "a change takes effect within a second")
		stop()
	})
}

func TestConnectionPanicIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		c.listener.receive = func(context.Context, *integration.Session) error { panic("at the disco") }
		_, stop := c.node("n1")
		elapse(10 * time.Second)
		stop()
		require.Contains(t, c.logs.String(), "at the disco")
		require.Greater(t, len(c.listener.steps), 1)
	})
}

func TestConnectionsOfShardsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		var mu sync.Mutex
		open, of := map[string]int{}, map[int]int{}
		c.listener.receive = func(ctx context.Context, session *integration.Session) error {
			if session.Index == 0 && session.Of < 4 {
				session.SetShards(min(session.Of+1, 4)) // they become more one by one
			}
			session.Ready()
			mu.Lock()
			of[session.Index] = session.Of
			open[fmt.Sprint(session.Index)]++
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
			open[fmt.Sprint(session.Index)]--
			mu.Unlock()
			return nil
		}
		service, stop1 := c.node("n1")
		_, stop2 := c.node("n2")
		elapse(time.Minute)
		require.Equal(t, map[string]int{"0": 1, "1": 1, "2": 1, "3": 1}, open)
		require.Equal(t, map[int]int{0: 4, 1: 4, 2: 4, 3: 4}, of, "all are opened anew when there are more")
		health, err := service.Call(
			t.Context(), integration.ActionHealthCheck, &action.Request{Params: json.RawMessage(`{}`)},
		)
		require.NoError(t, err)
		nodes := map[string]int{}
		for _, conn := range health.(*integration.Health).Details["connections"].([]integration.Connection) {
			require.Equal(t, 4, conn.Of)
			nodes[conn.Node]++
		}
		require.Equal(t, map[string]int{"n1": 2, "n2": 2}, nodes)
		stop1()
		stop2()
	})
}

func TestConnectionCursorWaitsForSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		spool := &shelf{holds: true}
		c.runtime.Spool, c.def.NoRedelivery = spool, true
		var before, after string
		c.listener.receive = func(ctx context.Context, session *integration.Session) error {
			if before == "" {
				before = "none"
				if err := session.Deliver(ctx, incoming(1)); err != nil {
					return err
				}
				_ = session.Flush(ctx)
			} else {
				after = string(session.Cursor())
			}
			<-ctx.Done()
			return nil
		}
		_, stop := c.node("n1")
		elapse(10 * time.Second)
		require.Len(t, spool.ids, 1)
		stop()
		_, stop = c.node("n2")
		elapse(10 * time.Second)
		stop()
		require.Empty(t, after, "another owner takes in again what only the first one's disk has")
	})
}

func TestConnectionDeliverBlocksWhileNothingIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		c.events.held = make(chan struct{})
		delivered := 0
		c.listener.receive = func(ctx context.Context, session *integration.Session) error {
			for n := range 3000 {
				if err := session.Deliver(ctx, incoming(n)); err != nil {
					return err
				}
				delivered++
			}
			<-ctx.Done()
			return nil
		}
		_, stop := c.node("n1")
		elapse(5 * time.Second)
		require.Equal(t, 1024, delivered)
		close(c.events.held)
		elapse(time.Second)
		require.Equal(t, 3000, delivered)
		stop()
		require.True(t, slices.IsSortedFunc(c.stored(), func(a, b string) int { return len(a) - len(b) }))
	})
}

// What is done and waits for an item before it takes room, too, and gives it back when its session ends.
func TestConnectionThatEndsGivesItsRoomBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		large := strings.Repeat("x", 4<<20-100) // 64 MB are for 16 of them
		var fresh atomic.Bool                   // the first item of a session fails after the second one was stored
		stored := make(chan struct{}, 1)
		c.events.fail = func(e event) error {
			switch {
			case strings.HasSuffix(e.ID, ":1"):
				stored <- struct{}{}
				return nil
			case fresh.Swap(false):
				<-stored
			}
			return errors.New("no response from stream")
		}
		c.events.held = make(chan struct{})
		sessions := 0
		c.listener.receive = func(ctx context.Context, session *integration.Session) error {
			sessions++
			fresh.Store(true)
			for n := range 2 { // the second is stored while the first waits to be delivered again
				in := incoming(n)
				in.Payload = json.RawMessage(fmt.Sprintf(`{"n":%d,"x":"%s"}`, n, large))
				if err := session.Deliver(ctx, in); err != nil {
					return err
				}
			}
			pass(time.Second)
			return nil
		}
		c.listener.id = func(payload string) string { return payload[5:6] }
		close(c.events.held)
		_, stop := c.node("n1")
		elapse(time.Minute)
		stop()
		require.Greater(t, sessions, 30)
	})
}

// A node with thousands of channels must not open them all because one of them has changed.
func TestConnectionsReadOnlyTheChannelThatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		open := c.countOpen()
		_, stop := c.node("n1")
		elapse(5 * time.Second)
		on, off := c.store.channel, *c.store.channel
		off.Status = integration.ChannelInactive
		for range 10 {
			c.store.set(&off, nil)
			c.store.changed("c1")
			elapse(time.Second)
			require.Equal(t, 0, *open)
			c.store.set(on, nil)
			c.store.changed("c1")
			elapse(time.Second)
			require.Equal(t, 1, *open)
		}
		require.Equal(t, 1, c.store.lists)

		c.store.changed("") // any may have changed
		elapse(time.Second)
		require.Equal(t, 2, c.store.lists)
		c.store.set(on, errors.New("the database is away"))
		c.store.changed("")
		elapse(time.Second)
		require.Equal(t, 1, *open, "what is known goes on")
		c.store.set(&off, nil) // of which nobody tells
		elapse(10 * time.Second)
		require.Equal(t, 0, *open, "a read that failed is soon tried again")
		elapse(10 * time.Minute)
		require.LessOrEqual(t, c.store.lists, 7)
		stop()
	})
}
