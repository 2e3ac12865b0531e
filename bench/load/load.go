// Command load is a minimal Moleculer v4 node that drives one action of one other node over NATS
// in a closed loop: -c requests are always outstanding until -n are done. It checks every
// answer and that the JetStream stream grew by exactly the messages those answers claim.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hiliosai/switchboard/bench/internal/stats"
)

var (
	natsURL = flag.String("nats", "nats://127.0.0.1:24222", "NATS server")
	ns      = flag.String("ns", "hios", "Moleculer namespace")
	target  = flag.String("node", "node-peer", "nodeID to send requests to")
	service = flag.String("service", "", "service (default: the scenario's)")
	action  = flag.String("action", "", "action (default: the scenario's)")
	scen    = flag.String(
		"scenario", "echo", "echo, telegram, telegram10k, whatsapp, whatsapp20, send0, send50 or start",
	)
	conc       = flag.Int("c", 16, "requests outstanding")
	total      = flag.Int("n", 10000, "requests measured")
	warm       = flag.Int("warm", -1, "requests sent first, unmeasured (default: n/5, at least 200)")
	pid        = flag.Int("pid", 0, "process of the measured node, for its CPU time and memory")
	extra      = flag.String("pids", "", "further processes to account for: name=pid,name=pid")
	secret     = flag.String("secret", "bench-app-secret", "WhatsApp app secret")
	purge      = flag.Bool("purge", false, "purge the scenario's stream first")
	label      = flag.String("label", "", "name of the peer in the result")
	round      = flag.Int("round", 0, "round number in the result")
	out        = flag.String("out", "", "append the result to this file, as a line of JSON")
	reqTimeout = flag.Int("reqtimeout", 0, "timeout field of the requests, ms (0: none, as Moleculer's default)")
	deadline   = flag.Duration("timeout", 55*time.Second, "give up after this long")
)

type result struct {
	Peer         string                 `json:"peer"`
	Scenario     string                 `json:"scenario"`
	C            int                    `json:"c"`
	N            int                    `json:"n"`
	Round        int                    `json:"round"`
	WallS        float64                `json:"wall_s"`
	RPS          float64                `json:"rps"`
	Lat          stats.Lat              `json:"lat"`
	Errors       int                    `json:"errors"`
	FirstError   string                 `json:"first_error,omitempty"`
	Messages     int                    `json:"messages"`
	StreamDelta  int64                  `json:"stream_delta"`
	StreamOK     bool                   `json:"stream_ok"`
	ReqBytes     int                    `json:"req_bytes"`
	ResBytes     int                    `json:"res_bytes"`
	StreamMsgLen int                    `json:"stream_msg_bytes"`
	Usage        map[string]stats.Usage `json:"usage"`
	Machine      stats.Machine          `json:"machine"`
	At           string                 `json:"at"`
}

type node struct {
	nc     *nats.Conn
	id     string
	inst   string
	prefix string
	infos  chan json.RawMessage
}

func (n *node) topic(cmd, to string) string {
	t := n.prefix + "." + cmd
	if to != "" {
		t += "." + to
	}
	return t
}

func (n *node) send(cmd, to string, v object) {
	v["ver"], v["sender"] = "4", n.id
	// The heartbeat may find the connection closed at the end.
	if err := n.nc.Publish(n.topic(cmd, to), marshal(v)); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		log.Fatal(err)
	}
}

func (n *node) sendInfo(to string) {
	host, _ := os.Hostname()
	n.send("INFO", to, object{
		"services": []any{}, "config": object{}, "metadata": object{}, "seq": 1,
		"instanceID": n.inst, "ipList": []string{"127.0.0.1"}, "hostname": host,
		"client": object{"type": "go-load", "version": "1.0.0", "langVersion": "go"},
	})
}

