package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/claims/natsclaims"
	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/integration"
)

const (
	// A clock that differs by clockWarning spoils times in logs and events; by clockFault webhooks count as too old.
	clockWarning = 2 * time.Second
	clockFault   = time.Minute
	// A webhook has up to 3 MB, and goes over NATS with its raw body.
	webhookPacket = 4 << 20
	// A stream is nearly full with this share of its max_bytes.
	nearlyFull = 0.9
	// usualWindow is the duplicate window of streams that a node makes.
	usualWindow = 2 * time.Minute
)

// examineNATS checks the connection, permissions, JetStream, the streams and the dead letters.
func (e *examiner) examineNATS(ctx context.Context) {
	c := *e.config
	c.NATS.StartTimeout = min(c.NATS.StartTimeout, reach)
	entry := logrus.NewEntry(e.log)
	nc, err := connect(ctx, &c, c.NodeID()+"-doctor", nil, entry)
	if err != nil {
		fix := "see that the servers of nats.servers run, and that nats.user, password, token, creds or nkey are theirs"
		if c.NATS.Embedded {
			fix = "start the node: its NATS server is a part of it (nats.embedded)"
		}
		e.fault("nats", err.Error(), fix)
		return
	}
	defer nc.Close()
	e.ok("nats", "connected to %s, nats-server %s", nc.ConnectedUrlRedacted(), nc.ConnectedServerVersion())
	if nc.MaxPayload() < webhookPacket {
		e.warn("nats", fmt.Sprintf("the server takes packets of at most %d KB; larger webhooks and attachments are refused",
			nc.MaxPayload()>>10), "set max_payload: 8MB in the server's configuration")
	}
	publisher, err := newPublisher(nc, &c, nil, entry)
	if err != nil {
		e.fault("jetstream", err.Error(), "see docs/nats.md")
		return
	}
	x := &streamExaminer{e, nc, publisher, nil}
	if x.js, err = jetstream.New(nc); err != nil {
		e.fault("jetstream", err.Error(), "see docs/nats.md")
		return
	}
	x.examine(ctx)
}

// streamExaminer looks at JetStream.
type streamExaminer struct {
	*examiner
	nc        *nats.Conn
	publisher *events.Publisher
	js        jetstream.JetStream
}

func (x *streamExaminer) examine(ctx context.Context) {
	names := integration.EventNames(x.config.Events.Namespace)
	subjects := make([]string, len(names))
	for i, name := range names {
		subjects[i] = x.publisher.Subject(name)
	}
	probe := *x.config
	probe.Node.ID = probe.NodeID() + "-doctor" // a node that runs would hear what is published to its own subject
	if err := checkPermissions(ctx, x.nc, nodePermissions(&probe, x.nc, subjects)); err != nil {
		x.fault("permissions", err.Error(), "allow the NATS user what docs/nats.md lists")
		return
	}
	x.ok("permissions", "the NATS user may do what a node does")
	for i, subject := range subjects {
		if !x.stream(ctx, names[i], subject) {
			return
		}
	}
	if x.config.Claims.Driver == "nats" {
		x.bucket(ctx, natsclaims.Bucket(x.config.Node.Namespace))
	}
	x.storage(ctx)
	x.deadLetters(ctx)
}

// stream checks the stream of an event. It returns whether it makes sense to look at others.
func (x *streamExaminer) stream(ctx context.Context, event, subject string) bool {
	ctx, cancel := context.WithTimeout(ctx, examineWait)
	defer cancel()
	name, err := x.js.StreamNameBySubject(ctx, subject)
	switch {
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled),
		errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		x.fault("jetstream", "JetStream is not enabled; reliable events need it",
			"start nats-server with -js, and enable JetStream for the account")
		return false
	case errors.Is(err, jetstream.ErrStreamNotFound):
		x.warn("streams", "there is no stream for "+subject, "start a node, which makes it, or make it as docs/nats.md says")
		return true
	case err != nil:
		x.fault("streams", fmt.Sprintf("look for the stream of %s: %v", subject, err), "see docs/nats.md")
		return true
	}
	asked := x.Now()
	stream, err := x.js.Stream(ctx, name)
	if err != nil {
		x.fault("streams", fmt.Sprintf("look at the stream %s: %v", name, err), "see docs/nats.md")
		return true
	}
	info := stream.CachedInfo()
	if event == integration.EventNames(x.config.Events.Namespace)[0] { // one comparison is enough
		x.clock(asked, x.Now(), info.TimeStamp)
	}
	if err := x.publisher.Takes(ctx, event); err != nil {
		x.fault("streams", err.Error(), "remove events, or give the stream more room: nats stream edit "+name)
		return true
	}
	if !x.limits(info) {
		x.ok("streams", "%s takes %s", name, subject)
	}
	return true
}

