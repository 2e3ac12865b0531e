package discord

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration/payload"
)

func TestObjectEndIsFoundHoweverMuchIsKnown(t *testing.T) {
	for text, want := range map[string]int{
		`{}`: 2, `{"a":1}{"b":2}`: 7, " \r\n\t{}": 6, `{"a":"}{\"]\\"}x`: 15, `{"a":[{},[]]} `: 13,
		`{"a":"\\\\"}{}`: 12, `{`: 0, `{"a":"}`: 0, "": 0, "  ": 0,
	} {
		for step := 1; step <= len(text)+1; step++ {
			var e objectEnd
			found := 0
			for known := step; ; known += step {
				end, err := e.find([]byte(text[:min(known, len(text))]))
				require.NoError(t, err, text)
				if found = end; end > 0 || known >= len(text) {
					break
				}
			}
			require.Equal(t, want, found, "%s by %d", text, step)
		}
	}
	for _, text := range []string{"x", "5", `"a"`, "}", " ]"} {
		_, err := (&objectEnd{}).find([]byte(text))
		require.ErrorIs(t, err, errGarbage, text)
	}
}

func TestGatewayAddressIsSafe(t *testing.T) {
	const query = "?compress=zlib-stream&encoding=json&v=10"
	for name, test := range map[string]struct{ handedOut, apiBase, want string }{
		"Discord's": {"wss://gateway.discord.gg", "https://discord.com/api/v10", "wss://gateway.discord.gg" +
			query},
		"with a query":          {"wss://a.example/x?v=9", "https://a.example", "wss://a.example/x" + query},
		"plain of a plain API":  {"ws://127.0.0.1:8081/x", "http://127.0.0.1:8081/api", "ws://127.0.0.1:8081/x" + query},
		"plain of a secure API": {"ws://a.example", "https://a.example", ""},
		"another scheme":        {"https://a.example", "https://a.example", ""},
		"nothing":               {"", "https://a.example", ""},
	} {
		t.Run(name, func(t *testing.T) {
			address, err := gatewayAddress(test.handedOut, test.apiBase)
			require.Equal(t, test.want, address)
			require.Equal(t, test.want == "", err != nil)
		})
	}
}

func BenchmarkFrame(b *testing.B) {
	text := strings.Repeat("hello ", 200)
	raw := []byte(`{"t":"MESSAGE_CREATE","s":5,"op":0,"d":{"content":"` + text + `","author":{"id":"1"}}}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		r := inflated{stream: strings.NewReader(""), buffer: raw}
		data, err := r.next()
		if err != nil {
			b.Fatal(err)
		}
		var f frame
		if err := payload.Unmarshal(data, &f); err != nil {
			b.Fatal(err)
		}
	}
}
