package fakeapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// Request is one that the API got.
type Request struct {
	Route  string // its name; empty where there is none
	Method string
	Path   string // without the query
	URI    string // path and query, as they came
	Query  url.Values
	Header http.Header
	Raw    []byte            // the body as it came
	Body   map[string]any    // the members of JSON or the fields of a form; numbers are json.Number
	Files  map[string]File   // of a multipart form, by the names of their parts
	Values map[string]string // of the wildcards in the route's pattern
	Host   string
	At     time.Time

	// Optional lists the parts of the request that it could do without, by the shape of its route: to, blocks[].title,
	// ?fields for the query, and Content-Type: for a header. What is within a part that any value may have is listed
	// with a star: payload.*
	Optional []string
}

// File is one of a multipart form.
type File struct {
	Name        string // such as report.pdf
	ContentType string
	Content     []byte
}

// Part is one of a multipart form, in the order of the form.
type Part struct {
	Field string
	File
}

// Format says how a body may be written. Several are joined with |.
type Format uint

// The formats of bodies. The zero value stands for FormatJSON.
const (
	FormatJSON Format = 1 << iota
	FormatForm
	FormatMultipart
	FormatRaw // bytes of any kind
	NoBody
)

// newRequest is a request that has come in, and its route if there is one.
func newRequest(r *http.Request, routes []*pattern) (*Request, *Route) {
	request := &Request{
		Method: r.Method, Path: r.URL.Path, URI: r.URL.RequestURI(), Query: r.URL.Query(), Header: r.Header.Clone(),
		Host: r.Host, At: time.Now(),
	}
	words := strings.Split(r.URL.EscapedPath(), "/")
	for _, p := range routes {
		if values, ok := p.match(r.Method, words); ok {
			request.Route, request.Values = p.route.Name, values
			return request, &p.route
		}
	}
	return request, nil
}

// read takes the body apart.
func (r *Request) read(route *Route, value func(name, text string) (any, error)) *is.Fault {
	takes := route.Takes
	if takes == 0 {
		takes = FormatJSON
	}
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case takes&FormatRaw != 0:
		return nil
	case takes&NoBody != 0:
		if len(r.Raw) > 0 {
			return &is.Fault{Kind: is.WrongFormat, Why: "this call has no body"}
		}
		return nil
	case route.Body == nil:
		return nil
	case kind == "application/json" && takes&FormatJSON != 0:
		return r.readJSON(r.Raw)
	case kind == "application/x-www-form-urlencoded" && takes&FormatForm != 0:
		return r.readForm()
	case kind == "multipart/form-data" && takes&FormatMultipart != 0:
		parts, err := Parts(r.Raw, params["boundary"])
		if err != nil {
			return &is.Fault{Kind: is.Unreadable, Why: "the form cannot be read: " + err.Error()}
		}
		return r.readParts(parts, route.JSONPart, value)
	default:
		return &is.Fault{Kind: is.WrongFormat, Path: "Content-Type", Why: "the content type is none that this call takes"}
	}
}

func (r *Request) readJSON(raw []byte) *is.Fault {
	r.Body = map[string]any{}
	v, err := decoded(raw)
	if err != nil {
		return &is.Fault{Kind: is.Unreadable, Why: "the body is no JSON: " + err.Error()}
	}
	object, ok := v.(map[string]any)
	if !ok {
		return &is.Fault{Kind: is.Unreadable, Why: "the body is no JSON object"}
	}
	r.Body = object
	return nil
}

// decoded is JSON with its numbers as they are written.
func decoded(raw []byte) (any, error) {
	var v any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	if decoder.More() {
		return nil, errors.New("there is more than one value")
	}
	return v, nil
}

func (r *Request) readForm() *is.Fault {
	fields, err := url.ParseQuery(string(r.Raw))
	if err != nil {
		return &is.Fault{Kind: is.Unreadable, Why: "the form cannot be read: " + err.Error()}
	}
	r.Body = singles(fields)
	return nil
}

