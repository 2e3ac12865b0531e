package cluster

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster/wire"
)

func accepts(*wire.RequestPacket) *action.Error { return nil }

// streamPart is a packet of a stream "1" of node "a".
func streamPart(seq int, open bool) *wire.RequestPacket {
	return &wire.RequestPacket{
		Header: wire.Header{Sender: "a"}, ID: "1", Action: "svc.do", Stream: open, Seq: &seq, Params: json.RawMessage(`"x"`),
	}
}

func TestStreamsOpenAtOnceAreBounded(t *testing.T) {
	s := newStreams("n", 100)
	for i := range maxStreams {
		p := streamPart(0, true)
		p.ID = fmt.Sprint(i)
		request, _, err := s.add(p, start, accepts)
		require.Nil(t, request)
		require.Nil(t, err)
	}
	for range 2 {
		p := streamPart(0, true)
		p.ID = "more"
		request, _, err := s.add(p, start, accepts)
		require.Equal(t, p, request)
		require.Equal(t, action.QueueIsFull("svc.do", "n", maxStreams, maxStreams), err)
		p = streamPart(1, true)
		p.ID = "more"
		request, _, err = s.add(p, start, accepts)
		require.Nil(t, request, "its chunks are swallowed")
		require.Nil(t, err)
		require.Len(t, s.open, maxStreams)
	}
	last := streamPart(1, false)
	last.ID = "0"
	request, _, err := s.add(last, start, accepts)
	require.NotNil(t, request)
	require.Nil(t, err)
	p := streamPart(0, true)
	p.ID = "more"
	_, _, err = s.add(p, start, accepts)
	require.Nil(t, err, "there is room again")
}

func TestPacketsThatComeTooEarlyAreNotKeptForEver(t *testing.T) {
	s := newStreams("n", 1<<20)
	answers := 0
	for seq := range 3 * maxEarly {
		p := streamPart(seq+1, true) // the one with seq 0 never comes
		p.Params = nil
		if request, _, err := s.add(p, start, accepts); request != nil {
			require.Equal(t, "STREAM_TOO_LARGE", err.Type)
			answers++
		}
	}
	require.Equal(t, 1, answers)
	require.Empty(t, s.open["a 1"].early)
}

func TestBytesOfPacketsThatComeTooEarlyAreBounded(t *testing.T) {
	s := newStreams("n", 100)
	answers := 0
	for seq := range 20 {
		p := streamPart(seq+1, true) // the one with seq 0 never comes
		p.Params = json.RawMessage(`"` + strings.Repeat("x", 98) + `"`)
		if request, _, err := s.add(p, start, accepts); request != nil {
			require.Equal(t, "STREAM_TOO_LARGE", err.Type)
			require.Equal(t, 6, seq, "six bytes of JSON for each of the stream")
			answers++
		}
	}
	require.Equal(t, 1, answers)
	require.Empty(t, s.open["a 1"].early)
}

func TestStreamsWithoutATextForAnIDAreToldApart(t *testing.T) {
	s := newStreams("n", 100)
	for _, id := range []string{`{"a":1}`, `{"a":2}`, `null`} {
		p := streamPart(0, true)
		p.ID, p.RawID = "", json.RawMessage(id)
		_, _, err := s.add(p, start, accepts)
		require.Nil(t, err)
	}
	require.Len(t, s.open, 3)
}

func TestStreamsOfANodeThatIsGoneAreForgotten(t *testing.T) {
	s := newStreams("n", 100)
	for _, sender := range []string{"a", "aa"} {
		p := streamPart(0, true)
		p.Sender = sender
		_, _, err := s.add(p, start, accepts)
		require.Nil(t, err)
	}
	s.forget("a")
	require.Len(t, s.open, 1)
	require.Contains(t, s.open, "aa 1")
	require.Empty(t, s.expire(start.Add(streamIdle)))
	require.Len(t, s.expire(start.Add(streamIdle+time.Second)), 1)
	require.Empty(t, s.open)
}

func TestRefusedStreamLeavesNothingAfterItsEnd(t *testing.T) {
	refuses := func(*wire.RequestPacket) *action.Error { return action.Client(501, "NO", "no") }
	for name, order := range map[string][]int{
		"in order": {0, 1, 2}, "out of order": {2, 1, 0}, "the end before a chunk": {0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s, answers := newStreams("n", 100), 0
			for _, seq := range order {
				if request, _, err := s.add(streamPart(seq, seq < 2), start, refuses); request != nil {
					require.Equal(t, "NO", err.Type)
					answers++
				}
			}
			require.Equal(t, 1, answers)
			require.Empty(t, s.open)
		})
	}
}

func TestPacketWithAnOddSeqHarmsNobody(t *testing.T) {
	s := newStreams("n", 100)
	for _, seq := range []int{-1, 1 << 40, -1 << 40} {
		request, _, err := s.add(streamPart(seq, true), start, accepts)
		require.Nil(t, request)
		require.Nil(t, err)
	}
}
