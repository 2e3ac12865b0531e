package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hiliosai/switchboard/claims/natsclaims"
	"github.com/hiliosai/switchboard/cluster/wire"
	"github.com/hiliosai/switchboard/node/internal/config"
)

// A NATS server does not answer who may not do something: it reports the fault beside the conversation, and a request
// waits until its time is over. So the permissions are tried out one by one before anything depends on them.

// permissionTimeout bounds the wait for the server, for each permission.
const permissionTimeout = 5 * time.Second

// noStream is a name that no stream has. A message that expects it is refused by any stream, so nothing is stored.
const noStream = "switchboard-permission-check"

// permission is one that a node needs of its NATS user.
type permission struct {
	subscribe bool
	subject   string // without wildcards: one of the subjects that the permission is needed for
	meaning   string // what is done there
}

func (p permission) String() string {
	if p.subscribe {
		return fmt.Sprintf("subscribe to %s (%s)", p.subject, p.meaning)
	}
	return fmt.Sprintf("publish to %s (%s)", p.subject, p.meaning)
}

// nodePermissions are those without which a node cannot work. streams is what its events are called on the wire.
func nodePermissions(c *config.Config, nc *nats.Conn, subjects []string) []permission {
	const api = "$JS.API."
	// a packet to this node, which does not listen yet
	own := wire.Subject(wire.Prefix(c.Node.Namespace), wire.Info, c.NodeID())
	list := []permission{
		{true, nc.NewInbox(), "answers, see nats.inboxPrefix"},
		{true, own, "packets of the cluster"},
		{false, own, "packets of the cluster"},
		{false, api + "STREAM.NAMES", "the streams of events"},
	}
	for _, subject := range subjects {
		list = append(list,
			permission{false, subject, "events"},
			permission{false, api + "STREAM.INFO." + streamOf(subject), "the stream of events"})
	}
	if c.Claims.Driver == "nats" {
		bucket := natsclaims.Bucket(c.Node.Namespace)
		list = append(list,
			permission{false, "$KV." + bucket + "." + noStream, "claims, see claims.driver"},
			permission{false, api + "STREAM.INFO.KV_" + bucket, "the bucket of claims"},
			permission{false, api + "STREAM.MSG.GET.KV_" + bucket, "the bucket of claims"})
	}
	return list
}

// makingPermissions are those that it takes to make streams which are not there yet.
func makingPermissions(c *config.Config, subjects []string) []permission {
	var list []permission
	for _, subject := range subjects {
		list = append(list, permission{false, "$JS.API.STREAM.CREATE." + streamOf(subject), "to make the stream of events"})
	}
	if c.Claims.Driver == "nats" {
		list = append(list,
			permission{false, "$JS.API.INFO", "to make the bucket of claims"},
			permission{false, "$JS.API.STREAM.CREATE.KV_" + natsclaims.Bucket(c.Node.Namespace), "to make the bucket of claims"})
	}
	return list
}

// streamOf is what a stream is called that is made for a subject.
func streamOf(subject string) string { return strings.ReplaceAll(subject, ".", "_") }

// errDenied says that the NATS user may not do what a node has to.
var errDenied = errors.New("the NATS user lacks permissions, see docs/nats.md")

// checkPermissions names all permissions of a list that the NATS user does not have, in one errDenied. It leaves
// nothing behind: what it publishes is taken by nobody.
func checkPermissions(ctx context.Context, nc *nats.Conn, list []permission) error {
	var missing []string
	for _, p := range list {
		denied, err := p.isDenied(ctx, nc)
		if err != nil {
			return fmt.Errorf("try out what the NATS user may do: %w", err)
		}
		if denied {
			missing = append(missing, p.String())
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: it may not %s", errDenied, strings.Join(missing, ", nor "))
}

// isDenied tries one permission out. The server's fault, if any, comes before its answer to the flush.
func (p permission) isDenied(ctx context.Context, nc *nats.Conn) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, permissionTimeout)
	defer cancel()
	if p.subscribe {
		sub, err := nc.SubscribeSync(p.subject)
		if err != nil {
			return false, err
		}
		defer func() { _ = sub.Unsubscribe() }() // a denied one is gone already
	} else {
		msg := &nats.Msg{Subject: p.subject, Header: nats.Header{jetstream.ExpectedStreamHeader: {noStream}}}
		if err := nc.PublishMsg(msg); err != nil {
			return false, err
		}
	}
	if err := nc.FlushWithContext(ctx); err != nil {
		return false, err
	}
	fault := nc.LastError()
	return errors.Is(fault, nats.ErrPermissionViolation) && strings.Contains(fault.Error(), `"`+p.subject+`"`), nil
}

// deniedDelivery says whether the server has refused the subscription that delivers events of a name.
func deniedDelivery(ctx context.Context, nc *nats.Conn, name string) error {
	ctx, cancel := context.WithTimeout(ctx, permissionTimeout)
	defer cancel()
	if err := nc.FlushWithContext(ctx); err != nil {
		return nil // the connection is lost: the consumer subscribes again with the next one
	}
	fault := nc.LastError()
	if !errors.Is(fault, nats.ErrPermissionViolation) {
		return nil
	}
	_, rest, ok := strings.Cut(fault.Error(), `Subscription to "`)
	subject, _, _ := strings.Cut(rest, `"`)
	if !ok || !strings.Contains(subject, name) {
		return nil
	}
	return fmt.Errorf("%w: it may not subscribe to %s (delivery of events)", errDenied, subject)
}
