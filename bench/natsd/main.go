// Command natsd is a NATS server with JetStream in files, as the benchmark runs it: acknowledged before any
// fsync, one replica. Arguments: its address as HOST:PORT, and the folder of its streams.
package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: natsd HOST:PORT FOLDER")
	}
	host, port, err := net.SplitHostPort(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		log.Fatal(err)
	}
	s, err := server.NewServer(
		&server.Options{Host: host, Port: number, JetStream: true, StoreDir: os.Args[2], NoSigs: true},
	)
	if err != nil {
		log.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		log.Fatal("the server does not come up")
	}
	fmt.Println("ready natsd pid", os.Getpid())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	s.Shutdown()
	s.WaitForShutdown()
}
