package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/payload"
)

// ErrorShape says where the JSON of an API's errors has the text, the code and the details. It is for APIs that answer
// errors with an HTTP status of 300 or more. Text, Code and Details are paths of [payload.Tree].
type ErrorShape struct {
	Text string // the API's error message; an answer without it is not the API's own
	Code string // the API's error code; "" if it has none
	// Details is a list of objects with more about the error. Detail names the members of each that are shown.
	Details string
	Detail  []string
	// Repeated is the response header that marks the refusal of a call because its [Call.Key] was used before. "" if there
	// is none. The first call with that key succeeded, and the body of the refusal is its result.
	Repeated string
}

// Read reads an answer. It is meant for the field Read of [API].
func (s ErrorShape) Read(answer *Answer) (result []byte, refusal *integration.Refusal, err error) {
	if answer.Status < http.StatusMultipleChoices || s.Repeated != "" && answer.Header.Get(s.Repeated) != "" {
		return answer.Body, nil, nil
	}
	var body payload.Tree
	if json.Unmarshal(answer.Body, &body) != nil || body.Text(s.Text) == "" {
		return nil, nil, nil //nolint:nilerr // the answer is not the API's own; that is not an error of Read
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
