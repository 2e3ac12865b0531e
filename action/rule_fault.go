package action

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/hiliosai/switchboard/action/codes"
)

// Fault is one entry in the data of a ValidationError. It has the fields that Node's validator sends.
type Fault struct {
	Type    string `json:"type"` // the broken rule, such as "required" or "stringMin"
	Message string `json:"message"`
	// Field is a path such as "address.city" or "tags[1]". It is empty for the params as a whole.
	Field    string          `json:"field,omitempty"`
	Expected any             `json:"expected,omitempty"`
	Actual   json.RawMessage `json:"actual,omitempty"`
	NodeID   string          `json:"nodeID,omitempty"`
	Action   string          `json:"action,omitempty"`
}

const (
	// maxActual is the largest wrong value that a fault repeats, in bytes. Larger values are left out.
	maxActual = 256
	// maxFaults is the largest number of faults in one answer. All items of a long list may be wrong.
	maxFaults = 1000
)

// Validation returns Moleculer's ValidationError (422) with these faults.
func Validation(faults ...Fault) *Error {
	return &Error{
		Name: NameValidationError, Code: http.StatusUnprocessableEntity, Type: codes.ValidationError,
		Message: "Parameters validation error!", Data: faults,
	}
}

// fault records that the value at a path breaks a rule. It leaves out the value of a secret parameter.
func (c *checker) fault(p *Param, at, typ string, expected any, actual json.RawMessage) {
	if len(c.faults) == maxFaults {
		return
	}
	if p.Secret || len(actual) > maxActual {
		actual = nil
	}
	c.faults = append(c.faults, Fault{
		Type: typ, Message: strings.NewReplacer("{field}", at, "{expected}", inWords(expected)).Replace(messages[typ]),
		Field: at, Expected: expected, Actual: actual, Action: c.req.Action, NodeID: c.req.Sender,
	})
}

// inWords returns the expected value as text. Numbers are written as in JSON and JavaScript: 1000000, not 1e+06.
func inWords(expected any) string {
	if s, ok := expected.(string); ok {
		return s
	}
	data, _ := json.Marshal(expected) // never fails: it is a finite number or nil
	return string(data)
}

// messages are fastest-validator's messages by [Fault.Type].
var messages = map[string]string{
	"required":       "The '{field}' field is required.",
	"string":         "The '{field}' field must be a string.",
	"stringEmpty":    "The '{field}' field must not be empty.",
	"stringMin":      "The '{field}' field length must be greater than or equal to {expected} characters long.",
	"stringMax":      "The '{field}' field length must be less than or equal to {expected} characters long.",
	"stringLength":   "The '{field}' field length must be {expected} characters long.",
	"stringPattern":  "The '{field}' field fails to match the required pattern.",
	"number":         "The '{field}' field must be a number.",
	"numberMin":      "The '{field}' field must be greater than or equal to {expected}.",
	"numberMax":      "The '{field}' field must be less than or equal to {expected}.",
	"numberInteger":  "The '{field}' field must be an integer.",
	"numberPositive": "The '{field}' field must be a positive number.",
	"array":          "The '{field}' field must be an array.",
	"arrayEmpty":     "The '{field}' field must not be an empty array.",
	"arrayMin":       "The '{field}' field must contain at least {expected} items.",
	"arrayMax":       "The '{field}' field must contain less than or equal to {expected} items.",
	"arrayLength":    "The '{field}' field must contain {expected} items.",
	"boolean":        "The '{field}' field must be a boolean.",
	"date":           "The '{field}' field must be a Date.",
	"enumValue":      "The '{field}' field value '{expected}' does not match any of the allowed values.",
	"email":          "The '{field}' field must be a valid e-mail.",
	"emailEmpty":     "The '{field}' field must not be empty.",
	"emailMin":       "The '{field}' field length must be greater than or equal to {expected} characters long.",
	"emailMax":       "The '{field}' field length must be less than or equal to {expected} characters long.",
	"url":            "The '{field}' field must be a valid URL.",
	"urlEmpty":       "The '{field}' field must not be empty.",
	"uuid":           "The '{field}' field must be a valid UUID.",
	"object":         "The '{field}' must be an Object.",
}
