package cluster_test

import (
	"encoding/json"
	"maps"
	"math/rand"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// good are packets as Node sends them, by the subject they go to.
var good = map[string]string{
	"REQ." + nodeID: `{"id":"1","action":"svc.echo","params":{"limit":5},"meta":{"user":{"id":3}},` +
		`"timeout":1500.5,"level":1,"tracing":null,"parentID":null,"requestID":"1","caller":null,"stream":false,"seq":0,` +
		`"ver":"4","sender":"a"}`,
	"RES." + nodeID: `{"id":"1","meta":{},"success":false,"data":null,"error":{"name":"MoleculerClientError",` +
		`"message":"bad","nodeID":"b","code":409,"type":"BAD","retryable":false,"data":{"x":1}},"ver":"4","sender":"a"}`,
	"EVENT." + nodeID: `{"id":"1","event":"user.created","data":{"id":1},"groups":["svc"],"broadcast":false,` +
		`"meta":{},"level":1,"tracing":null,"parentID":null,"requestID":"1","caller":null,"needAck":null,"ver":"4",` +
		`"sender":"a"}`,
	"INFO": `{"services":[{"name":"posts","version":2,"fullName":"v2.posts","settings":{},"metadata":{},` +
		`"actions":{"v2.posts.list":{"name":"v2.posts.list","visibility":"published"}},` +
		`"events":{"user.*":{"name":"user.*"}}}],"ipList":["192.0.2.2"],"hostname":"vm","client":{"type":"nodejs",` +
		`"version":"0.14.36","langVersion":"v20"},"config":{},"instanceID":"i","metadata":{},"seq":2,"ver":"4",` +
		`"sender":"a"}`,
	"INFO." + nodeID: `{"services":[],"ipList":[],"hostname":"vm","client":{},"config":{},"instanceID":"i",` +
		`"metadata":{},"seq":3,"ver":"4","sender":"a"}`,
	"DISCOVER":           `{"ver":"4","sender":"a"}`,
	"DISCOVER." + nodeID: `{"ver":"4","sender":"a"}`,
	"HEARTBEAT":          `{"cpu":2,"ver":"4","sender":"a"}`,
	"DISCONNECT":         `{"ver":"4","sender":"a"}`,
	"PING":               `{"time":1795431745501,"id":"uuid","ver":"4","sender":"a"}`,
	"PING." + nodeID:     `{"time":1795431745501,"id":"uuid","ver":"4","sender":"a"}`,
	"PONG." + nodeID:     `{"time":1795431745501,"id":"uuid","arrived":1795431745502,"ver":"4","sender":"a"}`,
}

// oddities are what fields of a mutated packet become.
var oddities = []any{
	nil, true, 0, -1, 1.5, 1e300, "", "text",
	[]any{},
	[]any{nil, 5},
	fields{},
	fields{"a": nil},
	"a b", "a\r\nPUB x 1\r\n", ">", "*", "a..b", nodeID, strings.Repeat("x", 5000),
}

// depths are how deep a value of a mutated packet is nested; JSON readers take no more than 10,000.
var depths = []int{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 9_990, 12_000}

// mutate spoils a packet in one of the ways in which packets are spoilt.
func mutate(t *testing.T, random *rand.Rand, packet string) []byte {
	t.Helper()
	data := []byte(packet)
	var f fields
	require.NoError(t, json.Unmarshal(data, &f))
	victim := pick(random, slices.Sorted(maps.Keys(f)))
	switch random.Intn(5) {
	case 0: // flipped bits
		for range 1 + random.Intn(4) {
			data[random.Intn(len(data))] ^= byte(1 << random.Intn(8))
		}
		return data
	case 1:
		return data[:random.Intn(len(data))]
	case 2:
		delete(f, victim)
	case 3:
		f[victim] = pick(random, oddities)
	default: // nested
		depth := pick(random, depths)
		f[victim] = json.RawMessage(strings.Repeat("[", depth) + "0" + strings.Repeat("]", depth))
	}
	spoilt, err := json.Marshal(f)
	if err != nil { // too deep for the writer as well
		return data[:1]
	}
	return spoilt
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.Intn(len(from))] }

// Not parallel: it counts the goroutines of the process.
func TestSpoiltPacketsDoNoHarm(t *testing.T) {
	const packets, batch = 10_000, 250
	b := &harness{T: t, server: shared(), namespace: uuid.NewString()}
	n := b.serve(echo)
	p := b.peer("probe")
	require.Equal(t, "ping", p.call("svc.echo", "ping", nil)["data"])
	before := runtime.NumGoroutine()

	random := rand.New(rand.NewSource(1))
	subjects := slices.Sorted(maps.Keys(good))
	for i := range packets {
		subject := subjects[i%len(subjects)]
		p.raw(subject, mutate(t, random, good[subject]))
		if i%batch == 0 { // so that none is dropped for coming too fast
			p.sync()
			p.unread = nil
		}
	}

	require.Equal(t, "ping", p.call("svc.echo", "ping", nil)["data"], "it still serves")
	require.Zero(t, n.nc.Stats().Reconnects, "nothing it sent made NATS hang up")
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+16 }, patience, time.Millisecond,
		"no more goroutines than workers were added")
}
