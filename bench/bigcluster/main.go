// Command bigcluster plays a large cluster: nodes with services that announce themselves and then send
// heartbeats, as Node.js brokers do every ten seconds. Nobody can call them.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

type object = map[string]any

func main() {
	log.SetFlags(0)
	url := flag.String("nats", "", "NATS server")
	ns := flag.String("ns", "hios", "Moleculer namespace")
	nodes := flag.Int("nodes", 300, "nodes")
	services := flag.Int("services", 10, "services of each")
	flag.Parse()
	nc, err := nats.Connect(*url)
	if err != nil {
		log.Fatal(err)
	}
	send := func(topic string, v object) {
		data, err := json.Marshal(v)
		if err == nil {
			err = nc.Publish("MOL-"+*ns+"."+topic, data)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	info := func(node int, to string) {
		id := fmt.Sprintf("peer-%03d", node)
		send("INFO"+to, object{
			"ver": "4", "sender": id, "instanceID": id + "-1", "seq": 1, "hostname": "bigcluster",
			"ipList": []string{"127.0.0.1"},
			"client": object{"type": "nodejs", "version": "0.14.36", "langVersion": "v20"}, "config": object{},
			"metadata": object{},
			"services": servicesOf(node, *services),
		})
	}
	answer := func(m *nats.Msg) {
		var packet struct {
			Sender string `json:"sender"`
		}
		if json.Unmarshal(m.Data, &packet) == nil && packet.Sender != "" {
			for n := range *nodes {
				info(n, "."+packet.Sender)
			}
		}
	}
	if _, err := nc.Subscribe("MOL-"+*ns+".DISCOVER", answer); err != nil {
		log.Fatal(err)
	}
	for n := range *nodes {
		info(n, "")
	}
	if err := nc.Flush(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready bigcluster pid", os.Getpid())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	beat := time.NewTicker(10 * time.Second / time.Duration(*nodes)) // each node every ten seconds, none with another
	defer beat.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			nc.Close()
			return
		case <-beat.C:
			send("HEARTBEAT", object{"ver": "4", "sender": fmt.Sprintf("peer-%03d", n%*nodes), "cpu": n % 100})
		}
	}
}

// servicesOf gives each node services of its own and one that they all have, with five actions each.
func servicesOf(node, count int) []object {
	list := make([]object, count)
	for s := range list {
		name := fmt.Sprintf("service%d-%d", node, s)
		if s == 0 {
			name = "shared"
		}
		actions := object{}
		for a := range 5 {
			full := fmt.Sprintf("%s.action%d", name, a)
			actions[full] = object{
				"name": full, "rawName": fmt.Sprintf("action%d", a), "cache": false,
				"params": object{"id": "string", "value": "any|optional"},
			}
		}
		list[s] = object{
			"name": name, "fullName": name, "settings": object{}, "metadata": object{}, "actions": actions, "events": object{},
		}
	}
	return list
}
