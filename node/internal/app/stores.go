package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/cache/rediscache"
	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/claims"
	"github.com/hiliosai/switchboard/claims/natsclaims"
	"github.com/hiliosai/switchboard/claims/redisclaims"
	"github.com/hiliosai/switchboard/cluster/wire"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/events/spool"
	"github.com/hiliosai/switchboard/leases"
	"github.com/hiliosai/switchboard/leases/natsleases"
	"github.com/hiliosai/switchboard/leases/redisleases"
	"github.com/hiliosai/switchboard/node/internal/config"
)

// spoolName is the spool's among the datasources.
const spoolName = "spool"

// stores are the node's own datasources: what channels, cached values and claims are kept in.
type stores struct {
	set    *datasource.Set
	store  channelstore.Store
	memo   *channelstore.Cache
	cache  *cache.Cache
	claims claims.Store
	spool  *spool.Spool // nil where the configuration has none
	leases *leases.Member
	leased leases.Store // of leases
}

// openStores opens the channel store, the cache and the claims, waiting for their servers where these are not there
// yet.
func (n *Node) openStores(ctx context.Context, publisher *events.Publisher) error {
	c := n.config
	var err error
	definitions := []datasource.Definition{
		datasource.New("channels", func(ctx context.Context) (channelstore.Store, error) {
			return openChannels(ctx, c, n.link.Caller())
		}),
		datasource.New("cache", func(context.Context) (*cache.Cache, error) { return openCache(c, n.log) }),
		datasource.New("claims", func(ctx context.Context) (claims.Store, error) { return openClaims(ctx, c, n.nc) }),
	}
	if c.Events.Spool.Path != "" {
		definitions = append(
			definitions,
			datasource.New(
				spoolName, func(ctx context.Context) (*spool.Spool, error) { return openSpool(ctx, c, publisher, n.log) },
			),
		)
	}
	if n.set, err = datasource.NewSet(n.log, definitions...); err != nil {
		return err
	}
	if err := n.set.Open(ctx); err != nil {
		return err
	}
	ctx = n.set.Context(ctx)
	if n.store, err = datasource.Get[channelstore.Store](ctx, "channels"); err != nil {
		return err
	}
	if err := n.store.Check(ctx); errors.Is(err, channelstore.ErrAllSealed) {
		n.log.WithError(err).
			Error("no channel can be read: webhooks and sends fail until channels.keys has the key that they are sealed with")
	}
	if n.cache, err = datasource.Get[*cache.Cache](ctx, "cache"); err != nil {
		return err
	}
	if n.claims, err = datasource.Get[claims.Store](ctx, "claims"); err != nil {
		return err
	}
	if c.Events.Spool.Path != "" {
		if n.spool, err = datasource.Get[*spool.Spool](ctx, spoolName); err != nil {
			return err
		}
	}
	if n.memo, err = channelstore.NewCache(n.store, n.log); err != nil {
		return err
	}
	return n.openLeases()
}

// openLeases makes the node one of those that share connections. Nothing is read or written before a platform has a
// channel that receives over connections.
func (n *Node) openLeases() (err error) {
	if n.leased, err = newLeases(n.config, n.nc); err == nil {
		n.leases = leases.NewMember(n.leased, leases.Options{Node: n.config.NodeID(), Log: n.log})
	}
	return err
}

// newLeases opens the leases where the claims are.
func newLeases(c *config.Config, nc *nats.Conn) (leases.Store, error) {
	switch c.Claims.Driver {
	case "redis":
		store, err := redisleases.New(redisleases.Options{URL: string(c.ClaimsURL()), Namespace: c.Node.Namespace})
		if err != nil {
			return nil, c.Fault("claims.url", "%v", err)
		}
		return store, nil
	case "memory":
		return leases.NewMemory(), nil
	default:
		return natsleases.New(nc, natsleases.Options{
			Namespace: c.Node.Namespace, Replicas: c.Events.Replicas, MaxBytes: int64(c.Claims.MaxMB) << 20,
		})
	}
}

func (s *stores) closeStores(ctx context.Context) error {
	var faults []error
	if s.leases != nil {
		faults = append(faults, s.leases.Close(ctx), s.leased.Close())
	}
	if s.memo != nil {
		s.memo.Close()
	}
	if s.set != nil {
		faults = append(faults, s.set.Close(ctx))
	}
	return errors.Join(faults...)
}

// openSpool takes up what an earlier process has left there.
func openSpool(
	ctx context.Context, c *config.Config, publisher *events.Publisher, log *logrus.Entry,
) (*spool.Spool, error) {
	archive := events.NewArchive(publisher)
	return spool.Open(ctx, spool.Options{
		Path: c.Events.Spool.Path, Owner: "node " + c.NodeID(), MaxBytes: int64(c.Events.Spool.MaxMB) << 20,
		MaxAge: c.Events.Spool.MaxAge, Log: log,
		Publish: publisher.Publish,
		Stored:  func(name string, since time.Time) spool.Stored { return archive.Stored(name, since) },
	})
}

