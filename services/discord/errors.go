package discord

import (
	"bytes"
	"cmp"
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
	"github.com/hiliosai/switchboard/integration/payload"
)

// errorTable says what refusals mean, "JSON Error Codes" and "HTTP Response Codes". It lists the codes that mean more
// than their HTTP status.
var errorTable = &integration.ErrorTable{
	Codes: errorCodes(),
	Statuses: map[int]integration.ErrorRow{
		http.StatusUnauthorized:          refusedToken,
		http.StatusForbidden:             integration.Permanent(codes.PermissionMissing),
		http.StatusNotFound:              integration.Permanent(codes.RecipientUnknown),
		http.StatusRequestEntityTooLarge: integration.Permanent(codes.MediaTooLarge),
		http.StatusTooManyRequests:       throttled(integration.PausesRecipient),
	},
	Foreign: map[int]integration.ErrorRow{
		http.StatusForbidden: {
			Kind: integration.FaultPermanent, Code: codes.PlatformBlocked,
			Fix: "it is from the edge of Discord, or from another server that the channel's apiBase leads to",
		},
		// From Discord's edge, which refuses all calls of an address after too many bad ones.
		http.StatusTooManyRequests: {
			Kind: integration.FaultThrottled, Code: codes.RateLimited, Wait: edgeBan, Pauses: integration.PausesChannel,
		},
	},
}

var refusedToken = integration.ErrorRow{Kind: integration.FaultAuth, Code: codes.CredentialsRefused}

func throttled(pauses integration.Scope) integration.ErrorRow {
	return integration.ErrorRow{Kind: integration.FaultThrottled, Code: codes.RateLimited, Pauses: pauses}
}

// errorCodes makes a row of each of Discord's codes.
func errorCodes() map[string]integration.ErrorRow {
	rows := map[string]integration.ErrorRow{}
	add := func(row integration.ErrorRow, list ...int) {
		for _, code := range list {
			rows[strconv.Itoa(code)] = row
		}
	}
	add(integration.Permanent(codes.RecipientUnknown), 10003, 10004, 10013, 50033)
	add(integration.Permanent(codes.RecipientUnavailable), 20009, 40007, 40058, 50003, 50007, 50008, 50024, 50278)
	add(integration.Permanent(codes.PermissionMissing), 50001, 50009, 50013, 50173, 50600, 160002, 400001)
	add(integration.Permanent(codes.MessageNotFound), 10008)
	add(integration.Permanent(codes.MessageInvalid), 50006, 50035, 50109)
	add(integration.Permanent(codes.MessageBlocked), 90001, 200000, 240000)
	add(integration.Permanent(codes.MediaTooLarge), 40005, 50045)
	add(integration.Permanent(codes.ThreadClosed), 50083, 160005)
	add(integration.Permanent(codes.InteractionExpired), 10015, 10062, 50027)
	add(integration.Permanent(codes.InteractionExhausted), 40094)
	add(integration.Permanent(codes.PlatformBlocked), 40333)
	add(refusedToken, 40001, 50014)
	add(throttled(integration.PausesRecipient), 20016, 20022, 20028, 20029, 30046, 40062)
	add(throttled(integration.PausesChannel), 40003) // direct messages are opened too fast, whoever they are with
	add(integration.ErrorRow{Kind: integration.FaultTransient, Code: codes.PlatformUnavailable}, 40004, 40006, 130000)
	return rows
}

// fault is what the API answers when it refuses a call, "Error Messages" and "Rate Limit Response Structure".
type fault struct {
	Message    *string         `json:"message"`
	Code       int             `json:"code"`
	Errors     json.RawMessage `json:"errors"`
	RetryAfter float64         `json:"retry_after"` // seconds
	Global     bool            `json:"global"`
}

// read takes an answer apart. An answer that says no has a message; one without comes from something on the way.
func read(answer *httpapi.Answer) ([]byte, *integration.Refusal, error) {
	if answer.Status >= 200 && answer.Status <= 299 {
		return answer.Body, nil, nil
	}
	var f fault
	if payload.Unmarshal(answer.Body, &f) != nil || f.Message == nil {
		return nil, nil, nil //nolint:nilerr // an answer of another form is no error
	}
	return nil, f.refusal(answer), nil
}

func (f *fault) refusal(answer *httpapi.Answer) *integration.Refusal {
	shown := strconv.Itoa(cmp.Or(f.Code, answer.Status))
	r := &integration.Refusal{
		Shown: shown, Text: shown + " " + *f.Message, Details: details(f.Errors),
		RetryAfter: f.wait(answer.Header), Pauses: f.scope(answer.Header),
	}
	if f.Code != 0 {
		r.Code = shown
	}
	return r
}

// wait returns the longer of the times that the body and the header ask for, "Exceeding A Rate Limit".
func (f *fault) wait(header http.Header) time.Duration {
	const most = 1e6 // seconds: as good as never, and no overflow
	inBody := time.Duration(math.Ceil(min(max(f.RetryAfter, 0), most)*1000)) * time.Millisecond
	return max(inBody, httpapi.RetryAfter(header, time.Now()))
}

// scope says that all of a bot's calls have to wait, "Header Format". It is empty where the answer does not say that.
func (f *fault) scope(header http.Header) integration.Scope {
	if f.Global || header.Get("X-RateLimit-Global") == "true" || header.Get("X-RateLimit-Scope") == "global" {
		return integration.PausesChannel
	}
	return ""
}

const (
	maxDetails = 5  // faults of a form that an error lists
	maxDepth   = 12 // of the fields that they are looked for in
)

// details lists what is wrong with which field: "embeds.0.image.url: Not a well formed URL. (URL_TYPE_INVALID_URL)".
func details(errors json.RawMessage) []string {
	var found []string
	collect(errors, nil, &found)
	return found
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
		_ = json.Unmarshal(fields[name], &list) // a list of another form says nothing
		for _, e := range list {
			text := fmt.Sprintf("%s: %s (%s)", strings.Join(path, "."), e.Message, e.Code)
			*found = append(*found, strings.TrimPrefix(text, ": "))
		}
	}
}
