package cluster

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"

	"github.com/hiliosai/switchboard/cluster/wire"
)

// unusableSenders remembers the senders of packets that this node cannot use, so that each is logged once. Their number
// is bounded: made-up senders must fill neither the memory nor the log. Safe for concurrent use.
type unusableSenders struct {
	mu    sync.Mutex
	seen  map[string]bool
	lines *rate.Limiter
}

const (
	// maxUnusableSenders bounds how many senders are remembered. Further ones are not logged.
	maxUnusableSenders = 1000
	// unusableBurst is how many lines may be logged at once; after that there is one a second.
	unusableBurst = 100
)

func newUnusableSenders() *unusableSenders {
	return &unusableSenders{seen: map[string]bool{}, lines: rate.NewLimiter(rate.Every(time.Second), unusableBurst)}
}

// isNews says whether a fault of this sender is to be logged.
func (s *unusableSenders) isNews(sender, fault string) bool {
	key := sender[:min(len(sender), 256)] + " " + fault
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[key] || len(s.seen) >= maxUnusableSenders || !s.lines.Allow() {
		return false
	}
	s.seen[key] = true
	return true
}

// warn logs that packets of a sender are dropped, once for each sender and fault.
func (l *Link) warn(msg *nats.Msg, sender, fault, advice string, err error) {
	if !l.unusableSenders.isNews(sender, fault) {
		l.log.WithError(err).WithField("subject", msg.Subject).Debug("packet dropped")
		return
	}
	entry := l.log.WithError(err).WithField("subject", msg.Subject).WithField("advice", advice)
	if sender != "" {
		entry = entry.WithField("peer", sender)
	}
	entry.Warn(fault)
}

// unusable logs why a packet is dropped, and what the operator can do.
func (l *Link) unusable(msg *nats.Msg, sender string, err error) {
	switch {
	case errors.Is(err, wire.ErrVersion):
		l.warn(msg, sender, "packets of a node with another protocol version are dropped",
			"all nodes of a cluster must speak the same: set node.protocol, or give the nodes another namespace", err)
	case errors.Is(err, wire.ErrSender):
		l.warn(msg, sender, "packets of a node whose id cannot be part of a NATS subject are dropped",
			"give that node an id without spaces, control characters, *, > and empty parts between dots, "+
				"of at most 256 bytes", err)
	default:
		form := formOf(msg.Data)
		l.warn(msg, form.sender, "packets that are not Moleculer's JSON are dropped: "+form.what, form.advice, err)
	}
}

// form describes a packet that is not JSON.
type form struct{ sender, what, advice string }

func formOf(data []byte) form {
	switch {
	case len(data) == 0:
		return form{"", "they are empty", "find out who publishes to Moleculer's subjects"}
	case isCompressed(data):
		return form{
			textSender(data),
			"they look as if the Compression middleware had made them",
			"remove that middleware from the other nodes: this node sends and takes plain JSON",
		}
	case data[0] == '{':
		return form{textSender(data), "they begin like JSON, but are not valid", "find out which software that node runs"}
	case 0x80 <= data[0] && data[0] < 0xC0, 0xDE <= data[0] && data[0] <= 0xDF: // a map of MsgPack, Notepack or CBOR
		if sender := binarySender(data); sender != "" {
			return form{
				sender,
				"they look as if the MsgPack, Notepack or CBOR serializer had made them",
				"set the serializer of the other nodes to JSON, Moleculer's default",
			}
		}
	}
	return form{
		"",
		"they may be encrypted, or made by another serializer",
		"remove the Encryption and Compression middlewares from the other nodes, and set their serializer to JSON: " +
			"this node sends and takes plain JSON",
	}
}

// isCompressed says whether the bytes are a packet of the Compression middleware, small and uncompressed or not, or are
// compressed in another way.
func isCompressed(data []byte) bool {
	for _, start := range []string{
		"\x00{", "\x01\x78", "\x01\x1F\x8B", "\x1F\x8B", "\x78\x01", "\x78\x5E", "\x78\x9C", "\x78\xDA",
	} {
		if bytes.HasPrefix(data, []byte(start)) {
			return true
		}
	}
	return false
}

// textSender looks for the sender in data that is partly JSON.
func textSender(data []byte) string {
	_, rest, ok := bytes.Cut(data, []byte(`"sender":"`))
	sender, _, closed := bytes.Cut(rest[:min(len(rest), 257)], []byte(`"`))
	if !ok || !closed {
		return ""
	}
	return strings.ToValidUTF8(string(sender), "?")
}

// binarySender looks for the member "sender" of a map. MsgPack and CBOR write the length of a short text in the byte
// before it, of a longer one in a byte of its own.
func binarySender(data []byte) string {
	_, rest, ok := bytes.Cut(data, []byte("sender"))
	if !ok || len(rest) < 2 {
		return ""
	}
	size, text := int(rest[0]&0x1F), rest[1:]
	if rest[0] == 0xD9 || rest[0] == 0x78 {
		size, text = int(rest[1]), rest[2:]
	}
	return strings.ToValidUTF8(string(text[:min(size, len(text))]), "?")
}