// join subscribes to the protocol topics other than RES and announces the node.
func join(nc *nats.Conn) *node {
	id := fmt.Sprintf("load-%08x", rand.Uint32())
	n := &node{nc: nc, id: id, inst: id + "-instance", prefix: "MOL-" + *ns, infos: make(chan json.RawMessage, 256)}
	if *ns == "" {
		n.prefix = "MOL"
	}
	sub := func(cmd, to string, f func(sender string, data []byte)) {
		_, err := nc.Subscribe(n.topic(cmd, to), func(m *nats.Msg) {
			var p struct {
				Sender string `json:"sender"`
			}
			if json.Unmarshal(m.Data, &p) == nil && p.Sender != n.id {
				f(p.Sender, m.Data)
			}
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	info := func(_ string, data []byte) {
		select {
		case n.infos <- data:
		default:
		}
	}
	discover := func(sender string, _ []byte) { n.sendInfo(sender) }
	ping := func(sender string, data []byte) {
		var p struct {
			Time json.RawMessage `json:"time"`
			ID   json.RawMessage `json:"id"`
		}
		if json.Unmarshal(data, &p) == nil {
			n.send("PONG", sender, object{"time": p.Time, "id": p.ID, "arrived": time.Now().UnixMilli()})
		}
	}
	ignore := func(string, []byte) {}
	for _, to := range []string{"", n.id} {
		sub("INFO", to, info)
		sub("DISCOVER", to, discover)
		sub("PING", to, ping)
	}
	for _, cmd := range []string{"HEARTBEAT", "DISCONNECT"} {
		sub(cmd, "", ignore)
	}
	for _, cmd := range []string{"REQ", "PONG", "EVENT"} {
		sub(cmd, n.id, ignore)
	}
	nc.Flush()
	n.send("DISCOVER", "", object{})
	n.sendInfo("")
	go func() {
		for {
			time.Sleep(5 * time.Second)
			n.send("HEARTBEAT", "", object{"cpu": 0})
		}
	}()
	return n
}

// await blocks until the target has told that it has the action.
func (n *node) await(full string) {
	limit := time.After(15 * time.Second)
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	seen := "no INFO from it"
	for {
		select {
		case data := <-n.infos:
			var p struct {
				Sender   string `json:"sender"`
				Ver      string `json:"ver"`
				Services []struct {
					Name    string                     `json:"name"`
					Actions map[string]json.RawMessage `json:"actions"`
				} `json:"services"`
			}
			if err := json.Unmarshal(data, &p); err != nil {
				seen = err.Error()
				continue
			}
			if p.Sender != *target {
				continue
			}
			seen = "its INFO lacks the action"
			for _, s := range p.Services {
				if _, ok := s.Actions[full]; ok {
					return
				}
			}
		case <-again.C:
			n.send("DISCOVER", *target, object{})
		case <-limit:
			log.Fatalf("%s on node %s not found: %s", full, *target, seen)
		}
	}
}

// firstAnswer waits for the target to come up and prints, in ns since 1970, when its first answer was there.
// "waiting" says that everything is ready to see it come.
func (n *node) firstAnswer(full string, sc scenario) {
	l := prepare(n, sc, full, "first", 1, 0)
	fmt.Println("waiting")
	n.await(full)
	if _, err := l.drive(1); err != nil || l.errors > 0 {
		log.Fatalf("the first call: %v %s", err, l.firstErr)
	}
	fmt.Println(time.Now().UnixNano())
}

// loop is one closed-loop run over prepared packets. Everything after start runs on the
// RES subscription's goroutine.
type loop struct {
	n        *node
	sc       scenario
	subject  string
	idPrefix []byte
	packets  [][]byte
	params   [][]byte // for echo: what must come back
	t0       time.Time
	start    []int64
	lat      []int64
	next     int
	done     int
	messages int
	errors   int
	firstErr string
	resBytes int
	finished chan time.Duration
}

func (l *loop) issue() {
	seq := l.next
	l.next++
	l.start[seq] = int64(time.Since(l.t0))
	if err := l.n.nc.Publish(l.subject, l.packets[seq]); err != nil {
		log.Fatal(err)
	}
}

func (l *loop) fail(data []byte) {
	if l.errors++; l.firstErr == "" {
		l.firstErr = string(data[:min(len(data), 600)])
	}
}

func (l *loop) onResponse(m *nats.Msg) {
	var id, data, ver, sender []byte
	success := false
	err := scanObject(m.Data, func(k, v []byte) {
		switch string(k) {
		case "id":
			id = v
		case "success":
			success = string(v) == "true"
		case "data":
			data = v
		case "ver":
			ver = v
		case "sender":
			sender = v
		}
	})
	if err != nil {
		l.fail(m.Data)
		return
	}
	if len(id) < 2 || !bytes.HasPrefix(id[1:], l.idPrefix) {
		return // an answer to an earlier run
	}
	seq64, err := strconv.ParseUint(string(id[1+len(l.idPrefix):len(id)-1]), 16, 32)
	seq := int(seq64)
	if err != nil || seq >= l.next || l.lat[seq] != 0 {
		l.fail(m.Data)
		return
	}
	l.lat[seq] = max(int64(time.Since(l.t0))-l.start[seq], 1)
	if l.resBytes == 0 {
		l.resBytes = len(m.Data)
	}
	switch {
	case !success, string(ver) != `"4"`, string(sender) != `"`+*target+`"`:
		l.fail(m.Data)
	default:
		got, ok := check(l.sc, data, l.params, seq)
		l.messages += got
		if !ok {
			l.fail(m.Data)
		}
	}
	l.done++
	if l.next < len(l.packets) {
		l.issue()
	} else if l.done == len(l.packets) {
		l.finished <- time.Since(l.t0)
	}
}

// check says how many messages an answer claims were published and whether it is as expected.
func check(sc scenario, data []byte, params [][]byte, seq int) (int, bool) {
	var success, messages, failed, messageID []byte
	if sc.answer == "echo" {
		// Peers may reorder keys, so compare the distinguishing member only.
		var want, got []byte
		scanObject(params[seq], func(k, v []byte) {
			if string(k) == "seq" {
				want = v
			}
		})
		err := scanObject(data, func(k, v []byte) {
			if string(k) == "seq" {
				got = v
			}
		})
		return 0, err == nil && bytes.Equal(want, got) && len(data) == len(params[seq])
	}
	err := scanObject(data, func(k, v []byte) {
		switch string(k) {
		case "success":
			success = v
		case "messages":
			messages = v
		case "failed":
			failed = v
		case "messageId":
			messageID = v
		}
	})
	if err != nil || string(success) != "true" {
		return 0, false
	}
	if sc.answer == "send" {
		return 1, len(messageID) > 2
	}
	n, _ := strconv.Atoi(string(messages))
	return n, n == sc.perRequest && string(failed) == "0"
}

// prepare builds all packets, so that the measured part only sends and receives.
func prepare(n *node, sc scenario, full, tag string, count, offset int) *loop {
	l := &loop{
		n: n, sc: sc,
		subject:  n.topic("REQ", *target),
		idPrefix: []byte(tag + "-"),
		packets:  make([][]byte, count),
		start:    make([]int64, count),
		lat:      make([]int64, count),
		finished: make(chan time.Duration, 1),
	}
	if sc.answer == "echo" {
		l.params = make([][]byte, count)
	}
	for i := range l.packets {
		p := sc.params(offset + i)
		if l.params != nil {
			l.params[i] = p
		}
		id := fmt.Sprintf("%s-%08x", tag, i)
		l.packets[i] = marshal(object{
			"ver": "4", "sender": n.id, "id": id, "action": full,
			"params": json.RawMessage(p), "paramsType": 2,
			"meta": object{"tenantId": "tenant-1"}, "timeout": *reqTimeout, "level": 1, "tracing": nil,
			"parentID": nil, "requestID": id, "caller": nil, "stream": false,
		})
	}
	debug.FreeOSMemory()
	return l
}

// drive runs the loop to its end, or reports what is missing.
func (l *loop) drive(c int) (time.Duration, error) {
	sub, err := l.n.nc.Subscribe(l.n.topic("RES", l.n.id), l.onResponse)
	if err != nil {
		return 0, err
	}
	defer sub.Unsubscribe()
	sub.SetPendingLimits(-1, -1)
	if err := l.n.nc.Flush(); err != nil {
		return 0, err
	}
	l.t0 = time.Now()
	l.prime(min(c, len(l.packets)))
	select {
	case wall := <-l.finished:
		return wall, nil
	case <-time.After(*deadline):
		return 0, fmt.Errorf(
			"timed out: %d of %d answered, %d errors, first: %s", l.done, len(l.packets), l.errors, l.firstErr,
		)
	}
}

// prime sends the first c requests. Publishing is buffered by nats.go, so answers can arrive
// while it runs; prime reserves all c slots before the first publish to stay clear of them.
func (l *loop) prime(c int) {
	l.next = c
	for seq := range c {
		l.start[seq] = int64(time.Since(l.t0))
		if err := l.n.nc.Publish(l.subject, l.packets[seq]); err != nil {
			log.Fatal(err)
		}
	}
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("load: ")
	flag.Parse()
	debug.SetGCPercent(400)
	nonce := fmt.Sprintf("%08x", rand.Uint32())
	sc, ok := scenarios(*ns, nonce, *secret)[*scen]
	if !ok {
		log.Fatalf("no scenario %q", *scen)
	}
	if *service == "" {
		*service = sc.service
	}
	if *action == "" {
		*action = sc.action
	}
	if *warm < 0 {
		*warm = max(*total/5, 200)
	}
	if *label == "" {
		*label = *target
	}
	full := *service + "." + *action

	nc, err := nats.Connect(*natsURL, nats.Name("load"))
	if err != nil {
		log.Fatal(err)
	}
	ctl, err := nats.Connect(*natsURL, nats.Name("load-control"))
	if err != nil {
		log.Fatal(err)
	}
	js, err := jetstream.New(ctl)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	var stream jetstream.Stream
	state := func() jetstream.StreamState {
		if stream == nil {
			return jetstream.StreamState{}
		}
		si, err := stream.Info(ctx)
		if err != nil {
			log.Fatal(err)
		}
		return si.State
	}
	if sc.stream != "" {
		if stream, err = js.Stream(ctx, sc.stream); err != nil {
			log.Fatalf("stream %s: %v", sc.stream, err)
		}
		if *purge {
			if err := stream.Purge(ctx); err != nil {
				log.Fatal(err)
			}
		}
	}

	n := join(nc)
	if *scen == "start" {
		n.firstAnswer(full, sc)
		return
	}
	n.await(full)

	if *warm > 0 {
		w := prepare(n, sc, full, "w"+nonce, *warm, 0)
		if _, err := w.drive(*conc); err != nil {
			log.Fatalf("warm-up: %v", err)
		}
		if w.errors > 0 {
			log.Fatalf("warm-up: %d errors, first: %s", w.errors, w.firstErr)
		}
	}
	l := prepare(n, sc, full, "m"+nonce, *total, *warm)
	before := state()
	m := stats.NewMeter(fmt.Sprintf("service=%d,load=%d,%s", *pid, os.Getpid(), *extra))
	m.Start()
	wall, err := l.drive(*conc)
	usage, machine := m.Stop(*total)
	if err != nil {
		log.Fatal(err)
	}
	after := state()

	r := result{
		Peer: *label, Scenario: *scen, C: *conc, N: *total, Round: *round,
		WallS: wall.Seconds(), RPS: float64(*total) / wall.Seconds(), Lat: stats.Summarise(l.lat),
		Errors: l.errors, FirstError: l.firstErr, Messages: l.messages,
		StreamDelta: int64(after.LastSeq - before.LastSeq),
		ReqBytes:    len(l.packets[0]), ResBytes: l.resBytes,
		Usage: usage, Machine: machine, At: time.Now().UTC().Format(time.RFC3339),
	}
	r.StreamOK = sc.stream == "" ||
		(r.StreamDelta == int64(l.messages) && int64(after.Msgs)-int64(before.Msgs) == int64(l.messages))
	if stream != nil && after.LastSeq > 0 {
		if msg, err := stream.GetMsg(ctx, after.LastSeq); err == nil {
			r.StreamMsgLen = len(msg.Data)
		}
	}
	n.send("DISCONNECT", "", object{})
	nc.Flush()
	nc.Close()

	line := marshal(r)
	if *out != "" {
		f, err := os.OpenFile(*out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			log.Fatal(err)
		}
		f.Write(append(line, '\n'))
		f.Close()
	}
	svc := usage["service"]
	fmt.Printf(
		"%-10s %-10s c=%-3d n=%-6d %8.0f req/s  p50 %8.0f  p95 %8.0f  p99 %8.0f us  "+
			"cpu %7.1f us/req (sched %7.1f)  rss %5.1f MB  steal %.1f%% other %.1f%% idle %.0f%%  errors %d  stream +%d ok=%v\n",
		*label, *scen, *conc, *total, r.RPS, r.Lat.P50, r.Lat.P95, r.Lat.P99, svc.CPUus, svc.SchedUS, svc.PeakRSSMB,
		machine.StealPct, machine.OtherPct, machine.IdlePct, r.Errors, r.StreamDelta, r.StreamOK)
	if r.Errors > 0 || !r.StreamOK {
		log.Fatalf(
			"FAILED: %d errors (first: %s), stream rose by %d for %d messages claimed", r.Errors, r.FirstError, r.StreamDelta,
			r.Messages,
		)
	}
	if machine.Noisy {
		os.Exit(stats.ExitNoisy)
	}
}
