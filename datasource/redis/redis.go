// Package redis opens Redis databases as datasources of a service.
package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/hiliosai/switchboard/datasource"
)

// connectTimeout bounds one attempt to connect to a server.
const connectTimeout = 5 * time.Second

// Options say which Redis to use.
type Options struct {
	URL      string // redis://user:password@host:port/database, rediss:// with TLS
	PoolSize int    // connections at once; zero means ten for each CPU
}

// Validate returns all that is wrong with the options.
func (o Options) Validate() error {
	_, err := o.config()
	if o.PoolSize < 0 {
		err = errors.Join(err, errors.New("poolSize is negative"))
	}
	return err
}

func (o Options) config() (*redis.Options, error) {
	if o.URL == "" {
		return nil, errors.New("url is missing")
	}
	config, err := redis.ParseURL(o.URL)
	if err != nil {
		return nil, errors.New("url is not one of a Redis") // the error of go-redis quotes it
	}
	if o.PoolSize > 0 {
		config.PoolSize = o.PoolSize
	}
	config.DialTimeout = connectTimeout
	config.ReadTimeout, config.WriteTimeout = 3*time.Second, 3*time.Second
	config.ContextTimeoutEnabled = true
	// Off, because a plain server answers this command of managed services with an error at each connect.
	config.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return config, nil
}

// New defines a datasource of type *redis.Client. Its commands obey their contexts; a read or a write takes at most 3
// s.
func New(name string, opts Options) datasource.Definition {
	d := datasource.New(name, func(ctx context.Context) (*redis.Client, error) {
		config, err := opts.config()
		if err != nil {
			return nil, err
		}
		// go-redis has one logger for the process, which writes to stderr. Its messages are also returned as errors.
		logging.Disable()
		client := redis.NewClient(config)
		if err := client.Ping(ctx).Err(); err != nil {
			return nil, errors.Join(err, client.Close())
		}
		return client, nil
	})
	d.Check = func(ctx context.Context, instance any) error {
		client, ok := instance.(*redis.Client)
		if !ok {
			return fmt.Errorf("%T is not a client of Redis", instance)
		}
		return client.Ping(ctx).Err()
	}
	d.Invalid = opts.Validate()
	return d
}
