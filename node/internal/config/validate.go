package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/hiliosai/switchboard/internal/egress"
)

// minBodiesMB is room for the largest webhook beside what is for small ones alone.
const minBodiesMB = 5

// Validate reports all faults of meaning, joined, each a *strictyaml.Error; they name file and line if the
// configuration was loaded from a file.
func (c *Config) Validate() error {
	v := validation{config: c}
	v.node(c.Node)
	v.nats(c.NATS)
	v.events(c.Events)
	v.channels(c.Channels)
	v.cache(c.Cache)
	v.claims(c.Claims)
	v.services(c.Services)
	v.require(c.HTTP.Listen == "" || c.HTTP.Listen == "systemd" || isListenAddress(c.HTTP.Listen),
		"http.listen", "expects host:port or systemd, found %q", c.HTTP.Listen)
	v.require(c.Admin.Listen == "" || isListenAddress(c.Admin.Listen),
		"admin.listen", "expects host:port, found %q", c.Admin.Listen)
	v.require(c.Admin.Listen == "" || c.Admin.Listen != c.HTTP.Listen || strings.HasSuffix(c.Admin.Listen, ":0"),
		"admin.listen", "expects another address than http.listen")
	v.require(!c.Admin.Pprof || c.Admin.Listen != "", "admin.listen", "expects an address, for admin.pprof")
	v.require(c.Metrics.MaxChannels > 0, "metrics.maxChannels", "expects more than 0, found %d", c.Metrics.MaxChannels)
	v.require(c.Media.MaxMB > 0, "media.maxMB", "expects more than 0, found %d", c.Media.MaxMB)
	v.require(
		c.HTTP.MaxBodiesMB >= minBodiesMB, "http.maxBodiesMB", "expects at least %d, found %d", minBodiesMB,
		c.HTTP.MaxBodiesMB,
	)
	for i, text := range c.Egress.Allow {
		_, err := egress.New(text)
		v.require(err == nil, fmt.Sprintf("egress.allow[%d]", i), "%v", err)
	}
	v.limits(c.Limits)
	v.oneOf("log.level", c.Log.Level, "trace", "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "text", "json")
	return errors.Join(v.faults...)
}

type validation struct {
	config *Config
	faults []error
}

// require records a fault of the setting at key unless ok.
func (v *validation) require(ok bool, key, format string, args ...any) {
	if !ok {
		v.faults = append(v.faults, v.config.Fault(key, format, args...))
	}
}

func (v *validation) oneOf(key, value string, choices ...string) {
	v.require(slices.Contains(choices, value), key, "expects %s, found %q", strings.Join(choices, " or "), value)
}

// subject requires text that can be a part of a NATS subject.
func (v *validation) subject(key, value string) {
	v.require(isSubject(value), key,
		"expects a name without spaces, *, > or empty parts between dots, found %q", value)
}

func (v *validation) node(n Node) {
	v.subject("node.id", v.config.NodeID())
	if n.Namespace != "" {
		v.subject("node.namespace", n.Namespace)
	}
	v.oneOf("node.protocol", n.Protocol, "4", "5")
	beat, silence := n.HeartbeatInterval, n.HeartbeatTimeout
	v.require(
		beat == 0 || beat >= 100*time.Millisecond, "node.heartbeatInterval",
		"expects at least 100ms, or 0 for none, found %s", beat,
	)
	v.require(
		silence >= 0, "node.heartbeatTimeout", "expects more than heartbeatInterval, or 0 for none, found %s", silence,
	)
	v.require(silence <= 0 || beat <= 0 || silence > beat, "node.heartbeatTimeout",
		"expects more than heartbeatInterval (%s), or every node is gone between two heartbeats; found %s", beat, silence)
}

func (v *validation) nats(n NATS) {
	v.require(len(n.Servers) > 0, "nats.servers", "expects at least one server")
	for i, server := range n.Servers {
		key := fmt.Sprintf("nats.servers[%d]", i)
		host, ok := server.host()
		v.require(ok, key, "expects a nats:// or tls:// URL with a host, found %q", server.String())
		v.require(!n.Embedded || !isUnspecified(host), key,
			"the embedded server expects a loopback or explicit host, found %q", host)
	}
	if n.Embedded {
		v.require(len(n.Servers) < 2, "nats.servers",
			"the embedded server expects exactly one address, found %d", len(n.Servers))
		v.require(n.StoreDir != "", "nats.storeDir", "expects the path of a folder")
	}
	v.login(n)
	v.subject("nats.inboxPrefix", n.InboxPrefix)
	v.require((n.TLS.Cert == "") == (n.TLS.Key == ""), "nats.tls", "expects cert and key together")
	v.require(n.StartTimeout > 0, "nats.startTimeout", "expects more than 0s, found %s", n.StartTimeout)
}

// login requires one way to log in at most: which of several a server is shown is nothing to guess.
func (v *validation) login(n NATS) {
	var ways []string
	for _, way := range []struct {
		key  string
		used bool
	}{
		{"user", n.User != "" || n.Password != ""},
		{"token", n.Token != ""},
		{"creds", n.Creds != ""},
		{"nkey", n.NKey != ""},
	} {
		if way.used {
			ways = append(ways, way.key)
		}
	}
	if len(ways) > 1 {
		v.require(
			false, "nats."+ways[1], "expects one login: user and password, or token, or creds, or nkey; found %s",
			strings.Join(ways, " and "),
		)
	}
	v.require(n.Password == "" || n.User != "", "nats.user", "expects the name that nats.password belongs to")
}

func (v *validation) events(e Events) {
	v.subject("events.namespace", e.Namespace)
	if e.Prefix != nil && *e.Prefix != "" {
		v.subject("events.prefix", *e.Prefix)
	}
	v.require(e.Replicas >= 1 && e.Replicas <= 5, "events.replicas", "expects 1 to 5, found %d", e.Replicas)
	v.require(e.PublishTimeout > 0, "events.publishTimeout", "expects more than 0s, found %s", e.PublishTimeout)
	v.retention("events", e.MaxAge, e.MaxMB)
	v.retention("events.deadLetters", e.DeadLetters.MaxAge, e.DeadLetters.MaxMB)
	v.require(e.Spool.MaxMB > 0, "events.spool.maxMB", "expects more than 0, found %d", e.Spool.MaxMB)
	v.require(e.Spool.MaxAge > 0, "events.spool.maxAge", "expects more than 0s, found %s", e.Spool.MaxAge)
}

// duplicateWindow is for how long a stream recognizes a repeated event: it must keep events that long.
const duplicateWindow = 2 * time.Minute

// retention requires limits that a stream can have.
func (v *validation) retention(key string, maxAge time.Duration, maxMB int) {
	v.require(
		maxAge == 0 || maxAge >= duplicateWindow, key+".maxAge", "expects 0s or at least %s, the duplicate window, found %s",
		duplicateWindow, maxAge,
	)
	v.require(maxMB >= 0, key+".maxMB", "expects at least 0, found %d", maxMB)
}

func (v *validation) channels(c Channels) {
	v.oneOf("channels.store", c.Store, "sqlite", "postgres", "action")
	switch c.Store {
	case "sqlite":
		v.require(c.DSN != "", "channels.dsn", "expects the path of a file")
		v.require(
			!strings.Contains(string(c.DSN), "://"), "channels.dsn",
			"expects the path of a file for the store sqlite, found the URL %s", c.DSN,
		)
	case "postgres":
		v.require(
			c.DSN.hasScheme("postgres", "postgresql"), "channels.dsn",
			"expects postgres://USER:PASSWORD@HOST/DATABASE, found %q", c.DSN.String(),
		)
	case "action":
		v.subject("channels.action", c.Action)
	}
}

func (v *validation) cache(c Cache) {
	v.oneOf("cache.driver", c.Driver, "memory", "redis")
	v.redis(c.Driver == "redis", "cache.url", c.URL)
	v.require(c.TTL >= 0, "cache.ttl", "expects at least 0s, found %s", c.TTL)
}

func (v *validation) claims(c Claims) {
	v.oneOf("claims.driver", c.Driver, "nats", "redis", "memory")
	v.redis(c.Driver == "redis", "claims.url", v.config.ClaimsURL())
	v.require(c.MaxMB >= 0, "claims.maxMB", "expects at least 0, found %d", c.MaxMB)
}

// redis requires the URL of a Redis where one is used.
func (v *validation) redis(used bool, key string, u URL) {
	v.require(!used || u.hasScheme("redis", "rediss"), key, "expects redis://HOST:PORT, found %q", u.String())
}

func (v *validation) services(names []string) {
	for i, name := range names {
		key := fmt.Sprintf("services[%d]", i)
		v.require(name != "", key, "expects a name")
		v.require(name == "" || !slices.Contains(names[:i], name), key, "%q is listed twice", name)
	}
}

func (v *validation) limits(l Limits) {
	v.require(l.Concurrency >= 1, "limits.concurrency", "expects at least 1, found %d", l.Concurrency)
	v.require(l.Queue >= 0, "limits.queue", "expects at least 0, found %d", l.Queue)
	v.require(l.RequestsMB > 0, "limits.requestsMB", "expects more than 0, found %d", l.RequestsMB)
	v.require(l.MaxCallLevel >= 0, "limits.maxCallLevel", "expects at least 0, found %d", l.MaxCallLevel)
	v.require(l.StartTimeout > 0, "limits.startTimeout", "expects more than 0s, found %s", l.StartTimeout)
	v.require(l.DrainTimeout >= 0, "limits.drainTimeout", "expects at least 0s, found %s", l.DrainTimeout)
}

func isSubject(text string) bool {
	for token := range strings.SplitSeq(text, ".") {
		if token == "" || strings.ContainsFunc(token, isForbidden) {
			return false
		}
	}
	return true
}

func isForbidden(r rune) bool {
	return r == '*' || r == '>' || unicode.IsSpace(r) || unicode.IsControl(r)
}

// isUnspecified reports whether host means all interfaces: one can listen there but not connect to it.
func isUnspecified(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsUnspecified()
}

func isListenAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	return err == nil && isPort(port)
}
