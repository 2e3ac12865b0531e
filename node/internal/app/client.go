package app

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/cluster/wire"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/config"
)

// Client is a short-lived node without services: it calls and looks around.
type Client struct {
	nc   *nats.Conn
	link *cluster.Link
	log  *logrus.Entry
}

// Dial joins the cluster that the configuration names. With nats.embedded that is the one of the running node.
func Dial(ctx context.Context, c *config.Config, log *logrus.Logger, secrets *redact.Secrets) (*Client, error) {
	secrets.Keep(configSecrets(c)...)
	id := c.NodeID() + "-visitor-" + uuid.NewString()[:8]
	entry := log.WithField("node", id)
	nc, err := connect(ctx, c, id, nil, entry)
	if err != nil {
		return nil, err
	}
	client := &Client{nc, cluster.New(nc, cluster.Options{
		NodeID: id, Namespace: c.Node.Namespace, Version: Version(), Protocol: wire.Version(c.Node.Protocol), Concurrency: 1,
		DrainTimeout: time.Second, Log: logrus.NewEntry(log),
		Metadata:          map[string]any{cluster.Visitor: true},
		HeartbeatInterval: orNever(c.Node.HeartbeatInterval), HeartbeatTimeout: orNever(c.Node.HeartbeatTimeout),
	}), entry}
	if err := client.link.Join(); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// orNever turns the configuration's 0, for off, into that of the cluster's options.
func orNever(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// Close leaves the cluster.
func (c *Client) Close() {
	c.link.Leave()
	c.nc.Close()
}

// Call runs an action as soon as a node that serves it is known. Errors are *action.Error, or say that there is no such
// node.
func (c *Client) Call(
	ctx context.Context, name string, params json.RawMessage, opts action.CallOptions,
) (json.RawMessage, error) {
	switch {
	case opts.NodeID != "":
		c.link.WaitQuiet(ctx, quiet) // a client has the internal actions too, so they do not show which nodes are there
		if nodes := c.link.NodeIDs(); !slices.Contains(nodes, opts.NodeID) {
			return nil, fmt.Errorf("there is no node %q; there are: %s", opts.NodeID, strings.Join(nodes, ", "))
		}
	case strings.HasPrefix(name, "$"):
		return nil, fmt.Errorf("%s tells of one node: name it with --node", name)
	}
	if err := c.link.WaitFor(ctx, name); err != nil {
		return nil, action.ServiceNotFound(name, opts.NodeID).Because(err)
	}
	result, err := c.link.Call(ctx, name, params, opts)
	if err != nil {
		return nil, err
	}
	return result.Data, nil
}

// quiet is how long no node has introduced itself when all are taken to have done so.
const quiet = 500 * time.Millisecond

// Services lists what the cluster serves.
func (c *Client) Services(ctx context.Context) []cluster.ServiceStatus {
	c.link.WaitQuiet(ctx, quiet)
	return c.link.Services()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
