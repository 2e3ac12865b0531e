//go:build unix

package events_test

import (
	"context"
	"errors"
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

	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/events/spool"
)

// openSpool opens a spool that hands on to a publisher, as a node has it.
func openSpool(tb testing.TB, b *bench, path string, p *events.Publisher) *spool.Spool {
	tb.Helper()
	archive := events.NewArchive(p)
	s, err := spool.Open(tb.Context(), spool.Options{
		Path: path, Owner: "test", MaxBytes: 1 << 30, MaxAge: time.Hour, Log: b.log,
		Publish: func(ctx context.Context, e spool.Event, settled func(error)) {
			p.Publish(&order.Context{Context: ctx, Key: e.Key}, e.Name, e.MsgID, e.Header, e.Payload, func(_ bool, err error) { settled(err) })
		},
		Stored: func(name string, since time.Time) spool.Stored { return archive.Stored(name, since) },
	})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	return s
}

// fill puts events into a file while nobody can take them: event i of a backlog is one of conversation i modulo conversations.
func fill(tb testing.TB, b *bench, path string, backlog, conversations int, payload []byte) {
	tb.Helper()
	away := func(_ context.Context, _ spool.Event, settled func(error)) { settled(errors.New("away")) }
	s, err := spool.Open(tb.Context(), spool.Options{
		Path: path, MaxBytes: 1 << 30, Log: b.log, Publish: away,
		Stored: func(string, time.Time) spool.Stored { return never{} },
	})
	require.NoError(tb, err)
	var kept sync.WaitGroup
	var failed atomic.Pointer[error]
	for i := range backlog {
		kept.Add(1)
		s.Put(numbered(i, conversations, payload), func(err error) {
			if err != nil {
				failed.Store(&err)
			}
			kept.Done()
		})
	}
	kept.Wait()
	require.Nil(tb, failed.Load())
	require.NoError(tb, s.Close())
}

// never tells of nothing.
type never struct{}

func (never) Next(context.Context, func(string)) (time.Time, error) {
	return time.Time{}, errors.New("away")
}

func numbered(i, conversations int, payload []byte) spool.Event {
	return spool.Event{Key: fmt.Sprint("c", i%conversations), Name: name, MsgID: fmt.Sprint("spooled:", i), Header: usualHeader(), Payload: payload}
}

func usualHeader() map[string][]string {
	return map[string][]string{
		"$requestID": {"01234567-89ab-cdef-0123-456789abcdef"}, "$parentID": {"01234567-89ab-cdef-0123-456789abcdef"},
		"$tracing": {"true"}, "$level": {"1"}, "$caller": {"hios.parrot"}, "$meta": {strings.Repeat("bWV0", 24)},
	}
}

// BenchmarkBacklog is what becomes of 100,000 spooled events of 1 KB while 500 new events a second are published. It is to be
// run for one backlog: go test -run '^$' -bench Backlog -benchtime 1x ./events. Of the figures, plain/s is the rate of plain
// publishing in the same run, of as many events, and share/% is that of the spool of it.
func BenchmarkBacklog(b *testing.B) {
	const backlog, conversations, rate = 100_000, 1000, 500
	payload := []byte(strings.Repeat("x", 1024))
	for b.Loop() {
		bench := newBench(b)
		bench.create(jetstream.StreamConfig{Name: stream, Subjects: []string{subject}})
		bench.ensure(name)
		path := filepath.Join(b.TempDir(), "spool.db")
		fill(b, bench, path, backlog, conversations, payload)

		began := time.Now()
		publishPlainly(b, bench, backlog, payload)
		plain := backlog / time.Since(began).Seconds()

		stop, late := publishBeside(b, bench, rate, payload)
		memory := watchMemory()
		began = time.Now()
		s := openSpool(b, bench, path, bench.Publisher)
		require.Eventually(b, func() bool { return s.State().Events == 0 }, 5*time.Minute, time.Millisecond)
		took := time.Since(began)
		peak := memory()
		stop()
		spooled := backlog / took.Seconds()
		b.ReportMetric(took.Seconds(), "s/backlog")
		b.ReportMetric(spooled, "spooled/s")
		b.ReportMetric(plain, "plain/s")
		b.ReportMetric(100*spooled/plain, "share/%")
		b.ReportMetric(float64(peak)/(1<<20), "heap-growth-MB")
		b.ReportMetric(float64(late.Load())/1e6, "slowest-new-ms")
		require.Equal(b, uint64(2*backlog)+newEvents.Load(), bench.info(stream).State.Msgs)
	}
}

func publishPlainly(b *testing.B, bench *bench, n int, payload []byte) {
	b.Helper()
	places := make(chan struct{}, 1024)
	for i := range n {
		places <- struct{}{}
		bench.Publish(b.Context(), name, fmt.Sprint("plain:", i), usualHeader(), payload, func(_ bool, err error) {
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
func publishBeside(b *testing.B, bench *bench, rate int, payload []byte) (stop func(), late *atomic.Int64) {
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
				bench.Publish(b.Context(), name, fmt.Sprint("new:", newEvents.Add(1)), usualHeader(), payload, func(_ bool, err error) {
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
