package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/cache/rediscache"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/testserver"
)

// staged is a service whose whole life is noted. What is named in faults fails.
func staged(b *harness, faults map[string]error) (*integration.Service, *ledger) {
	var life ledger
	b.runtime.Cluster = &others{wait: func(context.Context) error {
		life.add("depend")
		return faults["depend"]
	}}
	return b.service(integration.ServiceDefinition{
		Dependencies: []string{"v2.orders"},
		Datasources: []datasource.Definition{
			life.source("a", faults["open a"], faults["close a"]), life.source("b", faults["open b"], faults["close b"]),
		},
		Created: life.noting("created", faults["created"]),
		Started: life.noting("started", faults["started"]),
		Stopped: life.noting("stopped", faults["stopped"]),
	}), &life
}

func TestServiceIsStartedInOrderAndStoppedInReverse(t *testing.T) {
	s, life := staged(newHarness(t), nil)
	require.NoError(t, s.Start(t.Context()))
	require.Equal(t, []string{"created", "open a", "open b", "depend", "started"}, life.lines())
	require.Equal(t, []string{"a healthy", "b healthy"}, states(s.Health(t.Context())))

	life.list = nil
	require.NoError(t, s.Stop(t.Context()))
	require.Equal(t, []string{"stopped", "close b", "close a"}, life.lines())
	require.NoError(t, s.Stop(t.Context()))
	require.Len(t, life.lines(), 3, "once")
	require.Equal(t, []string{"a unhealthy", "b unhealthy"}, states(s.Health(t.Context())))
}

func TestDatasourceThatIsAServiceIsCalledOutsideRequests(t *testing.T) {
	b := newHarness(t)
	b.runtime.Cluster = &others{answer: func(name string, _ json.RawMessage) (*action.CallResult, error) {
		require.Equal(t, "users.list", name)
		return &action.CallResult{Data: json.RawMessage(`["Ada"]`)}, nil
	}}
	s := b.service(integration.ServiceDefinition{Datasources: []datasource.Definition{
		datasource.Service("users", "users"),
		datasource.New("names", func(ctx context.Context) (names []string, err error) {
			users, err := datasource.Get[*datasource.ServiceClient](ctx, "users")
			if err == nil {
				err = users.Call(ctx, "list", nil, &names)
			}
			return names, err
		}),
	}, Started: func(ctx *integration.Context) error {
		names, err := datasource.Get[[]string](ctx, "names")
		require.Equal(t, []string{"Ada"}, names)
		return err
	}})
	require.NoError(t, s.Start(t.Context()))
	require.NoError(t, s.Stop(t.Context()))
}

func states(list []datasource.Health) (all []string) {
	for _, h := range list {
		all = append(all, h.Name+" "+h.Status)
	}
	return all
}

func TestFailedStartOfAServiceIsUndone(t *testing.T) {
	for fault, want := range map[string][]string{
		"created": {"created"},
		"open a":  {"created", "open a"},
		"open b":  {"created", "open a", "open b", "close a"},
		"started": {"created", "open a", "open b", "depend", "started", "stopped", "close b", "close a"},
	} {
		t.Run(fault, func(t *testing.T) {
			cause := errors.New("no " + fault)
			s, life := staged(newHarness(t), map[string]error{fault: cause})
			err := s.Start(t.Context())
			require.ErrorIs(t, err, cause)
			require.ErrorContains(t, err, "service users does not start")
			require.Equal(t, want, life.lines())
			require.NoError(t, s.Stop(t.Context()))
			require.Equal(t, want, life.lines(), "nothing is left to stop")
		})
	}
}

func TestErrorOfAStopJoinsAllErrors(t *testing.T) {
	s, life := staged(
		newHarness(t),
		map[string]error{"stopped": errors.New("no end"), "close a": errors.New("no a"), "close b": errors.New("no b")},
	)
	require.NoError(t, s.Start(t.Context()))
	err := s.Stop(t.Context())
	for _, fault := range []string{"no end", "no a", "no b"} {
		require.ErrorContains(t, err, fault)
	}
	require.Equal(t, []string{"stopped", "close b", "close a"}, life.lines()[5:])
}

func TestErrorOfAFailedStartJoinsErrorsOfItsUndoing(t *testing.T) {
	s, _ := staged(newHarness(t), map[string]error{"started": errors.New("no start"), "close a": errors.New("no a")})
	err := s.Start(t.Context())
	require.ErrorContains(t, err, "no start")
	require.ErrorContains(t, err, "no a")
}

func TestServiceLogsTheServicesItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHarness(t)
		there := make(chan struct{})
		b.runtime.Cluster = &others{wait: func(ctx context.Context) error {
			select {
			case <-there:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		s, logs := b.service(integration.ServiceDefinition{Dependencies: []string{"orders", "v2.mail"}}), b.watch()
		time.AfterFunc(12*time.Second, func() { close(there) })
		require.NoError(t, s.Start(t.Context()))
		require.NoError(t, s.Stop(t.Context()))
		require.Equal(t, []string{
			"users waits for the services it depends on", "users still waits for the services it depends on",
			"users still waits for the services it depends on", "users has found the services it depends on after 12s",
		}, linesOf(logs.AllEntries()))
		require.Equal(t, "orders,v2.mail", logs.LastEntry().Data["dependencies"])
	})
}

func TestServiceNamesMissingDependencies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHarness(t)
		var life ledger
		b.runtime.Cluster = &others{wait: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		s := b.service(integration.ServiceDefinition{
			Dependencies: []string{"orders"}, Datasources: []datasource.Definition{life.source("a", nil, nil)},
			Started: life.noting("started", nil), Stopped: life.noting("stopped", nil),
		})
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		err := s.Start(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "the services it depends on have not appeared: orders")
		require.Equal(t, []string{"open a", "close a"}, life.lines())
	})
}

func TestDependenciesNeedACluster(t *testing.T) {
	s := newHarness(t).service(integration.ServiceDefinition{Dependencies: []string{"orders"}})
	require.ErrorContains(t, s.Start(t.Context()), "dependencies need a cluster")
}

func TestServiceFindsItsDependencyOnAnotherNode(t *testing.T) {
	n := newNode(t)
	b := newHarness(t)
	b.runtime.Cluster = n.caller.Caller()
	waiting := b.service(integration.ServiceDefinition{Dependencies: []string{"v2.orders"}})
	logs, started := b.watch(), make(chan error, 1)
	go func() { started <- waiting.Start(within(t)) }()
	require.Eventually(t, func() bool { return len(logs.AllEntries()) == 1 }, patience, time.Millisecond)
	require.Empty(t, started)
	n.serve(newHarness(t).service(integration.ServiceDefinition{Name: "orders", Version: "2"}))
	require.NoError(t, receive(t, started))
	require.NoError(t, waiting.Stop(t.Context()))
}

func TestLifecycleFunctionsHaveAllThatHandlersHave(t *testing.T) {
	n := newNode(t)
	n.serve(newHarness(t).service(integration.ServiceDefinition{Name: "orders", Actions: []moleculer.Action{
		integration.NewAction("count", func(ctx *integration.Context, _ integration.None) (string, error) {
			return ctx.Request.Caller + " " + ctx.RequestID(), nil
		}, action.Spec{}),
	}}))
	var life ledger
	b := newHarness(t)
	b.runtime.Cluster, b.runtime.Cache = n.caller.Caller(), newCache(t)
	look := func(ctx *integration.Context) error {
		below, cancel := context.WithCancel(ctx)
		defer cancel()
		ctx = integration.FromContext(below)
		var answer string
		if err := ctx.Call("orders.count", nil, &answer); err != nil {
			return err
		}
		require.Equal(t, "v2.users "+ctx.RequestID(), answer)
		require.NotEmpty(t, ctx.RequestID())
		require.Equal(t, object{"loud": true}, ctx.Settings())
		require.Nil(t, ctx.User())
		require.NoError(t, ctx.Cache().Set(ctx, "key", 1, 0))
		require.NoError(t, ctx.SendToChannel("users.life", 1))
		ctx.Log().Info("is alive")
		_, err := datasource.Get[*source](ctx, "a")
		return err
	}
	s := b.service(integration.ServiceDefinition{
		Version: "2", Settings: object{"loud": true}, Datasources: []datasource.Definition{life.source("a", nil, nil)},
		Created: func(ctx *integration.Context) error {
			notOpen := new(datasource.NotOpenError)
			require.ErrorAs(t, look(ctx), &notOpen, "it is opened later")
			return nil
		},
		Started: look, Stopped: look,
	})
	logs := b.watch()
	require.NoError(t, s.Start(t.Context()))
	require.NoError(t, s.Stop(t.Context()))
	require.Len(t, b.events.events, 3)
	require.Len(t, logs.AllEntries(), 3)
	require.Equal(t, "users", logs.LastEntry().Data["service"])
	var kept int
	found, err := b.runtime.Cache.Get(t.Context(), "v2.users:key", &kept)
	require.NoError(t, err)
	require.True(t, found)
}