func singles(fields url.Values) map[string]any {
	members := map[string]any{}
	for name := range fields {
		members[name] = fields.Get(name)
	}
	return members
}

func (r *Request) readParts(parts []Part, jsonPart string, value func(name, text string) (any, error)) *is.Fault {
	r.Body, r.Files = map[string]any{}, map[string]File{}
	for _, p := range parts {
		switch {
		case p.Name != "":
			r.Files[p.Field] = p.File
		case jsonPart != "" && p.Field == jsonPart:
			if fault := r.readJSON(p.Content); fault != nil {
				return fault
			}
		case jsonPart != "":
			return &is.Fault{Kind: is.Unknown, Path: p.Field, Why: "there is no such part"}
		case value != nil:
			v, err := value(p.Field, string(p.Content))
			if err != nil {
				return &is.Fault{Kind: is.Invalid, Path: p.Field, Why: err.Error()}
			}
			r.Body[p.Field] = v
		default:
			r.Body[p.Field] = string(p.Content)
		}
	}
	return nil
}

// Parts takes a multipart form apart.
func Parts(body []byte, boundary string) ([]Part, error) {
	parts := []Part{}
	for reader := multipart.NewReader(bytes.NewReader(body), boundary); ; {
		p, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return parts, nil
		}
		if err != nil {
			return parts, err
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return parts, err
		}
		parts = append(parts, Part{p.FormName(), File{p.FileName(), p.Header.Get("Content-Type"), content}})
	}
}

// inShape checks the query, the body and the files, and notes what the request could do without.
func (r *Request) inShape(route *Route) *is.Fault {
	if route.Takes&FormatRaw != 0 {
		r.Optional = append(r.Optional, "Content-Type:")
	}
	for name, rule := range route.Headers {
		if value := r.Header.Get(name); value != "" {
			if fault, _ := is.Check(rule, value); fault != nil {
				fault.Path = name
				return fault
			}
			r.Optional = append(r.Optional, name+":")
		}
	}
	if route.Query != nil {
		fault, optional := is.Check(route.Query, singles(r.Query))
		if r.without("?", optional); fault != nil {
			return fault
		}
	}
	if route.Body == nil {
		return nil
	}
	members, fault := r.members(route)
	if fault != nil {
		return fault
	}
	prefix := ""
	if route.JSONPart != "" && r.Files != nil {
		prefix = route.JSONPart + "."
	}
	fault, optional := is.Check(route.Body, members)
	r.without(prefix, optional)
	return fault
}

func (r *Request) without(prefix string, optional []string) {
	for _, part := range optional {
		r.Optional = append(r.Optional, prefix+part)
	}
}

// members are those of the body, and the files that its shape names. It checks the other files.
func (r *Request) members(route *Route) (map[string]any, *is.Fault) {
	shape, _ := route.Body.(is.Object)
	members := map[string]any{}
	maps.Copy(members, r.Body)
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		_, twice := members[name]
		switch {
		case route.JSONPart == "" && shape.Names(name) && !twice:
			members[name] = r.Files[name]
		case route.JSONPart == "" && shape.Names(name):
			return nil, is.Wrong(name, "there are two files")
		case route.Files == nil:
			return nil, &is.Fault{Kind: is.Unknown, Path: name, Why: "there is no file parameter " + name}
		default:
			if fault, _ := is.Check(route.Files, r.Files[name]); fault != nil {
				fault.Path = name
				return nil, fault
			}
		}
	}
	return members, nil
}

// FileOf is a rule for a file of a form that is not empty and has at most so many bytes.
func FileOf(limit int) is.Rule {
	return is.Func(func(v any) *is.Fault {
		f, ok := v.(File)
		switch {
		case !ok || len(f.Content) == 0:
			return is.Missed("")
		case len(f.Content) > limit:
			return &is.Fault{Kind: is.TooLong, Limit: limit, Why: "the file is too big"}
		}
		return nil
	})
}
