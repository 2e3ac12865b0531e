package integrationtest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func (x *receiverTrial) order() {
	n := x.Node("n1")
	x.pass(opened)
	x.push(200)
	x.pass(opened)
	x.requireAll()
	require.Zero(x, x.Stream.Repeated(), "what is durable came again")
	x.requireReady(n)
}

// requireReady checks the states of connections that a node keeps.
func (x *receiverTrial) requireReady(n *Node) {
	x.Helper()
	for _, c := range n.Connections() {
		if c.Node != "" { // a second connection may need a second node
			require.Equal(x, integration.ConnectionReady, c.State, "a connection receives, and does not say that it is ready")
		}
	}
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

// owner starts two nodes and returns the one that keeps the first connection, and the other one.
func (x *receiverTrial) owner() (owner, other *Node) {
	x.Helper()
	return x.ownerOf(x.Node("n1"), x.Node("n2"))
}

func (x *receiverTrial) ownerOf(a, b *Node) (owner, other *Node) {
	x.Helper()
	x.pass(opened)
	if name := a.Connections()[0].Node; name != a.id {
		require.Equal(x, b.id, name)
		return b, a
	}
	return a, b
}

func (x *receiverTrial) takeOver() {
	owner, _ := x.owner()
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
	owner, _ := x.owner()
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

// handOver also shows that the cursor moves on: what was durable long ago does not come again, for the stream
// recognises it for a while only.
func (x *receiverTrial) handOver() {
	owner, other := x.owner()
	x.push(20)
	x.pass(opened)
	owner.Stop()
	x.pass(opened)
	require.Zero(x, x.Stream.Repeated(), "what was durable came again after a stop")
	x.push(20)
	x.pass(opened)
	x.requireAll()

	owner, _ = x.ownerOf(other, x.Node("n3"))
	x.push(20)
	owner.Stop()
	x.push(20)
	x.pass(opened)
	x.push(20)
	x.pass(opened)
	x.requireAll()
}

// loneliness leaves an owner alone with the platform and the stream. It cannot know whether another node goes on, so it
// must store nothing once its lease may be over; here nobody else is left who could.
func (x *receiverTrial) loneliness() {
	owner, other := x.owner()
	x.push(20)
	x.pass(opened)
	stored := len(x.items())
	x.Stream.Refuse(true)
	x.push(20)
	x.pass(2 * time.Second)
	owner.LoseOthers()
	other.Kill()
	x.pass(15 * time.Second)
	x.Stream.Refuse(false)
	x.push(20)
	x.pass(15 * time.Second)
	require.Len(x, x.items(), stored, "a node stores what came over a connection whose lease is over")
	x.Node("n3")
	x.pass(2 * opened)
	x.requireAll()
}

func (x *receiverTrial) stopDuringDelivery() {
	owner, _ := x.owner()
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
	x.pass(10 * time.Minute)
	require.Less(x, x.Requests(), mostRefused, "it asks again and again")
	x.fake.Refuse(false)
	x.pass(10 * time.Minute)
	x.push(5)
	x.pass(opened)
	x.requireAll()
	x.requireReady(n)
}

func (x *receiverTrial) restart() {
	n := x.Node("n1")
	x.pass(opened)
	for _, away := range []time.Duration{time.Millisecond, time.Second, 20 * time.Second} {
		x.push(10)
		x.Cut(true)
		x.push(10)
		x.pass(away)
		for _, c := range n.Connections() {
			require.NotEqual(
				x, integration.ConnectionRefused, c.State, "the platform is away, and is said to refuse the channel: %s", c.Message,
			)
		}
		x.Cut(false)
		x.pass(2 * opened)
		x.requireReady(n)
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
	x.ending(func() {
		off := *x.r.Channel()
		off.Status = integration.ChannelInactive
		x.SetChannel(&off)
	})
}

func (x *receiverTrial) removed() { x.ending(x.RemoveChannel) }

// ending checks that connections end with their channel, and are opened again with it.
func (x *receiverTrial) ending(end func()) {
	n := x.Node("n1")
	x.pass(opened)
	require.NotEmpty(x, n.Connections())
	end()
	x.pass(5 * time.Second)
	require.Empty(x, n.Connections())
	require.Zero(x, x.Open(), "the channel is gone, and its connections to the platform are still open")
	requests := x.Requests()
	x.pass(5 * time.Minute)
	require.Equal(x, requests, x.Requests(), "the channel is gone, and the platform is still asked")
	x.SetChannel(x.r.Channel())
	x.pass(opened)
	x.push(5)
	x.pass(opened)
	x.requireAll()
}

func (x *receiverTrial) changed() {
	x.Node("n1")
	x.pass(opened)
	x.push(5)
	x.pass(opened)
	for n := range 3 {
		before := x.wire.busy()
		require.NotEmpty(x, before)
		other := *x.r.Channel()
		other.Settings = maps.Clone(other.Settings)
		other.Settings["conformance"] = fmt.Sprint(n)
		x.SetChannel(&other)
		x.pass(5 * time.Second)
		for _, l := range before {
			require.True(x, l.isClosed(), "the channel has changed, and a connection of the old one is still open")
		}
		x.pass(opened)
		x.push(5)
		x.pass(opened)
	}
	x.requireAll()
}

func (x *receiverTrial) wrongCredentials() {
	n := x.Node("n1")
	x.pass(opened)
	x.push(5)
	x.pass(opened)
	wrong := *x.r.Channel()
	wrong.Credentials = maps.Clone(wrong.Credentials)
	for name, value := range x.secrets() {
		last := "x"
		if strings.HasSuffix(value, last) {
			last = "y"
		}
		wrong.Credentials[name] = value[:len(value)-1] + last
	}
	x.SetChannel(&wrong)
	x.pass(opened)
	for _, c := range n.Connections() {
		if c.Node != "" { // a second connection may need a second node
			require.Equal(x, integration.ConnectionRefused, c.State, "the credentials are wrong now, and nothing says so")
		}
	}
	x.SetChannel(x.r.Channel())
	x.pass(opened)
	x.push(5)
	x.pass(opened)
	x.requireAll()
}

// lostAcknowledgement has the platform send again what it does not know to be durable, and a node take over before it
// knows it.
func (x *receiverTrial) lostAcknowledgement() {
	owner, _ := x.owner()
	x.push(20)
	x.pass(opened)
	x.Mute(true)
	x.push(20)
	x.pass(100 * time.Millisecond)
	x.Mute(false)
	x.pass(2 * opened)
	x.requireAll()
	x.push(1) // its cursor is saved at once, and that of what follows a second later
	x.pass(10 * time.Millisecond)
	x.Mute(true)
	x.push(20)
	x.pass(100 * time.Millisecond)
	owner.Kill()
	x.Mute(false)
	x.pass(2 * opened)
	x.push(20)
	x.pass(opened)
	x.requireAll()
	require.Positive(x, x.Stream.Repeated(), "nothing came again, so nothing is shown")
}

// mostWaiting is how many items of a connection may wait to be durable; see docs/connections.md. What is read ahead,
// such as an answer of a poll, comes on top.
const (
	mostWaiting = 1024
	readAhead   = 300
)

// bounded counts by bytes, so that no platform has to count. The texts are long and hard to compress, which makes the
// messages about equal.
func (x *receiverTrial) bounded() {
	const rehearsal = 100
	n := x.Node("n1")
	x.pass(opened)
	before := x.Received()
	x.pushLong(rehearsal)
	x.pass(time.Second)
	x.requireAll()
	each := (x.Received() - before) / rehearsal
	x.Stream.Refuse(true)
	before = x.Received()
	x.pushLong(3000)
	x.pass(2 * time.Second) // nothing is sent again so soon
	taken := (x.Received() - before) / each
	require.LessOrEqual(
		x, taken, len(n.Connections())*(mostWaiting+readAhead), "so many items were taken while none could be stored",
	)
	x.Stream.Refuse(false)
	x.pass(10 * time.Minute)
	x.requireAll()
}

// noise is text that cannot be compressed much. It is the same each time.
func noise(bytes int) string {
	source := rand.NewChaCha8([32]byte{})
	raw := make([]byte, bytes*3/4)
	_, _ = source.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func (x *receiverTrial) pushLong(n int) {
	const length = 1500
	text := noise(length)
	for range n {
		x.pushed++
		at := x.pushed % length // else one would be compressed by the one before
		x.fake.Push(fmt.Sprint("item ", x.pushed, " ", text[at:], text[:at]))
	}
}

// largeSize is the size of a large message, in bytes: the greatest that a receiver must bear.
const largeSize = 10_000_000

// mediumSize is the size of one that must come in, in bytes. Libraries for WebSockets often take less unless they are
// told to.
const mediumSize = 256_000

func (x *receiverTrial) pushLarge(n, size int) {
	padding := noise(size)
	for range n {
		x.pushed++
		x.fake.PushLarge(fmt.Sprint("item ", x.pushed), padding)
	}
}

// large shows that a large message comes in, or is told of and left out. What comes after it is no worse for it.
func (x *receiverTrial) large() {
	x.Node("n1")
	x.pass(opened)
	x.push(3)
	x.pushLarge(1, mediumSize)
	x.pass(opened)
	x.requireAll()
	said := len(x.Logs())
	x.pushLarge(1, largeSize)
	x.pass(2 * opened)
	if !slices.Contains(x.items(), x.pushed) {
		require.Regexp(
			x, `level=(warning|error)[^\n]* code=`, x.Logs()[said:],
			"a large message does not come in, and the log has no error of it",
		)
		x.missing = []int{x.pushed}
	}
	x.push(3)
	x.pass(2 * opened)
	x.push(3)
	x.pass(opened)
	x.requireAll()
}

// largeBounded counts what is read while nothing can be stored: for each connection what may wait, and the next one.
func (x *receiverTrial) largeBounded() {
	n := x.Node("n1")
	x.pass(opened)
	connections := len(n.Connections())
	x.Stream.Refuse(true)
	before := x.Received()
	x.pushLarge(4*connections, largeSize)
	x.pass(2 * time.Second)
	require.LessOrEqual(
		x, x.Received()-before, connections*largeSize*5/2, "so many bytes were read while nothing could be stored",
	)
	x.Stream.Refuse(false)
	x.pass(10 * time.Minute)
	x.push(5)
	x.pass(opened)
	items := x.items()
	require.Subset(x, items, []int{x.pushed - 4, x.pushed - 3, x.pushed - 2, x.pushed - 1, x.pushed})
}

// tooLarge sends a message of a size that no platform sends. One that comes in shows that there is no bound: memory
// would not last.
func (x *receiverTrial) tooLarge() {
	x.Node("n1")
	x.pass(opened)
	x.push(3)
	x.pass(opened)
	x.pushLarge(1, 6*largeSize)
	x.pass(10 * time.Second)
	require.NotContains(x, x.items(), x.pushed, "a message of 60 MB came in: the size of one has no bound")
}

// ends stops a node while it waits, while it may hand over nothing, while the platform does not answer, and during the
// pause after a refusal. That each of them ends in time is what [Cluster] checks of every node.
func (x *receiverTrial) ends() {
	n := x.Node("idle")
	x.pass(opened)
	n.Stop()

	x.Stream.Refuse(true)
	n = x.Node("blocked")
	x.pass(opened)
	x.push(2500)
	x.pass(20 * time.Second)
	n.Stop()
	x.Stream.Refuse(false)

	x.Mute(true)
	n = x.Node("unanswered")
	x.pass(5 * time.Second)
	n.Stop()
	x.Mute(false)

	x.fake.Refuse(true)
	n = x.Node("refused")
	x.pass(10 * time.Second)
	n.Stop()
	x.fake.Refuse(false)

	x.Node("last")
	x.pass(10 * time.Minute)
	x.push(5)
	x.pass(opened)
	x.requireAll()
}
