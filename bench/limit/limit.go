// Command limit measures what the machine and the NATS server allow, without Moleculer or JSON.
//
//	-mode responder  answers limit.echo with what it got, and limit.relay after a JetStream
//	                 publish (one goroutine a request); runs until killed
//	-mode pingpong   closed loop against limit.echo, driven as load drives a Moleculer node
//	-mode reqrep     closed loop against limit.echo with nc.Request in -c goroutines
//	-mode relay      closed loop against limit.relay: request, acked publish, reply
//	-mode jssync     acked js.PublishMsg in -c goroutines, file storage
//	-mode jsasync    PublishMsgAsync with at most -c publishes pending
//	-mode http       POST to the fake platform (-url) over net/http, keep-alive, -c goroutines
package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hiliosai/switchboard/bench/internal/stats"
)

var (
	natsURL  = flag.String("nats", "nats://127.0.0.1:24222", "NATS server")
	mode     = flag.String("mode", "pingpong", "responder, pingpong, reqrep, relay, jssync, jsasync or http")
	platform = flag.String("url", "http://127.0.0.1:24280", "fake platform, for -mode http")
	conc     = flag.Int("c", 16, "operations outstanding")
	total    = flag.Int("n", 100000, "operations measured")
	warm     = flag.Int("warm", -1, "operations done first, unmeasured (default: n/5)")
	size     = flag.Int("size", 600, "message bytes")
	pid      = flag.Int("pid", 0, "process of the responder")
	extra    = flag.String("pids", "", "further processes to account for: name=pid,name=pid")
	purge    = flag.Bool("purge", true, "purge the stream first")
	round    = flag.Int("round", 0, "round number in the result")
	out      = flag.String("out", "", "append the result to this file, as a line of JSON")
	deadline = flag.Duration("timeout", 55*time.Second, "give up after this long")
)

const (
	streamName = "LIMIT"
	pubSubject = "limit.store"
)

type result struct {
	Peer        string                 `json:"peer"`
	Scenario    string                 `json:"scenario"`
	C           int                    `json:"c"`
	N           int                    `json:"n"`
	Round       int                    `json:"round"`
	WallS       float64                `json:"wall_s"`
	RPS         float64                `json:"rps"`
	Lat         stats.Lat              `json:"lat"`
	StreamDelta int64                  `json:"stream_delta"`
	StreamOK    bool                   `json:"stream_ok"`
	ReqBytes    int                    `json:"req_bytes"`
	Usage       map[string]stats.Usage `json:"usage"`
	Machine     stats.Machine          `json:"machine"`
	At          string                 `json:"at"`
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("limit: ")
	flag.Parse()
	nc := must(nats.Connect(*natsURL, nats.Name("limit-"+*mode)))
	js := must(jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(*conc)))
	ctx := context.Background()
	stream := must(js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: streamName, Subjects: []string{pubSubject}, Storage: jetstream.FileStorage,
	}))
	if *mode == "responder" {
		respond(nc, js)
		return
	}
	if *warm < 0 {
		*warm = *total / 5
	}
	debug.SetGCPercent(400)
	stores := *mode == "jssync" || *mode == "jsasync" || *mode == "relay"
	if stores && *purge {
		if err := stream.Purge(ctx); err != nil {
			log.Fatal(err)
		}
	}
	do := map[string]func(*nats.Conn, jetstream.JetStream, int) []int64{
		"pingpong": events("limit.echo"), "relay": events("limit.relay"),
		"reqrep": reqrep, "jssync": jssync, "jsasync": jsasync, "http": post,
	}[*mode]
	if do == nil {
		log.Fatalf("no mode %q", *mode)
	}
	time.AfterFunc(*deadline, func() { log.Fatal("timed out") })
	do(nc, js, *warm)
	before := must(stream.Info(ctx)).State
	m := stats.NewMeter(fmt.Sprintf("service=%d,load=%d,%s", *pid, os.Getpid(), *extra))
	m.Start()
	t0 := time.Now()
	lat := do(nc, js, *total)
	wall := time.Since(t0)
	usage, machine := m.Stop(*total)
	after := must(stream.Info(ctx)).State

	r := result{
		Peer: "limit", Scenario: *mode, C: *conc, N: *total, Round: *round, WallS: wall.Seconds(),
		RPS: float64(*total) / wall.Seconds(), Lat: stats.Summarise(lat),
		StreamDelta: int64(after.Msgs) - int64(before.Msgs), ReqBytes: *size,
		Usage: usage, Machine: machine, At: time.Now().UTC().Format(time.RFC3339),
	}
	r.StreamOK = !stores || r.StreamDelta == int64(*total)
	if *out != "" {
		f := must(os.OpenFile(*out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644))
		f.Write(append(must(json.Marshal(r)), '\n'))
		f.Close()
	}
	fmt.Printf(
		"%-10s %-10s c=%-3d n=%-6d %8.0f op/s   p50 %8.0f  p95 %8.0f  p99 %8.0f us  "+
			"cpu responder %.1f self %.1f nats %.1f us/op  steal %.1f%% other %.1f%% idle %.0f%%  stream +%d ok=%v\n",
		"limit", *mode, *conc, *total, r.RPS, r.Lat.P50, r.Lat.P95, r.Lat.P99,
		usage["service"].CPUus, usage["load"].CPUus, usage["nats"].CPUus,
		machine.StealPct, machine.OtherPct, machine.IdlePct, r.StreamDelta, r.StreamOK)
	if !r.StreamOK {
		log.Fatalf("FAILED: stream rose by %d for %d operations", r.StreamDelta, *total)
	}
	if machine.Noisy {
		os.Exit(stats.ExitNoisy)
	}
}

