// Package node runs a node of a Moleculer cluster, with platforms and services of one's own beside those that come with
// Switchboard. A program of one's own has the whole command line with [Main]:
//
//	func main() {
//		node.Main(node.Platform(parrot.Definition), node.Service(notes.Definition("data/notes.db")))
//	}
//
// [Run] and [Start] run a node within another program. The configuration's services list says which of all platforms
// and services a node hosts.
package node

import (
	"context"
	"encoding/json"
	"io"
	"os"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/cli"
	"github.com/hiliosai/switchboard/node/internal/config"
)

// Option says what a node can host, and how it is configured.
type Option func(*options)

type options struct {
	extensions app.Extensions
	file       string   // of the configuration; "" is none
	config     []string // YAML, over the file
	log        io.Writer
}

// Platform offers a platform. Its definition is made with the node's own HTTP client, to which the settings media and
// egress apply, and which is closed with the node.
func Platform(define func(client *httpapi.Client) integration.Definition) Option {
	return func(o *options) { o.extensions.Platforms = append(o.extensions.Platforms, define) }
}

// Service offers a service.
func Service(def integration.ServiceDefinition) Option {
	return func(o *options) { o.extensions.Services = append(o.extensions.Services, def) }
}

// ConfigFile has [Run] and [Start] read a configuration file; without it they begin with the defaults. [Main] has a
// flag for it.
func ConfigFile(path string) Option { return func(o *options) { o.file = path } }

// Config has [Run] and [Start] read settings in YAML over those of the file and of earlier Config options, such as
// "services: [parrot]".
func Config(yaml string) Option { return func(o *options) { o.config = append(o.config, yaml) } }

// LogTo has [Run] and [Start] log there rather than to standard error.
func LogTo(w io.Writer) Option { return func(o *options) { o.log = w } }

func collect(list []Option) *options {
	o := &options{log: os.Stderr}
	for _, set := range list {
		set(o)
	}
	return o
}

// load reads the configuration, and makes a log that shows no secret.
func (o *options) load() (*config.Config, *logrus.Logger, *redact.Secrets, error) {
	c, err := config.LoadWith(o.file, o.config...)
	if err != nil {
		return nil, nil, nil, err
	}
	log, secrets := logrus.New(), &redact.Secrets{}
	app.ConfigureLog(log, o.log, c.Log, secrets)
	return c, log, secrets, nil
}

// Main runs the command that the process's arguments name, and exits. A node that hosts a platform or service reports
// the faults of its definition when it starts.
func Main(options ...Option) { os.Exit(cli.Main(collect(options).extensions)) }

// Run runs a node until ctx ends, which is no error, or until it must not go on. It tunes the process as the command
// does: see node.tuning in the configuration. It tells systemd how the node is where NOTIFY_SOCKET is set.
func Run(ctx context.Context, options ...Option) error {
	o := collect(options)
	c, log, secrets, err := o.load()
	if err != nil {
		return err
	}
	return app.Run(ctx, c, o.extensions, log, secrets)
}

// Node is a running node. Its methods are safe for concurrent use.
type Node struct{ running *app.Node }

// Start starts a node and returns when it is ready. ctx bounds the start alone. The node must be closed.
func Start(ctx context.Context, options ...Option) (*Node, error) {
	o := collect(options)
	c, log, secrets, err := o.load()
	if err != nil {
		return nil, err
	}
	running, err := app.Start(ctx, c, o.extensions, log, secrets)
	if err != nil {
		return nil, err
	}
	return &Node{running}, nil
}

// Close stops the node: it takes no more webhooks and calls, ends those that run, within limits.drainTimeout, and
// leaves the cluster.
func (n *Node) Close() { n.running.Stop() }

// ID is that of the node in its cluster.
func (n *Node) ID() string { return n.running.ID() }

// URL is the root of the node's own webhook listener, such as http://127.0.0.1:8080; "" without http.listen. A webhook
// is posted to URL/<service>/<channelId>.
func (n *Node) URL() string {
	if address := n.running.Address(); address != "" {
		return "http://" + address
	}
	return ""
}

// NATSURL is that of the NATS server which the node is connected to, without a password.
func (n *Node) NATSURL() string { return n.running.NATSURL() }

// Call calls an action of the cluster, such as telegram.i_status, and gives its result as JSON. params become a JSON
// object; nil is none. Errors are [*action.Error].
func (n *Node) Call(ctx context.Context, name string, params any, opts action.CallOptions) (json.RawMessage, error) {
	return n.running.Call(ctx, name, params, opts)
}

// Emit sends an event to the cluster.
func (n *Node) Emit(ctx context.Context, name string, data any) error {
	return n.running.Emit(ctx, name, data)
}

// WaitForServices waits until each of the services, by full name such as v1.notes, is on some node of the cluster.
func (n *Node) WaitForServices(ctx context.Context, names ...string) error {
	return n.running.WaitForServices(ctx, names...)
}

// ApplyChannels creates or replaces channels, all or none of them.
func (n *Node) ApplyChannels(ctx context.Context, channels ...*integration.Channel) error {
	return n.running.ApplyChannels(ctx, channels...)
}
