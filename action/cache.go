package action

import (
	"encoding/json"
	"time"
)

// CacheRule says that and how an action's results are kept: Moleculer's cache property. Keeping
// them is package mixins' business.
type CacheRule struct {
	// Keys name the params, or with a leading # the meta values, that make results differ, as paths such
	// as "user.id". Nil takes all params; an empty list makes one result for all calls.
	Keys []string
	// TTL is how long a result is kept, in whole seconds on the wire; zero takes the cache's own.
	TTL time.Duration
	// Stale is how long after its TTL an old result may still be given while a new one is made. Of 0
	// calls wait for the new one.
	Stale time.Duration
	// Lock makes one node at a time compute a missing result, where nodes share a cache.
	Lock bool
}

// MarshalJSON gives the rule as Moleculer's nodes announce it.
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