func TestLifecycleFunctionThatPanicsIsAnErrorAndUndone(t *testing.T) {
	explode := func(*integration.Context) error { panic("CANARY") }
	for name, def := range map[string]integration.ServiceDefinition{
		"created": {Created: explode}, "started": {Started: explode},
	} {
		t.Run(name, func(t *testing.T) {
			var life ledger
			def.Datasources = []datasource.Definition{life.source("a", nil, nil)}
			s := newHarness(t).service(def)
			defer func() { require.NoError(t, s.Stop(context.Background())) }()
			require.NotPanics(t, func() { require.ErrorContains(t, s.Start(t.Context()), name) })
		})
	}
	t.Run("stopped", func(t *testing.T) {
		var life ledger
		s := newHarness(t).service(
			integration.ServiceDefinition{Datasources: []datasource.Definition{life.source("a", nil, nil)}, Stopped: explode},
		)
		require.NoError(t, s.Start(t.Context()))
		require.NotPanics(t, func() { require.ErrorContains(t, s.Stop(t.Context()), "stopped") })
		require.Equal(t, []string{"open a", "close a"}, life.lines())
	})
}

func TestServicesOwnCacheIsClosedWithIt(t *testing.T) {
	b := newHarness(t)
	b.runtime.Cache = newCache(t)
	var own *cache.Cache
	s := b.service(integration.ServiceDefinition{
		Cache:   integration.CacheOptions{RedisURL: "redis://:s3cr3t-canary@127.0.0.1:1/0"},
		Started: func(ctx *integration.Context) error { own = ctx.Cache(); return nil },
	})
	require.NoError(t, s.Start(t.Context()))
	require.Equal(t, "[redacted]", b.runtime.Secrets.Redact("s3cr3t-canary"), "its password is a secret")
	require.ErrorContains(t, own.Check(t.Context()), "the cache does not answer", "it is not the node's")
	require.NoError(t, s.Stop(t.Context()))
	require.NoError(t, b.runtime.Cache.Check(t.Context()))
}

func TestServicesOwnCacheIsAsItsDefinitionSays(t *testing.T) {
	url := testserver.Redis(t)
	options, err := redis.ParseURL(url)
	require.NoError(t, err)
	client := redis.NewClient(options)
	defer func() { require.NoError(t, client.Close()) }()
	for name, test := range map[string]struct {
		cache integration.CacheOptions
		key   string
		ttl   time.Duration
	}{
		"its own namespace and time": {
			integration.CacheOptions{RedisURL: url, Namespace: "prices", TTL: time.Hour}, "MOL-hios-prices:gold", time.Hour,
		},
		// kept until it is dropped
		"those of a service": {integration.CacheOptions{RedisURL: url}, "MOL-hios-users:gold", -1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			var own *cache.Cache
			s := b.service(integration.ServiceDefinition{Cache: test.cache, Started: func(ctx *integration.Context) error {
				own = ctx.Cache()
				return own.Set(ctx, "gold", 1900, 0)
			}})
			require.NoError(t, s.Start(t.Context()))
			keys, err := client.Keys(t.Context(), "*").Result()
			require.NoError(t, err)
			require.Equal(t, []string{test.key}, keys)
			left, err := client.TTL(t.Context(), test.key).Result()
			require.NoError(t, err)
			if left > 0 {
				left = left.Round(time.Minute)
			}
			require.Equal(t, test.ttl, left)
			require.NoError(t, s.Stop(t.Context()))
			require.Error(t, own.Check(t.Context()), "it is closed with its service")
			require.NoError(t, client.FlushDB(t.Context()).Err())
		})
	}

	t.Run("another time in the node's cache", func(t *testing.T) {
		b := newHarness(t)
		store, err := rediscache.New(rediscache.Options{URL: url, Prefix: rediscache.Prefix("hios")})
		require.NoError(t, err)
		b.runtime.Cache = cache.New(store, cache.Options{TTL: time.Minute})
		s := b.service(integration.ServiceDefinition{
			Cache:   integration.CacheOptions{TTL: time.Hour},
			Started: func(ctx *integration.Context) error { return ctx.Cache().Set(ctx, "gold", 1900, 0) },
		})
		require.NoError(t, s.Start(t.Context()))
		left, err := client.TTL(t.Context(), "MOL-hios-users:gold").Result()
		require.NoError(t, err)
		require.Equal(t, time.Hour, left.Round(time.Minute))
		require.NoError(t, s.Stop(t.Context()))
		require.NoError(t, b.runtime.Cache.Check(t.Context()), "it is the node's")
		require.NoError(t, b.runtime.Cache.Close())
	})
}
