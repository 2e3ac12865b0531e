package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/payload"
)

// ErrorShape says where an API that answers errors with an HTTP status of 300 or more has in its JSON what is wrong.
// All of it are paths of [payload.Tree].
type ErrorShape struct {
	Text string // what the API says; an answer without it is not of the API's own form
	Code string // the API's own error code, "" where it has none
	// Details is a list of objects that say more, each with the members of Detail.
	Details string
	Detail  []string
	// Repeated is the header that marks the refusal of a call whose [Call.Key] was used before, "" where there is none:
	// that call went well, and what the refusal says is its result.
	Repeated string
}

// Read is [API.Read] for such an API.
func (s ErrorShape) Read(answer *Answer) (result []byte, refusal *integration.Refusal, err error) {
	if answer.Status < http.StatusMultipleChoices || s.Repeated != "" && answer.Header.Get(s.Repeated) != "" {
		return answer.Body, nil, nil
	}
	var body payload.Tree
	if json.Unmarshal(answer.Body, &body) != nil || body.Text(s.Text) == "" {
		return nil, nil, nil //nolint:nilerr // it is not of the API's own form, which is no error
	}
	refusal = &integration.Refusal{Text: body.Text(s.Text)}
	if s.Code != "" {
		refusal.Code = body.Text(s.Code)
	}
	if s.Details != "" {
		for _, detail := range body.List(s.Details) {
			var words []string
			for _, name := range s.Detail {
				words = append(words, detail.Text(name))
			}
			refusal.Details = append(refusal.Details, strings.Trim(strings.Join(words, ": "), ": "))
		}
	}
	return nil, refusal, nil
}
