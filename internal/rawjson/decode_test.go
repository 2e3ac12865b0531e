package rawjson_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

type decoded struct {
	Text   string          `json:"text"`
	Number int64           `json:"number"`
	Nested *decoded        `json:"nested"`
	List   []decoded       `json:"list"`
	Data   []byte          `json:"data"`
	Any    map[string]any  `json:"any"`
	Raw    json.RawMessage `json:"raw"`

	embedded
	Twice  **int              `json:"twice"`
	Exact  json.Number        `json:"exact"`
	Own    own                `json:"own"`
	Owns   []*own             `json:"owns"`
	When   time.Time          `json:"when"`
	Addr   netip.Addr         `json:"addr"` // an encoding.TextUnmarshaler
	Pair   [2]int             `json:"pair"`
	Odd    odd                `json:"odd"`
	Clash  clash              `json:"clash"`
	Any2   any                `json:"any2"`
	Lists  [][]string         `json:"lists"`
	Hidden string             `json:"-"`
	NoTag  string             // uses the field's name
	Small  int8               `json:"small,omitempty"`
	Whole  uint16             `json:"whole"`
	Empty  struct{}           `json:"empty"`
	Raws   []*json.RawMessage `json:"raws"`
}

type embedded struct {
	Camel named   `json:"camelCase"`
	Flag  bool    `json:"flag"`
	Float float64 `json:"float"`
	Short float32 `json:"short"`
}

type named string

// odd has types that only encoding/json can read.
type odd struct {
	Quoted int `json:"quoted,omitempty,string"`
}

// clash has one name twice: encoding/json uses the outer field.
type clash struct {
	embedded
	Flag int `json:"flag"`
}

// own decodes itself, and refuses some values.
type own struct{ got string }

func (o *own) UnmarshalJSON(data []byte) error {
	if data[0] == '[' {
		return errors.New("no lists")
	}
	o.got = string(data)
	return nil
}

