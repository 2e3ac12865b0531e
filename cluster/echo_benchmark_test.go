package cluster_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/cluster/wire"
)

// BenchmarkEcho measures a request from REQ to RES over NATS, 64 of them at once.
func BenchmarkEcho(b *testing.B) {
	connect := func() *nats.Conn {
		nc, err := nats.Connect(shared().ClientURL(), nats.UserInfo(user, password))
		require.NoError(b, err)
		b.Cleanup(nc.Close)
		return nc
	}
	logger, _ := test.NewNullLogger()
	namespace := uuid.NewString()
	link := cluster.New(connect(), cluster.Options{
		NodeID: nodeID, Namespace: namespace, Concurrency: 256, Queue: 256, DrainTimeout: patience,
		Log: logrus.NewEntry(logger),
	})
	broker := link.NewBroker()
	broker.Publish(service("svc", echo))
	broker.Start()
	b.Cleanup(broker.Stop)

	peer, prefix := connect(), wire.Prefix(namespace)
	answers, err := peer.SubscribeSync(wire.Subject(prefix, wire.Response, "peer"))
	require.NoError(b, err)
	subject := wire.Subject(prefix, wire.Request, nodeID)
	send := func(i int) {
		require.NoError(b, peer.Publish(subject, fmt.Appendf(nil, `{"ver":"4","sender":"peer","id":"%d","action":"svc.echo",`+
			`"params":{"text":"hello","to":{"id":"42"}},"meta":{"user":{"id":3}},"timeout":60000,"level":1,"requestID":"%d"}`,
			i, i)))
	}
	const window = 64
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N + window {
		if i >= window {
			_, err := answers.NextMsg(patience)
			require.NoError(b, err)
		}
		if i < b.N {
			send(i)
		}
	}
}
