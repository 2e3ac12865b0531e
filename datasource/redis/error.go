package redis

import (
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/datasource"
)

//nolint:gochecknoinits // a driver registers itself
func init() { datasource.RegisterErrors(readError) }

// readError reads the errors of a Redis server and of go-redis.
func readError(err error) (*action.Error, bool) {
	switch {
	case errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrPoolExhausted):
		return datasource.Unavailable("all connections are in use"), true
	case errors.Is(err, redis.ErrClosed):
		return datasource.Unavailable("the connection was closed"), true
	}
	redisErr, ok := errors.AsType[redis.Error](err)
	switch {
	case !ok:
		return nil, false
	case redis.IsLoadingError(redisErr), redis.IsMasterDownError(redisErr), redis.IsClusterDownError(redisErr):
		return datasource.Unavailable("it is starting or stopping"), true
	case redis.IsReadOnlyError(redisErr), redis.IsTryAgainError(redisErr), redis.IsNoReplicasError(redisErr):
		return datasource.Unavailable("it is changing its roles"), true
	case redis.IsMaxClientsError(redisErr):
		return datasource.Unavailable("it has too many clients"), true
	}
	return nil, true
}
