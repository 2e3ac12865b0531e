// Package config is the typed configuration of a node: its shape, its defaults and what makes it valid. How a file
// is read is strictyaml's business, and what the settings are used for is that of the packages they are handed to.
package config

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/node/internal/strictyaml"
)

// Config holds every setting of a node. Paths in it are relative to the working directory of the process, except
// in a secret given as file:PATH, which starts at the folder of the configuration file.
type Config struct {
	Node     Node     `yaml:"node"`
	NATS     NATS     `yaml:"nats"`
	Events   Events   `yaml:"events"`
	Channels Channels `yaml:"channels"`
	Cache    Cache    `yaml:"cache"`
	Claims   Claims   `yaml:"claims"`
	// Services names the platforms, and services such as channels and events, that the node hosts.
	Services []string `yaml:"services"`
	Media    Media    `yaml:"media"`
	Egress   Egress   `yaml:"egress"`
	HTTP     HTTP     `yaml:"http"`
	Admin    Admin    `yaml:"admin"`
	Metrics  Metrics  `yaml:"metrics"`
	Webhooks Webhooks `yaml:"webhooks"`
	Limits   Limits   `yaml:"limits"`
	Log      Log      `yaml:"log"`

	source strictyaml.Source
	more   []string // YAML that was read over the file
}

// Node is the node's place in the Moleculer cluster.
type Node struct {
	// ID must be unique in the cluster and be usable in a NATS subject; "" takes HOSTNAME-PID.
	ID string `yaml:"id"`
	// Namespace separates clusters that share a NATS server; "" is Moleculer's unnamed one.
	Namespace string `yaml:"namespace"`
	// Protocol is Moleculer's wire protocol: "4", that of Moleculer 0.14, or "5", that of 0.15. All nodes of a cluster
	// must speak the same.
	Protocol string `yaml:"protocol"`
	// HeartbeatInterval is how often the node says that it is alive, at least 100ms. All nodes of a cluster must have
	// the same: it is heartbeatInterval of Moleculer for Node.js. 0 sends none, and takes no silent node for gone.
	HeartbeatInterval time.Duration `yaml:"heartbeatInterval"`
	// HeartbeatTimeout is how long another node may be silent before it counts as gone, longer than HeartbeatInterval.
	// It is heartbeatTimeout of Moleculer for Node.js. 0 takes no silent node for gone.
	HeartbeatTimeout time.Duration `yaml:"heartbeatTimeout"`
	// Tuning fits the number of processors and the growth of the heap to the node's load; see docs/performance.md. false
	// leaves both to the Go runtime.
	Tuning bool `yaml:"tuning"`
}

// NATS says where the NATS servers are and how to log in.
type NATS struct {
	// Servers are tried in turn, each nats://HOST:PORT or tls://HOST:PORT.
	Servers []URL `yaml:"servers"`
	// User is the name to log in with, beside Password.
	User string `yaml:"user"`
	// Password is that of User.
	Password strictyaml.Secret `yaml:"password"`
	// Token is a shared token to log in with.
	Token strictyaml.Secret `yaml:"token"`
	// Creds is the path of a credentials file, with a user JWT and its seed.
	Creds string `yaml:"creds"`
	// NKey is the seed of a user's NKey. It is no path: a file is given as file:PATH.
	NKey strictyaml.Secret `yaml:"nkey"`
	TLS  TLS               `yaml:"tls"`
	// InboxPrefix begins the subjects on which this node is answered by JetStream. A node whose NATS user may not
	// subscribe to _INBOX.> has one of its own here.
	InboxPrefix string `yaml:"inboxPrefix"`
	// Embedded runs a NATS server inside this process, listening at the only entry of Servers.
	Embedded bool `yaml:"embedded"`
	// StoreDir is the folder where the embedded server keeps its streams.
	StoreDir string `yaml:"storeDir"`
	// StartTimeout bounds the wait for a NATS server when the node starts.
	StartTimeout time.Duration `yaml:"startTimeout"`
}

// TLS holds paths of PEM files for connections to NATS.
type TLS struct {
	// CA holds the authorities to trust; "" takes those of the system.
	CA string `yaml:"ca"`
	// Cert is the certificate of this node, for servers that ask for one; set it and Key, or neither.
	Cert string `yaml:"cert"`
	// Key is that of Cert.
	Key string `yaml:"key"`
}

