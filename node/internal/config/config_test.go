package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/hiliosai/switchboard/node/internal/config"
	"github.com/hiliosai/switchboard/node/internal/strictyaml"
)

const shipped = "../../../config.yaml"

func TestDefaultIsValid(t *testing.T) {
	require.NoError(t, config.Default().Validate())
}

func TestEmptyFileGivesTheDefaults(t *testing.T) {
	c, err := config.Load(write(t, ""))
	require.NoError(t, err)
	requireSameSettings(t, config.Default(), c)
}

func TestShippedFileGivesTheDefaultsOnAnEmptyMachine(t *testing.T) {
	t.Setenv("NAMESPACE", "Shop")
	c, err := config.Load(shipped)
	require.NoError(t, err)

	want := config.Default()
	want.NATS.Embedded = true
	want.HTTP.Listen = "127.0.0.1:3210"
	requireSameSettings(t, want, c)
	require.Equal(t, "shop", c.Events.Namespace)
}

func TestShippedFileHasEveryKey(t *testing.T) {
	data, err := os.ReadFile(shipped)
	require.NoError(t, err)
	var file map[string]any
	require.NoError(t, yaml.Unmarshal(data, &file))
	requireKeys(t, "", reflect.TypeFor[config.Config](), file)
}

func TestLoadReadsEveryKey(t *testing.T) {
	t.Setenv("SWITCHBOARD_PASSWORD", "p")
	c, err := config.Load(write(t, `
node: {id: n1, namespace: "", protocol: 5, heartbeatInterval: 1m, heartbeatTimeout: 3m, tuning: false}
nats:
  servers: ["tls://a:4222", "nats://u:p@b"]
  user: u
  password: ${SWITCHBOARD_PASSWORD}
  inboxPrefix: _INBOX_n1
  tls: {ca: ca, cert: cert, key: key}
  embedded: false
  storeDir: d
  startTimeout: 1s
events: {namespace: Shop, prefix: "", replicas: 5, plain: true, publishTimeout: 2s, maxAge: 1h, maxMB: 7, deadLetters: {maxAge: 9h, maxMB: 8}, spool: {path: s, maxMB: 1, maxAge: 2h}}
channels: {store: postgres, dsn: "postgres://u:p@h/d", action: x.get, keys: [k1:abc], tenantCheck: false}
cache: {driver: redis, url: "redis://:p@h", ttl: 5s}
claims: {driver: redis, url: "rediss://:p@c", maxMB: 256}
services: [slack, discord]
media: {allowPrivate: true, maxMB: 7}
egress: {allow: [10.0.0.5, "botapi.internal:8081"]}
http: {listen: ":3210", maxBodiesMB: 5}
admin: {listen: ":3030", pprof: true}
metrics: {enabled: false, perChannel: true, maxChannels: 9}
limits: {concurrency: 1, queue: 0, requestsMB: 3, maxCallLevel: 7, startTimeout: 2s, drainTimeout: 0s}
log: {level: trace, format: json}
`))
	require.NoError(t, err)
	none := ""
	requireSameSettings(t, &config.Config{
		Node: config.Node{ID: "n1", Protocol: "5", HeartbeatInterval: time.Minute, HeartbeatTimeout: 3 * time.Minute},
		NATS: config.NATS{
			Servers: []config.URL{"tls://a:4222", "nats://u:p@b"}, User: "u", Password: "p",
			InboxPrefix: "_INBOX_n1", TLS: config.TLS{CA: "ca", Cert: "cert", Key: "key"}, StoreDir: "d",
			StartTimeout: time.Second,
		},
		Events: config.Events{
			Namespace: "shop", Prefix: &none, Replicas: 5, Plain: true, PublishTimeout: 2 * time.Second, MaxAge: time.Hour,
			MaxMB: 7, DeadLetters: config.DeadLetters{MaxAge: 9 * time.Hour, MaxMB: 8},
			Spool: config.Spool{Path: "s", MaxMB: 1, MaxAge: 2 * time.Hour},
		},
		Channels: config.Channels{
			Store: "postgres", DSN: "postgres://u:p@h/d", Action: "x.get", Keys: []strictyaml.Secret{"k1:abc"},
		},
		Cache:    config.Cache{Driver: "redis", URL: "redis://:p@h", TTL: 5 * time.Second},
		Claims:   config.Claims{Driver: "redis", URL: "rediss://:p@c", MaxMB: 256},
		Services: []string{"slack", "discord"},
		Media:    config.Media{AllowPrivate: true, MaxMB: 7},
		Egress:   config.Egress{Allow: []string{"10.0.0.5", "botapi.internal:8081"}},
		HTTP:     config.HTTP{Listen: ":3210", MaxBodiesMB: 5},
		Admin:    config.Admin{Listen: ":3030", Pprof: true},
		Metrics:  config.Metrics{PerChannel: true, MaxChannels: 9},
		Limits:   config.Limits{Concurrency: 1, RequestsMB: 3, MaxCallLevel: 7, StartTimeout: 2 * time.Second},
		Log:      config.Log{Level: "trace", Format: "json"},
	}, c)
}

