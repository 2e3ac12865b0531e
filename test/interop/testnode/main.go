// Command testnode is a Moleculer node in Go with a process of its own, for tests that kill it. As peer/peer.js it is
// driven by JSON lines on stdin, and answers on stdout; it stops gracefully at SIGTERM and at the end of its stdin.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/internal/netbatch"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()

	log := logrus.New()
	log.SetOutput(os.Stderr)
	opts := cluster.Options{Version: "0.0.0", Log: logrus.NewEntry(log)}
	url := flag.String("nats", "", "URL of the NATS server")
	flag.StringVar(&opts.NodeID, "id", "", "node id")
	flag.StringVar(&opts.Namespace, "namespace", "", "Moleculer's namespace")
	flag.DurationVar(&opts.HeartbeatInterval, "heartbeat", 0, "time between two heartbeats")
	flag.DurationVar(&opts.DrainTimeout, "drain", 10*time.Second, "how long a stop waits for running requests")
	flag.IntVar(&opts.Concurrency, "concurrency", 512, "requests that run at once")
	hosts := flag.Bool("hosts", true, "host the service \"where\"")
	flag.Parse()
	opts.Queue = opts.Concurrency

	// As internal/app connects.
	nc, err := nats.Connect(*url, nats.MaxReconnects(-1), nats.ReconnectBufSize(-1),
		nats.ReconnectWait(250*time.Millisecond), nats.ReconnectJitter(250*time.Millisecond, 500*time.Millisecond),
		nats.SetCustomDialer(&netbatch.Dialer{}), nats.FlusherTimeout(0))
	if err != nil {
		return err
	}
	defer nc.Close()
	n := &node{link: cluster.New(nc, opts)}
	broker := n.link.NewBroker()
	if *hosts {
		broker.Publish(n.where())
	}
	broker.Start()
	defer broker.Stop()
	n.write(map[string]any{"event": "ready"})

	requests := make(chan []byte)
	go func() {
		defer close(requests)
		lines := bufio.NewReader(os.Stdin)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			requests <- line
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case line, ok := <-requests:
			if !ok {
				return nil
			}
			go n.answer(ctx, line)
		}
	}
}

type node struct {
	link *cluster.Link

	out sync.Mutex // of stdout

	mu   sync.Mutex
	load *load
}

// where tells which node was called.
func (n *node) where() moleculer.ServiceSchema {
	id := n.link.NodeID()
	return moleculer.ServiceSchema{Name: "where", Actions: []moleculer.Action{
		action.New("where", action.Spec{Handle: func(context.Context, *action.Request) (any, error) { return id, nil }}),
		action.New("later", action.Spec{Handle: func(ctx context.Context, req *action.Request) (any, error) {
			var params struct{ MS int }
			if err := json.Unmarshal(req.Params, &params); err != nil {
				return nil, err
			}
			delay := time.NewTimer(time.Duration(params.MS) * time.Millisecond)
			defer delay.Stop()
			select {
			case <-delay.C:
				return id, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}),
	}}
}

func (n *node) write(line any) {
	n.out.Lock()
	defer n.out.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(line) // a test that does not read any more has ended
}

func (n *node) answer(ctx context.Context, line []byte) {
	var request struct {
		ID int    `json:"id"`
		Op string `json:"op"`
	}
	err := json.Unmarshal(line, &request)
	var result any
	if err == nil {
		result, err = n.do(ctx, request.Op, line)
	}
	answer := map[string]any{"id": request.ID, "ok": err == nil}
	if err != nil {
		answer["error"] = map[string]any{"name": "Error", "message": err.Error()}
	} else {
		answer["result"] = result
	}
	n.write(answer)
}

func (n *node) do(ctx context.Context, op string, args []byte) (any, error) {
	switch op {
	case "load":
		var spec loadSpec
		if err := json.Unmarshal(args, &spec); err != nil {
			return nil, err
		}
		wait, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if err := n.link.WaitFor(wait, spec.Action); err != nil {
			return nil, err
		}
		n.mu.Lock()
		n.load = startLoad(ctx, n.link, spec)
		n.mu.Unlock()
		return nil, nil
	case "loadUntil", "loadStop":
		n.mu.Lock()
		l := n.load
		n.mu.Unlock()
		if l == nil {
			return nil, errors.New("no load")
		}
		if op == "loadStop" {
			l.stop()
			return l.until(ctx, match{Idle: true})
		}
		var m match
		if err := json.Unmarshal(args, &m); err != nil {
			return nil, err
		}
		return l.until(ctx, m)
	case "goroutines":
		return runtime.NumGoroutine(), nil
	case "stacks":
		var text bytes.Buffer
		err := pprof.Lookup("goroutine").WriteTo(&text, 1)
		return text.String(), err
	default:
		return nil, fmt.Errorf("no such op: %s", op)
	}
}

// loadSpec is the load of peer/load.js.
type loadSpec struct {
	Action string
	Params json.RawMessage
	Rate   int // calls per second
	Opts   struct{ Timeout, Retries int }
}

// match is what the caller of until waits for.
type match struct {
	Sent  int
	Since int64
	Node  string
	Idle  bool
}

type report struct {
	Sent    int              `json:"sent"`
	OK      int              `json:"ok"`
	Pending int              `json:"pending"`
	Slowest int64            `json:"slowest"`
	ByNode  map[string]int   `json:"byNode"`
	LastOK  map[string]int64 `json:"lastOK"`
	Failed  []*failure       `json:"failed"`
	At      int64            `json:"at"`
}

type kind struct {
	Name      string `json:"name"`
	Code      int    `json:"code"`
	Type      string `json:"type"`
	Retryable bool   `json:"retryable"`
	NodeID    string `json:"nodeID"`
}

type failure struct {
	kind
	Count     int   `json:"count"`
	FirstSent int64 `json:"firstSent"`
	LastSent  int64 `json:"lastSent"`
}

type load struct {
	link *cluster.Link
	spec loadSpec
	stop func() // makes no more calls

	mu     sync.Mutex
	report report
	news   chan struct{} // closed and replaced when report has changed
}

const tick = 5 * time.Millisecond

func startLoad(ctx context.Context, link *cluster.Link, spec loadSpec) *load {
	ctx, cancel := context.WithCancel(ctx)
	var calling sync.WaitGroup
	l := &load{
		link: link, spec: spec,
		report: report{ByNode: map[string]int{}, LastOK: map[string]int64{}}, news: make(chan struct{}),
	}
	l.stop = func() {
		cancel()
		calling.Wait()
	}
	calling.Go(func() {
		ticks := time.NewTicker(tick)
		defer ticks.Stop()
		began, sent := time.Now(), 0
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
			}
			due := int(time.Since(began) * time.Duration(spec.Rate) / time.Second)
			l.change(func(r *report) {
				r.Sent += due - sent
				r.Pending += due - sent
			})
			for ; sent < due; sent++ {
				go l.one()
			}
		}
	})
	return l
}

