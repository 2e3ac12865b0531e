package sign

import (
	"cmp"
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

const (
	// keysFresh is how long keys are used before they are fetched again, and keysMax how long they are used at most
	// while that fails.
	keysFresh = time.Hour
	keysMax   = 24 * time.Hour
	// refreshPause is the least time between two fetches. Anybody can send a token with an id that no key has; it
	// must not become a call of the platform each time.
	refreshPause = 10 * time.Second
	// minKeyBits of RSA; shorter keys are not used.
	minKeyBits = 2048
)

// errNoKey is for a token whose key the platform does not publish.
var errNoKey = errors.New("no such key")

// keySet keeps the keys that a platform publishes, by id. The zero value has none yet. Safe for concurrent use.
type keySet struct {
	now func() time.Time // of tests; nil is time.Now

	mu      sync.Mutex
	keys    map[string]*rsa.PublicKey
	fetched time.Time     // when keys were fetched last
	tried   time.Time     // when that was tried last, whatever came of it
	trouble error         // of the last try, nil after a good one
	loading chan struct{} // closed when the fetch under way has ended; nil while there is none
}

// find returns the key of that id. The error is errNoKey, or an *integration.Error that may pass.
func (s *keySet) find(ctx context.Context, j *JWT, id string) (*rsa.PublicKey, error) {
	for {
		s.mu.Lock()
		key, age := s.keys[id], s.time().Sub(s.fetched)
		if key != nil && age < keysFresh {
			s.mu.Unlock()
			return key, nil
		}
		if s.loading == nil && s.time().Sub(s.tried) < refreshPause {
			trouble := s.trouble
			s.mu.Unlock()
			switch {
			case key != nil && age < keysMax:
				return key, nil
			case trouble != nil:
				return nil, trouble
			default:
				return nil, errNoKey
			}
		}
		loading := s.loading
		if loading == nil {
			loading = make(chan struct{})
			s.loading, s.tried = loading, s.time()
			go s.load(context.WithoutCancel(ctx), j) // others wait for it too
		}
		s.mu.Unlock()
		select {
		case <-loading:
		case <-ctx.Done():
			return nil, keysTrouble(ctx.Err())
		}
	}
}

func (s *keySet) time() time.Time {
	if s.now != nil {
		return s.now()
	}
	return time.Now()
}

// load fetches the keys. When that fails those that were there stay.
func (s *keySet) load(ctx context.Context, j *JWT) {
	keys, err := j.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble = err; err == nil {
		s.keys, s.fetched = keys, s.time()
	}
	s.tried = s.time()
	close(s.loading)
	s.loading = nil
}

// fetch asks the platform for its keys. Errors are *integration.Error that may pass.
func (j *JWT) fetch(ctx context.Context) (map[string]*rsa.PublicKey, error) {
	address := j.KeysURL
	if j.ConfigURL != "" {
		var config struct {
			Issuer  string `json:"issuer"`
			KeysURL string `json:"jwks_uri"`
		}
		if err := j.get(ctx, j.ConfigURL, &config); err != nil {
			return nil, keysTrouble(err)
		}
		if config.Issuer != j.Issuer {
			return nil, keysTrouble(errors.New("the OpenID configuration is of another issuer"))
		}
		address = config.KeysURL
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := j.get(ctx, address, &set); err != nil {
		return nil, keysTrouble(err)
	}
	keys := map[string]*rsa.PublicKey{}
	for _, raw := range set.Keys {
		// A key that cannot be read does not take the others away.
		jwk, err := jwkset.NewJWKFromRawJSON(raw, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil {
			continue
		}
		m := jwk.Marshal()
		key, ok := jwk.Key().(*rsa.PublicKey)
		if ok && m.KID != "" && cmp.Or(m.USE, jwkset.UseSig) == jwkset.UseSig && key.N.BitLen() >= minKeyBits {
			keys[m.KID] = key
		}
	}
	if len(keys) == 0 {
		return nil, keysTrouble(errors.New("there is no key for RS256 among them"))
	}
	return keys, nil
}

func (j *JWT) get(ctx context.Context, address string, out any) error {
	const name = "signature keys"
	if j.Client == nil {
		return errors.New("there is no client to fetch them with")
	}
	answer, err := j.Client.Do(ctx, httpapi.Request{Name: name, Method: http.MethodGet, URL: address})
	switch {
	case err != nil:
		return err
	case answer.Status != http.StatusOK:
		return httpapi.Foreign(name, answer)
	}
	return json.Unmarshal(answer.Body, out)
}

// keysTrouble is the error for keys that are not there now. The webhook may come again.
func keysTrouble(err error) error {
	return &integration.Error{
		Kind: integration.FaultTransient, Code: codeKeysNotThere, Err: err,
		Message: "the platform's keys, which the signature is checked with, cannot be fetched now; send the webhook again",
	}
}
