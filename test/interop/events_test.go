package interop_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/node"
)

const (
	ordersEvent = "shop.orders.placed"
	deadLetters = "FAILED_MESSAGES"
	billing     = "v1.billing" // a group
)

// placed is the payload of ordersEvent.
type placed struct {
	N int `json:"n"`
}

// ledgerService consumes an event and tells of each.
type ledgerService struct {
	event   string
	options integration.ConsumeOptions
	handle  func(*integration.Context, placed) error
	got     chan consumed
}

// consumed is what a Go handler got.
type consumed struct {
	N                                     int
	TenantID, RequestID, ParentID, Caller string
	Level                                 int
	Delivery                              integration.Delivery
}

func newLedgerService(options integration.ConsumeOptions) *ledgerService {
	return &ledgerService{event: ordersEvent, options: options, got: make(chan consumed, 10_000)}
}

func (l *ledgerService) definition() integration.ServiceDefinition {
	return integration.ServiceDefinition{Name: "ledger", ReliableEvents: []integration.ReliableEvent{
		integration.NewReliableEvent(l.event, l.options, func(ctx *integration.Context, p placed) error {
			r := ctx.Request
			l.got <- consumed{p.N, ctx.TenantID(), r.RequestID, r.ParentID, r.Caller, r.Level, *ctx.Delivery()}
			if l.handle == nil {
				return nil
			}
			return l.handle(ctx, p)
		}),
	}}
}

// host runs the service on a node of its own.
func (l *ledgerService) host(t *testing.T, natsURL string) *host {
	t.Helper()
	return startHost(t, natsURL, node.Service(l.definition()), settings("services: [ledger]"))
}

func (l *ledgerService) next(t *testing.T) consumed {
	t.Helper()
	select {
	case c := <-l.got:
		return c
	case <-time.After(patience):
		require.Fail(t, "no event came")
		return consumed{}
	}
}

// storage is a JetStream client of the test's own.
func storage(t *testing.T, natsURL string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(natsURL, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return js
}

// place stores orders of these numbers.
func place(t *testing.T, js jetstream.JetStream, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		_, err := js.Publish(t.Context(), "hios."+ordersEvent, fmt.Appendf(nil, `{"n":%d}`, n))
		require.NoError(t, err)
	}
}

// allAcked waits until a group has dealt with all that is stored.
func allAcked(t *testing.T, js jetstream.JetStream, stream, durable string) {
	t.Helper()
	require.Eventually(t, func() bool {
		s, err := js.Stream(t.Context(), stream)
		if err != nil {
			return false
		}
		c, err := s.PushConsumer(t.Context(), durable)
		return err == nil && c.CachedInfo().NumAckPending == 0 &&
			c.CachedInfo().AckFloor.Stream >= s.CachedInfo().State.LastSeq
	}, patience, tick)
}

const ordersStream = "hios_shop_orders_placed"

// messagesOf takes the numbers of what a peer has got.
func messagesOf(t *testing.T, p *peer) (numbers []int) {
	t.Helper()
	for {
		e, found, _ := p.lines.take(func(e event) bool { return e.kind == "message" })
		if !found {
			return numbers
		}
		var m message
		require.NoError(t, json.Unmarshal(e.line, &m))
		numbers = append(numbers, decode[placed](t, m.Payload).N)
	}
}

func (l *ledgerService) numbers() (numbers []int) {
	for {
		select {
		case c := <-l.got:
			numbers = append(numbers, c.N)
		default:
			return numbers
		}
	}
}

func upTo(n int) (numbers []int) {
	for i := range n {
		numbers = append(numbers, i)
	}
	return numbers
}

func TestNodeAndGoConsumersOfAGroupShareItsEvents(t *testing.T) {
	t.Parallel()
	const count = 300
	for order, goFirst := range map[string]bool{"Go begins": true, "Node begins": false} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			url := natsServer(t).URL()
			js := storage(t, url)
			l := newLedgerService(integration.ConsumeOptions{Group: billing, MaxInFlight: 10})
			var n *host
			if goFirst {
				n = l.host(t, url)
			}
			p := startPeer(t, url, peerOptions{Channels: true})
			require.NoError(t, p.Consume(t.Context(), ordersEvent, billing, fields{"maxInFlight": 10}))
			if !goFirst {
				n = l.host(t, url)
			}
			other := newLedgerService(integration.ConsumeOptions{Group: "audit", MaxInFlight: 10}) // a group of its own
			other.host(t, url)

			place(t, js, 0, count)
			allAcked(t, js, ordersStream, "v1_billing")
			allAcked(t, js, ordersStream, "audit")
			byNode, byGo := messagesOf(t, p), l.numbers()
			require.NotEmpty(t, byNode)
			require.NotEmpty(t, byGo)
			require.ElementsMatch(t, upTo(count), append(byNode, byGo...), "each once")
			require.ElementsMatch(t, upTo(count), other.numbers())
			require.NotContains(t, n.Log.String(), "level=warning msg=\"the group")

			// One goes, the other one goes on.
			if goFirst {
				n.stop()
			} else {
				p.Stop(t)
			}
			place(t, js, count, count+20)
			allAcked(t, js, ordersStream, "v1_billing")
			if goFirst {
				require.Len(t, messagesOf(t, p), 20)
			} else {
				require.Len(t, l.numbers(), 20)
			}
		})
	}
}