func TestLoadReadsEveryLogin(t *testing.T) {
	for key, want := range map[string]config.NATS{
		"token: ${SWITCHBOARD_TOKEN}": {Token: "tok"},
		"creds: c":                    {Creds: "c"},
		"nkey: SU":                    {NKey: "SU"},
		"user: u":                     {User: "u"},
	} {
		t.Setenv("SWITCHBOARD_TOKEN", "tok")
		c, err := config.Load(write(t, "nats:\n  "+key))
		require.NoError(t, err)
		require.Equal(t, want, config.NATS{User: c.NATS.User, Token: c.NATS.Token, Creds: c.NATS.Creds, NKey: c.NATS.NKey})
	}
}

func TestLoadFaults(t *testing.T) {
	const subject = "expects a name without spaces, *, > or empty parts between dots, found "
	cases := map[string]struct{ data, want string }{
		"an id with a space":        {"node: {id: a b}", `1: node.id: ` + subject + `"a b"`},
		"an id with a star":         {"node: {id: 'a*'}", `1: node.id: ` + subject + `"a*"`},
		"an id with a greater sign": {"node: {id: a>}", `1: node.id: ` + subject + `"a>"`},
		"an id that ends in a dot":  {"node: {id: a.}", `1: node.id: ` + subject + `"a."`},
		"a namespace with a space":  {"node: {namespace: a b}", `1: node.namespace: ` + subject + `"a b"`},
		"heartbeats too often": {
			"node:\n  heartbeatInterval: 5ms",
			"2: node.heartbeatInterval: expects at least 100ms, or 0 for none, found 5ms",
		},
		"a negative interval": {
			"node:\n  heartbeatInterval: -1s",
			"2: node.heartbeatInterval: expects at least 100ms, or 0 for none, found -1s",
		},
		"a negative timeout": {
			"node:\n  heartbeatTimeout: -1s",
			"2: node.heartbeatTimeout: expects more than heartbeatInterval, or 0 for none, found -1s",
		},
		"a timeout shorter than the interval": {
			"node:\n  heartbeatInterval: 60s\n  heartbeatTimeout: 30s",
			"3: node.heartbeatTimeout: expects more than heartbeatInterval (1m0s), or every node is gone between two " +
				"heartbeats; found 30s",
		},
		"a timeout shorter than the default interval": {"node:\n  heartbeatTimeout: 6s", "2: node.heartbeatTimeout: " +
			"expects more than heartbeatInterval (10s), or every node is gone between two heartbeats; found 6s"},
		"another protocol": {
			"node:\n  protocol: 3",
			`2: node.protocol: expects 4 or 5, found "3"`,
		},
		"no server": {
			"nats: {servers: []}",
			`1: nats.servers: expects at least one server`,
		},
		"a server of another scheme": {
			"nats:\n  servers:\n    - nats://a\n    - http://b",
			`4: nats.servers[1]: expects a nats:// or tls:// URL with a host, found "http://b"`,
		},
		"a server without a scheme": {
			"nats: {servers: ['localhost:4222']}",
			`1: nats.servers[0]: expects a nats:// or tls:// URL with a host, found "localhost:4222"`,
		},
		"a server without a host": {
			"nats: {servers: ['nats://:4222']}",
			`1: nats.servers[0]: expects a nats:// or tls:// URL with a host, found "nats://:4222"`,
		},
		"a server with an impossible port": {
			"nats: {servers: ['nats://a:70000']}",
			`1: nats.servers[0]: expects a nats:// or tls:// URL with a host, found "nats://a:70000"`,
		},
		"a wrong server shows no credentials": {
			"nats: {servers: ['nats://u:hun%ter2@']}",
			`1: nats.servers[0]: expects a nats:// or tls:// URL with a host, found "nats://[redacted]@"`,
		},
		"embedded with two servers": {
			"nats: {embedded: true, servers: ['nats://a', 'nats://b']}",
			`1: nats.servers: the embedded server expects exactly one address, found 2`,
		},
		"embedded on all IPv4 interfaces": {
			"nats: {embedded: true, servers: ['nats://0.0.0.0:4222']}",
			`1: nats.servers[0]: the embedded server expects a loopback or explicit host, found "0.0.0.0"`,
		},
		"embedded on all IPv6 interfaces": {
			"nats: {embedded: true, servers: ['nats://[::]:4222']}",
			`1: nats.servers[0]: the embedded server expects a loopback or explicit host, found "::"`,
		},
		"embedded without a folder": {
			"nats: {embedded: true, storeDir: ''}",
			`1: nats.storeDir: expects the path of a folder`,
		},
		"a certificate without its key": {
			"nats:\n  tls:\n    cert: a",
			`2: nats.tls: expects cert and key together`,
		},
		"a key without its certificate": {
			"nats: {tls: {key: a}}",
			`1: nats.tls: expects cert and key together`,
		},
		"a token beside a user": {
			"nats:\n  user: u\n  token: t",
			`3: nats.token: expects one login: user and password, or token, or creds, or nkey; found user and token`,
		},
		"an nkey beside a credentials file": {
			"nats: {creds: c, nkey: SU}",
			`1: nats.nkey: expects one login: user and password, or token, or creds, or nkey; found creds and nkey`,
		},
		"a password of nobody": {
			"nats: {password: p}",
			`1: nats.user: expects the name that nats.password belongs to`,
		},
		"an inbox prefix that is a pattern": {"nats: {inboxPrefix: '_INBOX.>'}", `1: nats.inboxPrefix: ` +
			subject + `"_INBOX.>"`},
		"no inbox prefix": {"nats: {inboxPrefix: ''}", `1: nats.inboxPrefix: ` + subject + `""`},
		"a negative bound of claims": {
			"claims: {maxMB: -1}",
			`1: claims.maxMB: expects at least 0, found -1`,
		},
		"no time to start": {
			"nats: {startTimeout: 0s}",
			`1: nats.startTimeout: expects more than 0s, found 0s`,
		},
		"no namespace for events":     {"events: {namespace: ''}", `1: events.namespace: ` + subject + `""`},
		"a prefix with an empty part": {"events: {prefix: a..b}", `1: events.prefix: ` + subject + `"a..b"`},
		"no replicas": {
			"events: {replicas: 0}",
			`1: events.replicas: expects 1 to 5, found 0`,
		},
		"too many replicas": {
			"events: {replicas: 6}",
			`1: events.replicas: expects 1 to 5, found 6`,
		},
		"no room in the spool": {
			"events: {spool: {maxMB: 0}}",
			`1: events.spool.maxMB: expects more than 0, found 0`,
		},
		"a spool that keeps nothing": {
			"events: {spool: {maxAge: 0s}}",
			`1: events.spool.maxAge: expects more than 0s, found 0s`,
		},
		"events kept less than their window": {
			"events: {maxAge: 1m}",
			`1: events.maxAge: expects 0s or at least 2m0s, the duplicate window, found 1m0s`,
		},
		"a stream of less than nothing": {
			"events: {maxMB: -1}",
			`1: events.maxMB: expects at least 0, found -1`,
		},
		"letters kept less than their window": {
			"events: {deadLetters: {maxAge: 1s}}",
			`1: events.deadLetters.maxAge: expects 0s or at least 2m0s, the duplicate window, found 1s`,
		},
		"letters of less than nothing": {
			"events: {deadLetters: {maxMB: -1}}",
			`1: events.deadLetters.maxMB: expects at least 0, found -1`,
		},
		"a negative time to publish": {
			"events: {publishTimeout: -1s}",
			`1: events.publishTimeout: expects more than 0s, found -1s`,
		},
		"another store": {
			"channels: {store: mongo}",
			`1: channels.store: expects sqlite or postgres or action, found "mongo"`,
		},
		"a path for PostgreSQL": {
			"channels: {store: postgres}",
			`1: channels.dsn: expects postgres://USER:PASSWORD@HOST/DATABASE, found "data/switchboard.db"`,
		},
		"a URL for SQLite shows no credentials": {
			"channels: {dsn: 'postgres://u:hunter2@h/d'}",
			`1: channels.dsn: expects the path of a file for the store sqlite, found the URL postgres://[redacted]@h/d`,
		},
		"no action to ask": {"channels: {store: action, action: ''}", `1: channels.action: ` +
			subject + `""`},
		"another cache": {
			"cache: {driver: memcached}",
			`1: cache.driver: expects memory or redis, found "memcached"`,
		},
		"a Redis without a URL": {
			"cache: {driver: redis}",
			`1: cache.url: expects redis://HOST:PORT, found ""`,
		},
		"a negative time in the cache": {"cache: {ttl: -1s}", `1: cache.ttl: expects at least 0s, found -1s`},
		"other claims": {
			"claims: {driver: sqlite}",
			`1: claims.driver: expects nats or redis or memory, found "sqlite"`,
		},
		"claims in a Redis without a URL": {
			"claims: {driver: redis}",
			`1: claims.url: expects redis://HOST:PORT, found ""`,
		},
		"no time for services to start": {
			"limits: {startTimeout: 0s}",
			`1: limits.startTimeout: expects more than 0s, found 0s`,
		},
		"no path for the store":    {"channels: {dsn: ''}", `1: channels.dsn: expects the path of a file`},
		"a service without a name": {"services: [telegram, '']", `1: services[1]: expects a name`},
		"a service twice": {
			"services:\n  - telegram\n  - slack\n  - telegram",
			`4: services[2]: "telegram" is listed twice`,
		},
		"a listener without a port": {
			"http: {listen: 127.0.0.1}",
			`1: http.listen: expects host:port or systemd, found "127.0.0.1"`,
		},
		"a listener with a named port": {
			"http: {listen: 'localhost:http'}",
			`1: http.listen: expects host:port or systemd, found "localhost:http"`,
		},
		"an admin listener without a port": {
			"admin: {listen: 127.0.0.1}",
			`1: admin.listen: expects host:port, found "127.0.0.1"`,
		},
		"one address for webhooks and metrics": {
			"http: {listen: ':3030'}\nadmin: {listen: ':3030'}",
			`2: admin.listen: expects another address than http.listen`,
		},
		"a profiler without an address": {
			"admin: {pprof: true}",
			`1: admin.listen: expects an address, for admin.pprof`,
		},
		"no channels to count": {
			"metrics: {perChannel: true, maxChannels: 0}",
			`1: metrics.maxChannels: expects more than 0, found 0`,
		},
		"a link that is to be let through": {"egress: {allow: [10.0.0.5, 'http://h']}", `1: egress.allow[1]: ` +
			`expects an address, a network such as 192.168.0.0/16 or the name of a host, maybe with a port, found "http://h"`},
		"no room for webhooks": {
			"http: {maxBodiesMB: 4}",
			`1: http.maxBodiesMB: expects at least 5, found 4`,
		},
		"no room for attachments": {"media: {maxMB: 0}", `1: media.maxMB: expects more than 0, found 0`},
		"no room for requests": {
			"limits: {requestsMB: 0}",
			`1: limits.requestsMB: expects more than 0, found 0`,
		},
		"no concurrency": {
			"limits: {concurrency: 0}",
			`1: limits.concurrency: expects at least 1, found 0`,
		},
		"a negative queue": {
			"limits: {queue: -1}",
			`1: limits.queue: expects at least 0, found -1`,
		},
		"a negative call level": {
			"limits: {maxCallLevel: -1}",
			`1: limits.maxCallLevel: expects at least 0, found -1`,
		},
		"a negative time to drain": {
			"limits: {drainTimeout: -1s}",
			`1: limits.drainTimeout: expects at least 0s, found -1s`,
		},
		"another level": {
			"log: {level: loud}",
			`1: log.level: expects trace or debug or info or warn or error, found "loud"`,
		},
		"another format": {
			"log: {format: xml}",
			`1: log.format: expects text or json, found "xml"`,
		},
		"a mistyped key": {
			"events: {prefx: a}",
			`1: events.prefx: unknown key, did you mean "prefix"?`,
		},
		"a list forgotten shows no credentials": {
			"nats: {servers: 'nats://u:hunter2@h'}",
			`1: nats.servers: expects a list, found a single value`,
		},
		"form comes before meaning": {
			"node: {id: a b}\nnod: {}",
			`2: nod: unknown key, did you mean "node"?`,
		},
		"several faults are all reported, with lines": {"http:\n  listen: x\nlog:\n  level: y\n", "2: http.listen: " +
			"expects host:port or systemd, found \"x\"\n4: log.level: expects trace or debug or info or warn or error, found \"y\""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := write(t, c.data)
			_, err := config.Load(path)
			require.EqualError(t, err, path+":"+strings.ReplaceAll(c.want, "\n", "\n"+path+":"))
			require.NotContains(t, err.Error(), "hunter2")
			require.NotContains(t, err.Error(), "hun%ter2")
		})
	}
}