// FuzzUnmarshal compares results and errors with those of encoding/json.
func FuzzUnmarshal(f *testing.F) {
	for _, text := range []string{
		``, `null`, `[]`, `1`, `{`, `{} x`,
		`{"text":"a","number":1,"nested":{"text":"b"},"list":[{},{"number":2}],"data":"AQI=","any":{"a":[1,"2",null]},` +
			`"raw":{"x": 1}}`,
		`{"TEXT":"a","Number":2,"text":null}`, `{"text":1,"number":"x","nested":[],"list":{},"data":"?"}`, `{"number":1.0}`,
		`{"number":1e400}`, `{"text":"a","text":"b"}`,
		`{"nested":{"text":"a"},"nested":{"number":1}}`, `{"list":[{"text":"a","number":1}],"list":[{"number":2}]}`,
		"{\"text\":\"\xff\\ud800\"}", `{"any":{"a":1},"any":{"b":2}}`,
		`{"nested":null,"list":null,"data":null,"any":null,"raw":null}`, `{"data":"AQ"}`, `{"data":[1,2]}`,
		`{"camelCase":"a","flag":true,"float":1.5e3,"short":-0.25,"twice":5,"exact":1.50,"own":{"a": 1},"owns":[null,1,` +
			`"x"],"when":"2026-11-28T12:00:00Z","addr":"192.0.2.1","pair":[1,2,3],` +
			`"odd":{"quoted":"5"},"clash":{"flag":3,"camelCase":"b"},"any2":[{"a":null}],"lists":[["a"],[],null],"-":"d",` +
			`"NoTag":"n","small":-128,"whole":65535,"empty":{"a":1},"raws":[null,{}, 1]}`,
		`{"own":[],"text":"after"}`,
		`{"own":null,"when":null,"addr":null,"exact":null,"pair":null,"odd":null,"any2":null,"twice":null,"flag":null,` +
			`"float":null,"small":null}`,
		`{"small":128}`, `{"whole":-1}`, `{"short":1e39}`, `{"flag":0}`, `{"flag":"true"}`, `{"lists":[5]}`,
		`{"camelcase":"a"}`, `{"ﬂag":true}`, `{"\u0066lag":true}`, `{"te\u017ft":"a"}`, `{"textſ":1,"liſt":[{}]}`,
		`{"exact":"1"}`, `{"exact":"x"}`, `{"exact":true}`, `{"own":tru}`, `{"":1}`, `{"hidden":"a","Hidden":"b"}`,
		`{"NOTAG":"a"}`, `{"empty":5}`, `{"text":"\n\u00e9 é"}`, `{"number":-0,"float":-0.0}`,
		`{"number":9223372036854775807}`, `{"number":9223372036854775808}`, `{"number":01}`, `{"text":"tab	"}`,
		`{"nested":{"nested":{"nested":{"list":[{"raw":[[[]]]}]}}}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var want decoded
		wantErr := json.Unmarshal(data, &want)
		var got decoded
		err := rawjson.Unmarshal(data, &got)
		require.Equal(t, wantErr, err)
		require.Equal(t, want, got)
	})
}

func TestUnmarshalAgreesWithTheStandardOnDepth(t *testing.T) {
	for _, depth := range []int{9_999, 10_000, 10_001} {
		for _, around := range [][2]string{{`{"nested":`, `}`}, {`{"list":[`, `]}`}, {`{"raw":[`, `]}`}} {
			n := depth / (1 + strings.Count(around[0], "[")) // lists count, too
			data := []byte(strings.Repeat(around[0], n) + `{}` + strings.Repeat(around[1], n))
			wantErr := json.Unmarshal(data, new(decoded))
			err := rawjson.Unmarshal(data, new(decoded))
			require.Equal(t, wantErr, err, "%d of %s", depth, around[0])
		}
	}
}

type part struct {
	Value struct {
		Text  string  `json:"text"`
		Parts []*part `json:"parts"`
		Part  part2   `json:"part"`
	}
	at  string
	odd bool
}

func (p *part) SetSpan(start, end int, odd bool) { p.at, p.odd = document[start:end], odd }

type part2 struct {
	Value string
	odd   bool
}

func (p *part2) SetSpan(_, _ int, odd bool) { p.odd = odd }

const document = ` {"name":"a","name":"b","Name":"c", "parts": [ {"text":5,"parts":[{"text":"x"},null]} , ` +
	`{"part":{},"text":"y"},{"text":[],"text":"z"}, 5], "number":"1", "more": {"text":"w"}} `

func TestPartIsMalformedByItself(t *testing.T) {
	var got struct {
		Name   string  `json:"name"`
		Parts  []*part `json:"parts"`
		Number int     `json:"number"`
		More   part    `json:"more"`
	}
	err := rawjson.UnmarshalParts([]byte(document), &got)
	require.ErrorContains(t, err, "unexpected type")
	require.Equal(t, "b", got.Name, "of repeated names the last counts")
	require.Zero(t, got.Number)
	require.Len(t, got.Parts, 4)
	first, second, third, fourth := got.Parts[0], got.Parts[1], got.Parts[2], got.Parts[3]
	require.True(t, first.odd)
	require.Equal(t, `{"text":5,"parts":[{"text":"x"},null]}`, first.at)
	require.Len(t, first.Value.Parts, 2)
	require.False(t, first.Value.Parts[0].odd)
	require.Equal(t, "x", first.Value.Parts[0].Value.Text)
	require.Equal(t, "null", first.Value.Parts[1].at)
	require.False(t, second.odd, "what is odd is a part of it")
	require.True(t, second.Value.Part.odd)
	require.Equal(t, "y", second.Value.Text, "what follows is read")
	require.True(t, third.odd)
	require.Equal(t, "z", third.Value.Text)
	require.True(t, fourth.odd)
	require.Equal(t, "w", got.More.Value.Text)
	require.False(t, got.More.odd)
}

func TestUnmarshalPartsRefusesInvalidJSON(t *testing.T) {
	for _, data := range []string{``, `{`, `{"a":[1,}`, `{} {}`, `{"text":"a}`, `nul`} {
		err := rawjson.UnmarshalParts([]byte(data), new(part))
		require.ErrorContains(t, err, "not valid JSON", data)
	}
}
