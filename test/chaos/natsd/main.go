// Command natsd is a NATS server with JetStream in a process of its own, to be paused and killed.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	opts := &server.Options{
		Host: "127.0.0.1", JetStream: true,
		// What is acknowledged is on the disk, as the documentation asks of a server without replicas. A kill -9 spares
		// what the system has taken over for writing, but shows what a server keeps in buffers of its own.
		SyncAlways: true,
		MaxPayload: 8 << 20,
	}
	flag.IntVar(&opts.Port, "port", 4222, "where to listen, on the loopback interface")
	flag.StringVar(&opts.StoreDir, "store", "", "folder of the streams")
	flag.Parse()
	s, err := server.NewServer(opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s.ConfigureLogger()
	if err := server.Run(s); err != nil { // which ends at SIGTERM
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s.WaitForShutdown()
}
