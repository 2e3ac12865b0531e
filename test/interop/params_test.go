package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

// paramCase is one call's params against one struct's rules.
type paramCase struct {
	rules   reflect.Type
	params  string
	differs string // why we and Node don't agree; empty where we must
}

func (c paramCase) String() string {
	field := c.rules.Field(0)
	if c.rules.Name() != "" {
		return c.rules.Name() + " " + c.params
	}
	return fmt.Sprintf("%v %s %s", field.Type, field.Tag.Get("params"), c.params)
}

// one is a struct with a single parameter p of v's type.
func one(v any, tag string) reflect.Type {
	t := reflect.TypeFor[any]()
	if v != nil {
		t = reflect.TypeOf(v)
	}
	return reflect.StructOf([]reflect.StructField{{
		Name: "P", Type: t, Tag: reflect.StructTag(`json:"p" params:` + strconv.Quote(tag)),
	}})
}

type paging struct {
	Page  int `json:"page" params:"positive|default:1|convert"`
	Limit int `json:"limit" params:"positive|max:100|default:20|convert"`
}

type address struct {
	City string  `json:"city" params:"trim|min:2"`
	Zip  *string `json:"zip-code" params:"length:5"`
}

type order struct {
	paging
	ID      string         `json:"id" params:"uuid"`
	Address address        `json:"address"`
	Billing *address       `json:"billing"`
	Lines   []orderLine    `json:"lines" params:"min:1"`
	Tags    []string       `json:"tags" params:"optional|max:2|items:min:2|max:4"`
	Matrix  [][]int        `json:"matrix" params:"optional"`
	Extra   map[string]any `json:"extra" params:"optional"`
	Hub     string         `json:"hub.mode" params:"optional|enum:a,b"`
}

type orderLine struct {
	SKU    string   `json:"sku" params:"pattern:^[A-Z]+(-|_)[0-9]+$"`
	Amount uint8    `json:"amount" params:"default:1"`
	Price  *float64 `json:"price" params:"min:0.5"`
}

