package action

import (
	"encoding/json"
	"time"
)

// CacheRule says how an action's results are cached: Moleculer's cache property. Package mixins caches them.
type CacheRule struct {
	// Keys name the params, or with a leading # the meta values, that make results differ, as paths such
	// as "user.id". Nil takes all params; an empty list makes one result for all calls.
	Keys []string
	// TTL is how long a result is kept, in whole seconds on the wire; zero means the cache's own TTL.
	TTL time.Duration
	// Stale is how long after its TTL a result may still be returned while a new one is computed. With zero, calls
	// wait for the new one.
	Stale time.Duration
	// Lock lets only one node at a time compute a missing result, if nodes share a cache.
	Lock bool
}

// MarshalJSON encodes the rule as Node brokers announce it.
func (c CacheRule) MarshalJSON() ([]byte, error) {
	rule := map[string]any{}
	if c.Keys != nil {
		rule["keys"] = c.Keys
	}
	if c.TTL > 0 {
		rule["ttl"] = c.TTL.Seconds()
	}
	if c.Lock {
		rule["lock"] = true
	}
	return json.Marshal(rule)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
