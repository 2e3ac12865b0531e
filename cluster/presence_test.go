package cluster_test

import (
	"bytes"
	"compress/zlib"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
)

func TestPingIsAnsweredWithItsIDAndTime(t *testing.T) {
	for name, subject := range map[string]string{"targeted": "PING." + nodeID, "broadcast": "PING"} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
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

func TestPingWithoutFieldsIsAnswered(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	b.serve(echo)
	p.send("PING."+nodeID, nil)
	require.Nil(t, p.expect("PONG", "a").fields["time"])
}

func TestNodeBeats(t *testing.T) {
	b := newHarness(t)
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

func TestHeartbeatOfAnUnknownNodeMakesItBeAsked(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	b.serve(echo)
	p.send("HEARTBEAT", fields{"cpu": 1})
	require.Equal(t, nodeID, p.expect("DISCOVER", "a").fields["sender"])
}

func TestHeartbeatOfAKnownNodeAsksNothing(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	n := b.serve(echo)
	p.introduce(n, "peer.do")
	p.send("HEARTBEAT", fields{"cpu": 1})
	for _, got := range p.sync() {
		require.False(t, got.is("DISCOVER", "a"))
	}
}

func TestNodeThatLeftAndBeatsIsAskedAgain(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	n := b.serve(echo)
	p.introduce(n, "peer.do")
	p.send("DISCONNECT", nil)
	p.send("HEARTBEAT", fields{"cpu": 1})
	p.expect("DISCOVER", "a")
	require.Len(t, n.Services(), 1)
}

func TestSilentNodesServicesAreDropped(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	n := b.serve(echo)
	p.introduce(n, "peer.do")
	n.ExpireAt(time.Now().Add(time.Minute))
	require.Len(t, n.Services(), 1)
}

func TestSecondNodeWithTheSameIDIsFatal(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	n := b.serve(echo)
	p.send("INFO", fields{"sender": nodeID, "instanceID": "another", "seq": 2, "services": []fields{}})
	require.ErrorContains(t, receive(t, n.Fatal()), nodeID)
}

func TestEchoOfItsOwnInfoIsNotFatal(t *testing.T) {
	b := newHarness(t)
	p := b.peer("a")
	n := b.serve(echo)
	p.raw("INFO", p.expect("INFO", "").raw)
	p.sync()
	require.Empty(t, n.Fatal())
}

func TestNodeDoesNotAnswerItself(t *testing.T) {
	b := newHarness(t)
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

func TestOtherProtocolVersionIsLoggedOncePerSender(t *testing.T) {
	b := newHarness(t)
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

// lines lists what was logged at a level.
func (n *node) lines(level logrus.Level) (list []string) {
	for _, e := range n.logs.AllEntries() {
		if e.Level == level {
			list = append(list, e.Message)
		}
	}
	return list
}

func TestVisitorsComeAndGoAtDebugLevel(t *testing.T) {
	b := newHarness(t)
	n := b.prepare()
	n.log.SetLevel(logrus.DebugLevel)
	b.start(n)
	for id, level := range map[string]logrus.Level{"visitor": logrus.DebugLevel, "node": logrus.InfoLevel} {
		p := b.peer(id)
		n.logs.Reset()
		p.send(
			"INFO",
			fields{
				"seq": 2, "instanceID": "i", "services": []fields{}, "metadata": fields{"visitor": id == "visitor"},
				"client": fields{"type": "go", "version": "1.4.0"},
			},
		)
		p.send("DISCONNECT", nil)
		p.sync()
		require.Subset(t, n.lines(level), []string{"node joined: go 1.4.0", "node is gone: it left"})
	}
}

func TestUnusablePacketsAreOneWarningForEachSender(t *testing.T) {
	deflated := func(text string) []byte {
		var buf bytes.Buffer
		w := zlib.NewWriter(&buf)
		_, err := w.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return buf.Bytes()
	}
	for name, tc := range map[string]struct {
		packets      [][]byte
		peer, advice string
	}{
		"compression, small": {[][]byte{
			[]byte("\x00" + `{"cpu":1,"ver":"4","sender":"x"}`),
		}, "x", "remove that middleware"},
		"compression, large": {[][]byte{
			append([]byte{1}, deflated("{}")...), append([]byte{1}, deflated("{ }")...),
		}, "", "remove that middleware"},
		"compression by itself": {[][]byte{deflated("{}")}, "", "remove that middleware"},
		"encryption":            {[][]byte{{0x91, 0x02, 0xfe, 0x40}, {0xa3, 0xff}, {0x33, 0x12}}, "", "Encryption"},
		"MsgPack":               {[][]byte{[]byte("\x83\xa3ver\xa14\xa6sender\xa4peer\xa3cpu\x01")}, "peer", "serializer"},
		"MsgPack, a long id": {[][]byte{
			[]byte("\x82\xa6sender\xd9\x28" + strings.Repeat("p", 40) + "\xa3ver\xa14"),
		}, strings.Repeat("p", 40), "serializer"},
		"CBOR":                     {[][]byte{[]byte("\xa2\x63ver\x614\x66sender\x64peer")}, "peer", "serializer"},
		"broken JSON":              {[][]byte{[]byte(`{"ver":"4","sender":"x","cpu":}`)}, "x", "which software"},
		"empty":                    {[][]byte{{}}, "", "who publishes"},
		"an id with a space":       {[][]byte{[]byte(`{"ver":"4","sender":"my node"}`)}, "my node", "an id without spaces"},
		"an id with a wildcard":    {[][]byte{[]byte(`{"ver":"4","sender":"node.*"}`)}, "node.*", "an id without spaces"},
		"an id that is no text":    {[][]byte{[]byte(`{"ver":"4","sender":5}`)}, "", "an id without spaces"},
		"another protocol version": {[][]byte{[]byte(`{"ver":"5","sender":"x"}`)}, "x", "set node.protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			n := b.serve(echo)
			p := b.peer("a")
			for range 3 {
				for _, data := range tc.packets {
					for _, subject := range []string{"HEARTBEAT", "INFO", "REQ." + nodeID, "RES." + nodeID, "EVENT." + nodeID} {
						p.raw(subject, data)
					}
				}
			}
			p.call("svc.echo", 1, nil)
			p.sync()
			var warnings []logrus.Entry
			for _, e := range n.logs.AllEntries() {
				if e.Level == logrus.WarnLevel {
					warnings = append(warnings, *e)
				}
			}
			require.Len(t, warnings, 1)
			require.Contains(t, warnings[0].Data["advice"], tc.advice)
			peer, _ := warnings[0].Data["peer"].(string)
			require.Equal(t, tc.peer, peer)
		})
	}
}
