package rawjson_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

// packet returns a REQ packet of about size bytes that carries a webhook: its body decoded and as raw bytes.
func packet(size int) (data, body []byte) {
	message := `{"from":"41790000000","id":"wamid.HBgLNDE3OTAwMDAwMDAVAgASGBQz","timestamp":"1741645532","type":"text",` +
		`"text":{"body":"Guten Tag, ist die Lampe noch zu haben? 漢字"}}`
	body = fmt.Appendf(
		nil,
		`{"object":"whatsapp_business_account","entry":[{"id":"1002","changes":[{"field":"messages",`+
			`"value":{"messages":[%s]}}]}]}`,
		strings.Repeat(message+",", max(size/450-2, 0))+message)
	escaped := bytes.ReplaceAll(bytes.ReplaceAll(body, []byte(`\`), []byte(`\\`)), []byte(`"`), []byte(`\"`))
	data = fmt.Appendf(nil, `{"ver":"4","sender":"gateway-7","id":"3f6d9a52-6a7e-4f1c-9c55-6a1fd2d3c1a0",`+
		`"action":"whatsapp.i_receiveWebhook",`+
		`"params":{"channelId":"support","payload":%s,"headers":{"content-type":"application/json",`+
		`"user-agent":"facebookexternalua","x-forwarded-for":"192.0.2.7",`+
		`"x-hub-signature-256":"sha256=5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592"},`+
		`"timestamp":1741645532123,"rawBody":"%s"},`+
		`"meta":{"user":{"id":3},"tenant":"t1"},"timeout":15000,"level":1,"tracing":null,"parentID":null,`+
		`"requestID":"3f6d9a52-6a7e-4f1c-9c55-6a1fd2d3c1a0",`+
		`"caller":"api","stream":false}`, body, escaped)
	return data, escaped
}

func measure(b *testing.B, what string, data []byte, f func()) {
	b.Helper()
	b.Run(what+"-"+strconv.Itoa((len(data)+500)/1000)+"KB", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			f()
		}
	})
}

func BenchmarkValid(b *testing.B) {
	for _, size := range []int{2_000, 20_000} {
		data, escaped := packet(size)
		measure(b, "rawjson", data, func() { rawjson.Valid(data) })
		measure(b, "jsontext", data, func() {
			jsontext.Value(data).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		})
		measure(b, "encoding-json", data, func() { json.Valid(data) })
		quoted := []byte(`"` + string(escaped) + `"`)
		measure(b, "rawjson-escaped-string", quoted, func() { rawjson.Valid(quoted) })
		plain := []byte(`"` + strings.Repeat("plain text ", size/11) + `"`)
		measure(b, "rawjson-plain-string", plain, func() { rawjson.Valid(plain) })
	}
}

func BenchmarkMembers(b *testing.B) {
	for _, size := range []int{2_000, 20_000} {
		data, _ := packet(size)
		n := 0
		measure(b, "rawjson", data, func() { _ = rawjson.Members(data, func(name, _ []byte) { n += len(name) }) })
		measure(b, "jsontext", data, func() { decoderMembers(data, func(name string, _ []byte) { n += len(name) }) })
		measure(b, "encoding-json", data, func() {
			var fields map[string]json.RawMessage
			_ = json.Unmarshal(data, &fields)
		})
	}
}

// decoderMembers visits members with a decoder of jsontext, for comparison.
func decoderMembers(data []byte, visit func(name string, value []byte)) {
	decoder.Reset(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	_, _ = decoder.ReadToken()
	for decoder.PeekKind() == jsontext.KindString {
		quoted, _ := decoder.ReadValue()
		name := rawjson.Text(quoted)
		value, _ := decoder.ReadValue()
		end := decoder.InputOffset()
		visit(name, data[end-int64(len(value)):end:end])
	}
}

var decoder = jsontext.NewDecoder(bytes.NewReader(nil))

func BenchmarkText(b *testing.B) {
	for _, size := range []int{2_000, 20_000} {
		_, escaped := packet(size)
		quoted := []byte(`"` + string(escaped) + `"`)
		measure(b, "rawjson", quoted, func() { rawjson.Text(quoted) })
		measure(b, "jsontext", quoted, func() { _, _ = jsontext.AppendUnquote(nil, quoted) })
		measure(b, "encoding-json", quoted, func() {
			var s string
			_ = json.Unmarshal(quoted, &s)
		})
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	type person struct {
		ID        int64  `json:"id"`
		IsBot     bool   `json:"is_bot"`
		FirstName string `json:"first_name"`
		Username  string `json:"username"`
	}
	type update struct {
		UpdateID json.RawMessage `json:"update_id"`
		Message  *struct {
			ID       int64   `json:"message_id"`
			From     *person `json:"from"`
			Chat     person  `json:"chat"`
			Date     int64   `json:"date"`
			Text     string  `json:"text"`
			Entities []struct {
				Type   string `json:"type"`
				Offset int    `json:"offset"`
				Length int    `json:"length"`
			} `json:"entities"`
		} `json:"message"`
	}
	data := []byte(`{"update_id":900000001,"message":{"message_id":365,"from":{"id":1111111,"is_bot":false,` +
		`"first_name":"Ada","last_name":"Lovelace","username":"ada",` +
		`"language_code":"en"},"chat":{"id":1111111,"first_name":"Ada","last_name":"Lovelace","username":"ada",` +
		`"type":"private"},"date":1741645532,` +
		`"text":"/start is bold","entities":[{"offset":0,"length":6,"type":"bot_command"},{"offset":10,"length":4,` +
		`"type":"bold"}]}}`)
	measure(b, "rawjson", data, func() { _ = rawjson.Unmarshal(data, new(update)) })
	measure(b, "jsonv2", data, func() { _ = jsonv2.Unmarshal(data, new(update)) })
	measure(b, "encoding-json", data, func() { _ = json.Unmarshal(data, new(update)) })
}
