package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// requireSame checks that a received event says what encoding/json makes of it, with a message of the event's platform.
func requireSame(tb testing.TB, e *MessageReceivedPayload) {
	tb.Helper()
	theirs := *e
	if e.Message != nil {
		m := *e.Message
		m.Platform, theirs.Message = e.Platform, &m
	}
	want, wantErr := json.Marshal(&theirs)
	got, err := encodeReceived(e)
	requireSameJSON(tb, want, wantErr, got, err)
}

func requireSameJSON(tb testing.TB, want []byte, wantErr error, got []byte, err error) {
	tb.Helper()
	if wantErr != nil {
		require.Error(tb, err)
		return
	}
	require.NoError(tb, err)
	require.Equal(tb, tree(tb, want), tree(tb, got), "%s\n%s", want, got)
}

func tree(tb testing.TB, data []byte) any {
	tb.Helper()
	var v any
	require.True(tb, json.Valid(data), "%s", data)
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // else numbers would be the same that are not
	require.NoError(tb, decoder.Decode(&v))
	return v
}

func TestReceivedEventsOfTheGoldenFilesAreEncodedAsBefore(t *testing.T) {
	t.Parallel()
	checked := 0
	require.NoError(t, filepath.WalkDir("../services", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".json" || !strings.Contains(path, "testdata") {
			return err
		}
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		var value any
		_ = json.Unmarshal(data, &value) // some are broken on purpose
		for _, m := range messagesIn(value) {
			requireSame(
				t, &MessageReceivedPayload{TenantID: "t", ChannelID: "c", Platform: m.Platform, Message: m, Timestamp: 1},
			)
			checked++
		}
		return nil
	}))
	require.Greater(t, checked, 300)
}

// messagesIn finds the messages anywhere in a file.
func messagesIn(value any) (found []*Message) {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			found = append(found, messagesIn(item)...)
		}
	case map[string]any:
		var m Message
		data, err := json.Marshal(v)
		if _, is := v["conversationId"]; is && err == nil && json.Unmarshal(data, &m) == nil {
			return []*Message{&m}
		}
		for _, member := range v {
			found = append(found, messagesIn(member)...)
		}
	}
	return found
}

// TestMessageIsEncodedWithAllItsFields fails for a field that was added to a message and is unknown to encodeReceived.
func TestMessageIsEncodedWithAllItsFields(t *testing.T) {
	t.Parallel()
	message := reflect.TypeFor[Message]()
	for _, index := range reflect.VisibleFields(message) {
		requireFieldIsEncoded(t, index.Index)
		inner := index.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() != reflect.Struct {
			continue
		}
		for _, field := range reflect.VisibleFields(inner) {
			requireFieldIsEncoded(t, append(index.Index, field.Index...))
		}
	}
}

func requireFieldIsEncoded(t *testing.T, path []int) {
	t.Helper()
	g := &generator{rand.New(rand.NewPCG(1, 1)), "x", true}
	m := &Message{}
	field := reflect.ValueOf(m).Elem()
	for i, index := range path {
		if field.Kind() == reflect.Pointer {
			field.Set(reflect.New(field.Type().Elem()))
			field = field.Elem()
		}
		field = field.Field(index)
		if i == len(path)-1 {
			g.fill(field)
		}
	}
	requireSame(t, &MessageReceivedPayload{Message: m})
}

func TestMetadataOfAnyTypeIsEncodedAsBefore(t *testing.T) {
	t.Parallel()
	for _, value := range oddValues() {
		requireSame(
			t, &MessageReceivedPayload{Message: &Message{Metadata: map[string]any{"a": "b", "odd": value, "z": true}}},
		)
		requireSame(
			t,
			&MessageReceivedPayload{
				Message: &Message{Content: Content{Command: &Command{Options: map[string]any{"odd": value}}}},
			},
		)
	}
	requireSame(t, &MessageReceivedPayload{Message: &Message{Metadata: map[string]any{}}})
	requireSame(t, &MessageReceivedPayload{})
}

func TestSentEventsAreEncodedAsBefore(t *testing.T) {
	t.Parallel()
	events := []*MessageSentPayload{{}, {
		TenantID: "t<>&", ChannelID: "c\xff", Platform: "p\u2028", MessageID: "1:\"2\"",
		Timestamp: -1, Metadata: map[string]any{},
	}}
	for _, value := range append(oddValues(), "text", true, int64(1), []ID{"1", "2"}, []string{"a"}, make(chan int)) {
		events = append(
			events,
			&MessageSentPayload{
				TenantID: "t", MessageID: "1", Metadata: map[string]any{"a": "b", "odd": value, "z": 1},
				Timestamp: 1_790_000_000_500,
			},
		)
	}
	for _, e := range events {
		want, wantErr := json.Marshal(e)
		got, err := encodeSent(e)
		requireSameJSON(t, want, wantErr, got, err)
	}
}

