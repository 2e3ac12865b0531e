package integration

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
)

// ErrorTable says what the refusals of a platform's API mean. A refusal is looked up in this order: HTTP status
// 429 with one of Texts, HTTP status 429, Codes, Texts, Statuses, Other.
type ErrorTable struct {
	// Codes are the platform's own error codes. A code with a subcode is written "100/33" and is looked up before "100".
	Codes map[string]ErrorRow
	// Texts are for platforms whose errors differ only in their words. The first match counts, for HTTP statuses 4xx.
	Texts []ErrorText
	// Statuses are HTTP statuses. Without a row, 429 is RATE_LIMITED, and statuses from 500 mean what [ServerError] says.
	Statuses map[int]ErrorRow
	// Other is for refusals without a row. Zero is permanent, MESSAGE_REJECTED.
	Other ErrorRow
	// Foreign are HTTP statuses of answers that do not have the API's own form, if they mean something else than usual.
	Foreign map[int]ErrorRow
}

// ErrorRow says what a refusal means. Its kind decides whether a retry helps and whether the outcome is unknown.
type ErrorRow struct {
	Kind   ErrorKind
	Code   string        // see package codes
	Wait   time.Duration // of FaultThrottled: how long to wait if the answer does not say
	Pauses Scope         // of FaultThrottled: what has to wait if the answer does not say; empty is PausesChannel
	Fix    string        // what to do about it; ends the message
}

// Permanent returns the row of a refusal that no retry can mend. fix says what to do, if the code does not.
func Permanent(code string, fix ...string) ErrorRow {
	return ErrorRow{Kind: FaultPermanent, Code: code, Fix: strings.Join(fix, "; ")}
}

// ErrorText is a row for a text.
type ErrorText struct {
	Says string // in lower case
	ErrorRow
}

// Says returns the [Permanent] row for a text, in lower case.
func Says(text, code string, fix ...string) ErrorText {
	return ErrorText{Says: text, ErrorRow: Permanent(code, fix...)}
}

// Refusal is an API's refusal of a call, read from the API's own form.
type Refusal struct {
	Name    string // of the call, such as "slack chat.postMessage"
	Status  int    // of HTTP
	Code    string // the platform's own, or ""
	Subcode string
	Text    string   // what the platform says
	Details []string // what else it says
	// Shown is the platform's code for people, if that is not Code.
	Shown string
	// MayPass is set if the platform says that it failed itself, but not whether it carried out the call. If the table has
	// no row, or a permanent one, the outcome is then unknown.
	MayPass bool
	// RetryAfter is how long the platform asks to wait; zero when it does not say.
	RetryAfter time.Duration
	// Pauses says what has to wait; empty when the answer does not say.
	Pauses Scope
}

// TableRow is a row of a table and the refusal that it is for.
type TableRow struct {
	Key string // names the row, such as "code 131056" or "HTTP 403"
	ErrorRow
	// Refusal is an example that leads to this row. It is nil for rows of Foreign, which are found by Status.
	Refusal *Refusal
	Status  int // of Foreign
}

// Rows lists all rows in the order in which they count, the foreign ones last. A nil table has none.
func (t *ErrorTable) Rows() []TableRow {
	if t == nil {
		return nil
	}
	var rows []TableRow
	for _, key := range slices.Sorted(maps.Keys(t.Codes)) {
		code, subcode, _ := strings.Cut(key, "/")
		r := &Refusal{Status: http.StatusBadRequest, Code: code, Subcode: subcode, Text: "refused"}
		rows = append(rows, TableRow{Key: "code " + key, ErrorRow: t.Codes[key], Refusal: r})
	}
	for _, text := range t.Texts {
		r := &Refusal{Status: http.StatusBadRequest, Text: text.Says}
		rows = append(rows, TableRow{Key: "text " + text.Says, ErrorRow: text.ErrorRow, Refusal: r})
	}
	for _, status := range slices.Sorted(maps.Keys(t.Statuses)) {
		r := &Refusal{Status: status, Text: "refused"}
		rows = append(rows, TableRow{Key: "HTTP " + strconv.Itoa(status), ErrorRow: t.Statuses[status], Refusal: r})
	}
	if t.Other != (ErrorRow{}) {
		rows = append(
			rows, TableRow{Key: "all else", ErrorRow: t.Other, Refusal: &Refusal{Status: http.StatusConflict, Text: "refused"}},
		)
	}
	for _, status := range slices.Sorted(maps.Keys(t.Foreign)) {
		rows = append(
			rows, TableRow{Key: "foreign HTTP " + strconv.Itoa(status), ErrorRow: t.Foreign[status], Status: status},
		)
	}
	return rows
}

