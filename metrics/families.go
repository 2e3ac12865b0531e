package metrics

import (
	"slices"
	"strings"
)

// Kind is one of Moleculer's types of metrics.
type Kind string

// The kinds. An Info is a gauge of 1 whose text is the label "value", as Moleculer's Prometheus reporter writes it.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
	Info      Kind = "info"
)

// Family describes all metrics of one name.
type Family struct {
	Name        string // with dots, as in $node.metrics; Prometheus has underscores
	Kind        Kind
	Unit        string // "" for a plain number
	Description string
	Labels      []string
	buckets     []float64
}

// PrometheusName is the name that is scraped.
func (f *Family) PrometheusName() string {
	return strings.NewReplacer(".", "_", "-", "_").Replace(f.Name)
}

// Families lists what a node has by itself, in the order of the page docs/metrics.md. Beside them, Prometheus gets the
// go_ and process_ families of its own library.
func Families() []*Family { return slices.Clone(all) }

// all is filled by the declarations below, and not changed later.
var all []*Family

func family(name string, kind Kind, unit, description string, labels ...string) *Family {
	f := &Family{Name: name, Kind: kind, Unit: unit, Description: description, Labels: labels}
	switch {
	case kind == Histogram && unit == unitMillisecond:
		f.buckets = []float64{1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000} // Moleculer's
	case kind == Histogram:
		f.buckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	}
	all = append(all, f)
	return f
}

// Units, as Moleculer names them.
const (
	unitRequest     = "request"
	unitEvent       = "event"
	unitPacket      = "packet"
	unitByte        = "byte"
	unitMillisecond = "millisecond"
	unitSecond      = "second"
	unitMessage     = "msg" // as in @moleculer/channels
)

// Requests, as Moleculer counts them: handlers of this node have the type local, calls of other nodes remote.
var (
	requestTotal = family("moleculer.request.total", Counter, unitRequest,
		"Requests: served here (local) or sent to other nodes (remote)", "service", "action", "type", "caller")
	requestActive = family("moleculer.request.active", Gauge, unitRequest,
		"Requests under way", "service", "action", "type", "caller")
	requestErrors = family("moleculer.request.error.total", Counter, unitRequest,
		"Requests that ended with an error", "service", "action", "type", "caller", "errorName", "errorCode", "errorType")
	requestTime = family("moleculer.request.time", Histogram, unitMillisecond,
		"Time of requests", "service", "action", "type", "caller")
	requestLevels = family("moleculer.request.levels", Counter, unitRequest,
		"Requests by their depth in a chain of calls", "level")
	requestTimeouts = family("moleculer.request.timeout.total", Counter, "",
		"Requests that ended with RequestTimeoutError", "service", "action")
	requestRetries = family("moleculer.request.retry.attempts.total", Counter, "",
		"Calls of other services that were made again", "service", "action")
)

// Events of Moleculer.
var (
	eventEmitted = family("moleculer.event.emit.total", Counter, unitEvent,
		"Events emitted by this node", "event", "groups")
	eventBroadcast = family("moleculer.event.broadcast.total", Counter, unitEvent,
		"Events broadcast by this node", "event", "groups")
	eventBroadcastLocal = family("moleculer.event.broadcast-local.total", Counter, unitEvent,
		"Events of this node for its own services", "event", "groups")
	eventReceived = family("moleculer.event.received.total", Counter, unitEvent,
		"Events that a service of this node handled", "service", "group", "event", "caller")
	eventActive = family("moleculer.event.received.active", Gauge, unitRequest,
		"Events that are handled now", "service", "group", "event", "caller")
	eventErrors = family("moleculer.event.received.error.total", Counter, unitRequest,
		"Events whose handler panicked", "service", "group", "event", "caller", "errorName", "errorCode", "errorType")
	eventTime = family("moleculer.event.received.time", Histogram, unitMillisecond,
		"Time of event handlers", "service", "group", "event", "caller")
)

