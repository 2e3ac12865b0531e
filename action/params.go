package action

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

// Type is a parameter type, named as Moleculer's validator names it.
type Type string

// The types for rules written by hand; [ParamsOf] uses others too.
const (
	String Type = "string"
	Number Type = "number"
	Object Type = "object"
	Bool   Type = "boolean"
	Any    Type = "any" // whatever is not null
)

// Param is the rule for one parameter.
type Param struct {
	Name     string
	Type     Type
	Optional bool // may be absent or null
	Secret   bool // faults don't repeat its value; not announced
	Buffer   bool // a Buffer of Node.js after JSON is taken as well; not announced

	// Only ParamsOf sets these.
	rule *rule // nil where that is all
	// finite requires a number that a float64 can hold, as JavaScript does. Rules written by hand do not require it.
	finite bool
}

// Params are an action's parameter rules, in the order in which faults are reported.
type Params []Param

// MarshalJSON gives the rules as INFO carries them, in their order: that is the order in which Node's
// validator reports faults too.
func (p Params) MarshalJSON() ([]byte, error) {
	rules := make(map[string]json.RawMessage, len(p))
	names := make([]string, len(p))
	for i, param := range p {
		data, err := json.Marshal(param)
		if err != nil {
			return nil, err
		}
		rules[param.Name], names[i] = data, param.Name
	}
	return object(names, rules), nil
}

// MarshalJSON gives the validator's short form, such as "string|optional", and its long form, an
// object, where the short one has no room.
func (p Param) MarshalJSON() ([]byte, error) {
	if p.rule != nil {
		return json.Marshal(struct {
			Type     Type `json:"type"`
			Optional bool `json:"optional,omitempty"`
			*rule
		}{p.Type, p.Optional, p.rule})
	}
	if p.Optional {
		return json.Marshal(p.Type + "|optional")
	}
	return json.Marshal(p.Type)
}

// Decode checks a call's params against the rules and returns them, still raw; parameters
// without a rule pass. The error is a ValidationError that lists every fault, or a 400 for what is no JSON.
func (p Params) Decode(req *Request) (Fields, error) {
	c := checker{req: req}
	raw, err := c.root(p)
	if err != nil {
		return nil, err
	}
	fields, _, err := c.members(p, "", raw)
	if err != nil {
		return nil, invalid(req, err)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	return fields, nil
}

// Check is [Params.Decode] for params that are decoded into a struct whose rules are p: it returns them
// whole, "{}" if there were none. They come back untouched unless a rule changed a value (default, convert,
// trim) or encoding/json would read what the rules have not seen: it takes "LIMIT" for "limit", and merges
// the objects of a repeated name.
func (p Params) Check(req *Request) (json.RawMessage, error) {
	c := checker{req: req}
	raw, err := c.root(p)
	if err != nil {
		return nil, err
	}
	raw, _, err = c.object(p, "", raw)
	if err != nil {
		return nil, invalid(req, err)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	return raw, nil
}

// root gives the JSON object that a call's params are, "{}" if it has none.
func (c *checker) root(p Params) (json.RawMessage, error) {
	raw := bytes.TrimSpace(c.req.Params)
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return json.RawMessage("{}"), nil
	case raw[0] == '{':
		return raw, nil
	}
	var value json.RawMessage
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, invalid(c.req, err)
	}
	c.fault(&Param{Secret: p.secret()}, "", "object", nil, raw)
	return nil, c.err()
}

// err is a ValidationError with the faults found so far, nil if there are none.
func (c *checker) err() error {
	if len(c.faults) > 0 {
		return Validation(c.faults...)
	}
	return nil
}

func invalid(req *Request, err error) error {
	return Client(http.StatusBadRequest, codes.InvalidParams, "the params of %s are not valid JSON", req.Action).
		Because(err)
}

func (p Params) secret() bool {
	return slices.ContainsFunc(p, func(param Param) bool { return param.Secret })
}

// object is a JSON object of these members.
func object(names []string, fields map[string]json.RawMessage) json.RawMessage {
	out := []byte{'{'}
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		out = rawjson.AppendQuote(out, name)
		out = append(out, ':')
		out = append(out, fields[name]...)
	}
	return append(out, '}')
}

// sorted is object in the order of the names.
func sorted(fields map[string]json.RawMessage) json.RawMessage {
	return object(slices.Sorted(maps.Keys(fields)), fields)
}