func TestContextsTravelWithEventsBothWays(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	l := newLedgerService(integration.ConsumeOptions{})
	l.handle = func(ctx *integration.Context, p placed) error { return ctx.SendToChannel("shop.orders.booked", p) }
	l.host(t, url)
	p := startPeer(t, url, peerOptions{Channels: true})
	require.NoError(t, p.Consume(t.Context(), "shop.orders.booked", "mail", nil))

	trace := p.SendToChannel(t, ordersEvent, placed{7}, fields{"tenantId": "t1"})
	got := l.next(t)
	require.Equal(
		t, []any{7, "t1", trace, trace, "", 2},
		[]any{got.N, got.TenantID, got.RequestID, got.ParentID, got.Caller, got.Level},
	)
	require.Equal(
		t, []any{ordersEvent, "hios." + ordersEvent, "ledger", 1},
		[]any{got.Delivery.Name, got.Delivery.Subject, got.Delivery.Group, got.Delivery.Attempt},
	)

	m := p.NextMessage(t)
	require.JSONEq(t, `{"n":7}`, string(m.Payload))
	require.Equal(t, []any{trace, "ledger", 3}, []any{m.RequestID, m.Caller, m.Level})
	require.JSONEq(t, `{"tenantId":"t1"}`, string(m.Meta))
	require.Equal(t, []string{"hios." + ordersEvent}, m.Headers["$parentChannelName"])
}

func TestDeadLettersOfGoAndNodeAreAlike(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	js := storage(t, url)
	dead := integration.DeadLettering{Enabled: true}
	l := newLedgerService(
		integration.ConsumeOptions{
			Group: "go", MaxRetries: 2, Backoff: []time.Duration{10 * time.Millisecond}, DeadLettering: dead,
		},
	)
	l.handle = func(*integration.Context, placed) error { return errors.New("no") }
	l.host(t, url)
	failing := startPeer(t, url, peerOptions{Channels: true})
	failing.ConsumeInVain(
		t, ordersEvent, "node", "no",
		fields{"maxRetries": 2, "deadLettering": fields{"enabled": true, "queueName": deadLetters}},
	)
	reader := startPeer(t, url, peerOptions{Channels: true})
	require.NoError(t, reader.Consume(t.Context(), deadLetters, "morgue", nil))
	letters := newLedgerService(integration.ConsumeOptions{Group: "morgue-go"})
	letters.event = deadLetters
	letters.host(t, url)

	payload := []byte(`{ "n": 5,  "as it": "was" }`)
	meta := base64.StdEncoding.EncodeToString([]byte(`{"tenantId":"t1"}`))
	_, err := js.PublishMsg(
		t.Context(),
		&nats.Msg{Subject: "hios." + ordersEvent, Data: payload, Header: nats.Header{"$requestID": {"r1"}, "$meta": {meta}}},
	)
	require.NoError(t, err)

	found := map[string]message{}
	for range 2 {
		m := reader.NextMessage(t)
		found[m.Headers["x-original-group"][0]] = m
	}
	byGo, byNode := found["go"], found["node"]
	require.JSONEq(t, string(byNode.Payload), string(byGo.Payload))
	require.Equal(t, []string{"hios." + ordersEvent}, byGo.Headers["x-original-channel"])
	require.Equal(t, byNode.Headers["x-original-channel"], byGo.Headers["x-original-channel"])
	require.Equal(t, []string{"no"}, byGo.Headers["x-error-message"])
	require.Equal(
		t, []any{"r1", `{"tenantId":"t1"}`}, []any{byGo.RequestID, string(byGo.Meta)}, "the original headers go along",
	)
	for range 2 {
		got := letters.next(t)
		require.Equal(t, 5, got.N, "Go reads them too")
		require.Contains(t, []string{"go", "node"}, got.Delivery.Header["x-original-group"][0])
	}
	s, err := js.Stream(t.Context(), "hios_"+deadLetters)
	require.NoError(t, err)
	require.EqualValues(t, 2, s.CachedInfo().State.LastSeq)
	for seq := range s.CachedInfo().State.LastSeq {
		msg, err := s.GetMsg(t.Context(), seq+1)
		require.NoError(t, err)
		require.Equal(t, string(payload), string(msg.Data), "byte for byte")
	}
	require.Len(t, messagesOf(t, failing), 2)
	require.Len(t, l.numbers(), 2)
}