// Events configures the reliable events, which live in JetStream streams.
type Events struct {
	// Namespace begins the names of the events, as in NAMESPACE.processing.message.received. Lower case whatever the
	// file says, as the SDK has it. The default is the environment variable NAMESPACE, else hios.
	Namespace string `yaml:"namespace"`
	// Prefix is put before every event name; "" puts none. null takes the namespace of the node.
	Prefix *string `yaml:"prefix"`
	// Replicas counts the copies of each stream in a NATS cluster, 1 to 5.
	Replicas int `yaml:"replicas"`
	// Plain sends the events that SDK 0.1.4 sent, integration.message.received, sent and failed, beside the reliable
	// ones.
	Plain bool `yaml:"plain"`
	// PublishTimeout bounds the wait until a stream has stored an event.
	PublishTimeout time.Duration `yaml:"publishTimeout"`
	// MaxAge is how long the streams that this node makes keep an event, consumed or not; at least 2m, the duplicate
	// window. 0s is for ever. Streams that are there already keep their own limits.
	MaxAge time.Duration `yaml:"maxAge"`
	// MaxMB bounds each stream that this node makes, in MB: over it the oldest events are dropped, consumed or not. 0
	// is no bound.
	MaxMB int `yaml:"maxMB"`
	// DeadLetters bounds the streams of dead letters.
	DeadLetters DeadLetters `yaml:"deadLetters"`
	// Spool is where events are kept that JetStream does not take at the moment.
	Spool Spool `yaml:"spool"`
}

// DeadLetters bounds the streams of dead letters that this node makes.
type DeadLetters struct {
	// MaxAge is how long a dead letter is kept; at least 2m. 0s is for ever.
	MaxAge time.Duration `yaml:"maxAge"`
	// MaxMB bounds each queue of dead letters, in MB: over it the oldest are dropped. 0 is no bound.
	MaxMB int `yaml:"maxMB"`
}

// Spool configures the file in which events wait for JetStream: what became of sends, and the messages of platforms
// that do not send a webhook again.
type Spool struct {
	// Path is that of the file, made when the node starts; one for each node, locked by a file beside it. "" has none:
	// events that JetStream does not take are lost, or their webhook refused.
	Path string `yaml:"path"`
	// MaxMB bounds the events that wait, in MB; more are refused.
	MaxMB int `yaml:"maxMB"`
	// MaxAge is how long an event may wait before it is dropped.
	MaxAge time.Duration `yaml:"maxAge"`
}

// Channels says where the tenants' accounts at the platforms are stored.
type Channels struct {
	// Store is where the channels are: sqlite, for one node, postgres, for several nodes, or action, for those of an
	// existing service of the cluster.
	Store string `yaml:"store"`
	// DSN is the path of the SQLite file or the URL of the PostgreSQL database, such as
	// postgres://USER:PASSWORD@HOST/DATABASE.
	DSN URL `yaml:"dsn"`
	// Action is the full name of the action that is asked, with store action.
	Action string `yaml:"action"`
	// Keys seal the channels' credentials and settings in the database. Each is ID:KEY, as switchboard channels keys
	// generate makes one; the first seals, all open. Without any, sqlite takes a key of its own, beside the file.
	Keys []strictyaml.Secret `yaml:"keys"`
	// TenantCheck refuses calls of one tenant for a channel of another, as if that channel did not exist. A caller's
	// tenant is ctx.meta.tenantId and that of ctx.meta.user; callers without one are the cluster's own services.
	TenantCheck bool `yaml:"tenantCheck"`
}

// Cache configures the node's cache, which holds memoised results and what services keep in ctx.cache.
type Cache struct {
	// Driver is memory, each node for itself, or redis, shared with all nodes, Node's included.
	Driver string `yaml:"driver"`
	// URL is that of the Redis, such as redis://:PASSWORD@HOST:6379/0.
	URL URL `yaml:"url"`
	// TTL is how long a value without a time of its own is kept; 0s keeps it until it is dropped or displaced.
	TTL time.Duration `yaml:"ttl"`
}

