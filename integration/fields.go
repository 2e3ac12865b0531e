package integration

import (
	"cmp"
	"regexp"
	"strings"
)

// rootURL is what an address of a channel looks like: an http or https URL without a query.
var rootURL = regexp.MustCompile(`^https?://[^\s?#]+$`)

const settingAPIBase = "apiBase"

// Credential returns a field of the credentials that each channel must have, and that is no secret, such as the id of
// an app. help says what it is and where to find it.
func Credential(name, help string) Field {
	return Field{In: InCredentials, Name: name, Required: true, Help: help}
}

// Secret returns a [Credential] that is secret, such as a token.
func Secret(name, help string) Field {
	f := Credential(name, help)
	f.Secret = true
	return f
}

// Setting returns a field of the settings. A channel may leave it out.
func Setting(name, help string) Field { return Field{In: InSettings, Name: name, Help: help} }

// Address returns a [Setting] that is the root of URLs that are called: an http or https URL without a query.
func Address(name, help string) Field {
	f := Setting(name, help).Matching(rootURL)
	f.Address = true
	return f
}

// APIBase returns the [Address] of the setting apiBase, the root of the API. help says which other API it may lead to.
// otherwise is the root for channels that leave it out. [APIBaseOf] reads it.
func APIBase(help, otherwise string) Field {
	return Address(settingAPIBase, "the http(s) root of "+help+"; without it "+otherwise)
}

// APIBaseOf returns the root of the API that a channel with these settings calls, without a slash at its end: the
// setting apiBase, or else otherwise.
func APIBaseOf(settings map[string]string, otherwise string) string {
	return strings.TrimRight(cmp.Or(settings[settingAPIBase], otherwise), "/")
}

// Matching returns the field with a pattern that its values match.
func (f Field) Matching(pattern *regexp.Regexp) Field {
	f.Pattern = pattern
	return f
}

// OneOf returns the field with the only values that it takes.
func (f Field) OneOf(values ...string) Field {
	quoted := make([]string, len(values))
	for i, value := range values {
		quoted[i] = regexp.QuoteMeta(value)
	}
	return f.Matching(regexp.MustCompile("^(" + strings.Join(quoted, "|") + ")$"))
}

// ForAccount returns the field as the one that holds the account of a channel, see [Field.Account].
func (f Field) ForAccount() Field {
	f.Account = true
	return f
}
