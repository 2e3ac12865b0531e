package fakeapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// Description is an API written down as JSON, so that the fake of a platform needs no code.
type Description struct {
	// Admit is the header that every request must have, and the answer to those without it. Nil admits everybody.
	Admit *struct {
		Header, Value string
		Answer        Canned
	} `json:"admit"`
	// Refusal is the answer to a request that is wrong: $code, $says, $why and $path in its body are those of the fault.
	// Says is what the platform says of a fault that has no words of its own.
	Refusal Canned `json:"refusal"`
	Says    string `json:"says"`
	// Shapes are those of [is.Parse].
	Shapes json.RawMessage `json:"shapes"`
	// Routes are the calls, by patterns of [http.ServeMux].
	Routes map[string]struct {
		Body    string            `json:"body"`    // name of a shape; empty looks at no body
		Query   string            `json:"query"`   // likewise
		Headers map[string]string `json:"headers"` // names of the shapes of headers that a request may have
		Answer  Canned            `json:"answer"`
	} `json:"routes"`

	api API
}

// Canned is an answer that is always the same.
type Canned struct {
	Status int               `json:"status"`
	Header map[string]string `json:"header"`
	Body   json.RawMessage   `json:"body"` // JSON
	Text   string            `json:"text"` // instead of Body
}

// Describe reads a [Description]. Its API is [Description.API]. It panics where a shape is wrong, as [is.Parse] does.
func Describe(file []byte) (*Description, error) {
	d := &Description{Says: "The request is wrong", Refusal: Canned{Status: http.StatusBadRequest}}
	decoder := json.NewDecoder(bytes.NewReader(file))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(d); err != nil {
		return nil, fmt.Errorf("fakeapi: read the description: %w", err)
	}
	return d, d.build()
}

// API is the API that is described.
func (d *Description) API() API { return d.api }

func (d *Description) build() error {
	shapes := is.Shapes{}
	if d.Shapes != nil {
		shapes = is.Parse(d.Shapes, nil)
	}
	var missing []error
	named := func(name string) is.Rule {
		if name != "" && shapes[name] == nil {
			missing = append(missing, fmt.Errorf("fakeapi: there is no shape %q", name))
		}
		return shapes[name]
	}
	d.api = API{Routes: Routes{}, Admit: d.admit, Refuse: func(_ *Request, f *is.Fault) Answer {
		answer := d.Refuse("invalid", f.Says, f.Why, f.Path)
		if f.Kind == is.NoRoute {
			answer.Status = http.StatusNotFound
		}
		return answer
	}}
	for pattern, described := range d.Routes {
		route := Route{
			Body: named(described.Body), Headers: map[string]is.Rule{},
			Answer: func(*Request) Answer { return described.Answer.answer() },
		}
		route.Query, _ = named(described.Query).(is.Object)
		for name, shape := range described.Headers {
			route.Headers[name] = named(shape)
		}
		d.api.Routes[pattern] = route
	}
	return errors.Join(missing...)
}

func (d *Description) admit(r *Request) *Answer {
	if d.Admit == nil || r.Header.Get(d.Admit.Header) == d.Admit.Value {
		return nil
	}
	answer := d.Admit.Answer.answer()
	return &answer
}

// Refuse is the answer to a request that is wrong. code is the platform's own, where it has such.
func (d *Description) Refuse(code, says, why, path string) Answer {
	if says == "" {
		says = d.Says
	}
	a := d.Refusal.answer()
	a.Body = strings.NewReplacer("$code", quoted(code), "$says", quoted(says), "$why", quoted(why), "$path", quoted(path)).
		Replace(a.Body)
	return a
}

// quoted is a text as it stands between the quotes of JSON.
func quoted(text string) string {
	encoded, err := json.Marshal(text)
	if err != nil || len(encoded) < 2 { // which no text makes happen
		return ""
	}
	return string(encoded[1 : len(encoded)-1])
}

func (c *Canned) answer() Answer {
	a := Answer{Status: c.Status, Header: http.Header{}, Body: c.Text}
	if len(c.Body) > 0 {
		a.Header.Set("Content-Type", "application/json")
		a.Body = string(c.Body)
	}
	for name, value := range c.Header {
		a.Header.Set(name, value)
	}
	return a
}
