// Package natsbucket opens key-value buckets of JetStream whose entries are changed by compare-and-set: those of claims
// and of leases.
package natsbucket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrOldServer says that the server is older than 2.11, which has no TTL for single messages. Nothing was created.
var ErrOldServer = errors.New("JetStream has no TTL for single messages, for which it takes nats-server 2.11 or later")

// ErrMaxBytesRequired says that the account requires a bound for each stream.
var ErrMaxBytesRequired = errors.New("the account wants max_bytes for each stream")

// PermanentError is an error that a retry would only repeat.
type PermanentError struct{ Err error }

// Error implements error.
func (r PermanentError) Error() string { return r.Err.Error() }

// Unwrap returns the cause.
func (r PermanentError) Unwrap() error { return r.Err }

// Name returns the name of the bucket of a kind, such as "claims", for a namespace. Characters that a bucket's name
// cannot have become _, and a hash at the end makes the name unique.
func Name(kind, namespace string) string {
	if namespace == "" {
		return kind
	}
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, namespace)
	if plain != namespace {
		sum := sha256.Sum256([]byte(namespace))
		plain += "-" + hex.EncodeToString(sum[:4])
	}
	return kind + "-" + plain
}

// Config returns the stream of a bucket as nats.go creates it, with a difference: only the leader is read, because
// other replicas may not have the latest entries yet. replicas of 0 are 1, maxBytes of 0 no bound.
func Config(bucket string, replicas int, maxBytes int64) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: "KV_" + bucket, Subjects: []string{"$KV." + bucket + ".>"}, Replicas: max(replicas, 1), MaxBytes: maxBytes,
		MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, AllowRollup: true, DenyDelete: true, AllowMsgTTL: true,
	}
}

// Find opens the stream of a bucket and creates it if it is missing. Errors that do not pass are a [PermanentError].
func Find(ctx context.Context, js jetstream.JetStream, config jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, config.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = create(ctx, js, config)
	}
	if errors.Is(err, nats.ErrNoResponders) {
		err = jetstream.ErrJetStreamNotEnabled // as a server without JetStream answers
	}
	switch api, ok := errors.AsType[*jetstream.APIError](err); {
	case ok && api.ErrorCode == maxBytesRequired:
		return nil, PermanentError{Err: fmt.Errorf("create the bucket %s: %w: %w", config.Name, ErrMaxBytesRequired, err)}
	case errors.Is(err, ErrOldServer):
		return nil, PermanentError{Err: fmt.Errorf("create the bucket %s: %w", config.Name, err)}
	case err != nil:
		// Even "not found" and "no suitable peers" may pass: the cluster may be starting.
		return nil, fmt.Errorf("open the bucket %s: %w", config.Name, err)
	}
	return stream, nil
}

const (
	// messageTTLs is the API level of JetStream with a TTL for single messages, that of nats-server 2.11.
	messageTTLs = 1
	// maxBytesRequired is JSStreamMaxBytesRequired of nats-server.
	maxBytesRequired = 10113
)

// create creates the bucket. It asks for the server's API level first: an older server ignores settings that it does
// not know and would create a bucket without TTLs.
func create(ctx context.Context, js jetstream.JetStream, config jetstream.StreamConfig) (jetstream.Stream, error) {
	account, err := js.AccountInfo(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask what JetStream can do: %w", err)
	}
	if account.API.Level < messageTTLs {
		return nil, ErrOldServer
	}
	// A new bucket in the place of an old one must not use its revisions again: the owner of an old entry would own the
	// new entry of another one.
	config.FirstSeq = uint64(time.Now().UnixMicro())
	stream, err := js.CreateStream(ctx, config)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another node has created it, or is creating it
		return js.Stream(ctx, config.Name)
	}
	if err == nil && !stream.CachedInfo().Config.AllowMsgTTL { // an older server of the same cluster has created it
		return nil, errors.Join(ErrOldServer, js.DeleteStream(ctx, config.Name))
	}
	return stream, err
}

// Conflict says whether a change found another revision than it expected, or a change of the same key before it that
// the servers were busy with.
func Conflict(err error) bool {
	return hasCode(err, jetstream.JSErrCodeStreamWrongLastSequence) || Busy(err)
}

// Busy says whether the servers of a cluster were busy with another change of the same key. They have not compared
// the revision.
func Busy(err error) bool {
	return hasCode(err, jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

func hasCode(err error, code jetstream.ErrorCode) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.ErrorCode == code
}
