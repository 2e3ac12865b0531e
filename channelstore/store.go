// Package channelstore keeps channels, the tenants' accounts on platforms: in a SQLite file, in PostgreSQL for several
// nodes, or behind an action of another service. Secrets are sealed before they reach a database, and a [Cache] keeps
// the store off the hot path.
//
// It knows no platforms, does not validate channels and reads no configuration: package app chooses the store.
package channelstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
)

// Store keeps channels. All methods are safe for concurrent use, also by several processes. Errors are
// [integration.ErrChannelNotFound], one of this package, or an [*UnavailableError], which may pass.
type Store interface {
	integration.ChannelStore

	// List returns the channels of a query in the order of their ids. A damaged record becomes an entry with an error;
	// the others are listed.
	List(ctx context.Context, q Query) ([]Entry, error)

	// Apply creates or replaces channels, all or none of them.
	Apply(ctx context.Context, channels []*integration.Channel) error

	// Create adds a channel; ErrChannelExists says that its id is taken.
	Create(ctx context.Context, ch *integration.Channel) error

	// Update changes a channel and returns the new one. change gets a copy and may change everything but the id. If
	// somebody else changed the channel at the same time, change is called again. Its error is returned unchanged.
	Update(ctx context.Context, id string, change func(*integration.Channel) error) (*integration.Channel, error)

	// Remove deletes a channel.
	Remove(ctx context.Context, id string) error

	// Rotate seals every record with the first key that is sealed with another one. Reads and writes go on meanwhile.
	// It may be interrupted and repeated.
	Rotate(ctx context.Context) (Rotation, error)

	// Check returns an error if channels cannot be read and changed now.
	Check(ctx context.Context) error

	// Close releases the resources of the store.
	Close() error
}

// Query selects channels. The zero value selects all.
type Query struct {
	TenantID string // empty means any tenant
	Platform string // empty means any platform
	After    string // only greater ids: the last one of the page before
	Limit    int    // 0 means no limit
}

// Entry is one channel of a list. If Err is set, which is an [ErrSealed], the channel has no credentials and no
// settings.
type Entry struct {
	Channel *integration.Channel
	Err     error
}

// Rotation counts the records that Rotate found.
type Rotation struct {
	Resealed int // sealed again
	Already  int // sealed with the first key before
	Failed   int // cannot be opened and are unchanged; List says why
}

// Errors to compare with errors.Is.
var (
	// ErrChannelExists says that the id of a new channel is taken.
	ErrChannelExists = errors.New("the channel exists already")
	// ErrReadOnly says that the channels belong to another service, which alone can change them.
	ErrReadOnly = errors.New("the channels are managed by another service")
	// ErrSealed says that a record cannot be opened. The error is a *SealedError.
	ErrSealed = errors.New("the channel's record cannot be opened")
)

// SealedError says why the credentials and settings of one channel cannot be read.
type SealedError struct {
	ChannelID string
	KeyID     string // of the key that the record names
	Reason    string
}

// Error implements error.
func (e *SealedError) Error() string {
	return fmt.Sprintf("channel %s is sealed with key %q, %s", e.ChannelID, e.KeyID, e.Reason)
}

// Is makes errors.Is(err, ErrSealed) true.
func (e *SealedError) Is(target error) bool { return target == ErrSealed }

// MoleculerError implements [action.Moleculer].
func (e *SealedError) MoleculerError() *action.Error {
	return action.Server(http.StatusInternalServerError, codes.ChannelSealed, "%s", e.Error()).Because(e)
}

// ErrAllSealed says that a store has channels, and none of them can be opened. The error is an *AllSealedError.
var ErrAllSealed = errors.New("no channel can be opened")

// AllSealedError says that no channel can be opened, and why one of them cannot.
type AllSealedError struct{ Example *SealedError }

// Error implements error.
func (e *AllSealedError) Error() string {
	return "no channel can be opened: " + e.Example.Error()
}

// Is makes errors.Is(err, ErrAllSealed) true.
func (e *AllSealedError) Is(target error) bool { return target == ErrAllSealed }

// MoleculerError implements [action.Moleculer].
func (e *AllSealedError) MoleculerError() *action.Error {
	return action.Server(
		http.StatusInternalServerError, codes.ChannelsSealed,
		"no channel can be opened: they are sealed with other keys than this node's",
	).Because(e)
}

// UnavailableError says that the store failed, which may pass. Its text is for the log of this node; the cluster gets
// no details.
type UnavailableError struct {
	Op  string // the operation, such as "read channel c1"
	Err error
}

// Error implements error.
func (e *UnavailableError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// MoleculerError implements [action.Moleculer].
func (e *UnavailableError) MoleculerError() *action.Error {
	return action.Retryable(
		http.StatusServiceUnavailable, codes.ChannelsUnavailable, "the channel store cannot be used at the moment",
	).Because(e)
}

func exists(id string) error {
	return action.Client(http.StatusConflict, codes.ChannelExists, "there is a channel %q already", id).
		Because(ErrChannelExists)
}

// maxID bounds an id, in bytes. Ids are part of URLs, so anybody can ask for any id.
const maxID = 256

// possible says whether a channel can have the id. PostgreSQL refuses invalid text, which must not look like an outage.
func possible(id string) bool { return id != "" && len(id) <= maxID && isText(id) }

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// check refuses a channel that no store can keep.
func check(ch *integration.Channel) error {
	if !possible(ch.ID) || !isText(ch.TenantID+ch.Platform+ch.Name+ch.Status) {
		return action.Client(
			http.StatusUnprocessableEntity, codes.ChannelInvalid,
			"channel %q: the id must have 1 to %d bytes, and all texts be UTF-8", ch.ID, maxID,
		)
	}
	return nil
}
