package leases

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"
)

// Store keeps small values under keys, with compare-and-set, and tells of changes. Its errors are *[Error]. Safe for
// concurrent use. Package leasestest tests what this interface promises.
type Store interface {
	// Get returns the entry of a key. It is the newest one, never an older copy. Where the key is not there, Value is nil
	// and Revision is 0.
	Get(ctx context.Context, key string) (Entry, error)
	// Put writes a value and returns its revision, if the key has the given revision. Revision 0 says that the key must
	// not be there. Another revision is [ErrConflict]. After another error the value may have been written or not.
	Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	// Delete deletes a key that has the given revision. Another revision is [ErrConflict]. It is no error where the key is
	// not there.
	Delete(ctx context.Context, key string, revision uint64) error
	// Watch calls changed for all entries, then once with an Entry without a key, which says that all were there, and then
	// for every change until ctx ends. Calls come one after the other and, for each key, in order; changes that follow
	// each other closely may come as one. Watch connects again and reads all anew by itself. A deleted key comes with
	// Value nil. It returns the error of ctx.
	Watch(ctx context.Context, changed func(Entry)) error
	// Check returns an error if the store does not answer.
	Check(ctx context.Context) error
	// Close releases the resources of the store.
	Close() error
}

// Entry is a key with its value. Value must not be changed.
type Entry struct {
	Key      string
	Value    []byte // nil: the key is not there
	Revision uint64 // grows with every change of the key, also where it was deleted in between
}

// The largest sizes in bytes.
const (
	MaxCursor = 4 << 10
	MaxState  = 1 << 10
	MaxShared = 1 << 10
)

// Options configure a [Member].
type Options struct {
	// Node is the id of this node, for the other nodes and for people.
	Node string
	// Log is nil to log nothing.
	Log *logrus.Entry
	// Now is the clock of this node; nil means time.Now. It is never compared with another node's.
	Now func() time.Time
}

// GroupOptions configure a [Group].
type GroupOptions struct {
	// Run does the work of a lease until its ctx ends, which is when the lease is given up or lost. It must return soon
	// then. If it returns before, it is called again after a short pause.
	Run func(ctx context.Context, lease *Lease)
	// OnChange, where it is not nil, is called after owners, states or shared values of the group changed. Calls come one
	// after the other, one for many changes. It may call the methods of the group but Close.
	OnChange func()
	// Log is nil for the log of the member.
	Log *logrus.Entry
}

// Wanted is a key that should have an owner.
type Wanted struct {
	Key string
	// Apart, where it is not "", says that keys with the same Apart are never on one node.
	Apart string
}

// Owner says who owns a key. Node is "" where nobody does.
type Owner struct {
	Key    string
	Node   string
	Epoch  uint64 // counts the owners of the key
	State  []byte // what the owner says about the connection, see [Lease.SetState]
	Shared []byte // see [Lease.SetShared]
	Since  time.Time
	Mine   bool // this member owns it
}
