package cluster_test

import (
	"context"
	"fmt"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
)

// A moleculer-go service becomes part of a cluster of Node brokers. Programs that need no broker of their own use
// package node instead.
func Example() {
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	go srv.Start()
	defer srv.Shutdown()
	if !srv.ReadyForConnections(time.Minute) {
		fmt.Println("NATS does not start")
		return
	}
	nc, err := nats.Connect(srv.ClientURL())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()
	log := logrus.New()
	log.SetLevel(logrus.ErrorLevel)
	link := cluster.New(nc, cluster.Options{NodeID: "greeter-1", Concurrency: 10, Queue: 100, Log: logrus.NewEntry(log)})
	broker := link.NewBroker()
	broker.Publish(moleculer.ServiceSchema{Name: "greeter", Actions: []moleculer.Action{{
		Name:    "hello",
		Handler: func(_ moleculer.Context, params moleculer.Payload) any { return "hello " + params.Get("name").String() },
	}}})
	broker.Start()
	defer broker.Stop()
	result, err := link.Call(context.Background(), "greeter.hello", map[string]any{"name": "Ada"}, action.CallOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(result.Data))
	// Output: "hello Ada"
}