func TestPoisonedEventIsADeadLetterAtOnce(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	js := storage(t, url)
	l := newLedgerService(integration.ConsumeOptions{DeadLettering: integration.DeadLettering{Enabled: true}})
	l.handle = func(_ *integration.Context, p placed) error {
		if p.N == 2 {
			panic("two is too much")
		}
		return nil
	}
	l.options.MaxRetries, l.options.Backoff = 2, []time.Duration{10 * time.Millisecond}
	n := l.host(t, url)
	for _, payload := range []string{`{"n":"many"}`, `{"n":`, ``, `{"n":1}`, `{"n":2}`, `{"n":3}`} {
		_, err := js.Publish(t.Context(), "hios."+ordersEvent, []byte(payload))
		require.NoError(t, err)
	}
	allAcked(t, js, ordersStream, "ledger")
	require.Equal(t, []int{1, 2, 2, 3}, l.numbers())
	s, err := js.Stream(t.Context(), "hios_"+deadLetters)
	require.NoError(t, err)
	require.EqualValues(t, 4, s.CachedInfo().State.Msgs)
	for seq, want := range []string{
		"INVALID_MESSAGE_SERIALIZATION", "INVALID_MESSAGE_SERIALIZATION", "INVALID_MESSAGE_SERIALIZATION", "",
	} {
		msg, err := s.GetMsg(t.Context(), uint64(seq+1))
		require.NoError(t, err)
		require.Equal(t, want, msg.Header.Get("x-error-type"))
	}
	require.Contains(t, n.Log.String(), "two is too much")
}

// quick are options of a Node consumer that has the server wait for acks for a second only.
func quick(maxInFlight int) fields {
	return fields{
		"maxInFlight": maxInFlight, "nats": fields{"consumerOptions": fields{"config": fields{"ack_wait": time.Second}}},
	}
}

func TestCrashedGoConsumersEventsComeToNode(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	js := storage(t, url)
	p := startPeer(t, url, peerOptions{Channels: true})
	require.NoError(t, p.Consume(t.Context(), ordersEvent, billing, quick(1)))
	p.Stop(t)

	wire, through := startCable(t, url)
	l := newLedgerService(integration.ConsumeOptions{Group: billing})
	ended := make(chan struct{})
	defer close(ended)
	l.handle = func(*integration.Context, placed) error {
		<-ended
		return errors.New("too late")
	}
	l.host(t, through)
	place(t, js, 0, 1)
	require.Equal(t, 0, l.next(t).N)
	wire.Cut() // and nobody hears of it again

	p = startPeer(t, url, peerOptions{Channels: true})
	require.NoError(t, p.Consume(t.Context(), ordersEvent, billing, nil))
	require.JSONEq(t, `{"n":0}`, string(p.NextMessage(t).Payload))
	allAcked(t, js, ordersStream, "v1_billing")
}

func TestConsumersOutliveARestartOfNATS(t *testing.T) {
	t.Parallel()
	server := natsServer(t)
	js := storage(t, server.URL())
	p := startPeer(t, server.URL(), peerOptions{Channels: true})
	require.NoError(t, p.Consume(t.Context(), ordersEvent, billing, quick(5)))
	l := newLedgerService(integration.ConsumeOptions{Group: billing, MaxInFlight: 5})
	l.host(t, server.URL())
	place(t, js, 0, 50)
	server.Restart(t)
	require.Eventually(t, func() bool {
		_, err := js.AccountInfo(t.Context())
		return err == nil
	}, patience, tick)
	place(t, js, 50, 100)
	require.Eventually(t, func() bool { return len(l.got) > 0 }, patience, tick)
	// A Node consumer loses acks with the connection: those come again.
	got := map[int]bool{}
	require.Eventually(t, func() bool {
		for _, n := range append(l.numbers(), messagesOf(t, p)...) {
			got[n] = true
		}
		return len(got) == 100
	}, patience, tick)
	// Both still take part.
	place(t, js, 100, 200)
	require.Eventually(t, func() bool {
		for _, n := range l.numbers() {
			if n >= 100 {
				return true
			}
		}
		return false
	}, patience, tick)
}

func TestStoppingNodeFinishesItsEventsFirst(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	js := storage(t, url)
	p := startPeer(t, url, peerOptions{Services: []service{{Name: "math"}}})
	l := newLedgerService(integration.ConsumeOptions{})
	finish, sum := make(chan struct{}), make(chan error, 1)
	l.handle = func(ctx *integration.Context, p placed) error {
		<-finish
		var result int
		err := ctx.Call("math.add", fields{"a": p.N, "b": 1}, &result)
		if err == nil && result != p.N+1 {
			err = fmt.Errorf("%d + 1 is not %d", p.N, result)
		}
		sum <- err
		return err
	}
	n := l.host(t, url)
	p.WaitForServices(t, "ledger")
	place(t, js, 0, 3)
	l.next(t)
	stopped := make(chan struct{})
	go func() {
		n.stop()
		close(stopped)
	}()
	require.Eventually(t, func() bool {
		c, err := js.PushConsumer(context.Background(), ordersStream, "ledger")
		return err == nil && !c.CachedInfo().PushBound
	}, patience, tick)
	close(finish)
	require.NoError(t, <-sum, "the cluster is still there for it")
	<-stopped
	c, err := js.PushConsumer(t.Context(), ordersStream, "ledger")
	require.NoError(t, err, "the durable stays")
	require.EqualValues(t, 1, c.CachedInfo().AckFloor.Stream)
	require.Empty(t, l.got)
}