// clock compares this machine's clock with that of the NATS server.
func (x *streamExaminer) clock(asked, answered, theirs time.Time) {
	if theirs.IsZero() {
		return // an old server does not tell
	}
	// Their time lies between the question and the answer where the clocks agree.
	size := max(asked.Sub(theirs), theirs.Sub(answered), 0).Round(time.Millisecond)
	message := fmt.Sprintf("the clock of this machine and that of the NATS server differ by %s", size)
	const fix = "keep the clocks of all machines right with NTP, such as chrony or systemd-timesyncd"
	switch {
	case size >= clockFault:
		x.fault("clock", message+": webhooks may count as too old", fix)
	case size >= clockWarning:
		x.warn("clock", message, fix)
	default:
		x.ok("clock", "the clock agrees with that of the NATS server")
	}
}

// limits warns of limits by which a stream loses or refuses events. It says whether it did.
func (x *streamExaminer) limits(info *jetstream.StreamInfo) bool {
	c, found := info.Config, false
	warn := func(message, fix string) {
		found = true
		x.warn("streams", c.Name+": "+message, fix)
	}
	edit := "nats stream edit " + c.Name
	if c.MaxBytes > 0 && float64(info.State.Bytes) >= nearlyFull*float64(c.MaxBytes) {
		warn(fmt.Sprintf("it has %d of %d KB (max_bytes): the oldest events go, consumed or not", info.State.Bytes>>10,
			c.MaxBytes>>10), "give it more room: "+edit+" --max-bytes=…; see whether its consumers are behind")
	}
	if c.MaxMsgs > 0 && float64(info.State.Msgs) >= nearlyFull*float64(c.MaxMsgs) {
		warn(fmt.Sprintf("it has %d of %d events (max_msgs): the oldest go, consumed or not", info.State.Msgs, c.MaxMsgs),
			"give it more room: "+edit+" --max-msgs=…; see whether its consumers are behind")
	}
	if c.Duplicates < usualWindow {
		warn(fmt.Sprintf("its duplicate_window is %s: a webhook that is repeated later is stored twice", c.Duplicates),
			edit+" --dupe-window=2m")
	}
	if c.Replicas < x.config.Events.Replicas {
		warn(fmt.Sprintf("it has %d replica(s), and events.replicas is %d", c.Replicas, x.config.Events.Replicas),
			fmt.Sprintf("%s --replicas=%d", edit, x.config.Events.Replicas))
	}
	return found
}

// bucket checks the bucket of claims.
func (x *streamExaminer) bucket(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, examineWait)
	defer cancel()
	_, err := x.js.Stream(ctx, "KV_"+name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		x.warn("claims", "there is no bucket "+name, "start a node, which makes it")
	case err != nil:
		x.fault("claims", fmt.Sprintf("look at the bucket %s: %v", name, err), "see docs/nats.md")
	default:
		x.ok("claims", "the bucket %s is there", name)
	}
}

// storage checks the account's room for streams, where the NATS user may ask for it.
func (x *streamExaminer) storage(ctx context.Context) {
	ask := permission{subject: "$JS.API.INFO"}
	if denied, err := ask.isDenied(ctx, x.nc); denied || err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, examineWait)
	defer cancel()
	info, err := x.js.AccountInfo(ctx)
	if err != nil || info.Limits.MaxStore <= 0 {
		return
	}
	if float64(info.Store) >= nearlyFull*float64(info.Limits.MaxStore) {
		x.warn("jetstream", fmt.Sprintf("the account has used %d of %d MB: then no event is stored", info.Store>>20,
			info.Limits.MaxStore>>20), "give the account more room (max_file), or bound streams with events.maxMB and maxAge")
	}
}

// deadLetters tells how many dead letters wait.
func (x *streamExaminer) deadLetters(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, examineWait)
	defer cancel()
	archive := events.NewArchive(x.publisher)
	queues, err := archive.Queues(ctx)
	if err != nil {
		x.warn("dead letters", "dead letters cannot be counted: "+err.Error(), "see docs/nats.md")
		return
	}
	for _, queue := range queues {
		summary, err := archive.Summarize(ctx, queue)
		if err != nil || summary.Count == 0 {
			continue
		}
		command := "switchboard dlq list"
		if queue != integration.DeadLetters {
			command = strings.TrimSpace(command + " --queue " + queue)
		}
		x.warn("dead letters", fmt.Sprintf("%d dead letter(s) wait in %s, the oldest since %s", summary.Count, queue,
			cmp.Or(summary.Oldest.UTC().Format(time.RFC3339), "unknown")),
			command+" shows them, switchboard dlq replay hands them over again")
	}
	if len(queues) == 0 {
		x.ok("dead letters", "none waits")
	}
}