func (l *load) one() {
	sent := time.Now().UnixMilli()
	result, err := l.link.Call(context.Background(), l.spec.Action, l.spec.Params, action.CallOptions{
		Timeout: time.Duration(l.spec.Opts.Timeout) * time.Millisecond, Retries: l.spec.Opts.Retries,
	})
	var by string
	if err == nil {
		err = json.Unmarshal(result.Data, &by)
	}
	l.change(func(r *report) {
		r.Pending--
		r.Slowest = max(r.Slowest, time.Now().UnixMilli()-sent)
		if err != nil {
			r.fail(err, sent)
			return
		}
		r.OK++
		r.ByNode[by]++
		r.LastOK[by] = max(r.LastOK[by], sent)
	})
}

func (l *load) change(do func(*report)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do(&l.report)
	close(l.news)
	l.news = make(chan struct{})
}

func (r *report) fail(err error, sent int64) {
	k := kind{Name: fmt.Sprintf("%T", err)}
	var e *action.Error
	if errors.As(err, &e) {
		var data struct {
			NodeID string `json:"nodeID"`
		}
		if raw, err := json.Marshal(e.Data); err == nil {
			_ = json.Unmarshal(raw, &data) // not all errors have data about a node
		}
		k = kind{e.Name, e.Code, e.Type, e.Retryable, cmp.Or(data.NodeID, e.NodeID)}
	}
	for _, f := range r.Failed {
		if f.kind == k {
			f.Count++
			f.FirstSent, f.LastSent = min(f.FirstSent, sent), max(f.LastSent, sent)
			return
		}
	}
	r.Failed = append(r.Failed, &failure{k, 1, sent, sent})
}

func (r *report) fulfils(m match) bool {
	last := r.LastOK[m.Node]
	if m.Node == "" {
		for _, at := range r.LastOK {
			last = max(last, at)
		}
	}
	return r.Sent >= m.Sent && last >= m.Since && (!m.Idle || r.Pending == 0)
}

// until returns the report, encoded, once it is as wanted.
func (l *load) until(ctx context.Context, m match) (json.RawMessage, error) {
	for {
		l.mu.Lock()
		news := l.news
		if l.report.fulfils(m) {
			defer l.mu.Unlock()
			l.report.At = time.Now().UnixMilli()
			return json.Marshal(l.report)
		}
		l.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