// Claims configures where nodes note which work is taken and done, so that a repeated webhook or send is not done
// twice.
type Claims struct {
	// Driver is nats, a JetStream bucket with as many copies as events.replicas, redis, or memory, each node for
	// itself.
	Driver string `yaml:"driver"`
	// URL is that of the Redis, such as redis://:PASSWORD@HOST:6379/0, which must not drop keys to save memory; ""
	// takes cache.url.
	URL URL `yaml:"url"`
	// MaxMB bounds the bucket, in MB, where this node makes it. Some NATS accounts ask for a bound, and 256 is enough
	// for a million claims. 0 is no bound.
	MaxMB int `yaml:"maxMB"`
}

// Media says how attachments are fetched.
type Media struct {
	// AllowPrivate is egress.allow for all addresses: whoever can send a message through the node can then make it
	// read from its own machine and from private networks.
	AllowPrivate bool `yaml:"allowPrivate"`
	// MaxMB is how many MB the attachments under way may have together, sent ones and fetched ones; more fail with
	// MEDIA_BUSY, which is worth a retry. Uploading one takes as much again.
	MaxMB int `yaml:"maxMB"`
}

// Egress says where the node connects to on behalf of others: for links of attachments, and for addresses that users
// of a tenant or callers choose, such as an apiBase. These lead to public addresses only. Addresses that the operator
// writes, by command or in the channel store, are not restricted.
type Egress struct {
	// Allow lists what else they may lead to: addresses, networks and names of hosts, such as 10.0.0.5,
	// botapi.internal:8081 or 192.168.0.0/16.
	Allow []string `yaml:"allow"`
}

// HTTP is the node's own webhook listener, for clusters without a gateway.
type HTTP struct {
	// Listen is HOST:PORT, or :PORT for all interfaces; "" is none. "systemd" takes the socket that systemd hands over, so
	// that webhooks wait in it while the node is started again.
	Listen string `yaml:"listen"`
	// MaxBodiesMB is how many MB the bodies of webhooks under way may have together; more are refused with 503 and
	// Retry-After. A quarter is for bodies of up to 64 KB alone.
	MaxBodiesMB int `yaml:"maxBodiesMB"`
}

// Admin is the listener for whoever watches over the node: GET /metrics for Prometheus, GET /-/live and GET /-/ready.
type Admin struct {
	// Listen is HOST:PORT, or :PORT for all interfaces; "" is none. It asks for no login: keep it from the internet.
	Listen string `yaml:"listen"`
	// Pprof serves Go's profiler at /debug/pprof/ there, whose profiles cost time while they run.
	Pprof bool `yaml:"pprof"`
}

// Metrics says what is counted; see docs/metrics.md.
type Metrics struct {
	// Enabled counts for GET /metrics and $node.metrics. Without it, $node.metrics answers METRICS_DISABLED, as that of a
	// Node broker.
	Enabled bool `yaml:"enabled"`
	// PerChannel puts the id of the channel into the label channel of webhooks, messages and sends.
	PerChannel bool `yaml:"perChannel"`
	// MaxChannels is how many channels get a label value of their own, with perChannel. All further ones are "other".
	MaxChannels int `yaml:"maxChannels"`
}

// Webhooks says how webhooks are read, from a gateway or from the node's own listener.
type Webhooks struct {
	// TrustForwarded takes the URL that a platform called from the headers X-Forwarded-Proto and X-Forwarded-Host, for
	// signatures that cover it. Only behind a proxy that sets both itself: otherwise the sender chooses them. A channel's
	// setting publicUrl comes before them.
	TrustForwarded bool `yaml:"trustForwarded"`
}

// Limits bounds what the node takes on.
type Limits struct {
	// Concurrency is how many requests run at once.
	Concurrency int `yaml:"concurrency"`
	// Queue is how many requests may wait for their turn before new ones are refused.
	Queue int `yaml:"queue"`
	// RequestsMB is how many MB the requests that run or wait may have together before new ones are refused.
	RequestsMB int `yaml:"requestsMB"`
	// MaxCallLevel is how deep a chain of calls may get before it counts as a loop; 0 is no limit.
	MaxCallLevel int `yaml:"maxCallLevel"`
	// StartTimeout is how long a start waits, once NATS is there: for the node's stores of channels and claims, for
	// the services' datasources and for the services that they depend on. All together share it.
	StartTimeout time.Duration `yaml:"startTimeout"`
	// DrainTimeout is how long a stop waits for running requests.
	DrainTimeout time.Duration `yaml:"drainTimeout"`
}