// openCache makes the cache that the configuration names, in agreement with those of Node services.
func openCache(c *config.Config, log *logrus.Entry) (*cache.Cache, error) {
	var store cache.Store = cache.NewMemory(cache.MemoryOptions{})
	if c.Cache.Driver == "redis" {
		var err error
		if store, err = openRedis(c, string(c.Cache.URL)); err != nil {
			return nil, c.Fault("cache.url", "%v", err)
		}
	}
	return cache.New(store, cache.Options{TTL: c.Cache.TTL, Dialect: dialect(c), Log: log}), nil
}

// openRedis makes a store of a Redis that the cluster's Node services may share.
func openRedis(c *config.Config, url string) (cache.Store, error) {
	return rediscache.New(rediscache.Options{URL: url, Prefix: rediscache.Prefix(c.Node.Namespace)})
}

// openClaims opens the claims where the configuration has them, and tries out that they can be written. Its error is
// one that the set waits for where the trouble may pass.
func openClaims(ctx context.Context, c *config.Config, nc *nats.Conn) (claims.Store, error) {
	store, err := newClaims(c, nc)
	if err != nil {
		return nil, err
	}
	if err = tryClaims(ctx, store, "start:"+c.NodeID()); err == nil {
		return store, nil
	}
	err = errors.Join(explainClaims(ctx, c, nc, err), store.Close())
	if fault, ok := errors.AsType[*claims.Error](err); ok && !fault.Permanent() {
		err = fmt.Errorf(
			"%w: %w", action.Retryable(http.StatusServiceUnavailable, datasource.TypeUnavailable, "not available"), err,
		)
	}
	return nil, err
}

// tryClaims claims a key and gives it back.
func tryClaims(ctx context.Context, store claims.Store, key string) error {
	if err := store.Check(ctx); err != nil {
		return err
	}
	list, err := store.Claim(ctx, claims.Terms{Lease: time.Second, TTL: time.Second, TakeOver: true}, key)
	if err != nil {
		return err
	}
	return store.Release(ctx, list...)
}

// explainClaims says what an operator can do about claims that cannot be opened.
func explainClaims(ctx context.Context, c *config.Config, nc *nats.Conn, err error) error {
	switch {
	case c.Claims.Driver != "nats":
		return err
	case errors.Is(err, natsclaims.ErrOldServer):
		return c.Fault(
			"claims.driver", "nats does not work with this server (nats-server %s): set redis, or memory for a single node: %v",
			nc.ConnectedServerVersion(), err,
		)
	case errors.Is(err, natsclaims.ErrMaxBytesRequired):
		return c.Fault("claims.maxMB", "expects a bound: %v", err)
	case errors.Is(err, context.DeadlineExceeded):
		denied := checkPermissions(context.WithoutCancel(ctx), nc, makingPermissions(c, nil))
		if errors.Is(denied, errDenied) {
			return denied // which does not pass by itself
		}
	}
	return err
}

func newClaims(c *config.Config, nc *nats.Conn) (claims.Store, error) {
	switch c.Claims.Driver {
	case "redis":
		store, err := redisclaims.New(redisclaims.Options{URL: string(c.ClaimsURL()), Namespace: c.Node.Namespace})
		if err != nil {
			return nil, c.Fault("claims.url", "%v", err)
		}
		return store, nil
	case "memory":
		return claims.NewMemory(claims.MemoryOptions{}), nil
	default:
		return natsclaims.New(nc, natsclaims.Options{
			Namespace: c.Node.Namespace, Replicas: c.Events.Replicas, MaxBytes: int64(c.Claims.MaxMB) << 20,
			Timeout: c.Events.PublishTimeout,
		})
	}
}

// dialect is how the Node services of the cluster write cache keys.
func dialect(c *config.Config) cache.Dialect {
	if c.Node.Protocol == string(wire.V5) {
		return cache.Node015
	}
	return cache.Node014
}

// missed drops what others may have declared outdated while this node was cut off. A Redis they
// have cleaned themselves.
func (n *Node) missed() {
	n.memo.InvalidateAll()
	if n.config.Cache.Driver == "memory" {
		_ = n.cache.Clean(context.Background(), "**") // a memory does not fail
	}
}

// serviceHealth is what $node.health and the readiness check tell of one datasource.
type serviceHealth struct {
	Service string `json:"service,omitempty"` // whose it is; empty is the node's
	datasource.Health
}

// Health tells how the datasources of the node and of its services are. All are checked side by side: those
// that hang take no longer than one.
func (n *Node) Health(ctx context.Context) []serviceHealth {
	reports := make([][]datasource.Health, 1+len(n.services))
	var checks sync.WaitGroup
	checks.Go(func() { reports[0] = n.set.Health(ctx) })
	for i, s := range n.services {
		checks.Go(func() { reports[1+i] = s.Health(ctx) })
	}
	checks.Wait()
	var list []serviceHealth
	for i, report := range reports {
		service := ""
		if i > 0 {
			service = n.services[i-1].FullName()
		}
		for _, h := range report {
			list = append(list, serviceHealth{service, h})
		}
	}
	return list
}
