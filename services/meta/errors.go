package meta

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// Failure is the error object of the Graph API, https://developers.facebook.com/docs/graph-api/guides/error-handling.
type Failure struct {
	Message     string         `json:"message"`
	Code        integration.ID `json:"code"`
	Subcode     integration.ID `json:"error_subcode"`
	IsTransient bool           `json:"is_transient"`
	UserMessage string         `json:"error_user_msg"`
	Data        struct {
		Details string `json:"details"`
	} `json:"error_data"`
}

// Verdict is what an error code means for the sender.
type Verdict struct {
	Kind   integration.ErrorKind
	Code   string
	Wait   time.Duration     // where the documentation gives a rate, how long until the next call is within it
	Pauses integration.Scope // of throttling
	Fix    string            // what to do about it, for people
}

// Codes are verdicts by error code.
type Codes map[int]Verdict

// Limits of calls count by the hour, https://developers.facebook.com/docs/graph-api/overview/rate-limiting; where
// the answer does not say how long they last, it is asked again after this.
const hourlyWait = time.Minute

const (
	fixToken      = "make a new access token of a system user and put it into the channel" // #nosec G101 -- no token is in it
	fixPermission = "give the token the permissions that the platform's page in the documentation lists"
)

// Failed is for codes that say that the API itself failed. None of them says how far it had come, so it may have been
// carried out.
var Failed = Verdict{Kind: integration.ErrUnknown, Code: "PLATFORM_UNAVAILABLE"}

// graphCodes are those that every product has, "Error Codes" of the page above.
var graphCodes = Codes{
	0:   {Kind: integration.ErrAuth, Code: "CREDENTIALS_REFUSED", Fix: fixToken},
	1:   Failed,
	2:   Failed,
	3:   {Kind: integration.ErrAuth, Code: "PERMISSION_MISSING", Fix: fixPermission},
	4:   {Kind: integration.ErrThrottled, Code: "RATE_LIMITED", Wait: hourlyWait},
	10:  {Kind: integration.ErrAuth, Code: "PERMISSION_MISSING", Fix: fixPermission},
	17:  {Kind: integration.ErrThrottled, Code: "RATE_LIMITED", Wait: hourlyWait},
	32:  {Kind: integration.ErrThrottled, Code: "RATE_LIMITED", Wait: hourlyWait},
	100: {Kind: integration.ErrPermanent, Code: "MESSAGE_INVALID"},
	102: {Kind: integration.ErrAuth, Code: "CREDENTIALS_REFUSED", Fix: fixToken},
	190: {Kind: integration.ErrAuth, Code: "CREDENTIALS_REFUSED", Fix: fixToken},
	368: {Kind: integration.ErrAuth, Code: "ACCOUNT_RESTRICTED", Fix: "look at the account's status in Meta Business Suite: it was blocked for a violation of policies"},
	613: {Kind: integration.ErrThrottled, Code: "RATE_LIMITED", Wait: hourlyWait},
}

// unknownObject is the subcode of 100 for an id that is wrong, or that the token may not see.
const unknownObject = "33"

// CodeObjectUnknown is the code of the error for [unknownObject].
const CodeObjectUnknown = "OBJECT_UNKNOWN"

func (g *Graph) refusal(name string, answer *httpapi.Answer, f *Failure) *integration.Error {
	code, err := strconv.Atoi(string(f.Code))
	if err != nil {
		code = -1 // which no table has
	}
	v := g.verdict(code, answer.Status, f)
	e := &integration.Error{
		Kind: v.Kind, Code: v.Code, Pauses: v.Pauses, HTTPStatus: answer.Status, PlatformCode: string(f.Code),
		Message: fmt.Sprintf("%s: %s %s", name, f.Code, f.Message),
	}
	for _, more := range []string{f.Data.Details, f.UserMessage, v.Fix} {
		if more != "" {
			e.Message += "; " + more
		}
	}
	switch v.Kind {
	case integration.ErrUnknown:
		e.Message += "; it may have been carried out"
	case integration.ErrThrottled:
		e.RetryAfter = cmp.Or(httpapi.RetryAfter(answer.Header, time.Now()), regainAccess(answer.Header), v.Wait)
	}
	return e
}

// verdict goes by the code. The status counts where the code is not known: some errors of rate come as 400 or 403.
func (g *Graph) verdict(code, status int, f *Failure) Verdict {
	if code == 100 && f.Subcode == unknownObject {
		return Verdict{Kind: integration.ErrAuth, Code: CodeObjectUnknown, Fix: "the channel's ids are wrong, or belong to another account than its token"}
	}
	v, known := g.Codes[code]
	if !known {
		v, known = graphCodes[code]
	}
	switch {
	case known && v.Kind != integration.ErrPermanent:
		return v
	case f.IsTransient: // which says that it may pass, and nothing of what was done
		return Failed
	case known:
		return v
	case code >= 200 && code < 300:
		return Verdict{Kind: integration.ErrAuth, Code: "PERMISSION_MISSING", Fix: fixPermission}
	case status == http.StatusTooManyRequests:
		return Verdict{Kind: integration.ErrThrottled, Code: "RATE_LIMITED"}
	case status == http.StatusUnauthorized:
		return Verdict{Kind: integration.ErrAuth, Code: "CREDENTIALS_REFUSED", Fix: fixToken}
	case status >= http.StatusInternalServerError:
		var e integration.Error
		httpapi.Fail(&e, status)
		return Verdict{Kind: e.Kind, Code: e.Code}
	}
	return Verdict{Kind: integration.ErrPermanent, Code: "MESSAGE_REJECTED"}
}

// maxRegain keeps a nonsensical number from becoming a nonsensical duration.
const maxRegain = 24 * 60

// regainAccess reads how long a limit lasts from the header X-Business-Use-Case-Usage, in which it is told in
// minutes, by account and kind of call. There is no Retry-After.
func regainAccess(header http.Header) time.Duration {
	var usage map[string][]struct {
		Minutes int64 `json:"estimated_time_to_regain_access"`
	}
	if json.Unmarshal([]byte(header.Get("X-Business-Use-Case-Usage")), &usage) != nil {
		return 0 // not there, or not ours to understand
	}
	var minutes int64
	for _, account := range usage {
		for _, kind := range account {
			minutes = max(minutes, kind.Minutes)
		}
	}
	return time.Duration(min(minutes, maxRegain)) * time.Minute
}