func TestEncodeRefusesInvalidJSON(t *testing.T) {
	t.Parallel()
	cycle := map[string]any{}
	cycle["again"] = cycle
	for name, value := range map[string]any{
		"a channel": make(chan int), "a function": func() {}, "no number": math.NaN(), "a number without end": math.Inf(1),
		"a cycle":        cycle,
		"raw and broken": json.RawMessage("{"), "raw and empty": json.RawMessage{},
		"its own error":       self{err: errors.New("no")},
		"its own broken JSON": self{text: "}"}, "deep within": []any{map[string]any{"a": make(chan int)}},
		"a word as a number": json.Number("x"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, m := range []Message{
				{Metadata: map[string]any{"odd": value}},
				{Content: Content{Interactive: &Interactive{Reply: &InteractiveReply{FormValues: map[string]any{"odd": value}}}}},
			} {
				_, err := encodeReceived(&MessageReceivedPayload{Message: &m})
				require.Error(t, err)
				_, err = json.Marshal(m)
				require.Error(t, err)
			}
		})
	}
}

func FuzzEncodeReceived(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(
			seed,
			[]string{"", "plain", "<a href=\"x\">&\\\n\x00\x7f</a>", "\xff\xc3(\xed\xa0\x80", "é👍\u2028\u2029\ufffd"}[seed%5],
		)
	}
	f.Fuzz(func(t *testing.T, seed uint64, text string) {
		e := &MessageReceivedPayload{}
		(&generator{rand.New(rand.NewPCG(seed, 0)), text, false}).fill(reflect.ValueOf(e).Elem())
		requireSame(t, e)
	})
}

// generator fills in values of any type.
type generator struct {
	*rand.Rand
	text string
	all  bool // nothing is left out
}

func (g *generator) fill(v reflect.Value) {
	if !g.all && g.IntN(3) == 0 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(g.text[g.IntN(len(g.text)+1)/2:]) // may begin within a letter
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(g.Uint64() | 1))
	case reflect.Uint8:
		v.SetUint(uint64(g.IntN(256)))
	case reflect.Float64:
		v.SetFloat(math.Float64frombits(g.Uint64())) // now and then no number
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		g.fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			g.fill(v.Field(i))
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte(`{"raw": [1.0]}`))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1+g.IntN(3), 4))
		for i := range v.Len() {
			g.fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 1 + g.IntN(20) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			key.SetString(g.text[:g.IntN(len(g.text)+1)] + string(rune('a'+g.IntN(26))))
			g.fill(value)
			v.SetMapIndex(key, value)
		}
	case reflect.Interface:
		if odd := append(oddValues(), any(g.text))[g.IntN(len(oddValues())+1)]; odd != nil {
			v.Set(reflect.ValueOf(odd))
		}
	default:
		panic("a field of a kind that is not generated yet: " + v.Kind().String())
	}
}

// oddValues are what metadata may hold.
func oddValues() []any {
	type words string
	text := "pointed at"
	return []any{
		nil, true, false, "text", "", "\xff", int64(math.MinInt64), int64(math.MaxInt64), 7, uint64(math.MaxUint64), 1.5,
		1e300, math.Copysign(0, -1), float32(0.1),
		json.Number("12345678901234567890"), json.Number(""), json.RawMessage(" {\"b\": 1.0, \"a\": \"<\\u00e9\xff\"} "),
		json.RawMessage(nil),
		ID("5"), words("typed"), &text, (*string)(nil), []byte("bytes"),
		[]string{"a", "\xc3("},
		[]string(nil),
		[]any{1, nil, "x"},
		[2]int{1, 2},
		map[string]any{"z": 1, "a": map[string]any{"<&>": []any{1e21}}},
		map[string]any(nil),
		map[string]string{"b": "c"},
		map[int]bool{3: true},
		self{text: `{"own": 1}`},
		&self{text: "[]"}, (*self)(nil), time.UnixMilli(1_790_000_000_123).UTC(),
		struct {
			A int `json:"a,omitempty"`
			B any
		}{B: Party{ID: "p"}},
	}
}

// self encodes itself.
type self struct {
	text string
	err  error
}

func (s self) MarshalJSON() ([]byte, error) { return []byte(s.text), s.err }

func BenchmarkEncodeReceived(b *testing.B) {
	for platform, m := range map[string]*Message{
		"telegram": {
			ID: "700100200:41", ConversationID: "700100200", From: Party{ID: "700100200", Name: "Ada Byron"},
			To: Party{ID: "123456"},
			Content: Content{Type: TypeText, Text: "👍 see Grace and the notes", Entities: []Entity{
				{Type: "text_mention", Offset: 7, Length: 5, UserID: "700100201"}, {Type: "bold", Length: 2},
			}},
			Timestamp: 1_790_000_000_000, Platform: "telegram", DedupKey: "880000001",
			Metadata: map[string]any{
				"updateId": int64(880000001), "chatType": "private", "username": "ada_b", "languageCode": "en",
			},
		},
		"whatsapp": {
			ID: "wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQz0001", ConversationID: "US.13491208655302741918",
			From: Party{ID: "US.13491208655302741918", Name: "Ada Lovelace"}, To: Party{ID: "106540352242922"},
			Content: Content{Type: TypeText, Text: "Does it come in another color?"}, Timestamp: 1_790_000_000_000,
			Platform: "whatsapp",
			DedupKey: "wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQz0001",
			Metadata: map[string]any{
				"wabaId": "102290129340398", "phoneNumberId": "106540352242922", "displayPhoneNumber": "15550783881",
				"waId":   "16505551234",
				"userId": "US.13491208655302741918",
			},
		},
	} {
		b.Run(platform, func(b *testing.B) {
			e := &MessageReceivedPayload{
				TenantID: "tenant-1", ChannelID: "ch-1", Platform: platform, Message: m, Timestamp: 1_790_000_000_500,
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := encodeReceived(e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
