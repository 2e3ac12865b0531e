package discord

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// fault is the API's answer to what it refuses, "Error Messages" and "Rate Limit Response Structure".
type fault struct {
	Message    *string         `json:"message"`
	Code       int             `json:"code"`
	Errors     json.RawMessage `json:"errors"`
	RetryAfter float64         `json:"retry_after"` // seconds
	Global     bool            `json:"global"`
}

// class is what a refusal means for who sent.
type class struct {
	kind integration.ErrorKind
	code string
}

var (
	unknownRecipient = class{integration.FaultPermanent, codes.RecipientUnknown}
	unavailable      = class{integration.FaultPermanent, codes.RecipientUnavailable}
	forbidden        = class{integration.FaultPermanent, codes.PermissionMissing}
	rejected         = class{integration.FaultPermanent, codes.MessageRejected}
	malformed        = class{integration.FaultPermanent, codes.MessageInvalid}
	noMessage        = class{integration.FaultPermanent, codes.MessageNotFound}
	tooLarge         = class{integration.FaultPermanent, codes.MediaTooLarge}
	closedThread     = class{integration.FaultPermanent, codes.ThreadClosed}
	blocked          = class{integration.FaultPermanent, codes.MessageBlocked}
	blockedByEdge    = class{integration.FaultPermanent, codes.PlatformBlocked}
	expired          = class{integration.FaultPermanent, codes.InteractionExpired}
	refusedToken     = class{integration.FaultAuth, codes.CredentialsRefused}
	throttled        = class{integration.FaultThrottled, codes.RateLimited}
	overloaded       = class{integration.FaultTransient, codes.PlatformUnavailable}
)

// classes has the "JSON Error Codes" that mean more than their HTTP status says.
var classes = map[int]class{
	10003: unknownRecipient, 10004: unknownRecipient, 10013: unknownRecipient, 50033: unknownRecipient,
	10008: noMessage,
	10015: expired, 10062: expired, 50027: expired, 40094: {integration.FaultPermanent, codes.InteractionExhausted},
	20009: unavailable, 40007: unavailable, 50007: unavailable, 50278: unavailable, 50003: unavailable, 50008: unavailable, 50024: unavailable, 40058: unavailable,
	50001: forbidden, 50009: forbidden, 50013: forbidden, 50173: forbidden, 50600: forbidden, 160002: forbidden, 400001: forbidden,
	40005: tooLarge, 50045: tooLarge,
	50006: malformed, 50035: malformed, 50109: malformed,
	50083: closedThread, 160005: closedThread,
	200000: blocked, 240000: blocked, 90001: blocked,
	40001: refusedToken, 50014: refusedToken,
	40333:  blockedByEdge,
	20016:  throttled, // slow mode
	20022:  throttled,
	20028:  throttled,
	20029:  throttled,
	30046:  throttled,
	40003:  throttled,
	40062:  throttled,
	40004:  overloaded,
	40006:  overloaded,
	130000: overloaded,
}

// openingTooFast is the code for direct messages that are opened faster than Discord likes, whoever they are with.
const openingTooFast = 40003

// refusal classifies an answer that says no.
func refusal(name string, answer *httpapi.Answer) *integration.Error {
	var f fault
	if json.Unmarshal(answer.Body, &f) != nil || f.Message == nil {
		return foreign(name, answer)
	}
	c, known := classes[f.Code]
	switch {
	case answer.Status == http.StatusTooManyRequests:
		c = throttled
	case known:
	case answer.Status == http.StatusUnauthorized:
		c = refusedToken
	case answer.Status == http.StatusForbidden:
		c = forbidden
	case answer.Status == http.StatusNotFound:
		c = unknownRecipient
	case answer.Status == http.StatusRequestEntityTooLarge:
		c = tooLarge
	case answer.Status >= http.StatusInternalServerError: // Fail says what that means
	default:
		c = rejected
	}
	e := &integration.Error{
		Kind: c.kind, Code: c.code, HTTPStatus: answer.Status, PlatformCode: strconv.Itoa(answer.Status),
		Message: fmt.Sprintf("%s: %d %s", name, answer.Status, *f.Message),
	}
	if f.Code != 0 {
		e.PlatformCode = strconv.Itoa(f.Code)
		e.Message = fmt.Sprintf("%s: %d %s", name, f.Code, *f.Message)
	}
	if details := details(f.Errors); details != "" {
		e.Message += ": " + details
	}
	if c == (class{}) {
		httpapi.Fail(e, answer.Status)
	}
	if c.kind == integration.FaultThrottled {
		e.RetryAfter, e.Pauses = f.wait(answer.Header), f.scope(answer.Header)
	}
	return e
}

// wait is the longer of what the body and the header ask for, "Exceeding A Rate Limit".
func (f *fault) wait(header http.Header) time.Duration {
	const most = 1e6 // seconds: as good as never, and no overflow
	inBody := time.Duration(math.Ceil(min(max(f.RetryAfter, 0), most)*1000)) * time.Millisecond
	return max(inBody, httpapi.RetryAfter(header, time.Now()))
}

// scope says what has to wait: all of a bot's calls, or those of one channel of Discord, "Header Format".
func (f *fault) scope(header http.Header) integration.Scope {
	if f.Global || f.Code == openingTooFast || header.Get("X-RateLimit-Global") == "true" || header.Get("X-RateLimit-Scope") == "global" {
		return integration.PausesChannel
	}
	return integration.PausesRecipient
}

// foreign classifies an answer that is not of the API's own form. With 429 it comes from Discord's edge, which stops
// all calls of this address after too many that were refused.
func foreign(name string, answer *httpapi.Answer) *integration.Error {
	e := httpapi.Foreign(name, answer)
	switch answer.Status {
	case http.StatusTooManyRequests:
		e.Pauses = integration.PausesChannel
		if e.RetryAfter == 0 {
			e.RetryAfter = edgeBan
		}
	case http.StatusForbidden:
		e.Code, e.Message = blockedByEdge.code, name+": HTTP 403 from the edge of Discord, or of another server that the channel's apiBase leads to"
	}
	return e
}

// maxDetails bounds how many faults of a form are told, and maxDepth how deep they are looked for.
const (
	maxDetails = 5
	maxDepth   = 12
)

// details tells what is wrong with which field: "embeds.0.image.url: Not a well formed URL. (URL_TYPE_INVALID_URL)".
func details(errors json.RawMessage) string {
	var found []string
	collect(errors, nil, &found)
	return strings.Join(found, "; ")
}

func collect(node json.RawMessage, path []string, found *[]string) {
	var fields map[string]json.RawMessage
	if len(path) > maxDepth || !bytes.HasPrefix(node, []byte("{")) || json.Unmarshal(node, &fields) != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if len(*found) == maxDetails {
			return
		}
		if name != "_errors" {
			collect(fields[name], append(path[:len(path):len(path)], name), found)
			continue
		}
		var list []struct{ Code, Message string }
		_ = json.Unmarshal(fields[name], &list) // what is not of this form says nothing
		for _, e := range list {
			*found = append(*found, strings.TrimPrefix(fmt.Sprintf("%s: %s (%s)", strings.Join(path, "."), e.Message, e.Code), ": "))
		}
	}
}
