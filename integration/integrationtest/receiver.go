package integrationtest

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// Receiver is a platform whose [integration.Receiver] is tested by [RunReceiver].
type Receiver struct {
	Define func(*httpapi.Client) integration.Definition
	// Channel returns a channel that receives over connections, with its API at [ClusterURL].
	Channel func() *integration.Channel
	// Fake returns the platform, a fresh one for every law.
	Fake func() ReceiverFake
	// Unordered says that the platform itself keeps no order, such as one that spreads events over several connections.
	Unordered bool
}

// ReceiverFake is a platform's fake as the suite drives it.
type ReceiverFake struct {
	API   http.Handler
	Close func() // ends what is under way; nil for nothing
	// Push sends one message with this text. All are of one conversation.
	Push func(text string)
	// Refuse has the platform refuse the channel's credentials, or take them again.
	Refuse func(refuse bool)
	// Garbage sends what cannot be read, on the connections that are there or with the next answer.
	Garbage func()
}

// RunReceiver holds a receiver to the laws that every one keeps. Each is a subtest in a bubble of testing/synctest, so
// that pauses of minutes take no time.
func RunReceiver(t *testing.T, r Receiver) {
	t.Helper()
	for _, law := range []struct {
		name string
		test func(*receiverTrial)
	}{
		{"what comes is stored in order", (*receiverTrial).order},
		{"nothing is lost while the stream is away", (*receiverTrial).durability},
		{"a stream that is away for long holds the platform back", (*receiverTrial).backpressure},
		{"an owner that dies loses and doubles nothing", (*receiverTrial).takeOver},
		{"what is not durable comes again when its owner died", (*receiverTrial).confirmation},
		{"an owner that stops loses and doubles nothing", (*receiverTrial).handOver},
		{"a stop during delivery loses and doubles nothing", (*receiverTrial).stopDuringDelivery},
		{"refused credentials are told, and tried again calmly", (*receiverTrial).refused},
		{"a platform that restarts is found again", (*receiverTrial).restart},
		{"a silent connection is opened anew", (*receiverTrial).silence},
		{"garbage ends nothing for good", (*receiverTrial).garbage},
		{"a channel that is switched off is not connected", (*receiverTrial).switchedOff},
	} {
		t.Run(law.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := r.Fake()
				x := &receiverTrial{
					T: t, r: r, fake: fake, Cluster: NewCluster(t, r.Define, r.Channel(), fake.API, fake.Close),
				}
				defer x.Close()
				law.test(x)
				x.requireNoSecret(x.Logs())
			})
		})
	}
}

// opened is long enough for connections to be opened, or to be taken over and opened again.
const opened = time.Minute

type receiverTrial struct {
	*testing.T
	*Cluster
	r      Receiver
	fake   ReceiverFake
	pushed int
}

// pass lets time go by.
func (*receiverTrial) pass(d time.Duration) { <-time.After(d) }

func (x *receiverTrial) push(n int) {
	for range n {
		x.pushed++
		x.fake.Push(fmt.Sprint("item ", x.pushed))
	}
}

var itemText = regexp.MustCompile(`"item (\d+)"`)

// items are the numbers of what is stored, in its order.
func (x *receiverTrial) items() []int {
	var list []int
	for _, payload := range x.Stream.Payloads() {
		if found := itemText.FindStringSubmatch(payload); found != nil {
			n, err := strconv.Atoi(found[1])
			require.NoError(x, err)
			list = append(list, n)
		}
	}
	return list
}

// requireAll checks that all that was pushed is stored, once and in order.
func (x *receiverTrial) requireAll() {
	x.Helper()
	var want []int
	for n := range x.pushed {
		want = append(want, n+1)
	}
	if x.r.Unordered {
		got := x.items()
		slices.Sort(got)
		require.Equal(x, want, got)
		return
	}
	require.Equal(x, want, x.items())
}

func (x *receiverTrial) requireNoSecret(text string) {
	x.Helper()
	ch := x.r.Channel()
	for _, f := range x.r.Define(nil).Fields {
		if value := ch.Credentials[f.Name]; f.Secret && value != "" {
			require.NotContains(x, text, value)
		}
	}
}

func (x *receiverTrial) order() {
	n := x.Node("n1")
	x.pass(opened)
	x.push(200)
	x.pass(opened)
	x.requireAll()
	ready := 0
	for _, c := range n.Connections() {
		if c.State == integration.ConnectionReady {
			ready++
		}
	}
	require.Positive(x, ready, "no connection says that it is ready")
}

