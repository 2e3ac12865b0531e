package cluster

import (
	"context"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster/wire"
)

func TestCallToANodeThatHasLeftIsRejected(t *testing.T) {
	l := New(nil, Options{Log: logrus.NewEntry(logrus.New())})
	l.registry.info(infoFrom("n", 2, "svc"), start)
	l.registry.disconnect("n", time.Now())
	_, err := l.request(context.Background(), &wire.RequestPacket{ID: "1", Action: "svc.do"}, "n")
	require.Equal(t, action.RequestRejected("svc.do", "n"), err)
	require.Empty(t, l.pending.calls)
}

func TestRejectFailsOnlyTheCallsOfThatNode(t *testing.T) {
	p := newPendingCalls()
	gone, other := p.add("1", "svc.do", "n"), p.add("2", "svc.do", "m")
	p.reject("n")
	require.Equal(t, action.RequestRejected("svc.do", "n"), receive(t, gone).err)
	require.Empty(t, other)
	require.Len(t, p.calls, 1)
}

func TestResponseIsDeliveredOnce(t *testing.T) {
	p := newPendingCalls()
	answer := p.add("1", "svc.do", "n")
	want := callOutcome{result: &action.CallResult{NodeID: "n"}}
	p.resolve("1", want)
	p.resolve("1", callOutcome{})
	p.reject("n")
	require.Equal(t, want, receive(t, answer))
	require.Empty(t, answer)
}