// Error returns the error for a refusal.
func (t *ErrorTable) Error(r *Refusal) *Error {
	row := t.Row(r)
	e := row.Error(r.Name+": "+r.Text, r.Status, r.Details...)
	e.PlatformCode = cmp.Or(r.Shown, r.Code)
	if e.Kind == FaultThrottled {
		e.RetryAfter, e.Pauses = cmp.Or(r.RetryAfter, row.Wait), cmp.Or(r.Pauses, row.Pauses)
	}
	return e
}

// Has says whether the platform's code is in the table.
func (t *ErrorTable) Has(code string) bool {
	_, ok := t.Codes[code]
	return ok
}

// Row finds the row of a refusal.
func (t *ErrorTable) Row(r *Refusal) ErrorRow {
	row, known := t.byCode(r)
	byText, says := t.byText(r)
	switch {
	case r.Status == http.StatusTooManyRequests && says: // such as a quota of a month, which a pause does not mend
		return byText
	case r.Status == http.StatusTooManyRequests && row.Kind != FaultThrottled:
		return t.byStatus(r.Status)
	case known && row.Kind != FaultPermanent:
		return row
	case r.MayPass:
		return ServerError(http.StatusInternalServerError)
	case known:
		return row
	}
	return t.byStatus(r.Status)
}

func (t *ErrorTable) byCode(r *Refusal) (row ErrorRow, known bool) {
	if r.Subcode != "" {
		row, known = t.Codes[r.Code+"/"+r.Subcode]
	}
	if !known {
		row, known = t.Codes[r.Code]
	}
	if known {
		return row, true
	}
	return t.byText(r)
}

func (t *ErrorTable) byText(r *Refusal) (row ErrorRow, known bool) {
	if r.Status/100 != 4 {
		return ErrorRow{}, false
	}
	text := strings.ToLower(r.Text)
	for i := range t.Texts {
		if strings.Contains(text, t.Texts[i].Says) {
			return t.Texts[i].ErrorRow, true
		}
	}
	return ErrorRow{}, false
}

func (t *ErrorTable) byStatus(status int) ErrorRow {
	row, known := t.Statuses[status]
	switch {
	case known:
		return row
	case status == http.StatusTooManyRequests:
		return ErrorRow{Kind: FaultThrottled, Code: codes.RateLimited}
	case status >= http.StatusInternalServerError:
		return ServerError(status)
	case t.Other.Kind != "":
		return t.Other
	}
	return ErrorRow{Kind: FaultPermanent, Code: codes.MessageRejected}
}

// Error returns an error of this row. Its message ends with the details and with what to do.
func (row *ErrorRow) Error(message string, status int, details ...string) *Error {
	for _, more := range append(details[:len(details):len(details)], row.Fix) {
		if more != "" {
			message += "; " + more
		}
	}
	if row.Kind == FaultUnknown {
		message += "; it may have been carried out"
	}
	return &Error{
		Kind: row.Kind, Code: row.Code, Message: message, HTTPStatus: status, RetryAfter: row.Wait, Pauses: row.Pauses,
	}
}

// Statuses of Cloudflare's own, "Cloudflare 5xx errors".
const (
	cloudflareServerDown  = 521 // it refused the connection
	cloudflareUnreachable = 523
	cloudflareNoHandshake = 525 // of TLS
)

// ServerError returns the row for an HTTP status of 500 or more that is not in the platform's table.
//
// A call may be made again only if a server says that it did not take it. 503 says so (RFC 9110, 15.6.4), and so does
// Cloudflare if it did not reach the server behind it. 500 says nothing about what was done before the fault. 502 and
// 504 come from a gateway. It gives 502 both when it could not connect and when the connection broke after the call had
// been passed on.
func ServerError(status int) ErrorRow {
	switch status {
	case http.StatusServiceUnavailable, cloudflareServerDown, cloudflareUnreachable, cloudflareNoHandshake:
		return ErrorRow{Kind: FaultTransient, Code: codes.PlatformUnavailable}
	case http.StatusGatewayTimeout:
		return ErrorRow{Kind: FaultUnknown, Code: codes.PlatformNoAnswer}
	default:
		return ErrorRow{Kind: FaultUnknown, Code: codes.PlatformUnavailable}
	}
}
