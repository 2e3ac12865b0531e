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
	// Namespace separates the claims of clusters that share a Redis.
	Namespace string
	// Timeout bounds a call with all its retries; 0 means 5 s.
	Timeout time.Duration
	// Now is the clock; nil means time.Now. Redis itself measures leases and TTLs.
	Now func() time.Time
}

// New returns a store in the Redis at a URL, version 5 or later. Claims are lost early if Redis evicts keys, or if a
// replica without them takes over. The store connects at its first use, and again after a connection breaks. The error
// is about the URL.
func New(opts Options) (claims.Store, error) {
	client, err := redisclient.New(opts.URL, claims.AttemptTimeout)
	if err != nil {
		return nil, err
	}
	// It is not the prefix of a cache: cleaning a cache must not delete claims.
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

// applyScript has three arguments for each key: the expected value, the new value and its TTL in ms. "" means no value.
// The answer for each key is 1, or the value that is there instead and its remaining TTL in ms.
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

var errAnswer = errors.New("the answer of Redis has an unexpected form")

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
