package integrationtest

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// hostile lists bodies that no platform sends, by what is wrong with them.
func hostile(tb testing.TB, p Platform) map[string][]byte {
	tb.Helper()
	const deepest = 10_000 // of encoding/json, objects included
	nested := func(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }
	bodies := map[string][]byte{
		"nothing":            {},
		"white space":        []byte(" \n"),
		"an empty object":    []byte(`{}`),
		"an empty list":      []byte(`[]`),
		"null":               []byte(`null`),
		"a number":           []byte(`1e999`),
		"a word":             []byte(`"webhook"`),
		"no JSON":            []byte(`<html></html>`),
		"a deep nesting":     []byte(`{"a":` + nested(deepest) + `}`),
		"a deep list":        []byte(nested(deepest)),
		"1 MB of text":       []byte(`{"a":"` + strings.Repeat("x", 1<<20) + `"}`),
		"1 MB of white":      bytes.Repeat([]byte(" "), 1<<20),
		"invalid UTF-8":      []byte("{\"a\":\"\xff\xfe\"}"),
		"half a surrogate":   []byte(`{"a":"\ud83d"}`),
		"a zero byte":        []byte("{\"a\":\"\x00\"}"),
		"names of no length": []byte(`{"":{"":""}}`),
	}
	m := mutator{map[string]bool{}}
	for _, w := range p.Webhooks {
		for i := range 8 {
			bodies[w.Name+" up to "+strconv.Itoa(i)+"/8"] = w.Body[:len(w.Body)*i/8]
		}
		bodies[w.Name+" twice"] = append(slices.Clone(w.Body), w.Body...)
		bodies[w.Name+" with invalid UTF-8"] = bytes.ReplaceAll(w.Body, []byte(`e`), []byte("\xe9"))
		var top map[string]json.RawMessage
		if json.Unmarshal(w.Body, &top) != nil {
			addForms(bodies, w)
			continue
		}
		for name := range top {
			key, err := json.Marshal(name)
			require.NoError(tb, err)
			again := append(bytes.TrimSuffix(bytes.TrimSpace(slices.Clone(w.Body)), []byte("}")), ',')
			again = append(append(again, key...), ":5}"...)
			bodies[w.Name+" with "+name+" twice"] = again
			deep := maps.Clone(top)
			deep[name] = json.RawMessage(nested(deepest - 10))
			bodies[w.Name+" with a deep "+name] = []byte(toJSON(tb, deep))
		}
		var tree any
		decoder := json.NewDecoder(bytes.NewReader(w.Body))
		decoder.UseNumber()
		require.NoError(tb, decoder.Decode(&tree))
		m.mutate(tree, func(place string, whole any) {
			bodies[w.Name+" with another type at "+place] = []byte(toJSON(tb, whole))
		})
	}
	return bodies
}

// addForms adds forms that are wrong in one field each.
func addForms(bodies map[string][]byte, w Webhook) {
	form, err := url.ParseQuery(string(w.Body))
	if err != nil {
		return
	}
	for name, values := range form {
		for what, wrong := range map[string][]string{
			"without " + name: nil, "with an empty " + name: {""}, "with white space in " + name: {" \n"},
			"with two " + name: {values[0], "5"}, "with 1 MB of " + name: {strings.Repeat("x", 1<<20)},
			"with control characters in " + name: {"\x00\r\n\x7f"}, "with invalid UTF-8 in " + name: {"\xff\xfe"},
		} {
			changed := maps.Clone(form)
			changed[name] = wrong
			bodies[w.Name+" "+what] = []byte(changed.Encode())
		}
	}
	bodies[w.Name+" with a bad escape"] = append(slices.Clone(w.Body), "%zz"...)
}

// wrongs are values of each of JSON's types, and some that are awkward for theirs.
var wrongs = []any{
	nil, true, "", "word", "5", 0, -1, json.Number("1.5"), json.Number("1e400"), json.Number("9223372036854775808"),
	[]any{},
	[]any{nil},
	[]any{map[string]any{}},
	map[string]any{},
	map[string]any{"id": nil},
}

// mutator puts wrong values in the place of good ones, once for each place that it comes across.
type mutator struct{ done map[string]bool }

// mutate calls yield with the whole tree once for each of its places and each of the wrong values in it.
func (m mutator) mutate(tree any, yield func(place string, whole any)) {
	var walk func(place string, node any)
	try := func(place string, node any, set func(any)) {
		if !m.done[place] {
			m.done[place] = true
			for i, wrong := range wrongs {
				set(wrong)
				yield(place+" "+strconv.Itoa(i), tree)
			}
			set(node)
		}
		walk(place, node)
	}
	walk = func(place string, node any) {
		switch node := node.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(node)) {
				try(place+"."+k, node[k], func(v any) { node[k] = v })
			}
		case []any:
			for i := range node {
				try(place+"[]", node[i], func(v any) { node[i] = v })
			}
		}
	}
	walk("", tree)
}

func testHostile(t *testing.T, p Platform) {
	t.Helper()
	b := newHarness(t, p)
	bodies := hostile(t, p)
	for _, name := range slices.Sorted(maps.Keys(bodies)) {
		b.requireHarmless(name, bodies[name])
	}
}

// requireHarmless hands over a body that is signed as it should be, and checks that it is refused as the
// sender's fault or becomes sound messages.
func (b *harness) requireHarmless(name string, body []byte) {
	b.tb.Helper()
	_, err := b.genuine(Webhook{Body: body})
	if err != nil {
		b.requireRefused(err, 0, name)
		return
	}
	for _, e := range b.events.take() {
		requireSound(b.tb, messageOf(b.tb, e))
	}
}

// FuzzWebhook looks for bodies that do harm. It is called by a fuzz target of the platform's own tests.
func FuzzWebhook(f *testing.F, p Platform) {
	f.Helper()
	p = p.withSigner(f)
	p.requireComplete(f)
	for _, w := range p.Webhooks {
		f.Add(w.Body)
	}
	for name, body := range hostile(f, p) {
		if len(body) < 1<<12 && !strings.Contains(name, "another type") { // the fuzzer finds these by itself
			f.Add(body)
		}
	}
	b := newHarness(f, p)
	f.Cleanup(func() { b.tb = f })
	f.Fuzz(func(t *testing.T, body []byte) {
		b.tb = t
		b.requireHarmless("the body", body)
		b.requireNoLeak()
	})
}
