package cluster_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAPingIsAnsweredWithItsIDAndTime(t *testing.T) {
	for name, subject := range map[string]string{"targeted": "PING." + nodeID, "broadcast": "PING"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			p := b.peer("a")
			b.serve(echo)
			before := time.Now().UnixMilli()
			p.send(subject, fields{"id": "uuid", "time": 1795431745501})
			pong := p.expect("PONG", "a").fields
			arrived := int64(pong["arrived"].(float64))
			require.True(t, before <= arrived && arrived <= time.Now().UnixMilli(), "arrived counts milliseconds: %d", arrived)
			delete(pong, "arrived")
			require.Equal(t, fields{"id": "uuid", "time": 1795431745501.0, "ver": "4", "sender": nodeID}, pong)
		})
	}
}

func TestAPingWithoutFieldsIsAnswered(t *testing.T) {
	b := newBench(t)
	p := b.peer("a")
	b.serve(echo)
	p.send("PING."+nodeID, nil)
	require.Nil(t, p.expect("PONG", "a").fields["time"])
}

func TestANodeBeats(t *testing.T) {
	b := newBench(t)
	p := b.peer("a")
	n := b.prepare()
	n.BeatEvery(time.Millisecond)
	b.start(n)
	for range 3 {
		beat := p.expect("HEARTBEAT", "").fields
		require.IsType(t, 0.0, beat["cpu"])
		require.ElementsMatch(t, []string{"ver", "sender", "cpu"}, keys(beat))
	}
}

func TestTheHeartbeatOfAnUnknownNodeMakesItBeAsked(t *testing.T) {
	b := newBench(t)
	p := b.peer("a")
	b.serve(echo)
	p.send("HEARTBEAT", fields{"cpu": 1})
	require.Equal(t, nodeID, p.expect("DISCOVER", "a").fields["sender"])
}

func TestTheHeartbeatOfAKnownNodeAsksNothing(t *testing.T) {
	b := newBench(t)
	p := b.peer("a")
	n := b.serve(echo)
	p.introduce(n, "peer.do")
	p.send("HEARTBEAT", fields{"cpu": 1})
	for _, got := range p.sync() {
		require.False(t, got.is("DISCOVER", "a"))
	}
}

func TestANodeThatLeftAndBeatsIsAskedAgain(t *testing.T) {
	b := newBench(t)
	p := b.peer("a")
	n := b.serve(echo)
	p.introduce(n, "peer.do")
	p.send("DISCONNECT", nil)
	p.send("HEARTBEAT", fields{"cpu": 1})
	p.expect("DISCOVER", "a")
	require.Len(t, n.Services(), 1)
}

func TestASilentNodesServicesAreDropped(t *testing.T) {
	b := newBench(t)
	p := b.peer("a")
	n := b.serve(echo)
	p.introduce(n, "peer.do")
	n.ExpireAt(time.Now().Add(time.Minute))
	require.Len(t, n.Services(), 1)
}

func TestAnotherNodeWithTheSameIDIsFatal(t *testing.T) {
	b := newBench(t)
	p := b.peer("a")
	n := b.serve(echo)
	p.send("INFO", fields{"sender": nodeID, "instanceID": "another", "seq": 2, "services": []fields{}})
	require.ErrorContains(t, receive(t, n.Fatal()), nodeID)
}

func TestAnEchoOfItsOwnInfoIsNotFatal(t *testing.T) {
	b := newBench(t)
	p := b.peer("a")
	n := b.serve(echo)
	p.raw("INFO", p.expect("INFO", "").raw)
	p.sync()
	require.Empty(t, n.Fatal())
}

func TestANodeDoesNotAnswerItself(t *testing.T) {
	b := newBench(t)
	p := b.peer("a")
	b.serve(echo)
	p.expect("INFO", "")
	p.sync() // the answer to its own DISCOVER, if any, is here
	p.unread = nil
	own := fields{"sender": nodeID, "id": "own"}
	for _, subject := range []string{"PING", "HEARTBEAT", "DISCONNECT"} {
		p.send(subject, own)
	}
	for _, got := range p.sync() {
		require.NotEqual(t, nodeID, got.target)
	}
}

func TestAnotherProtocolVersionIsDroppedAndLoggedOncePerSender(t *testing.T) {
	b := newBench(t)
	p := b.peer("a")
	n := b.serve(echo)
	for range 3 {
		for _, stranger := range []string{"x", "y"} {
			p.send("HEARTBEAT", fields{"ver": "5", "sender": stranger})
			p.send("PING", fields{"ver": 4, "sender": stranger})
		}
	}
	for _, got := range p.sync() {
		require.NotContains(t, []string{"x", "y"}, got.target)
	}
	warnings := 0
	for _, e := range n.logs.AllEntries() {
		if e.Message == "packets of a node with another protocol version are dropped" {
			warnings++
		}
	}
	require.Equal(t, 2, warnings)
}