// The way to other nodes.
var (
	transitPublished = family("moleculer.transit.publish.total", Counter, unitPacket,
		"Packets sent, by their type", "type")
	transitReceived = family("moleculer.transit.receive.total", Counter, unitPacket,
		"Packets received, by their type", "type")
	// TransitActive and those after it are read when they are asked for.
	TransitActive    = family("moleculer.transit.requests.active", Gauge, unitRequest, "Calls that wait for other nodes")
	TransitReady     = family("moleculer.transit.ready", Gauge, "", "1 while the node serves requests")
	TransitConnected = family("moleculer.transit.connected", Gauge, "", "1 while NATS is connected")
	transitOrphans   = family("moleculer.transit.orphan.response.total", Counter, "",
		"Answers for which no call waited any more")
	packetsSent     = family("moleculer.transporter.packets.sent.total", Counter, unitPacket, "Packets sent")
	bytesSent       = family("moleculer.transporter.packets.sent.bytes", Counter, unitByte, "Bytes of packets sent")
	packetsReceived = family("moleculer.transporter.packets.received.total", Counter, unitPacket, "Packets received")
	bytesReceived   = family("moleculer.transporter.packets.received.bytes", Counter, unitByte,
		"Bytes of packets received")
	RegistryNodes    = family("moleculer.registry.nodes.total", Gauge, "", "Nodes of the cluster that are known")
	RegistryOnline   = family("moleculer.registry.nodes.online.total", Gauge, "", "Nodes of the cluster that are online")
	RegistryServices = family("moleculer.registry.services.total", Gauge, "", "Services of the cluster")

	RegistryServiceEndpoints = family("moleculer.registry.service.endpoints.total", Gauge, "",
		"Nodes that have a service", "service")
	RegistryActions         = family("moleculer.registry.actions.total", Gauge, "", "Actions of the cluster")
	RegistryActionEndpoints = family("moleculer.registry.action.endpoints.total", Gauge, "",
		"Nodes that serve an action", "action")
	RegistryEvents         = family("moleculer.registry.events.total", Gauge, "", "Events that the cluster listens to")
	RegistryEventEndpoints = family("moleculer.registry.event.endpoints.total", Gauge, "",
		"Nodes that listen to an event", "event")
)

// Reliable events, as @moleculer/channels counts them. Its errors, retries and dead letters have the prefix in front of
// the channel, its other families do not.
var (
	channelSent = family("moleculer.channels.messages.sent", Counter, "call",
		"Reliable events given to JetStream", "channel")
	channelTotal = family("moleculer.channels.messages.total", Counter, unitMessage,
		"Reliable events given to a handler", "channel", "group")
	channelActive = family("moleculer.channels.messages.active", Gauge, unitMessage,
		"Reliable events that are handled now", "channel", "group")
	channelTime = family("moleculer.channels.messages.time", Histogram, unitMillisecond,
		"Time of their handlers", "channel", "group")
	channelErrors = family("moleculer.channels.messages.errors.total", Counter, unitMessage,
		"Reliable events whose handler failed", "channel", "group")
	channelRetries = family("moleculer.channels.messages.retries.total", Counter, unitMessage,
		"Reliable events that come again after a failure", "channel", "group")
	channelDead = family("moleculer.channels.messages.deadLettering.total", Counter, unitMessage,
		"Reliable events moved to the dead letters", "channel", "group")
)