func (x *receiverTrial) durability() {
	x.Node("n1")
	x.pass(opened)
	x.Stream.Refuse(true)
	x.push(20)
	x.pass(opened)
	require.Empty(x, x.items())
	x.Stream.Refuse(false)
	x.pass(opened)
	x.requireAll()
}

func (x *receiverTrial) backpressure() {
	x.Node("n1")
	x.pass(opened)
	x.Stream.Refuse(true)
	x.push(2500)
	x.pass(opened)
	x.Stream.Refuse(false)
	x.pass(10 * time.Minute)
	x.requireAll()
}

// owner starts two nodes and returns the one that keeps the first connection.
func (x *receiverTrial) owner() *Node {
	x.Helper()
	nodes := map[string]*Node{"n1": x.Node("n1"), "n2": x.Node("n2")}
	x.pass(opened)
	name := nodes["n1"].Connections()[0].Node
	require.Contains(x, slices.Collect(maps.Keys(nodes)), name)
	return nodes[name]
}

func (x *receiverTrial) takeOver() {
	owner := x.owner()
	x.push(20)
	x.pass(100 * time.Millisecond)
	x.push(20)
	owner.Kill()
	x.push(20)
	x.pass(2 * opened)
	x.push(20)
	x.pass(opened)
	x.requireAll()
}

// confirmation shows that the platform was not told of what was only in the owner's memory.
func (x *receiverTrial) confirmation() {
	owner := x.owner()
	x.Stream.Refuse(true)
	x.push(20)
	x.pass(20 * time.Second)
	x.push(20)
	x.pass(20 * time.Second)
	owner.Kill()
	x.Stream.Refuse(false)
	x.pass(2 * opened)
	x.requireAll()
}

func (x *receiverTrial) handOver() {
	owner := x.owner()
	x.push(20)
	owner.Stop()
	x.push(20)
	x.pass(opened)
	x.push(20)
	x.pass(opened)
	x.requireAll()
}

func (x *receiverTrial) stopDuringDelivery() {
	owner := x.owner()
	x.Stream.Refuse(true)
	x.push(20)
	x.pass(time.Second)
	owner.Stop()
	x.push(20)
	x.Stream.Refuse(false)
	x.pass(2 * opened)
	x.requireAll()
}

// mostRefused is how many requests a connection may make in eleven minutes while the platform refuses it.
const mostRefused = 60

func (x *receiverTrial) refused() {
	x.fake.Refuse(true)
	n := x.Node("n1")
	x.pass(opened)
	c := n.Connections()[0]
	require.Equal(x, integration.ConnectionRefused, c.State)
	require.NotEmpty(x, c.Message)
	x.requireNoSecret(c.Message)
	x.pass(10 * time.Minute)
	require.Less(x, x.Requests(), mostRefused, "it asks again and again")
	x.fake.Refuse(false)
	x.pass(10 * time.Minute)
	x.push(5)
	x.pass(opened)
	x.requireAll()
}

func (x *receiverTrial) restart() {
	x.Node("n1")
	x.pass(opened)
	for _, away := range []time.Duration{time.Millisecond, time.Second, 20 * time.Second} {
		x.push(10)
		x.Cut(true)
		x.push(10)
		x.pass(away)
		x.Cut(false)
		x.pass(2 * opened)
	}
	x.requireAll()
}

// silence leaves the connections open and dead: a receiver that waits for the platform to end them waits for ever.
func (x *receiverTrial) silence() {
	x.Node("n1")
	x.pass(opened)
	x.Hang()
	x.pass(5 * time.Minute)
	x.push(5)
	x.pass(opened)
	x.requireAll()
}

func (x *receiverTrial) garbage() {
	x.Node("n1")
	x.pass(opened)
	for range 3 {
		x.fake.Garbage()
		x.pass(2 * opened)
		x.push(5)
		x.pass(opened)
	}
	x.requireAll()
}

func (x *receiverTrial) switchedOff() {
	n := x.Node("n1")
	x.pass(opened)
	require.NotEmpty(x, n.Connections())
	off := *x.r.Channel()
	off.Status = integration.ChannelInactive
	x.SetChannel(&off)
	x.pass(5 * time.Second)
	require.Empty(x, n.Connections())
	x.SetChannel(x.r.Channel())
	x.pass(opened)
	x.push(5)
	x.pass(opened)
	x.requireAll()
}
