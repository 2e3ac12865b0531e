// Package sign checks the signatures of webhooks. Each scheme is a value that a platform declares as
// [integration.Definition.Signature]: [HMAC], [Ed25519], [SharedSecret] and [JWT].
//
// All of them refuse a webhook when the channel has no secret to check with, compare in constant time, and
// return *integration.Error. A secret is never named by its value but by the channel's field that holds it.
// Each scheme also has Sign, which signs as the platform does. Only tests need it.
package sign

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
)

// Codes of the errors of this package.
const (
	codeInvalid      = codes.SignatureInvalid
	codeExpired      = codes.SignatureExpired
	codeKeysNotThere = codes.SignatureKeysUnavailable
)

// DefaultWindow is how far the time that is signed may differ from the time when the webhook came in.
const DefaultWindow = 5 * time.Minute

// Content says what a signature covers: [Body], [TimestampAndBody] or [URLAndSortedForm]. Nil is Body.
type Content interface {
	// signed returns what is signed, in two pieces: the body is not copied.
	signed(w *integration.Webhook) (head, body []byte, err error)
	// checkTime refuses a webhook that was signed at another time. It is asked after the signature was found right.
	checkTime(w *integration.Webhook) error
	// stamp writes what belongs to the content into the headers, before tests sign.
	stamp(w *integration.Webhook, at time.Time)
}

// Body is a signature over the raw body alone. Nothing tells when it was made.
type Body struct{}

func (Body) signed(w *integration.Webhook) (head, body []byte, err error) {
	body, err = w.SignedBody()
	return nil, body, err
}

func (Body) checkTime(*integration.Webhook) error  { return nil }
func (Body) stamp(*integration.Webhook, time.Time) {}

// TimestampAndBody is a signature over a time in a header, and the raw body after it.
type TimestampAndBody struct {
	// Header holds the time, a whole number of Unit since 1970.
	Header string
	// Before and Between are signed before the time, and between it and the body: "v0:" and ":" at Slack.
	Before, Between string
	// Unit of the time; zero is a second.
	Unit time.Duration
	// Window is how far the time may differ from when the webhook came in, to either side; zero is DefaultWindow.
	Window time.Duration
}

func (c TimestampAndBody) signed(w *integration.Webhook) (head, body []byte, err error) {
	body, err = w.SignedBody()
	return []byte(c.Before + w.Headers.Get(c.Header) + c.Between), body, err
}

func (c TimestampAndBody) checkTime(w *integration.Webhook) error {
	n, err := strconv.ParseInt(w.Headers.Get(c.Header), 10, 64)
	window, unit := cmp.Or(c.Window, DefaultWindow), int64(c.unit())
	// Whole units are compared first, since a nonsensical number would overflow a time.
	arrived, allowed := w.Timestamp.UnixNano()/unit, int64(window)/unit+1
	if err != nil || n < arrived-allowed || n > arrived+allowed || w.Timestamp.Sub(time.Unix(0, n*unit)).Abs() > window {
		return refused(codeExpired, "the header %s is not within %s of the webhook's time", c.Header, window)
	}
	return nil
}

func (c TimestampAndBody) stamp(w *integration.Webhook, at time.Time) {
	w.Headers.Set(c.Header, strconv.FormatInt(at.UnixNano()/int64(c.unit()), 10))
}

func (c TimestampAndBody) unit() time.Duration { return cmp.Or(c.Unit, time.Second) }

// bodyHashParam is the parameter of the URL in which the hash of a body that is no form is signed.
const bodyHashParam = "bodySHA256"

// URLAndSortedForm is a signature over the public URL, and over the names and values of the form, sorted by name:
// Twilio's scheme, https://www.twilio.com/docs/usage/security. For a body that is no form the URL must hold its
// SHA-256 in hex as the parameter bodySHA256. Nothing tells when it was made.
type URLAndSortedForm struct{}

//nolint:unparam // of an interface
func (URLAndSortedForm) signed(w *integration.Webhook) (head, body []byte, err error) {
	raw, err := w.SignedBody()
	if err != nil {
		return nil, nil, err
	}
	publicURL, err := w.SignedURL()
	if err != nil {
		return nil, nil, err
	}
	if err := checkBodyHash(publicURL, raw, isForm(w.ContentType)); err != nil {
		return nil, nil, err
	}
	head = []byte(publicURL)
	if !isForm(w.ContentType) {
		return head, nil, nil
	}
	form, err := w.Form()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		// A value that comes twice is signed once, as by Twilio's own libraries.
		for _, value := range slices.Compact(slices.Sorted(slices.Values(form[name]))) {
			head = append(append(head, name...), value...)
		}
	}
	return head, nil, nil
}

func (URLAndSortedForm) checkTime(*integration.Webhook) error { return nil }

func (URLAndSortedForm) stamp(w *integration.Webhook, _ time.Time) {
	if isForm(w.ContentType) || w.URL == "" {
		return
	}
	if u, err := url.Parse(w.URL); err == nil {
		query := u.Query()
		query.Set(bodyHashParam, hexSHA256(w.RawBody))
		u.RawQuery = query.Encode()
		w.URL = u.String()
	}
}

// checkBodyHash refuses a body that the URL does not vouch for. A form needs no hash, as it is signed itself, but where
// there is one it counts: the header that says that the body is a form is not signed.
func checkBodyHash(publicURL string, body []byte, form bool) error {
	u, err := url.Parse(publicURL)
	if err != nil {
		return refused(codeInvalid, "the webhook's public URL is no URL")
	}
	hash := u.Query().Get(bodyHashParam)
	if hash == "" && (form || len(body) == 0) || integration.EqualSecrets(strings.ToLower(hash), hexSHA256(body)) {
		return nil
	}
	return refused(codeInvalid, "the URL's parameter %s must hold the SHA-256 of a body that is no form", bodyHashParam)
}

func isForm(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == "application/x-www-form-urlencoded"
}

func hexSHA256(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func content(c Content) Content {
	if c == nil {
		return Body{}
	}
	return c
}

// refused is the error for a webhook that is not the platform's.
func refused(code, format string, args ...any) error {
	return &integration.Error{Kind: integration.FaultUnauthorized, Code: code, Message: fmt.Sprintf(format, args...)}
}

// advice is what follows a message, where there is something to do about it.
func advice(fix string) string {
	if fix == "" {
		return ""
	}
	return ": " + fix
}

// field is the value of a channel's field of that name, a credential or a setting.
func field(ch *integration.Channel, name string) string {
	return cmp.Or(ch.Credentials[name], ch.Settings[name])
}
