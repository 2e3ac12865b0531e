// Package channelstore keeps channels, the tenants' accounts at platforms: in a SQLite file, in
// PostgreSQL for several nodes, or behind an action of another service. What is secret in them is
// sealed before it reaches a database, and a [Cache] keeps lookups off the hot path.
//
// It knows neither platforms nor what makes a channel valid, and takes no configuration: package app
// chooses the store.
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

// Store keeps channels. All methods are safe for concurrent use, by several processes too. Errors
// are [integration.ErrChannelNotFound], one of this package's, or an [*UnavailableError], which may pass.
type Store interface {
	integration.ChannelStore

	// List returns the channels that a query asks for in the order of their ids. A damaged record is
	// an entry with an error and does not hide the others.
	List(ctx context.Context, q Query) ([]Entry, error)

	// Apply creates or replaces channels, all or none of them.
	Apply(ctx context.Context, channels []*integration.Channel) error

	// Create adds a channel; ErrChannelExists says that its id is taken.
	Create(ctx context.Context, ch *integration.Channel) error

	// Update changes a channel and returns it as it is now. change works on a copy and is called
	// again when somebody else's change came first, so that none is lost; its error is returned as it
	// is. It may change everything but the id.
	Update(ctx context.Context, id string, change func(*integration.Channel) error) (*integration.Channel, error)

	// Remove deletes a channel.
	Remove(ctx context.Context, id string) error

	// Rotate seals again, with the first key, every record that is sealed with another. It disturbs
	// neither readers nor writers, and may be interrupted and repeated.
	Rotate(ctx context.Context) (Rotation, error)

	// Check says whether channels can be read and changed at the moment.
	Check(ctx context.Context) error

	// Close ends the use of the store.
	Close() error
}

// Query chooses channels. The zero value means all of them.
type Query struct {
	TenantID string // empty: of any tenant
	Platform string // empty: of any platform
	After    string // only ids behind this one: the last of the page before
	Limit    int    // at most so many; zero: no limit
}

// Entry is one channel of a list. With Err, an [ErrSealed], the channel has neither credentials nor
// settings.
type Entry struct {
	Channel *integration.Channel
	Err     error
}

// Rotation counts what Rotate found.
type Rotation struct {
	Resealed int // with the first key now
	Already  int // sealed with it before
	Failed   int // cannot be opened and stayed as they are; List tells why
}

// Errors to compare with errors.Is.
var (
	// ErrChannelExists says that the id of a new channel is taken.
	ErrChannelExists = errors.New("the channel exists already")
	// ErrReadOnly says that the channels belong to another service, which has to be asked for changes.
	ErrReadOnly = errors.New("the channels are managed by another service")
	// ErrSealed says that a record cannot be opened. The error is a *SealedError.
	ErrSealed = errors.New("the channel's record cannot be opened")
)

// SealedError says why a channel's credentials and settings cannot be read. Other channels are not
// concerned.
type SealedError struct {
	ChannelID string
	KeyID     string // of the key that the record says it is sealed with
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

// AllSealedError says why no channel can be opened, by the example of one.
type AllSealedError struct{ Example *SealedError }

// Error implements error.
func (e *AllSealedError) Error() string {
	return "no channel can be opened: " + e.Example.Error()
}

// Is makes errors.Is(err, ErrAllSealed) true.
func (e *AllSealedError) Is(target error) bool { return target == ErrAllSealed }

// MoleculerError implements [action.Moleculer].
func (e *AllSealedError) MoleculerError() *action.Error {
	return action.Server(http.StatusInternalServerError, codes.ChannelsSealed, "no channel can be opened: they are sealed with other keys than this node's").Because(e)
}

// UnavailableError says that the store could not do its work, which may pass. Its text is for this
// node's log; the cluster is told no more than that.
type UnavailableError struct {
	Op  string // what was to be done, such as "read channel c1"
	Err error
}

// Error implements error.
func (e *UnavailableError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// MoleculerError implements [action.Moleculer].
func (e *UnavailableError) MoleculerError() *action.Error {
	return action.Retryable(http.StatusServiceUnavailable, codes.ChannelsUnavailable, "the channel store cannot be used at the moment").Because(e)
}

func exists(id string) error {
	return action.Client(http.StatusConflict, codes.ChannelExists, "there is a channel %q already", id).Because(ErrChannelExists)
}

// maxID bounds ids in bytes. They are part of URLs, so that anybody may ask for any.
const maxID = 256

// possible says whether there can be a channel of that id. PostgreSQL fails on texts that are none,
// which must not look like trouble with the store.
func possible(id string) bool { return id != "" && len(id) <= maxID && isText(id) }

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// check refuses what no store can keep.
func check(ch *integration.Channel) error {
	if !possible(ch.ID) || !isText(ch.TenantID+ch.Platform+ch.Name+ch.Status) {
		return action.Client(http.StatusUnprocessableEntity, codes.ChannelInvalid, "channel %q: the id must have 1 to %d bytes, and all texts be UTF-8", ch.ID, maxID)
	}
	return nil
}
