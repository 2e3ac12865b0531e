package interop_test

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

type fields = map[string]any

// packet is one that a member sent.
type packet struct {
	Command, Target string // of P.REQ.go-1: REQ and go-1
	Raw             string
	fields          fields
}

// contain says whether a packet has this text in it.
func contain(p packet, text string) bool { return strings.Contains(p.Raw, text) }

// wiretap reads all that is said in a namespace.
type wiretap struct {
	nc      *nats.Conn
	prefix  string
	ver     string
	packets *inbox[packet]

	mu      sync.Mutex
	secrets []string
	leaks   []string
}

// tap listens to a namespace until the test ends, and watches for these secrets.
func tap(t *testing.T, natsURL string, line line, secrets ...string) *wiretap {
	t.Helper()
	nc, err := nats.Connect(natsURL, nats.MaxReconnects(-1))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	w := &wiretap{
		nc: nc, prefix: "MOL-" + namespace + ".", ver: string(line.protocol), packets: newInbox[packet](), secrets: secrets,
	}
	_, err = nc.Subscribe(w.prefix+">", w.hear)
	require.NoError(t, err)
	require.NoError(t, nc.FlushTimeout(patience))
	return w
}

func (w *wiretap) hear(msg *nats.Msg) {
	p := packet{Raw: string(msg.Data)}
	p.Command, p.Target, _ = strings.Cut(strings.TrimPrefix(msg.Subject, w.prefix), ".")
	if json.Unmarshal(msg.Data, &p.fields) != nil {
		return
	}
	w.mu.Lock()
	for _, secret := range w.secrets {
		if strings.Contains(p.Raw, secret) {
			w.leaks = append(w.leaks, p.Raw)
		}
	}
	w.mu.Unlock()
	w.packets.add(p)
}

// Leaks are the packets that held a secret.
func (w *wiretap) Leaks() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.leaks...)
}

// send sends a packet; "ver" is added where f has none.
func (w *wiretap) send(t *testing.T, subject string, f fields) {
	t.Helper()
	whole := fields{"ver": w.ver}
	maps.Copy(whole, f)
	data, err := json.Marshal(whole)
	require.NoError(t, err)
	require.NoError(t, w.nc.Publish(w.prefix+subject, data))
}

// stranger is a node of which nothing is real but its packets.
type stranger struct {
	*testing.T
	tap *wiretap
	id  string
}

func (w *wiretap) stranger(t *testing.T) *stranger {
	t.Helper()
	return &stranger{t, w, "stranger-" + uuid.NewString()[:8]}
}

func (s *stranger) send(subject string, f fields) {
	s.Helper()
	whole := fields{"sender": s.id}
	maps.Copy(whole, f)
	s.tap.send(s.T, subject, whole)
}

// ping waits until a member has answered a PING, and gives the answer.
func (s *stranger) ping(m member) packet {
	s.Helper()
	s.send("PING."+m.ID(), fields{"id": s.id, "time": 1})
	return s.expect(
		"PONG", func(p packet) bool { return p.Command == "PONG" && p.Target == s.id && p.fields["sender"] == m.ID() },
	)
}

// info introduces it with services; more replaces fields of the INFO.
func (s *stranger) info(seq int, more fields, services ...fields) {
	s.Helper()
	f := fields{
		"services": append([]fields{}, services...), "seq": seq, "instanceID": "instance of " + s.id, "ipList": []string{},
		"hostname": "elsewhere", "client": fields{"type": "test", "version": "0", "langVersion": "0"}, "config": fields{},
		"metadata": fields{},
	}
	maps.Copy(f, more)
	s.send("INFO", f)
}

// serves is a service in an INFO, with one action.
func serves(name string) fields {
	return fields{
		"name": name, "fullName": name, "settings": fields{}, "metadata": fields{}, "events": fields{},
		"actions": fields{name + ".do": fields{"name": name + ".do", "rawName": "do"}},
	}
}

// request sends a REQ to a node and gives the RES.
func (s *stranger) request(nodeID, action string, more fields) answer {
	s.Helper()
	id := uuid.NewString()
	s.sendRequest(nodeID, id, action, more)
	return s.answer(id)
}

func (s *stranger) sendRequest(nodeID, id, action string, more fields) {
	s.Helper()
	f := fields{"id": id, "action": action}
	maps.Copy(f, more)
	s.send("REQ."+nodeID, f)
}

// answer is a RES.
type answer struct {
	Success bool            `json:"success"`
	Data    json.RawMessage `json:"data"`
	Meta    json.RawMessage `json:"meta"`
	Error   *callError      `json:"error"`
}

func (s *stranger) answer(id string) answer {
	s.Helper()
	p := s.expect("a RES", func(p packet) bool { return p.Command == "RES" && p.Target == s.id && p.fields["id"] == id })
	var a answer
	require.NoError(s, json.Unmarshal([]byte(p.Raw), &a))
	return a
}

// expect waits for a packet of somebody else.
func (s *stranger) expect(what string, match func(packet) bool) packet {
	s.Helper()
	return expect(s.T, s.tap, what, func(p packet) bool { return p.fields["sender"] != s.id && match(p) })
}

// expect waits for a packet that matches.
func expect(t *testing.T, w *wiretap, what string, match func(packet) bool) packet {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rowPatience)
	defer cancel()
	p, err := w.packets.next(ctx, match)
	require.NoError(t, err, "there was no %s", what)
	return p
}
