package datasource

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
)

// The types of the errors that [AsError] makes.
const (
	// TypeUnavailable: the datasource cannot be reached, is starting, stopping or overloaded, or does
	// not answer in time. Whether a write was carried out is unknown.
	TypeUnavailable = codes.DatasourceUnavailable
	// TypeConflict: the transaction met another one and was rolled back.
	TypeConflict = codes.DatasourceConflict
)

// AsError makes trouble with a datasource that may pass a retryable *action.Error with code 503 and
// the type [TypeUnavailable] or [TypeConflict]. Its message quotes nothing; the error of the driver is
// its cause. All other errors are returned unchanged, also those that are Moleculer errors already
// and the end of a context by its caller's will.
func AsError(err error) error {
	if _, ok := errors.AsType[action.Moleculer](err); ok || err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	drivers.RLock()
	defer drivers.RUnlock()
	for _, read := range drivers.readers {
		if e, known := read(err); e != nil {
			return e.Because(err)
		} else if known {
			return err
		}
	}
	if reason := passing(err); reason != "" {
		return Unavailable(reason).Because(err)
	}
	return err
}

// ErrorReader knows the errors of a driver. known says that err is one of them; e is then what to make of it
// without its cause, nil where trying again does not help.
type ErrorReader func(err error) (e *action.Error, known bool)

var drivers struct {
	sync.RWMutex

	readers []ErrorReader
}

// RegisterErrors has [AsError] ask read, too. A package that opens a kind of datasource calls it in its init.
func RegisterErrors(read ErrorReader) {
	drivers.Lock()
	defer drivers.Unlock()
	drivers.readers = append(drivers.readers, read)
}

// Unavailable is the error of type [TypeUnavailable]. The reason completes "The datasource is not available: …" and
// must quote nothing.
func Unavailable(reason string) *action.Error {
	return action.Retryable(http.StatusServiceUnavailable, TypeUnavailable, "The datasource is not available: %s.", reason)
}

// MayPass says whether it makes sense to try again later.
func MayPass(err error) bool {
	m := moleculer(err)
	return m != nil && m.Retryable
}

// moleculer is what err looks like to the cluster, nil when it has no such form.
func moleculer(err error) *action.Error {
	if m, ok := errors.AsType[action.Moleculer](AsError(err)); ok {
		return m.MoleculerError()
	}
	return nil
}

// passing says why a datasource does not serve at the moment, "" when that is not the matter.
func passing(err error) string {
	var netErr net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &netErr) && netErr.Timeout():
		return "it does not answer in time"
	case isAs[*net.OpError](err), isAs[*net.DNSError](err):
		return "it cannot be connected to"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	}
	return ""
}

func isAs[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
