package events

import (
	"errors"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrStorageFull says that JetStream has no room: the server, the account or the stream has reached a limit, or the
// disk is full. A retry helps when there is room again.
var ErrStorageFull = errors.New("JetStream's storage is full")

// Error codes of nats-server.
const (
	accountLimits     = 10002 // JSAccountResourcesExceededErr
	noResources       = 10023 // JSInsufficientResourcesErr
	noMemory          = 10028 // JSMemoryResourcesExceededErr
	noStorage         = 10047 // JSStorageResourcesExceededErr
	streamStoreFailed = 10077 // JSStreamStoreFailedF, whose text says why
	streamTooLarge    = 10122 // JSStreamMaxStreamBytesExceeded
)

// isFull says whether an error of the server means that there is no room.
func isFull(err error) (*jetstream.APIError, bool) {
	api, ok := errors.AsType[*jetstream.APIError](err)
	if !ok {
		return nil, false
	}
	switch api.ErrorCode {
	case accountLimits, noResources, noMemory, noStorage, streamTooLarge:
		return api, true
	case streamStoreFailed: // "maximum bytes exceeded", "maximum messages exceeded", "no space left on device"
		return api, strings.Contains(api.Description, "maximum") || strings.Contains(api.Description, "no space")
	}
	return nil, false
}

// explained wraps an error of a full JetStream in one that is [ErrStorageFull], and returns any other unchanged.
func explained(err error) error {
	if api, full := isFull(err); full {
		return &fullError{api, err}
	}
	return err
}

type fullError struct {
	api   *jetstream.APIError
	cause error
}

func (e *fullError) Error() string {
	return ErrStorageFull.Error() + ": " + e.api.Description
}

func (e *fullError) Unwrap() []error { return []error{ErrStorageFull, e.cause} }
