package integration

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/claims"
)

// Times of sends with an idempotency key. Such a send is made once; each call with the same key gets the same answer.
const (
	// sendLease is how long a send may take before it counts as abandoned: its own time limit, and the time to store its
	// outcome.
	sendLease = sendTimeout + 2*outcomeTimeout
	// sendMemory is how long a key is remembered.
	sendMemory = 24 * time.Hour
	// lookAgain is the pause between two looks at a send that another call is making.
	lookAgain = 100 * time.Millisecond
	// maxIdempotencyKey is in bytes.
	maxIdempotencyKey = 255
)

// answer is the outcome of a send, stored for later calls with the same key.
type answer struct {
	Result *SendResult `json:"result,omitempty"`
	Error  *SendError  `json:"error,omitempty"`
}

// idempotent adds the idempotency key: it sends the message, unless a send with the key is known. Then it returns that
// send's answer.
func (r *sendRun) idempotent(ctx context.Context, key string) (any, error) {
	// The tenant is part of the claim, because another tenant may get the channel's id later.
	key = strings.Join([]string{"send", r.def.Name, r.channel.TenantID, r.channel.ID, key}, "\x00")
	busy := &Error{
		Kind: FaultTransient, Code: codes.SendInProgress, RetryAfter: time.Second,
		Message: "another call with this idempotency key is under way; nothing was sent by this one",
	}
	for held := false; ; held = true {
		list, err := r.runtime.Claims.Claim(ctx, claims.Terms{Lease: sendLease, TTL: sendMemory}, key)
		r.countClaims(list)
		if err != nil && held && ctx.Err() != nil {
			return nil, busy
		}
		if err != nil {
			r.logFor(r.req, r.channel).WithError(err).Warn("an idempotency key cannot be looked up")
			return nil, &Error{
				Kind: FaultTransient, Code: codes.ClaimsUnavailable,
				Message: "the idempotency key cannot be looked up at the moment; nothing was sent", Err: err,
			}
		}
		switch claim := list[0]; claim.State {
		case claims.Mine:
			result, err := r.sendAndReport(ctx)
			r.keepAnswer(ctx, claim, result, err)
			return result, err
		case claims.Done:
			return givenBefore(claim.Result)
		case claims.Abandoned:
			return nil, &Error{
				Kind: FaultUnknown, Code: codes.SendAbandoned,
				Message: "a send with this idempotency key was begun and never finished; it may have been carried out",
			}
		default: // another call is sending it
		}
		pause := time.NewTimer(lookAgain)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, busy
		}
	}
}

// keepAnswer keeps the outcome of a send. If nothing was sent and a later call may succeed, it gives the key back
// instead.
func (r *sendRun) keepAnswer(ctx context.Context, claim claims.Claim, result any, failure error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeTimeout)
	defer cancel()
	var a answer
	a.Result, _ = result.(*SendResult)
	if e := (*Error)(nil); errors.As(failure, &e) {
		a.Error = e.asSendError()
	}
	if a.mayPass() {
		if err := r.runtime.Claims.Release(ctx, claim); err != nil {
			r.logFor(r.req, r.channel).WithError(err).
				Warn("an idempotency key could not be given back: it stays taken for a while")
		}
		return
	}
	encoded, err := json.Marshal(a)
	if err == nil {
		err = r.runtime.Claims.Done(ctx, encoded, claim)
	}
	if err != nil {
		r.logFor(r.req, r.channel).WithError(err).Error("the answer of a send could not be kept under its idempotency key")
	}
}

// mayPass says whether nothing was sent and the same message may succeed later: the fault may be temporary, or the
// credentials may be replaced.
func (a *answer) mayPass() bool {
	e := a.Error
	if e == nil && a.Result != nil {
		e = a.Result.Error
	}
	return e != nil && (e.Retryable || e.Kind == FaultAuth)
}

// givenBefore returns the answer that the first call with a key got.
func givenBefore(kept []byte) (any, error) {
	var a answer
	if err := json.Unmarshal(kept, &a); err != nil {
		return nil, &Error{
			Kind: FaultUnknown, Code: codes.SendAbandoned,
			Message: "the answer that was kept under this idempotency key cannot be read; the message was probably sent",
			Err:     err,
		}
	}
	if e := a.Error; e != nil {
		return nil, e.asError()
	}
	return a.Result, nil
}

// asSendError returns the error as a SendResult carries it.
func (e *Error) asSendError() *SendError {
	return &SendError{
		Message: e.Message, Code: e.Code, Kind: e.Kind, Retryable: e.Retryable(), RetryAfterMs: e.RetryAfter.Milliseconds(),
		PlatformCode: e.PlatformCode, HTTPStatus: e.HTTPStatus,
	}
}

// asError is the reverse of [Error.asSendError].
func (e *SendError) asError() *Error {
	return &Error{
		Idempotent: e.Kind == FaultUnknown && e.Retryable,
		Kind:       cmp.Or(e.Kind, FaultPermanent), Code: cmp.Or(e.Code, codes.SendFailed), Message: e.Message,
		RetryAfter: time.Duration(e.RetryAfterMs) * time.Millisecond, PlatformCode: e.PlatformCode, HTTPStatus: e.HTTPStatus,
	}
}
