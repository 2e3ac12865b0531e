package cluster

import (
	"maps"
	"sync"

	"github.com/moleculer-go/moleculer"
	"github.com/moleculer-go/moleculer/broker"
	"github.com/moleculer-go/moleculer/serializer"
	"github.com/moleculer-go/moleculer/service"
	"github.com/moleculer-go/moleculer/transit"
	"github.com/sirupsen/logrus"
)

// NewBroker makes the moleculer-go broker of this node. Services may be published on it before or after its Start. Its
// Stop leaves the cluster without losing a caller's request.
func (l *Link) NewBroker() *broker.ServiceBroker {
	standardLog.Lock()
	defer standardLog.Unlock()
	b := broker.New(&moleculer.Config{
		DiscoverNodeID:             l.NodeID,
		Namespace:                  l.opts.Namespace,
		TransporterFactory:         func() any { return &transport{l} },
		Middlewares:                []moleculer.Middlewares{l.middlewares()},
		DisableInternalMiddlewares: true,
		DontWaitForNeighbours:      true,
		// The link does these itself: moleculer-go's own loops use its registry without a lock.
		HeartbeatFrequency:    -1,
		HeartbeatTimeout:      -1,
		OfflineCheckFrequency: -1,
	})
	l.tameStandardLog()
	// moleculer-go's own listeners of these events run unsynchronised and announce on their own. The brokerStarted
	// middleware does the rest of their work.
	b.LocalBus().RemoveAllListeners("$registry.service.added")
	b.LocalBus().RemoveAllListeners("$broker.started")
	return b
}

// standardLog guards logrus's process-wide logger, which moleculer-go uses and configures.
var standardLog sync.Mutex

// tameStandardLog gives moleculer-go's log the format and hooks of the node's own. Its lines at info level are dropped:
// they are of no use to operators.
func (l *Link) tameStandardLog() {
	std, own := logrus.StandardLogger(), l.log.Logger
	level := own.GetLevel()
	if level == logrus.InfoLevel {
		level = logrus.WarnLevel
	}
	std.SetOutput(own.Out)
	std.SetFormatter(own.Formatter)
	std.ReplaceHooks(maps.Clone(own.Hooks))
	std.SetLevel(level)
}

// middlewares connects the link with the broker's lifecycle.
func (l *Link) middlewares() moleculer.Middlewares {
	on := func(do func(params any)) moleculer.MiddlewareHandler {
		return func(params any, next func(...any)) {
			do(params)
			next()
		}
	}
	return moleculer.Middlewares{
		"brokerStarting": on(func(params any) {
			if delegates, ok := params.(*moleculer.BrokerDelegates); ok {
				l.adopt(delegates)
			}
		}),
		"serviceStarted": on(func(params any) {
			// moleculer-go's own $node service answers other things than Node's; the link has its own.
			if s, ok := params.(*service.Service); ok && s.Name() != "$node" {
				l.catalog.add(s.Schema(), s.Settings(), l.bridgeHandler, l.log)
				l.changed()
			}
		}),
		"brokerStarted": on(func(any) {
			if delegates := l.delegates.Load(); delegates != nil {
				delegates.LocalNode().Available()
			}
			l.announce()
		}),
		"brokerStopping": on(func(any) { l.leave() }),
	}
}

// transport is the link as moleculer-go's transporter. It drops the packets that moleculer-go publishes, because Node
// does not understand them (docs/design/moleculer-wire.md §10).
type transport struct{ link *Link }

var _ transit.Transport = (*transport)(nil)

func (t *transport) Connect(moleculer.Registry) chan error { return result(t.link.open()) }

func (t *transport) Disconnect() chan error { return result(t.link.close()) }

func (t *transport) Subscribe(string, string, transit.TransportHandler) {}

func (t *transport) Publish(command, nodeID string, _ moleculer.Payload) {
	t.link.log.WithFields(logrus.Fields{"command": command, "to": nodeID}).Trace("moleculer-go's own packet is not sent")
}

func (t *transport) SetPrefix(string) {}

func (t *transport) SetNodeID(string) {}

func (t *transport) SetSerializer(serializer.Serializer) {}

func result(err error) chan error {
	c := make(chan error, 1)
	c <- err
	return c
}
