//go:build unix

package events_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/events/order"
)

// outstanding is how many events of a benchmark wait for their acks at once.
const outstanding = 256

// BenchmarkPublish is one event of 1 KB with the headers that integrations give. The server is in the same process: its
// part is in all figures.
func BenchmarkPublish(b *testing.B) {
	for test, storage := range map[string]jetstream.StorageType{
		"memory": jetstream.MemoryStorage, "file": jetstream.FileStorage,
	} {
		b.Run(test, func(b *testing.B) {
			h := newHarness(b)
			h.create(jetstream.StreamConfig{Name: stream, Subjects: []string{subject}, Storage: storage, MaxMsgs: 10_000})
			h.ensure(name)
			header := map[string][]string{
				"$requestID": {"01234567-89ab-cdef-0123-456789abcdef"}, "$parentID": {"01234567-89ab-cdef-0123-456789abcdef"},
				"$tracing": {"true"}, "$level": {"1"}, "$caller": {"hios.parrot"}, "$meta": {strings.Repeat("bWV0", 24)},
			}
			payload := []byte(strings.Repeat("x", 1024))
			places := make(chan struct{}, outstanding)
			failed := make(chan error, 1)
			ctx := b.Context()
			onAck := func(_ bool, err error) {
				if err != nil {
					select {
					case failed <- err:
					default:
					}
				}
				<-places
			}
			b.ReportAllocs()
			before := cpu(b)
			i := 0
			for b.Loop() {
				i++
				places <- struct{}{}
				e := order.Event{Name: name, MsgID: fmt.Sprint("parrot:c1:", i), Header: header, Payload: payload}
				h.Publish(ctx, e, onAck)
			}
			for range outstanding {
				places <- struct{}{}
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
			require.Empty(b, failed)
		})
	}
}

// cpu is what the process has used so far.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