// Webhooks, messages and sends of platforms. With Options.Channels, all counters but those of dead letters and
// claims have the label channel, too.
var (
	webhooks = family("switchboard.webhooks.total", Counter, "",
		"Webhooks, and items of connections: `stored`, `duplicate` (all stored before), `ignored` (nothing to store), "+
			"`refused` (the sender's fault), `failed` (send it again)", "platform", "outcome")
	webhookTime = family("switchboard.webhook.seconds", Histogram, unitSecond,
		"Time from the arrival of a webhook until all its messages were durable", "platform")
	messages = family("switchboard.messages.total", Counter, "",
		"Messages received: `stored`, `duplicate`, `ignored` (the channel's own, or another account's), "+
			"`rejected` (can never be published), `failed` (send it again)", "platform", "outcome")
	sends = family("switchboard.sends.total", Counter, "",
		"Messages that were to be sent: `sent`, `not_delivered`, `partly_delivered` or `unknown`, with the error's code",
		"platform", "result", "code")
	sendTime = family("switchboard.send.seconds", Histogram, unitSecond,
		"Time of sends, with their waits and attempts", "platform")
	throttled = family("switchboard.throttled.seconds.total", Counter, unitSecond,
		"Time that calls of platforms waited for their turn and the rate of their channel", "platform")
	deadLetters = family("switchboard.dead.letters.total", Counter, "",
		"Received messages that went to the dead letters", "platform")
	conditions = family("switchboard.channel.conditions.total", Counter, "",
		"Conditions of channels that began (`degraded`) or ended (`recovered`)", "platform", "code", "change")
	claimed = family("switchboard.claims.total", Counter, "",
		"Keys that were claimed: `mine`, `held`, `done`, `abandoned`, `unknown`", "platform", "state")
	// Suspended and those after it are read when they are asked for.
	Suspended = family("switchboard.channels.suspended", Gauge, "",
		"Channels whose calls are held back after failures (the breaker is open)", "platform")
	Connections = family("switchboard.connections", Gauge, "",
		"Connections of the whole cluster: `ready` or `waiting`", "platform", "state")
	OwnConnections = family("switchboard.connections.own", Gauge, "",
		"Connections whose lease this node has", "platform")
	platformCalls = family("switchboard.platform.call.seconds", Histogram, unitSecond,
		"Time of calls of platforms' APIs, without long polls; the status is `none` where no answer came",
		"platform", "method", "status")
	SpoolEvents   = family("switchboard.spool.events", Gauge, unitEvent, "Events on the disk that wait for JetStream")
	SpoolBytes    = family("switchboard.spool.bytes", Gauge, unitByte, "Bytes of them")
	SpoolOldest   = family("switchboard.spool.oldest.seconds", Gauge, unitSecond, "Age of the oldest of them, 0 for none")
	SpoolSetAside = family("switchboard.spool.set.aside", Gauge, unitEvent,
		"Events on the disk that can never be published")
)

// What this node is.
var (
	NodeType     = family("moleculer.node.type", Info, "", "Implementation of Moleculer")
	NodeProtocol = family("moleculer.node.versions.protocol", Info, "", "Version of Moleculer's protocol")
	Namespace    = family("moleculer.broker.namespace", Info, "", "Namespace of the cluster")
	Started      = family("moleculer.broker.started", Gauge, "", "1 while the node is a member of the cluster")
	Services     = family("moleculer.broker.local.services.total", Gauge, "", "Services of this node")
)

// Process and machine, as Moleculer names them.
var (
	processPID    = family("process.pid", Info, "", "Id of the process")
	processHeap   = family("process.memory.heap.size.total", Gauge, unitByte, "Heap that the Go runtime holds")
	processUsed   = family("process.memory.heap.size.used", Gauge, unitByte, "Heap in use")
	processRSS    = family("process.memory.rss", Gauge, unitByte, "Resident memory of the process")
	processUptime = family("process.uptime", Gauge, unitSecond, "Time since the node was started")
	osMemoryFree  = family("os.memory.free", Gauge, unitByte, "Memory of the machine that is available")
	osMemoryUsed  = family("os.memory.used", Gauge, unitByte, "Memory of the machine that is in use")
	osMemoryTotal = family("os.memory.total", Gauge, unitByte, "Memory of the machine")
	osUptime      = family("os.uptime", Gauge, unitSecond, "Time since the machine was started")
	osType        = family("os.type", Info, "", "Operating system")
	osHostname    = family("os.hostname", Info, "", "Name of the machine")
	osArch        = family("os.arch", Info, "", "Architecture of the machine")
	osLoad1       = family("os.cpu.load.1", Gauge, "", "Load of the machine over a minute")
	osLoad5       = family("os.cpu.load.5", Gauge, "", "Load of the machine over five minutes")
	osLoad15      = family("os.cpu.load.15", Gauge, "", "Load of the machine over fifteen minutes")
	osCPUs        = family("os.cpu.total", Gauge, "cpu", "Processors of the machine")
)
