package redact

import (
	"regexp"
	"strings"
)

// Address masks the credentials in the address of a server, as in nats://USER:PASSWORD@HOST, with or without a scheme.
// It goes by the text alone, so that nothing shows of an address that cannot be parsed, say because its password holds
// a character that should have been escaped.
func Address(raw string) string {
	start := afterScheme(raw)
	end := strings.LastIndex(raw, "@")
	if end < start {
		return raw
	}
	return raw[:start] + Placeholder + raw[end:]
}

// afterScheme is where what follows "://" begins, 0 without one.
func afterScheme(raw string) int {
	if i := strings.Index(raw, "://"); i >= 0 {
		return i + len("://")
	}
	return 0
}

// hostAndPort is how what follows the scheme looks without credentials.
var hostAndPort = regexp.MustCompile(`^([^:@]*|\[[^]]*\])(:\d*)?$`)

// URL masks the credentials in a URL of the web, as in https://USER:PASSWORD@HOST/PATH. Unlike [Address] it leaves a
// path with an @ in it alone, and what has no scheme.
func URL(raw string) string {
	start := afterScheme(raw)
	if start == 0 || !strings.Contains(raw[start:], "@") {
		return raw
	}
	authority := raw[start:]
	if i := strings.IndexAny(authority, "/?#"); i >= 0 {
		authority = authority[:i]
	}
	if hostAndPort.MatchString(authority) {
		return raw
	}
	if end := strings.LastIndex(authority, "@"); end >= 0 {
		return raw[:start] + Placeholder + raw[start+end:]
	}
	return Address(raw) // the password holds what ends a host
}

// logins finds the credentials of URLs in a text, also in JSON that escapes slashes.
var logins = regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]*:\\?/\\?/)[^\s/?#"'<>\\]+@`)

// URLs masks the credentials of all URLs in a text.
func URLs(text string) string {
	if !strings.Contains(text, "@") || !strings.Contains(text, "://") && !strings.Contains(text, `:\/\/`) {
		return text
	}
	return logins.ReplaceAllString(text, "${1}"+Placeholder+"@")
}
