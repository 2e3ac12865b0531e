package integrationtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration/fakeapi"
)

// lacking is a request with something left out.
type lacking struct {
	path string // of what is left out, as in [fakeapi.Request]
	request
}

// shaped is an API that knows from its shapes what its requests could do without.
type shaped interface{ Requests() []fakeapi.Request }

// testRequired has the API judge each request of the sends again, as it was and without each of its parts: an API
// that takes what lacks a part which is required would have taken a wrong request as well. The shapes of a fakeapi say
// what is optional. To an API without shapes everything is required.
func testRequired(t *testing.T, p Platform) {
	t.Helper()
	for _, s := range p.Sends {
		if s.Answer != nil {
			continue // the API was not asked
		}
		t.Run(s.Name, func(t *testing.T) {
			b := newHarness(t, p)
			b.do(s)
			requests := b.fake.seen()
			var taken []string
			for i, r := range requests {
				status, body, optional := replay(t, p, requests[:i], r)
				if refuses(status, body) && i < len(requests)-1 {
					continue // it was refused then, too, and the platform tried another way
				}
				require.False(
					t, refuses(status, body), "the API refuses %s %s, which it took before: HTTP %d %s", r.Method, r.Path, status,
					body,
				)
				for _, l := range r.without() {
					status, body, _ := replay(t, p, requests[:i], l.request)
					if !refuses(status, body) && !isOptional(optional, l.path) {
						taken = append(taken, fmt.Sprintf("%s %s without %s", r.Method, r.Path, l.path))
					}
				}
			}
			require.Empty(t, taken, "the API takes these; where that is right, its shape must say that the part is optional")
		})
	}
}

// isOptional says whether a part is among the optional ones, or within one that any value may have.
func isOptional(optional []string, path string) bool {
	return slices.ContainsFunc(optional, func(entry string) bool {
		prefix, within := strings.CutSuffix(entry, "*")
		return entry == path || within && strings.HasPrefix(path, prefix)
	})
}

// replay sends a request to a fresh API, after those that went before it, and returns its answer, and the parts of the
// request that are optional.
func replay(tb testing.TB, p Platform, before []request, r request) (int, []byte, []string) {
	tb.Helper()
	api := p.API(tb)
	var answer *httptest.ResponseRecorder
	for _, r := range append(slices.Clone(before), r) {
		answer = httptest.NewRecorder()
		req := httptest.NewRequestWithContext(tb.Context(), r.Method, "http://127.0.0.1"+r.Path, bytes.NewReader(r.raw))
		req.Header = r.header.Clone()
		req.RequestURI = r.Path
		api.ServeHTTP(answer, req)
	}
	var optional []string
	if fake, ok := api.(shaped); ok {
		if seen := fake.Requests(); len(seen) > 0 && seen[len(seen)-1].URI == r.Path {
			optional = seen[len(seen)-1].Optional
		}
	}
	return answer.Code, answer.Body.Bytes(), optional
}

// refuses says whether an answer is a refusal: by its status, which may lead elsewhere, or by "ok": false where the
// status says nothing.
func refuses(status int, body []byte) bool {
	var answer struct{ OK *bool }
	return status >= http.StatusMultipleChoices || json.Unmarshal(body, &answer) == nil && answer.OK != nil && !*answer.OK
}

// without lists the request once for each of its parts, lacking that.
func (r request) without() []lacking {
	var list []lacking
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		l := r
		l.header = r.header.Clone()
		l.header.Del(name)
		list = append(list, lacking{name + ":", l})
	}
	if target, err := url.ParseRequestURI(r.Path); err == nil {
		fields := target.Query()
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			lean := maps.Clone(fields)
			delete(lean, name)
			l, u := r, *target
			u.RawQuery = lean.Encode()
			l.Path = u.RequestURI()
			list = append(list, lacking{"?" + name, l})
		}
	}
	with := func(path string, body []byte, contentType string) {
		l := r
		l.raw, l.header = body, r.header.Clone()
		if contentType != "" {
			l.header.Set("Content-Type", contentType)
		}
		list = append(list, lacking{path, l})
	}
	contentType := r.header.Get("Content-Type")
	switch parts := partsOf(contentType, r.raw); {
	case parts != nil:
		withoutPart(parts, with)
	case strings.HasPrefix(contentType, "application/x-www-form-urlencoded"):
		withoutField(r.raw, with)
	default:
		withoutMember("", r.raw, func(path string, body []byte) { with(path, body, "") })
	}
	return list
}

func withoutPart(parts []part, yield func(path string, body []byte, contentType string)) {
	for i, p := range parts {
		body, contentType := assembled(slices.Delete(slices.Clone(parts), i, i+1))
		yield(p.Name, body, contentType)
		withoutMember(p.Name+".", []byte(p.Content), func(path string, content []byte) {
			changed := slices.Clone(parts)
			changed[i].Content = string(content)
			body, contentType := assembled(changed)
			yield(path, body, contentType)
		})
	}
}

// assembled makes a body of parts again.
func assembled(parts []part) ([]byte, string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		disposition := "form-data; name=" + strconv.Quote(p.Name)
		if p.Filename != "" {
			disposition += "; filename=" + strconv.Quote(p.Filename)
		}
		header := textproto.MIMEHeader{"Content-Disposition": {disposition}}
		if p.ContentType != "" {
			header.Set("Content-Type", p.ContentType)
		}
		if part, err := w.CreatePart(header); err == nil {
			_, _ = io.WriteString(part, p.Content) // into memory
		}
	}
	_ = w.Close() // as above
	return b.Bytes(), w.FormDataContentType()
}

func withoutField(body []byte, yield func(path string, body []byte, contentType string)) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		lean := maps.Clone(form)
		delete(lean, name)
		yield(name, []byte(lean.Encode()), "")
		withoutMember(name+".", []byte(form.Get(name)), func(path string, content []byte) {
			changed := maps.Clone(form)
			changed[name] = []string{string(content)}
			yield(path, []byte(changed.Encode()), "")
		})
	}
}

// withoutMember calls yield with the JSON once for each member of its objects, lacking that.
func withoutMember(prefix string, body []byte, yield func(path string, body []byte)) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var tree any
	if decoder.Decode(&tree) != nil {
		return
	}
	var walk func(prefix string, node any)
	walk = func(prefix string, node any) {
		switch node := node.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(node)) {
				value := node[name]
				delete(node, name)
				if lean, err := json.Marshal(tree); err == nil {
					yield(prefix+name, lean)
				}
				node[name] = value
				walk(prefix+name+".", value)
			}
		case []any:
			for _, item := range node {
				walk(strings.TrimSuffix(prefix, ".")+"[].", item)
			}
		}
	}
	walk(prefix, tree)
}