func respond(nc *nats.Conn, js jetstream.JetStream) {
	must(nc.Subscribe("limit.echo", func(m *nats.Msg) {
		if err := m.Respond(m.Data); err != nil {
			log.Print(err)
		}
	}))
	must(nc.Subscribe("limit.relay", func(m *nats.Msg) {
		go func() {
			if _, err := js.PublishMsg(context.Background(), &nats.Msg{Subject: pubSubject, Data: m.Data}); err != nil {
				log.Print(err)
				return
			}
			m.Respond(m.Data[:160])
		}()
	}))
	nc.Flush()
	fmt.Println("ready responder pid", os.Getpid())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
}

// body is a message of -size bytes whose first 8 are the sequence number in hex.
func body(seq int) []byte {
	b := make([]byte, *size)
	for i := range b {
		b[i] = 'x'
	}
	hex.Encode(b, []byte{byte(seq >> 24), byte(seq >> 16), byte(seq >> 8), byte(seq)})
	return b
}

// events keeps -c requests outstanding from one subscription callback, as load does.
func events(subject string) func(*nats.Conn, jetstream.JetStream, int) []int64 {
	return func(nc *nats.Conn, _ jetstream.JetStream, n int) []int64 {
		lat, start := make([]int64, n), make([]int64, n)
		packets := make([][]byte, n)
		for i := range packets {
			packets[i] = body(i)
		}
		next, done := min(*conc, n), 0
		finished := make(chan struct{})
		reply := fmt.Sprintf("limit.reply.%08x", rand.Uint32())
		t0 := time.Now()
		issue := func(seq int) {
			start[seq] = int64(time.Since(t0))
			if err := nc.PublishRequest(subject, reply, packets[seq]); err != nil {
				log.Fatal(err)
			}
		}
		sub := must(nc.Subscribe(reply, func(m *nats.Msg) {
			seq, err := strconv.ParseUint(string(m.Data[:8]), 16, 32)
			if err != nil {
				log.Fatal(err)
			}
			lat[seq] = int64(time.Since(t0)) - start[seq]
			done++
			if next < n {
				next++
				issue(next - 1)
			} else if done == n {
				close(finished)
			}
		}))
		defer sub.Unsubscribe()
		nc.Flush()
		for seq := range min(*conc, n) {
			issue(seq)
		}
		<-finished
		return lat
	}
}

// spread runs op for every number below n in -c goroutines.
func spread(n int, op func(data []byte) error) []int64 {
	lat := make([]int64, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range *conc {
		wg.Go(func() {
			data := body(0)
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				t := time.Now()
				if err := op(data); err != nil {
					log.Fatal(err)
				}
				lat[i] = int64(time.Since(t))
			}
		})
	}
	wg.Wait()
	return lat
}

func reqrep(nc *nats.Conn, _ jetstream.JetStream, n int) []int64 {
	return spread(n, func(data []byte) error {
		_, err := nc.Request("limit.echo", data, 10*time.Second)
		return err
	})
}

func jssync(_ *nats.Conn, js jetstream.JetStream, n int) []int64 {
	ctx := context.Background()
	return spread(n, func(data []byte) error {
		_, err := js.PublishMsg(ctx, &nats.Msg{Subject: pubSubject, Data: data})
		return err
	})
}

// jsasync has no latencies: PublishMsgAsync blocks its caller only at the pending limit.
func jsasync(_ *nats.Conn, js jetstream.JetStream, n int) []int64 {
	data := body(0)
	for range n {
		for {
			_, err := js.PublishMsgAsync(&nats.Msg{Subject: pubSubject, Data: data}, jetstream.WithStallWait(10*time.Second))
			if err == nil {
				break
			}
			log.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	return nil
}

func post(_ *nats.Conn, _ jetstream.JetStream, n int) []int64 {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: *conc}}
	defer client.CloseIdleConnections()
	url := *platform + "/bot123456:BENCH/sendMessage"
	const data = `{"chat_id":"5550001234","text":"` +
		`Hello, could you tell me where my order #48213 is? It should have arrived on Monday."}`
	return spread(n, func([]byte) error {
		res, err := client.Post(url, "application/json", strings.NewReader(data))
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return err
	})
}
