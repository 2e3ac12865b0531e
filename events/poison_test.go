package events_test

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/events"
)

// The test's own binary is the process that dies: with these in its environment it is a member of the group.
const (
	mortalServer  = "EVENTS_TEST_SERVER"  // where NATS is
	mortalRetries = "EVENTS_TEST_RETRIES" // MaxRetries
	mortalAtOnce  = "EVENTS_TEST_AT_ONCE" // MaxInFlight
)

// beMortal consumes until it is killed, or ends itself: on an event whose payload begins with "poison". One that begins
// with "bystander" is in flight then: its handler does not return before its last delivery.
func beMortal(server string) {
	retries, _ := strconv.Atoi(os.Getenv(mortalRetries))
	atOnce, _ := strconv.Atoi(os.Getenv(mortalAtOnce))
	log, _ := test.NewNullLogger()
	nc, err := nats.Connect(server, nats.ReconnectBufSize(-1))
	if err != nil {
		panic(err)
	}
	p, err := events.New(
		nc, events.Options{Prefix: "dev", Replicas: 1, Timeout: generous, NodeID: "mortal", Log: logrus.NewEntry(log)},
	)
	if err != nil {
		panic(err)
	}
	handle := func(ctx context.Context, d *events.Delivery) error {
		fmt.Println("began", string(d.Payload))
		switch {
		case strings.HasPrefix(string(d.Payload), "poison"):
			os.Exit(3)
		case strings.HasPrefix(string(d.Payload), "bystander") && d.Attempt < retries:
			<-ctx.Done()
		}
		fmt.Println("handled", string(d.Payload))
		return nil
	}
	_, err = p.Consume(context.Background(), events.Subscription{
		Name: name, Group: group, Service: group, MaxInFlight: atOnce, MaxRetries: retries, DeadLetters: "FAILED_MESSAGES",
		Handle: handle,
	})
	if err != nil {
		panic(err)
	}
	select {}
}

// mortals are processes of a group, one after the other: as soon as one dies the next one begins.
type mortals struct {
	mu    sync.Mutex
	lines map[string]int // what they said, and how often
	died  int
}

func (b *harness) mortals(retries, atOnce int) *mortals {
	b.t.Helper()
	m := &mortals{lines: map[string]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	b.t.Cleanup(func() {
		cancel()
		<-done
	})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			m.live(ctx, b, retries, atOnce)
		}
	}()
	return m
}

func (m *mortals) live(ctx context.Context, b *harness, retries, atOnce int) {
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
	cmd.Env = append(
		os.Environ(), mortalServer+"="+b.srv.ClientURL(), fmt.Sprint(mortalRetries, "=", retries),
		fmt.Sprint(mortalAtOnce, "=", atOnce),
	)
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		return
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		m.mu.Lock()
		m.lines[lines.Text()]++
		m.mu.Unlock()
	}
	_ = cmd.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.died++
}

func (m *mortals) said() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.lines)
}

// briefFor makes the durable of a group that handles so many events at once, with a short ack wait.
func (b *harness) briefFor(atOnce int, wait time.Duration) {
	b.t.Helper()
	b.ensure(name, "FAILED_MESSAGES")
	_, err := b.js.CreatePushConsumer(b.t.Context(), stream, jetstream.ConsumerConfig{
		Durable: durable, FilterSubject: subject, DeliverSubject: "dev.elsewhere." + group + "." + subject,
		DeliverGroup:  stream,
		DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckExplicitPolicy, AckWait: wait,
		MaxAckPending: atOnce,
	})
	require.NoError(b.t, err)
}

// dead are the payloads of the dead letters, sorted.
func (b *harness) dead() []string {
	b.t.Helper()
	list := []string{}
	require.NoError(b.t, events.NewArchive(b.Publisher).EachDead(b.t.Context(), "FAILED_MESSAGES", events.Query{},
		func(r *events.Record) error {
			list = append(list, string(r.Payload))
			return nil
		}))
	slices.Sort(list)
	return list
}