// agreed are values of one parameter that Node and we must judge alike.
var agreed = []struct {
	rules  reflect.Type
	values []string
}{
	{one("", ""), []string{`"x"`, `""`, `5`, `true`, `[]`, `{}`, `null`, ``}},
	{one("", "optional"), []string{`"x"`, `null`, ``, `1`}},
	{one(new(""), ""), []string{`"x"`, `null`, ``, `1`}},
	{one("", "min:3|max:5"), []string{
		`"ab"`, `"abc"`, `"abcdef"`, `"éééé"`, `"\ud83d\ude00\ud83d\ude00"`, `"😀😀😀"`, `""`, `"\ud800ab"`,
	}},
	{one("", "length:2"), []string{`"ab"`, `"a"`, `"😀"`}},
	{one("", "empty:false"), []string{`""`, `" "`}},
	{one("", "empty:true|min:3"), []string{`""`, `"a"`}},
	{one("", "empty:false|min:2"), []string{`""`}},
	{one("", "trim|empty:false|max:3"), []string{`"  "`, `" ab "`, `"\ufeff\u00a0ab\u3000"`, `"\u0085ab"`, `" abcd "`}},
	{one("", "trim|pattern:^[a-z]+$"), []string{`" ab "`, `" A "`}},
	{one("", "pattern:^(a|b)/c$"), []string{`"a/c"`, `"b/c"`, `"c/c"`, `""`}},
	{one("", `pattern:^"x"$`), []string{`"\"x\""`, `"x"`}},
	{one("", "default:x|min:1"), []string{``, `null`, `""`, `"y"`}},
	{one("", "email"), []string{`"a@b.co"`, `"a@b"`, `""`, `5`, `"a b@c.de"`, `"a\u00a0@b.de"`, `"@.."`, `"a@b.c\n"`}},
	{one("", "email|min:8|max:10"), []string{`"a@b.co"`, `"abcdef@b.co"`, `"abc@de.fg"`}},
	{one("", "email|empty:true"), []string{`""`, `"a"`}},
	{one("", "optional|email"), []string{`""`, `null`}},
	{one("", "url"), []string{`"https://x"`, `"http:// x"`, `"ftp://x"`, `""`, `"https://x y"`, `1`, `"HTTP://x"`}},
	{one("", "url|empty:true"), []string{`""`}},
	{one("", "uuid"), []string{
		`"10ba038e-48da-487b-96e8-8d3b99b6d18a"`, `"10BA038E-48DA-487B-96E8-8D3B99B6D18A"`,
		`"10ba038e-48da-487b-c6e8-8d3b99b6d18a"`,
		`"10ba038e-48da-187b-c6e8-8d3b99b6d18a"`, `"10ba038e-48da-987b-96e8-8d3b99b6d18a"`,
		`"00000000-0000-0000-0000-000000000000"`,
		`"10ba038e-48da-087b-96e8-8d3b99b6d18a"`, `"018f3b1c-0000-7000-8000-000000000000"`, `""`, `1`,
	}},
	{one("", "enum:red,green"), []string{`"red"`, `"blue"`, `""`, `1`, `null`, `["red"]`}},
	{one(0, "enum:1,2"), []string{`1`, `2.0`, `3`, `"1"`, `true`}},
	{one("", "enum:a,b|default:a"), []string{``, `"c"`}},
	{one(0.0, ""), []string{`1.5`, `-0`, `1e3`, `"1"`, `true`, `null`, `1e999`, `{}`}},
	{one(0.0, "min:-1.5|max:1000000"), []string{`-1.5`, `-2`, `1000001`, `1e6`}},
	{one(0.0, "convert"), []string{
		`"20"`, `" 1.50 "`, `"+5"`, `".5"`, `"5."`, `"007"`, `"1e3"`, `"1e999"`, `"NaN"`, `"Infinity"`, `"-"`, `"1_000"`,
		`"0x"`, `{}`, `20`,
	}},
	{one(0, ""), []string{`1`, `1.0`, `1e3`, `1.5`, `-0`, `-0.0`, `"1"`}},
	{one(0, "positive|max:100|default:20|convert"), []string{
		``, `null`, `"20"`, `"0"`, `0`, `"101"`, `-1.5`, `"1.5"`, `" 7 "`,
	}},
	{one(0.0, "integer"), []string{`1e30`, `2.5`}},
	{one(uint(0), ""), []string{`0`, `-1`, `-0`, `-0.5`}},
	{one(int8(0), ""), []string{`127`, `128`, `-128`, `-129`}},
	{one(uint16(0), "min:5"), []string{`4`, `65536`, `65535`}},
	{one(int32(0), ""), []string{`2147483647`, `2147483648`}},
	{one(float32(0), ""), []string{`3e38`, `4e38`}},
	{one(false, ""), []string{`true`, `false`, `1`, `"true"`, `null`}},
	{one(false, "convert"), []string{
		`"true"`, `"false"`, `"on"`, `"off"`, `1`, `0`, `"1"`, `"0"`, `1.0`, `"yes"`, `2`, `""`, `[]`,
	}},
	{one(false, "default:true"), []string{``, `false`}},
	{one(time.Time{}, ""), []string{`"soon"`, `null`, `{}`, `""`}},
	{one([]string{}, ""), []string{`[]`, `["a","b"]`, `["a",1,null]`, `"a"`, `{}`, `[null]`}},
	{one([]string{}, "min:1|max:2|items:email"), []string{`[]`, `["a@b.co"]`, `["a","b","c@d.ef"]`}},
	{one([]string{}, "empty:false"), []string{`[]`}},
	{one([]string{}, "length:2"), []string{`["a"]`, `["a","b"]`}},
	{one([]string{}, "convert"), []string{`"a"`, `["a"]`, `1`}},
	{one([]int{}, "convert|items:convert"), []string{`"1"`, `["1",2,"x"]`}},
	{one([]*int{}, ""), []string{`[null,1]`, `["x"]`}},
	{one([]any{}, ""), []string{`[null,1,"x"]`, `1`}},
	{one([]int{}, "items:default:3"), []string{`[null,1]`}},
	{one([][]string{}, "items:max:1|items:min:2"), []string{`[["ab"],["a","bc"],[]]`, `["ab"]`}},
	{one(map[string]int{}, ""), []string{`{}`, `{"a":1}`, `[]`, `"x"`}},
	{one(json.RawMessage{}, ""), []string{`1`, `{}`, `"x"`, `null`, ``}},
	{one(any(nil), "optional"), []string{`null`, `0`}},
	{one(struct{}{}, ""), []string{`{}`, `{"x":1}`, `[]`}},
}