func TestLoadNamesAnAbsentFile(t *testing.T) {
	_, err := config.Load("/nowhere/config.yaml")
	require.EqualError(t, err, "cannot read the configuration: open /nowhere/config.yaml: no such file or directory")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestFaultsOfSettingsOutsideTheFileNameTheKey(t *testing.T) {
	c := config.Default()
	c.Log.Format = "xml"
	c.Services = []string{"a", "a"}
	require.EqualError(
		t, c.Validate(), "services[1]: \"a\" is listed twice\nlog.format: expects text or json, found \"xml\"",
	)
}

func TestFaultKnowsTheLineAfterLoad(t *testing.T) {
	path := write(t, "services:\n  - telegram\n  - fax\n")
	c, err := config.Load(path)
	require.NoError(t, err)

	var fault *strictyaml.Error
	require.ErrorAs(t, c.Fault("services[1]", "no service is called %q", "fax"), &fault)
	require.Equal(t, strictyaml.Error{File: path, Line: 3, Key: "services[1]", Msg: `no service is called "fax"`}, *fault)
}

func TestNodeID(t *testing.T) {
	c := config.Default()
	host, err := os.Hostname()
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("%s-%d", strings.ToLower(host), os.Getpid()), c.NodeID())
	c.Node.ID = "Mine"
	require.Equal(t, "Mine", c.NodeID())
}

