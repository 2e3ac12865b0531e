package spool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/events/spool"
)

// An event waits on the disk until it can be published.
func ExampleOpen() {
	folder, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	published := make(chan string, 1)
	s, err := spool.Open(context.Background(), spool.Options{
		Path: filepath.Join(folder, "spool.db"), Owner: "node-1", MaxBytes: 1 << 20, Log: logrus.NewEntry(logrus.New()),
		Publish: func(_ context.Context, e order.Event, onAck func(duplicate bool, err error)) {
			published <- e.Name + " " + string(e.Payload)
			onAck(false, nil)
		},
		Stored: func(string, time.Time) spool.Stored { return empty{} },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	kept := make(chan error, 1)
	s.Put(
		order.Event{Key: "chat-5", Name: "order.created", MsgID: "order-7", Payload: []byte(`{"order":7}`)},
		func(err error) { kept <- err },
	)
	fmt.Println(errors.Join(<-kept), <-published)
	fmt.Println(s.Close())
	// Output:
	// <nil> order.created {"order":7}
	// <nil>
}

// empty is a stream in which nothing is stored.
type empty struct{}

func (empty) Next(context.Context, func(msgID string)) (time.Time, error) {
	return time.Now().Add(time.Hour), nil
}