func TestPoisonEventBecomesADeadLetterAndOthersAreHandled(t *testing.T) {
	for what, test := range map[string]struct {
		retries, atOnce int
		events          []string
		least, most     int // how often a poison is handled
	}{
		"one at a time": {3, 1, []string{"before", "poison", "after"}, 3, 3},
		"beside others": {3, 10, []string{"bystander 1", "poison", "bystander 2", "bystander 3"}, 3, 4},
		"two of them": {2, 10, []string{
			"bystander 1", "poison 1", "bystander 2", "poison 2", "bystander 3",
		}, 1, 3},
		"with a single delivery": {1, 10, []string{"bystander 1", "poison", "bystander 2"}, 1, 2},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b := newHarness(t, watchful)
			b.briefFor(test.atOnce, 1500*time.Millisecond)
			b.send(test.events...)
			m := b.mortals(test.retries, test.atOnce)
			require.Eventually(t, func() bool {
				info := b.durable()
				return info.NumAckPending == 0 && info.AckFloor.Stream == uint64(len(test.events))
			}, 2*generous, 20*time.Millisecond)

			var poisons []string
			for _, e := range test.events {
				if strings.HasPrefix(e, "poison") {
					poisons = append(poisons, e)
					require.LessOrEqual(t, m.said()["began "+e], test.most, e)
					require.GreaterOrEqual(t, m.said()["began "+e], test.least, e)
					continue
				}
				require.Eventually(t, func() bool { return m.said()["handled "+e] > 0 }, generous, 5*time.Millisecond, e)
			}
			require.Equal(t, poisons, b.dead())
			for key := range b.durable().Config.Metadata {
				require.NotContains(t, key, "switchboard", "no mark is left")
			}
			require.NoError(t, events.NewArchive(b.Publisher).EachDead(t.Context(), "FAILED_MESSAGES", events.Query{},
				func(r *events.Record) error {
					require.Contains(t, r.Failure(), "before its handler returned (HANDLER_DID_NOT_RETURN)")
					require.Equal(t, group, r.OriginalGroup())
					return nil
				}))
		})
	}
}

// vanish consumes on a connection that is closed as soon as the event has come: as if the process had died.
func (b *harness) vanish(sub events.Subscription) {
	b.t.Helper()
	in := newInbox()
	in.hold = make(chan struct{})
	defer close(in.hold)
	nc := b.connect(nats.ReconnectBufSize(-1))
	p, err := events.New(nc, events.Options{Prefix: "dev", Replicas: 1, Timeout: generous, NodeID: "gone", Log: b.log})
	require.NoError(b.t, err)
	consumeWith(b.t, p, by(sub, in))
	<-in.came
	nc.Close()
}

func TestPoisonEventIsGivenUpWithoutBeingHandledAgain(t *testing.T) {
	t.Parallel()
	b := newHarness(t, watchful)
	b.briefFor(1, 500*time.Millisecond)
	sub := subscription(newInbox())
	b.send("x")
	for range sub.MaxRetries {
		b.vanish(sub)
	}
	in := newInbox()
	b.consume(subscription(in))
	b.allAcked()
	require.Empty(t, in.payloads())
	require.Equal(t, []string{"x"}, b.dead())
}

func TestEventThatWasOnlyNakedIsNotTakenForPoison(t *testing.T) {
	b := newHarness(t, watchful)
	b.briefFor(1, 500*time.Millisecond)
	c, err := b.js.PushConsumer(t.Context(), stream, durable)
	require.NoError(t, err)
	came := make(chan struct{}, 100)
	member, err := c.Consume(func(msg jetstream.Msg) {
		meta, err := msg.Metadata()
		if err == nil && meta.NumDelivered <= 5 {
			_ = msg.Nak() // as a member does that stops
			came <- struct{}{}
		}
	})
	require.NoError(t, err)
	b.send("x")
	for range 5 {
		<-came
	}
	member.Stop()
	in := newInbox()
	b.consume(subscription(in))
	require.Greater(t, in.next(t).Attempt, 5)
	b.allAcked()
	require.Empty(t, b.dead())
}

func TestEventThatFailsIsNotTakenForPoison(t *testing.T) {
	b := newHarness(t, watchful)
	b.briefFor(10, time.Hour)
	in := newInbox().failing(always("no"))
	in.hold = make(chan struct{})
	sub := subscription(in)
	sub.MaxInFlight, sub.MaxRetries = 10, 1
	sub.DeadLetters = "FAILED_MESSAGES"
	b.consume(sub)
	b.send("1", "2", "3")
	for range 3 { // all at once, though each has its last delivery
		in.next(t)
	}
	close(in.hold)
	b.allAcked()
	require.Equal(t, []string{"1", "2", "3"}, b.dead())
}

func TestEventRedeliveredWhileHandledIsHandledOnce(t *testing.T) {
	b := newHarness(t, watchful)
	b.briefFor(10, time.Hour)
	seen := make(chan *nats.Msg, 10)
	sub, err := b.js.Conn().ChanSubscribe(b.durable().Config.DeliverSubject, seen)
	require.NoError(t, err)
	defer func() { require.NoError(t, sub.Unsubscribe()) }()
	in := newInbox()
	in.hold = make(chan struct{})
	two := subscription(in)
	two.MaxInFlight = 10
	c := b.consume(two)
	b.send("x")
	in.next(t)
	require.NoError(t, (<-seen).Respond([]byte("-NAK"))) // as if the server had waited in vain
	<-seen
	b.send("y") // comes after it
	in.next(t)
	close(in.hold)
	b.allAcked()
	require.NoError(t, c.Stop(t.Context())) // waits for all handlers
	require.Equal(t, []string{"x", "y"}, in.payloads())
}
