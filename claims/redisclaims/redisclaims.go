// Package redisclaims keeps claims in a Redis.
package redisclaims

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hiliosai/switchboard/claims"
	"github.com/hiliosai/switchboard/internal/redisclient"
)

// Options configure the store.
type Options struct {
	// URL is redis://[user:password@]host:port[/database], rediss:// for TLS, or unix://.
	URL string
	// Namespace keeps the claims of clusters that share a Redis apart.
	Namespace string
	// Timeout is how long the store is asked for an answer; 0 means 5 s.
	Timeout time.Duration
	// Now is the clock; nil means time.Now. Redis itself measures leases and TTLs.
	Now func() time.Time
}

// New makes a store of the Redis at a URL, version 5 or later. A Redis that drops keys to save memory, or that is
// replaced by a replica which had not caught up, forgets claims early. The store does not connect before its first use,
// and does so anew whenever a connection breaks. The error is about the URL.
func New(opts Options) (claims.Store, error) {
	client, err := redisclient.New(opts.URL, claims.AttemptTimeout)
	if err != nil {
		return nil, err
	}
	// Not the prefix of a cache: cleaning that must leave the claims alone.
	prefix := "claims:" + opts.Namespace + ":"
	now := opts.Now
	if now == nil {
		now = time.Now
	}
	return claims.New(&backend{client, prefix, now}, opts.Timeout, now), nil
}

type backend struct {
	client *redis.Client
	prefix string
	now    func() time.Time
}

// applyScript takes for each key what must be there, what to put there and for how many milliseconds,
// where "" is nothing. It answers for each with 1 or with what is there instead and how long that will
// live on.
var applyScript = redis.NewScript(`
local answers = {}
for i, key in ipairs(KEYS) do
	local old, new, ttl = ARGV[3*i-2], ARGV[3*i-1], ARGV[3*i]
	local there = redis.call("get", key) or ""
	if there ~= old then
		answers[i] = {there, redis.call("pttl", key)}
	else
		answers[i] = 1
		if new ~= "" then
			redis.call("set", key, new, "px", ttl)
		elseif there ~= "" then
			redis.call("del", key)
		end
	end
end
return answers`)

func (r *backend) Apply(ctx context.Context, changes []*claims.Change) {
	keys, args := make([]string, len(changes)), make([]any, 0, 3*len(changes))
	for i, c := range changes {
		keys[i] = r.prefix + c.Key
		args = append(args, c.Old.Value, c.Value, c.TTL.Milliseconds())
	}
	answers, err := applyScript.Run(ctx, r.client, keys, args...).Slice()
	if err == nil && len(answers) != len(changes) {
		err = fmt.Errorf("%d answers to %d changes", len(answers), len(changes))
	}
	now := r.now()
	for i, c := range changes {
		if c.Err = err; err == nil {
			c.Err = answered(c, answers[i], now)
		}
	}
}

var errAnswer = errors.New("Redis answers something else than it was asked for")

func answered(c *claims.Change, answer any, now time.Time) error {
	there, ok := answer.([]any)
	if !ok {
		c.Made, c.Found = true, claims.Entry{Value: c.Value, Written: now}
		return nil
	}
	if len(there) != 2 {
		return errAnswer
	}
	value, isText := there[0].(string)
	left, isNumber := there[1].(int64)
	if !isText || !isNumber {
		return errAnswer
	}
	if value == "" {
		return nil
	}
	ttl, err := claims.RecordTTL([]byte(value))
	if err != nil {
		return claims.Refuse(err)
	}
	c.Found = claims.Entry{Value: []byte(value), Written: now.Add(time.Duration(left)*time.Millisecond - ttl)}
	return nil
}

func (r *backend) Check(ctx context.Context) error { return r.client.Ping(ctx).Err() }
func (r *backend) Close() error                    { return r.client.Close() }
