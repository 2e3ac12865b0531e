// Package redisclient makes the Redis clients of the node's own stores, which decide themselves when to
// try again.
package redisclient

import (
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// errURL quotes nothing: a URL holds a password, and where it is malformed nobody knows where.
var errURL = errors.New("the URL is not of the form redis://[user:password@]host:port[/database]")

// New makes a client of the Redis at a URL. It does not connect before its first use. Each step of a
// command takes at most the timeout. The error is about the URL.
func New(url string, timeout time.Duration) (*redis.Client, error) {
	// go-redis has one logger for the whole process, which writes to stderr past ours. What it says there
	// comes back as errors, too.
	logging.Disable()
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, errURL
	}
	o.Protocol = 2
	o.DisableIdentity = true // asks servers before 7.2 for what they don't know
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.ContextTimeoutEnabled = true
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = timeout, timeout, timeout, timeout
	o.MaxRetries, o.DialerRetries = -1, 1
	o.PipelinePoolSize = -1
	return redis.NewClient(o), nil
}
