package scaffold

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Node is what the files of a new node say.
type Node struct {
	Namespace string
	NATS      string // URL of the server
	Embedded  bool   // the node runs the server itself
	User      string // at NATS; "" for none
	Password  Value
	Store     string // of the channels: sqlite or postgres
	DSN       Value  // of postgres
	Key       Value  // that seals channels in postgres
	Services  []string
	Listen    string // for webhooks; "" is off
	Channels  []Channel
}

// Channel is an entry of channels.yaml.
type Channel struct {
	ID, Tenant, Platform  string
	Credentials, Settings []Entry
}

// Entry is a field of a channel.
type Entry struct {
	Name  string
	Value Value
}

// Value is a text as it is, or an environment variable that has it.
type Value struct{ Text, Variable string }

// String writes the value in YAML.
func (v Value) String() string {
	if v.Variable != "" {
		return `"${` + v.Variable + `}"`
	}
	return quote(v.Text)
}

// quote writes a text in YAML, so that nothing in it is replaced.
func quote(text string) string { return strconv.Quote(strings.ReplaceAll(text, "${", "$${")) }

// ConfigFile is the node's config.yaml.
func (n *Node) ConfigFile() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line(
		"# The configuration of a Switchboard node. What is not here has its default; docs/configuration.md has every key.",
	)
	line("node:\n  namespace: %s  # that of the Moleculer cluster", quote(n.Namespace))
	line("nats:\n  servers: [%s]", quote(n.NATS))
	if n.Embedded {
		line("  embedded: true  # the server runs within the node")
	}
	if n.User != "" {
		line("  user: %s\n  password: %s", quote(n.User), n.Password)
	}
	line("channels:\n  store: %s", n.Store)
	if n.Store == "postgres" {
		line("  dsn: %s\n  keys: [%s]  # without it nobody can read the channels: keep a copy", n.DSN, n.Key)
	}
	line("services: [%s]", strings.Join(n.Services, ", "))
	if n.Listen != "" {
		line("http:\n  listen: %s  # webhooks come to /<service>/<channelId>", quote(n.Listen))
	}
	return b.String()
}

// ChannelsFile is the channels.yaml.
func (n *Node) ChannelsFile() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# The tenants' accounts at the platforms, for: switchboard channels apply -f channels.yaml\nchannels:")
	for _, ch := range n.Channels {
		line("  - id: %s\n    tenantId: %s\n    platform: %s", quote(ch.ID), quote(ch.Tenant), ch.Platform)
		for _, part := range []struct {
			name string
			list []Entry
		}{{"credentials", ch.Credentials}, {"settings", ch.Settings}} {
			if len(part.list) > 0 {
				line("    %s:", part.name)
			}
			for _, e := range part.list {
				line("      %s: %s", e.Name, e.Value)
			}
		}
	}
	return b.String()
}

// Variables lists the environment variables that the files refer to.
func (n *Node) Variables() []string {
	values := []Value{n.Password, n.DSN, n.Key}
	for _, ch := range n.Channels {
		for _, e := range slices.Concat(ch.Credentials, ch.Settings) {
			values = append(values, e.Value)
		}
	}
	var names []string
	for _, v := range values {
		if v.Variable != "" {
			names = append(names, v.Variable)
		}
	}
	return names
}
