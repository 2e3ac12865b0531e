package meta

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
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

// hourlyWait is the wait after too many calls if the answer does not say how long. The limits count calls by the hour,
// https://developers.facebook.com/docs/graph-api/overview/rate-limiting.
const hourlyWait = time.Minute

// Failed is the row of codes for a failure of the API itself. The call may have been carried out.
var Failed = integration.ErrorRow{Kind: integration.FaultUnknown, Code: codes.PlatformUnavailable}

var (
	badToken = integration.ErrorRow{
		Kind: integration.FaultAuth, Code: codes.CredentialsRefused,
		Fix: "make a new access token of a system user and put it into the channel", // #nosec G101 -- no token is in it
	}
	noPermission = integration.ErrorRow{
		Kind: integration.FaultAuth, Code: codes.PermissionMissing,
		Fix: "give the token the permissions that the platform's page in the documentation lists",
	}
	tooManyCalls = integration.ErrorRow{Kind: integration.FaultThrottled, Code: codes.RateLimited, Wait: hourlyWait}
)

// CodeObjectUnknown is the code for an id that is wrong or that the token may not see.
const CodeObjectUnknown = codes.ObjectUnknown

// permissions is the row of the codes from 200 to 299.
const permissions = "200"

// graphCodes are the "Error Codes" of the page of [Failure], which every product has.
var graphCodes = map[string]integration.ErrorRow{
	"0":  badToken,
	"1":  Failed,
	"2":  Failed,
	"3":  noPermission,
	"4":  tooManyCalls,
	"10": noPermission,
	"17": tooManyCalls,
	"32": tooManyCalls,
	"100/33": {
		Kind: integration.FaultAuth, Code: CodeObjectUnknown,
		Fix: "the channel's ids are wrong, or belong to another account than its token",
	},
	"100":       {Kind: integration.FaultPermanent, Code: codes.MessageInvalid},
	"102":       badToken,
	"190":       badToken,
	permissions: noPermission,
	"368": {
		Kind: integration.FaultAuth, Code: codes.AccountRestricted,
		Fix: "look at the account's status in Meta Business Suite: it was blocked for a violation of policies",
	},
	"613": tooManyCalls,
}

// ErrorTable returns the table of a product: its own codes and those of the Graph API. The status counts only for
// unknown codes, because rate errors come with status 400 or 403, too.
func ErrorTable(codes map[string]integration.ErrorRow) *integration.ErrorTable {
	all := maps.Clone(graphCodes)
	maps.Copy(all, codes)
	return &integration.ErrorTable{Codes: all, Statuses: map[int]integration.ErrorRow{http.StatusUnauthorized: badToken}}
}

// read decodes an answer. The Graph API always answers with a JSON object; another body comes from a proxy.
func read(answer *httpapi.Answer) ([]byte, *integration.Refusal, error) {
	var body struct {
		Error *Failure `json:"error"`
	}
	err := payload.Unmarshal(answer.Body, &body)
	switch {
	case err == nil && body.Error != nil:
		return nil, body.Error.refusal(answer.Header), nil
	case answer.Status >= http.StatusMultipleChoices:
		return nil, nil, nil
	}
	return answer.Body, nil, err
}

func (f *Failure) refusal(header http.Header) *integration.Refusal {
	r := &integration.Refusal{
		Code: string(f.Code), Subcode: string(f.Subcode), Shown: string(f.Code),
		Text: fmt.Sprintf("%s %s", f.Code, f.Message), Details: []string{f.Data.Details, f.UserMessage},
		MayPass: f.IsTransient, RetryAfter: cmp.Or(httpapi.RetryAfter(header, time.Now()), regainAccess(header)),
	}
	if code, err := strconv.Atoi(r.Code); err == nil && code >= 200 && code < 300 {
		r.Code = permissions
	}
	return r
}

// maxRegain bounds a wait that the API names, in minutes.
const maxRegain = 24 * 60

// regainAccess returns the longest wait of the header X-Business-Use-Case-Usage, which has minutes by account and kind
// of call. It is 0 if there is none.
func regainAccess(header http.Header) time.Duration {
	var usage map[string][]struct {
		Minutes int64 `json:"estimated_time_to_regain_access"`
	}
	if json.Unmarshal([]byte(header.Get("X-Business-Use-Case-Usage")), &usage) != nil {
		return 0 // absent, or of another form
	}
	var minutes int64
	for _, account := range usage {
		for _, kind := range account {
			minutes = max(minutes, kind.Minutes)
		}
	}
	return time.Duration(min(minutes, maxRegain)) * time.Minute
}
