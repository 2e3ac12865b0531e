package events_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/events/order"
)

// An event is stored once for its id and handled by one member of the group.
func Example() {
	nc, stop := startNATS()
	defer stop()
	publisher, err := events.New(nc, events.Options{
		NodeID: "node-1", Replicas: 1, Timeout: time.Minute, Log: logrus.NewEntry(logrus.New()),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, handled := context.Background(), make(chan string, 1)
	consumer, err := publisher.Consume(ctx, events.Subscription{
		Name: "order.created", Group: "mail", Service: "mail", MaxInFlight: 10, MaxRetries: 3, DeadLetters: "FAILED",
		Handle: func(_ context.Context, d *events.Delivery) error {
			handled <- string(d.Payload)
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	stored := make(chan bool, 2)
	for range 2 {
		event := order.Event{Name: "order.created", MsgID: "order-7", Payload: []byte(`{"order":7}`)}
		publisher.Publish(ctx, event, func(duplicate bool, err error) {
			stored <- duplicate
			if err != nil {
				fmt.Println(err)
			}
		})
		fmt.Println("duplicate:", <-stored)
	}
	fmt.Println(<-handled, consumer.Stop(ctx))
	// Output:
	// duplicate: false
	// duplicate: true
	// {"order":7} <nil>
}

// startNATS starts a server with JetStream on a free port and connects to it.
func startNATS() (*nats.Conn, func()) {
	folder, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: folder, NoLog: true, NoSigs: true,
	})
	if err != nil {
		panic(err)
	}
	go srv.Start()
	if !srv.ReadyForConnections(time.Minute) {
		panic("NATS does not start")
	}
	nc, err := nats.Connect(srv.ClientURL(), nats.ReconnectBufSize(-1))
	if err != nil {
		panic(err)
	}
	return nc, func() {
		nc.Close()
		srv.Shutdown()
		srv.WaitForShutdown()
		_ = os.RemoveAll(folder)
	}
}