func TestPrefix(t *testing.T) {
	none, own := "", "own"
	cases := map[string]struct {
		prefix *string
		want   string
	}{
		"null is the node's namespace": {nil, "hios"},
		"empty is none":                {&none, ""},
		"any other is itself":          {&own, "own"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := config.Default()
			c.Events.Prefix = tc.prefix
			require.Equal(t, tc.want, c.Prefix())
		})
	}
}

func TestClaimsInARedisMayUseThatOfTheCache(t *testing.T) {
	c, err := config.Load(write(t, "cache: {url: 'redis://cache'}\nclaims: {driver: redis}"))
	require.NoError(t, err)
	require.Equal(t, config.URL("redis://cache"), c.ClaimsURL())
	c.Claims.URL = "redis://claims"
	require.Equal(t, config.URL("redis://claims"), c.ClaimsURL())
}

func TestDefaultNamespaceOfEvents(t *testing.T) {
	cases := map[string]struct{ env, want string }{
		"hios when the environment has none":    {"", "hios"},
		"that of the environment in lower case": {"Shop", "shop"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NAMESPACE", c.env)
			require.Equal(t, c.want, config.Default().Events.Namespace)
		})
	}
}

func TestPrintingShowsNoCredentials(t *testing.T) {
	c := config.Default()
	c.NATS.Servers = []config.URL{"nats://u:hunter2@h"}
	c.NATS.Password, c.NATS.Token, c.NATS.NKey = "hunter2", "hunter2", "hunter2"
	asJSON, err := json.Marshal(c)
	require.NoError(t, err)
	asYAML, err := yaml.Marshal(c)
	require.NoError(t, err)

	for _, shown := range []string{
		fmt.Sprintf("%v", c), fmt.Sprintf("%+v", *c), fmt.Sprintf("%#v", c), fmt.Sprintf("%s", c.NATS.Servers),
		string(asJSON), string(asYAML),
	} {
		require.NotContains(t, shown, "hunter2")
		require.Contains(t, shown, "nats://[redacted]@h")
	}
}