// Log says what is logged and how.
type Log struct {
	// Level is the least severe level that is logged: trace, debug, info, warn or error.
	Level string `yaml:"level"`
	// Format is text for people or json for machines.
	Format string `yaml:"format"`
}

// Default gives the configuration of a node whose file says nothing.
func Default() *Config {
	return &Config{
		Node: Node{
			Namespace: "hios", Protocol: "4", HeartbeatInterval: 10 * time.Second, HeartbeatTimeout: 30 * time.Second,
			Tuning: true,
		},
		NATS: NATS{
			Servers:      []URL{"nats://127.0.0.1:4222"},
			InboxPrefix:  "_INBOX",
			StoreDir:     "data/nats",
			StartTimeout: 30 * time.Second,
		},
		Events: Events{
			Namespace:      strings.ToLower(cmp.Or(os.Getenv("NAMESPACE"), "hios")),
			Replicas:       1,
			PublishTimeout: 5 * time.Second,
			Spool:          Spool{Path: "data/spool.db", MaxMB: 256, MaxAge: 7 * 24 * time.Hour},
		},
		Channels: Channels{
			Store: "sqlite", DSN: "data/switchboard.db", Action: "channels.get", Keys: []strictyaml.Secret{}, TenantCheck: true,
		},
		Cache:    Cache{Driver: "memory"},
		Claims:   Claims{Driver: "nats"},
		Services: []string{"telegram"},
		Media:    Media{MaxMB: 256},
		Egress:   Egress{Allow: []string{}},
		HTTP:     HTTP{MaxBodiesMB: 64},
		Metrics:  Metrics{Enabled: true, MaxChannels: 100},
		Limits: Limits{
			Concurrency: 1024, Queue: 16384, RequestsMB: 256, StartTimeout: time.Minute, DrainTimeout: 10 * time.Second,
		},
		Log: Log{Level: "info", Format: "text"},
	}
}

// Load is [LoadWith] of a file alone.
func Load(path string) (*Config, error) { return LoadWith(path) }

// LoadWith reads the file at path, "" for none, over the defaults, then more YAML over that, and validates the result.
// Faults of form (unknown keys, wrong types) are reported all at once, and faults of meaning once the form is right.
func LoadWith(path string, more ...string) (*Config, error) {
	c := Default()
	if path != "" {
		data, err := os.ReadFile(path) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, fmt.Errorf("cannot read the configuration: %w", err)
		}
		if c.source, err = strictyaml.Decode(path, data, c); err != nil {
			return nil, err
		}
	}
	for i, text := range more {
		if _, err := strictyaml.Decode(fmt.Sprintf("config option %d", i+1), []byte(text), c); err != nil {
			return nil, err
		}
	}
	c.more = more
	return c.checked()
}

// Again reads the configuration anew from where it came. The error is that of [LoadWith].
func (c *Config) Again() (*Config, error) { return LoadWith(c.Path(), c.more...) }

// checked is the configuration where it is valid.
func (c *Config) checked() (*Config, error) {
	c.Events.Namespace = strings.ToLower(c.Events.Namespace)
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// Fault reports what is wrong with the setting at a dotted key such as services[1], with its place in the file that
// the configuration came from. It is for those who know more than Validate does.
func (c *Config) Fault(key, format string, args ...any) error {
	return c.source.Fault(key, format, args...)
}

// Path is that of the file which the configuration came from, empty for the defaults.
func (c *Config) Path() string { return c.source.File() }

// NodeID gives the node's ID in the cluster: the configured one, or HOSTNAME-PID as Moleculer for Node.js has it.
func (c *Config) NodeID() string {
	if c.Node.ID != "" {
		return c.Node.ID
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "switchboard"
	}
	return fmt.Sprintf("%s-%d", strings.ToLower(host), os.Getpid())
}

// Prefix gives what is put before every event name: the configured prefix, or the node's namespace as
// @moleculer/channels has it. It may be "".
func (c *Config) Prefix() string {
	if c.Events.Prefix != nil {
		return *c.Events.Prefix
	}
	return c.Node.Namespace
}

// ClaimsURL gives the URL of the Redis with the claims: its own, or that of the cache.
func (c *Config) ClaimsURL() URL { return cmp.Or(c.Claims.URL, c.Cache.URL) }
