package cluster

import (
	"testing"

	"github.com/moleculer-go/moleculer"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"
)

func TestEventsAreDeliveredOnlyWhileServing(t *testing.T) {
	for name, tc := range map[string]struct {
		phase phase
		want  bool
	}{
		"not before the node is announced": {open, false},
		"while it serves":                  {ready, true},
		"while others notice that it goes": {leaving, true},
		"not while it stops":               {stopping, false},
		"nor after":                        {closed, false},
	} {
		t.Run(name, func(t *testing.T) {
			logger, _ := test.NewNullLogger()
			l := New(nil, Options{NodeID: "n", Concurrency: 1, Queue: 1, Log: logrus.NewEntry(logger)})
			got := make(chan string, 1)
			l.catalog.add(&moleculer.ServiceSchema{Name: "svc", Events: []moleculer.Event{
				{Name: "x", Handler: func(moleculer.Context, moleculer.Payload) { got <- "heard" }},
			}}, nil, l.bridgeHandler, l.log)
			l.phase = tc.phase
			l.onEvent("")(&nats.Msg{Data: []byte(`{"event":"x","ver":"4","sender":"a"}`)})
			require.Zero(t, drain(t, l.pool))
			require.Equal(t, tc.want, len(got) == 1)
		})
	}
}