// wholes are params with more in them than one value.
var wholes = []paramCase{
	{rules: reflect.TypeFor[order](), params: `{"id":"10ba038e-48da-487b-96e8-8d3b99b6d18a","address":{"city":" Bern ` +
		`"},"lines":[{"sku":"A-1"}]}`},
	{rules: reflect.TypeFor[order](), params: `{}`},
	{rules: reflect.TypeFor[order](), params: `{"page":"x","limit":"1000","id":"?","address":{"zip-code":"1"},` +
		`"billing":{"city":"x"},` +
		`"lines":[{"sku":"a","amount":256,"price":0},5,{}],"tags":["a","bc","defgh"],"matrix":[[1,2.5],3],"extra":[],` +
		`"hub.mode":"c"}`},
	{rules: reflect.TypeFor[order](), params: `{"address":[],"lines":{},"tags":"x","more":1}`},
	{rules: reflect.TypeFor[order](), params: `{"id":"10ba038e-48da-487b-96e8-8d3b99b6d18a","address":{"city":"Bern"},` +
		`"billing":null,"lines":[null]}`},
	{rules: reflect.TypeFor[order](), params: `[]`},
	{rules: reflect.TypeFor[order](), params: `"x"`},
	{rules: reflect.TypeFor[paging](), params: `null`},
	{rules: reflect.TypeFor[paging](), params: `{"page":"2","other":{"a":[1]}}`},
	{rules: reflect.TypeFor[paging](), params: `{"page":1,"page":2}`},
}

const (
	laxNumber  = "JavaScript's Number() takes more for a number than people do; an empty query parameter is none"
	laxDate    = "a time.Time is read from RFC 3339 only; JavaScript guesses, and rolls over days that are not there"
	dateValue  = "the value stays a string, which time.Time reads"
	wideNumber = "JavaScript's numbers are not exact beyond 2^53; ours fit the Go type"
	escapes    = "fastest-validator loses the backslashes of a pattern it reports"
	utf16      = "JavaScript's patterns count UTF-16 units, Go's characters"
	caseFold   = "encoding/json would decode the member although the rules have not seen it, so it is dropped"
	bounded    = "a long wrong value is not repeated"
	secret     = "a secret is not repeated"
)

// disputed are those where we differ on purpose.
var disputed = []paramCase{
	{one(0, "convert"), `{"p":""}`, laxNumber},
	{one(0, "convert"), `{"p":"0x10"}`, laxNumber},
	{one(0, "convert"), `{"p":true}`, laxNumber},
	{one(0, "convert"), `{"p":[]}`, laxNumber},
	{one(time.Time{}, ""), `{"p":"2024-02-29T12:00:00.5+01:00"}`, dateValue},
	{one(time.Time{}, ""), `{"p":"2024"}`, laxDate},
	{one(time.Time{}, ""), `{"p":0}`, laxDate},
	{one(time.Time{}, ""), `{"p":"2023-02-29T12:00:00Z"}`, laxDate},
	{one(int64(0), ""), `{"p":9007199254740993}`, wideNumber},
	{one(int64(0), ""), `{"p":9223372036854775808}`, wideNumber},
	{one(int64(0), ""), `{"p":-1e20}`, wideNumber},
	{one(uint64(0), ""), `{"p":18446744073709551616}`, wideNumber},
	{one("", `pattern:^\d+$`), `{"p":"x"}`, escapes},
	{one("", `pattern:^.$`), `{"p":"😀"}`, utf16},
	{reflect.TypeFor[paging](), `{"LIMIT":1000000}`, caseFold},
	{one(0, ""), `{"p":"` + strings.Repeat("x", 300) + `"}`, bounded},
	{one(0, "secret"), `{"p":"hunter2"}`, secret},
}

