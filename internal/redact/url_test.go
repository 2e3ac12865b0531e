package redact_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/redact"
)

func TestCredentialsOfAnAddressAreMasked(t *testing.T) {
	cases := map[string]struct{ raw, want string }{
		"without credentials":             {"nats://h:4222", "nats://h:4222"},
		"user and password":               {"nats://u:p@h:4222", "nats://[redacted]@h:4222"},
		"a token":                         {"tls://t@h", "tls://[redacted]@h"},
		"a password with unescaped signs": {"nats://u:p@/?#w@h", "nats://[redacted]@h"},
		"credentials without a scheme":    {"u:p@h", "[redacted]@h"},
		"several URLs in one":             {"nats://u:p@a,nats://u:p@b", "nats://[redacted]@b"},
		"an at sign ahead of the scheme":  {"a@b://h", "a@b://h"},
		"empty":                           {"", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, redact.Address(c.raw)) })
	}
}

func TestCredentialsOfAURLAreMaskedAndItsPathIsNot(t *testing.T) {
	for raw, want := range map[string]string{
		"https://u:p@h/a":        "https://[redacted]@h/a",
		"https://u@h":            "https://[redacted]@h",
		"https://u:p@h/@a?b=c@d": "https://[redacted]@h/@a?b=c@d",
		"https://u:p@w@h/a@b":    "https://[redacted]@h/a@b",
		"https://u:p/w@h/a":      "https://[redacted]@h/a",
		"https://u:p?w@h":        "https://[redacted]@h",
		"https://u:p@[::1]:80/a": "https://[redacted]@[::1]:80/a",
		"https://h/@a":           "https://h/@a",
		"https://h:80/@a":        "https://h:80/@a",
		"https://[::1]:80/@a":    "https://[::1]:80/@a",
		"https://h?a=b@c":        "https://h?a=b@c",
		"somebody@example.com":   "somebody@example.com",
		"":                       "",
	} {
		require.Equal(t, want, redact.URL(raw), raw)
	}
}

func TestCredentialsOfAllURLsInATextAreMasked(t *testing.T) {
	for text, want := range map[string]string{
		"dial https://u:p@h/a: refused, then http://t@i": "dial https://[redacted]@h/a: refused, then http://[redacted]@i",
		`{"url":"https://u:p@h\/a","to":"a@b"}`:          `{"url":"https://[redacted]@h\/a","to":"a@b"}`,
		`{"url":"https:\/\/u:p@h\/a"}`:                   `{"url":"https:\/\/[redacted]@h\/a"}`,
		"mail a@b about https://h/@x":                    "mail a@b about https://h/@x",
		"":                                               "",
	} {
		require.Equal(t, want, redact.URLs(text), text)
		require.Equal(t, want, (&redact.Secrets{}).Redact(text), "and by all that is redacted")
	}
}