func write(t *testing.T, data string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(data), 0o600))
	return path
}

// requireSameSettings compares what is set, and not where it came from.
func requireSameSettings(t *testing.T, want, got *config.Config) {
	t.Helper()
	w, g := reflect.ValueOf(*want), reflect.ValueOf(*got)
	for i := range w.NumField() {
		if field := w.Type().Field(i); field.IsExported() {
			require.Equal(t, w.Field(i).Interface(), g.Field(i).Interface(), field.Name)
		}
	}
}

// requireKeys requires that the file has exactly the keys of t, at every level.
func requireKeys(t *testing.T, path string, of reflect.Type, file map[string]any) {
	t.Helper()
	for i := range of.NumField() {
		field := of.Field(i)
		if !field.IsExported() {
			continue
		}
		key := field.Tag.Get("yaml")
		require.NotEmpty(t, key, "%s%s has no yaml tag", path, field.Name)
		require.Contains(t, file, key, "%s%s is absent from the file", path, key)
		if field.Type.Kind() == reflect.Struct {
			section, ok := file[key].(map[string]any)
			require.True(t, ok, "%s%s is no section", path, key)
			requireKeys(t, path+key+".", field.Type, section)
		}
	}
}

func TestSecretsOfAURLAreItsPasswordOrToken(t *testing.T) {
	for url, want := range map[config.URL][]string{
		"nats://user:p%40ss@host":     {"p@ss"},
		"nats://token@host":           {"token"},
		"postgres://user:pass@host/d": {"pass"},
		"postgres://user@host/d":      nil,
		"redis://:pass@host":          {"pass"},
		"data/switchboard.db":         nil,
		"nats://host":                 nil,
	} {
		require.Equal(t, want, url.Secrets(), "%s", url)
	}
}

func TestHeartbeatsMayBeTurnedOff(t *testing.T) {
	for _, file := range []string{
		"node: {heartbeatInterval: 0s, heartbeatTimeout: 0s}", "node: {heartbeatInterval: 0, heartbeatTimeout: 0}",
		"node: {heartbeatInterval: 0}", "node: {heartbeatTimeout: 0}", "node: {heartbeatInterval: 2s, heartbeatTimeout: 6s}",
	} {
		_, err := config.Load(write(t, file))
		require.NoError(t, err, file)
	}
}