func paramCases() []paramCase {
	var cases []paramCase
	for _, group := range agreed {
		for _, value := range group.values {
			params := `{}`
			if value != "" {
				params = `{"p":` + value + `}`
			}
			cases = append(cases, paramCase{rules: group.rules, params: params})
		}
	}
	return append(append(cases, wholes...), disputed...)
}

// validation is what a validator says of params.
type validation struct {
	OK     bool            `json:"ok"`
	Params json.RawMessage `json:"params,omitempty"` // as the action gets them
	Faults json.RawMessage `json:"faults,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// judge has our validator check the params.
func judge(t *testing.T, rules action.Params, params string) validation {
	t.Helper()
	raw, err := rules.Check(&action.Request{Params: json.RawMessage(params)})
	if err == nil {
		return validation{OK: true, Params: raw}
	}
	e, ok := errors.AsType[*action.Error](err)
	require.True(t, ok, err)
	require.Equal(t, 422, e.Code)
	faults, err := json.Marshal(e.Data)
	require.NoError(t, err)
	return validation{Faults: faults}
}

// judgeInNode has Moleculer's validator check the params against the rules as INFO announces them.
func judgeInNode(t *testing.T, cases []paramCase, rules []action.Params) []validation {
	t.Helper()
	type job struct {
		Schema action.Params `json:"schema"`
		Params string        `json:"params"`
	}
	var jobs []job
	for i, c := range cases {
		jobs = append(jobs, job{rules[i], c.params})
	}
	input, err := json.Marshal(jobs)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	node := exec.CommandContext(ctx, nodeBinary(t, peerDir), "validate.js")
	node.Dir = peerDir
	node.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	node.Stderr = &stderr
	output, err := node.Output()
	require.NoError(t, err, stderr.String())
	var validations []validation
	require.NoError(t, json.Unmarshal(output, &validations))
	require.Len(t, validations, len(cases))
	return validations
}

func TestParamsAreJudgedAsNodeJudgesTheAnnouncedRules(t *testing.T) {
	t.Parallel()
	cases := paramCases()
	rules := make([]action.Params, len(cases))
	for i, c := range cases {
		var err error
		rules[i], err = action.ParamsOf(c.rules)
		require.NoError(t, err, c)
	}
	for i, node := range judgeInNode(t, cases, rules) {
		t.Run(cases[i].String(), func(t *testing.T) {
			require.Empty(t, node.Error)
			ours := judge(t, rules[i], cases[i].params)
			if why := cases[i].differs; why != "" {
				require.False(t, sameValidation(t, node, ours), "no difference any more: %s\nNode %+s\nours %+s", why, node, ours)
				return
			}
			require.Equal(t, node.OK, ours.OK, "Node %s\nours %s", node, ours)
			if node.OK {
				require.JSONEq(t, string(node.Params), string(ours.Params))
				require.NoError(
					t, json.Unmarshal(ours.Params, reflect.New(cases[i].rules).Interface()), "accepted params must decode",
				)
				return
			}
			require.JSONEq(t, string(node.Faults), string(ours.Faults))
		})
	}
}

func (v validation) String() string {
	return fmt.Sprintf("ok %t params %s faults %s", v.OK, v.Params, v.Faults)
}

func sameValidation(t *testing.T, a, b validation) bool {
	t.Helper()
	var both [2]any
	for i, v := range []validation{a, b} {
		data, err := json.Marshal(v)
		require.NoError(t, err)
		numbers := json.NewDecoder(bytes.NewReader(data))
		numbers.UseNumber()
		require.NoError(t, numbers.Decode(&both[i]))
	}
	return reflect.DeepEqual(both[0], both[1])
}
