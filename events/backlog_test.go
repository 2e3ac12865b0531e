//go:build unix

package events_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/events/order"
)

// BenchmarkBacklog is what becomes of 100,000 spooled events of 1 KB while 500 new events a second are published. It is
// to be run for one backlog: go test -run '^$' -bench Backlog -benchtime 1x ./events. Of the figures, plain/s is the
// rate of plain publishing in the same run, of as many events, and share/% is that of the spool of it.
func BenchmarkBacklog(b *testing.B) {
	const backlog, conversations, rate = 100_000, 1000, 500
	payload := []byte(strings.Repeat("x", 1024))
	for b.Loop() {
		h := newHarness(b)
		h.create(jetstream.StreamConfig{Name: stream, Subjects: []string{subject}})
		h.ensure(name)
		g := &gate{}
		s := openSpool(b, h, filepath.Join(b.TempDir(), "spool.db"), h.Publisher, g)
		fill(b, s, backlog, conversations, payload)

		began, used := time.Now(), cpu(b)
		publishPlainly(b, h, backlog, payload)
		plain := backlog / time.Since(began).Seconds()
		plainCPU := cpu(b) - used

		stop, late := publishBeside(b, h, rate, payload)
		memory := watchMemory()
		used = cpu(b)
		g.open.Store(true)
		require.Eventually(b, func() bool { return s.State().Events == 0 }, 5*time.Minute, time.Millisecond)
		took := time.Since(*g.began.Load())
		spooledCPU := cpu(b) - used
		peak := memory()
		stop()
		spooled := backlog / took.Seconds()
		b.ReportMetric(took.Seconds(), "s/backlog")
		b.ReportMetric(spooled, "spooled/s")
		b.ReportMetric(plain, "plain/s")
		b.ReportMetric(100*spooled/plain, "share/%")
		b.ReportMetric(float64(plainCPU.Microseconds())/backlog, "plain-cpu-us")
		b.ReportMetric(float64(spooledCPU.Microseconds())/backlog, "spooled-cpu-us")
		b.ReportMetric(float64(peak)/(1<<20), "heap-growth-MB")
		b.ReportMetric(float64(late.Load())/1e6, "slowest-new-ms")
		require.Equal(b, uint64(2*backlog)+newEvents.Load(), h.info(stream).State.Msgs)
	}
}

func publishPlainly(b *testing.B, h *harness, n int, payload []byte) {
	b.Helper()
	places := make(chan struct{}, 1024)
	for i := range n {
		places <- struct{}{}
		e := order.Event{Name: name, MsgID: fmt.Sprint("plain:", i), Header: usualHeader(), Payload: payload}
		h.Publish(b.Context(), e, func(_ bool, err error) {
			if err != nil {
				b.Error(err)
			}
			<-places
		})
	}
	for range cap(places) {
		places <- struct{}{}
	}
}

var newEvents atomic.Uint64

// publishBeside publishes new events at a rate until stop is called; late is the longest wait for an ack, in ns.
func publishBeside(b *testing.B, h *harness, rate int, payload []byte) (stop func(), late *atomic.Int64) {
	b.Helper()
	newEvents.Store(0)
	late = &atomic.Int64{}
	ctx, cancel := context.WithCancel(b.Context())
	var busy sync.WaitGroup
	busy.Go(func() {
		ticks := time.NewTicker(10 * time.Millisecond)
		defer ticks.Stop()
		for began := time.Now(); ; {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
			}
			for due := uint64(time.Since(began) * time.Duration(rate) / time.Second); newEvents.Load() < due; {
				sent := time.Now()
				busy.Add(1)
				id := fmt.Sprint("new:", newEvents.Add(1))
				e := order.Event{Name: name, MsgID: id, Header: usualHeader(), Payload: payload}
				h.Publish(b.Context(), e, func(_ bool, err error) {
					if err != nil {
						b.Error(err)
					}
					for took := int64(time.Since(sent)); took > late.Load(); {
						late.Store(took)
					}
					busy.Done()
				})
			}
		}
	})
	return func() { cancel(); busy.Wait() }, late
}

// watchMemory gives by how much the heap has grown at most.
func watchMemory() (growth func() uint64) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	base, peak := m.HeapAlloc, uint64(0)
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticks := time.NewTicker(50 * time.Millisecond)
		defer ticks.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticks.C:
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			}
		}
	}()
	return func() uint64 {
		close(done)
		<-stopped
		return max(peak, base) - base
	}
}
