// Package natsclaims keeps claims in a key-value bucket of JetStream.
package natsclaims

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/hiliosai/switchboard/claims"
	"github.com/hiliosai/switchboard/internal/natsbucket"
)

// Options configure the store.
type Options struct {
	// Namespace separates the claims of clusters that share a server; see [Bucket].
	Namespace string
	// Replicas is the number of replicas of a bucket that is created; 0 means 1.
	Replicas int
	// MaxBytes bounds a bucket that is created, in bytes; 0 means no bound. Some accounts require one.
	MaxBytes int64
	// Timeout bounds a call with all its retries; 0 means 5 s.
	Timeout time.Duration
	// Now is the clock, which must agree with that of the servers; nil means time.Now.
	Now func() time.Time
}

// ErrOldServer says that the server is older than 2.11, which has no TTL for single messages. Nothing was created.
var ErrOldServer = natsbucket.ErrOldServer

// ErrMaxBytesRequired says that the account requires a bound for each stream.
var ErrMaxBytesRequired = natsbucket.ErrMaxBytesRequired

const (
	// maxPending is how many changes may wait for their acks.
	maxPending = 32768
	// parallelReads is how many keys of a batch are read at once.
	parallelReads = 32
	// markerTTL is how long the bucket keeps the marker of a released claim. It is the shortest TTL.
	markerTTL = "1s"
)

// The headers of delete markers in a key-value bucket: those of clients, and those of the server.
const (
	operationHeader = "KV-Operation"
	reasonHeader    = "Nats-Marker-Reason"
)

// New returns a store on a connection to nats-server 2.11 or later; see [ErrOldServer]. The caller closes the
// connection. The bucket is created at its first use. The connection must not buffer messages while it is down
// (nats.ReconnectBufSize(-1)): a claim that the caller has given up must not be made later.
func New(nc *nats.Conn, opts Options) (claims.Store, error) {
	js, err := jetstream.New(
		nc, jetstream.WithPublishAsyncMaxPending(maxPending), jetstream.WithPublishAsyncTimeout(claims.AttemptTimeout),
	)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	bucket := Bucket(opts.Namespace)
	now := opts.Now
	if now == nil {
		now = time.Now
	}
	config := natsbucket.Config(bucket, opts.Replicas, opts.MaxBytes)
	b := &backend{js: js, prefix: "$KV." + bucket + ".", config: config, now: now}
	return claims.New(b, opts.Timeout, now), nil
}

// Bucket returns the name of the bucket for a namespace, see [natsbucket.Name]. Expired claims leave no markers there,
// because nobody watches it, and a claim would have to replace them.
func Bucket(namespace string) string { return natsbucket.Name("claims", namespace) }

type backend struct {
	js     jetstream.JetStream
	prefix string // of subjects
	config jetstream.StreamConfig
	now    func() time.Time
	bucket atomic.Pointer[jetstream.Stream] // nil until it was found
}

func (n *backend) Apply(ctx context.Context, changes []*claims.Change) {
	bucket, err := n.open(ctx)
	if err != nil {
		for _, c := range changes {
			c.Err = err
		}
		return
	}
	acks := make([]jetstream.PubAckFuture, len(changes))
	for i, c := range changes {
		acks[i], c.Err = n.publish(c)
	}
	var conflicts []*claims.Change
	for i, c := range changes {
		if c.Err == nil {
			c.Err = n.acked(ctx, c, acks[i])
		}
		switch {
		case natsbucket.Conflict(c.Err):
			conflicts = append(conflicts, c)
		case errors.Is(c.Err, jetstream.ErrNoStreamResponse):
			n.bucket.Store(nil) // it was deleted, or the server is still restoring it
		default:
			c.Err = classified(c.Err)
		}
	}
	n.read(ctx, bucket, conflicts)
}

func (n *backend) publish(c *claims.Change) (jetstream.PubAckFuture, error) {
	msg := &nats.Msg{Subject: n.prefix + c.Key, Data: c.Value, Header: nats.Header{
		jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(c.Old.Revision, 10)},
	}}
	if c.Value == nil {
		msg.Header[operationHeader] = []string{"DEL"}
		msg.Header[jetstream.MsgTTLHeader] = []string{markerTTL}
	} else {
		seconds := (c.TTL + time.Second - 1) / time.Second // the header has whole seconds
		msg.Header[jetstream.MsgTTLHeader] = []string{strconv.FormatInt(int64(seconds), 10)}
	}
	return n.js.PublishMsgAsync(msg)
}

func (n *backend) acked(ctx context.Context, c *claims.Change, future jetstream.PubAckFuture) error {
	select {
	case ack := <-future.Ok():
		c.Made = true
		if c.Value != nil {
			c.Found = claims.Entry{Value: c.Value, Revision: ack.Sequence, Written: n.now()}
		}
		return nil
	case err := <-future.Err():
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read gets the entries that are there instead of those that the changes expected.
func (n *backend) read(ctx context.Context, bucket jetstream.Stream, changes []*claims.Change) {
	var reads errgroup.Group
	reads.SetLimit(parallelReads)
	for _, c := range changes {
		reads.Go(func() error {
			c.Found, c.Err = n.last(ctx, bucket, c.Key)
			return nil
		})
	}
	_ = reads.Wait() // none returns an error
}

func (n *backend) last(ctx context.Context, bucket jetstream.Stream, key string) (claims.Entry, error) {
	msg, err := bucket.GetLastMsgForSubject(ctx, n.prefix+key)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return claims.Entry{}, nil
	case err != nil:
		return claims.Entry{}, classified(err)
	case msg.Header.Get(operationHeader) != "", msg.Header.Get(reasonHeader) != "":
		return claims.Entry{Revision: msg.Sequence}, nil
	}
	return claims.Entry{Value: msg.Data, Revision: msg.Sequence, Written: msg.Time}, nil
}

func (n *backend) open(ctx context.Context) (jetstream.Stream, error) {
	if known := n.bucket.Load(); known != nil {
		return *known, nil
	}
	return n.find(ctx)
}

// find opens the bucket and creates it if it is missing.
func (n *backend) find(ctx context.Context) (jetstream.Stream, error) {
	bucket, err := natsbucket.Find(ctx, n.js, n.config)
	if _, refused := errors.AsType[natsbucket.PermanentError](err); refused {
		return nil, claims.Refuse(err)
	}
	if err != nil {
		return nil, err
	}
	if config := bucket.CachedInfo().Config; !config.AllowMsgTTL || config.MaxMsgsPerSubject != 1 || config.NoAck {
		return nil, claims.Refuse(fmt.Errorf("the bucket %s does not keep one acknowledged value a key with a TTL of its "+
			"own, for which it takes nats-server 2.11: delete it, or name another namespace", n.config.Name))
	}
	n.bucket.Store(&bucket)
	return bucket, nil
}

func (n *backend) Check(ctx context.Context) error {
	_, err := n.find(ctx)
	return err
}

func (n *backend) Close() error {
	n.js.CleanupPublisher()
	return nil
}

// classified marks errors for which a retry does not help.
func classified(err error) error {
	api, ok := errors.AsType[*jetstream.APIError](err)
	if errors.Is(err, nats.ErrMaxPayload) || ok && api.Code >= 400 && api.Code < 500 {
		return claims.Refuse(err)
	}
	return err
}
