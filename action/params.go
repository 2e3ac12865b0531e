package action

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

// Type is a parameter type, named as Moleculer's validator names it.
type Type string

// The types that the standard actions use.
const (
	String Type = "string"
	Number Type = "number"
	Object Type = "object"
	Bool   Type = "boolean"
)

// Param is the rule for one parameter.
type Param struct {
	Name     string
	Type     Type
	Optional bool // may be absent or null
}

// Params are an action's parameter rules, in the order in which faults are reported.
type Params []Param

// MarshalJSON gives the rules in the validator's short form, as INFO carries them.
func (p Params) MarshalJSON() ([]byte, error) {
	rules := make(map[string]string, len(p))
	for _, param := range p {
		rule := string(param.Type)
		if param.Optional {
			rule += "|optional"
		}
		rules[param.Name] = rule
	}
	return json.Marshal(rules)
}

// Fault is one entry of a ValidationError's data, with the fields that Node's validator sends.
type Fault struct {
	Type    string          `json:"type"` // "required" or the expected type
	Message string          `json:"message"`
	Field   string          `json:"field"`
	Actual  json.RawMessage `json:"actual,omitempty"`
	NodeID  string          `json:"nodeID,omitempty"`
	Action  string          `json:"action,omitempty"`
}

// maxActual bounds, in bytes, what a fault repeats of a wrong value.
const maxActual = 256

// Validation is Moleculer's ValidationError (422) for the given faults.
func Validation(faults ...Fault) *Error {
	return &Error{
		Name: NameValidationError, Code: http.StatusUnprocessableEntity, Type: "VALIDATION_ERROR",
		Message: "Parameters validation error!", Data: faults,
	}
}

// Decode checks a call's params against the rules and returns them by name, still raw; parameters
// without a rule pass. The error is a ValidationError that lists every fault.
func (p Params) Decode(req *Request) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if raw := bytes.TrimSpace(req.Params); len(raw) > 0 && raw[0] == '{' {
		fields = make(map[string]json.RawMessage, len(p))
		if err := rawjson.Members(raw, func(name string, value []byte) { fields[name] = value }); err != nil {
			return nil, Client(http.StatusBadRequest, "INVALID_PARAMS", "the params of %s are not valid JSON", req.Action).Because(err)
		}
	}
	var faults []Fault
	for _, param := range p {
		fault, bad := param.check(fields[param.Name])
		if !bad {
			continue
		}
		fault.Field, fault.Action, fault.NodeID = param.Name, req.Action, req.Sender
		faults = append(faults, fault)
	}
	if len(faults) > 0 {
		return nil, Validation(faults...)
	}
	return fields, nil
}

func (p Param) check(raw json.RawMessage) (Fault, bool) {
	if len(raw) == 0 || string(raw) == "null" {
		if p.Optional {
			return Fault{}, false
		}
		return Fault{Type: "required", Message: fmt.Sprintf("The '%s' field is required.", p.Name), Actual: raw}, true
	}
	if typeOf(raw) == p.Type {
		return Fault{}, false
	}
	if len(raw) > maxActual {
		raw = nil
	}
	message := "The '%s' field must be a %s."
	if p.Type == Object {
		message = "The '%s' must be an %s."
	}
	name := string(p.Type)
	if p.Type == Object {
		name = "Object"
	}
	return Fault{Type: string(p.Type), Message: fmt.Sprintf(message, p.Name, name), Actual: raw}, true
}

func typeOf(raw json.RawMessage) Type {
	switch raw[0] {
	case '"':
		return String
	case '{':
		return Object
	case 't', 'f':
		return Bool
	case '[':
		return "array"
	default:
		return Number
	}
}
