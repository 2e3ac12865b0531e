// Package integrationtest is the suite that a platform passes, or it is no platform: genuine webhooks
// and forged ones, hostile bodies, sends through every kind of trouble, and secrets that must not leak.
//
// It runs the real service that [integration.Define] makes, and calls its actions as the cluster would.
// Only what is round the service is scripted: the channel store, the events, the platform's API. It
// knows no platform; [Platform] says all that differs between them.
package integrationtest

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

// Platform is what the suite must know of a platform. Whether the platform checks signatures, answers
// handshakes and so on is not told here: the suite sees which interfaces it implements.
type Platform struct {
	Definition integration.Definition

	// Channel returns a new valid channel whose API is at url. Its secrets are made up, twelve characters or
	// longer: the suite looks for each, and for its halves, in everything that leaves the service.
	Channel func(url string) *integration.Channel

	// Address makes a channel the account that a payload from elsewhere is for, where that names one. Nil where the
	// platform takes in whatever is signed.
	Address func(ch *integration.Channel, body []byte)

	// API returns the platform's API as it answers when all is well, a fresh one for every call: whether a
	// message goes out may not depend on those before. All troubles are the suite's. What the requests of Sends have is
	// required: without any part of it, the API must refuse them. A fakeapi.Server tells by its shapes what is optional.
	API func(tb testing.TB) http.Handler

	// Webhooks are genuine ones, each of other messages, at least two in all.
	Webhooks []Webhook

	// Incoming are what comes over connections, for a platform that is an [integration.Receiver] and gets other things
	// there than webhooks. Their Headers are not used.
	Incoming []Webhook

	// BadItem is the body of a webhook that holds a good message and one that cannot be understood. Nil
	// where the platform sends each message alone.
	BadItem []byte

	// Sign returns the headers that make a body genuine for the channel at that time. From what they change
	// with, the suite sees what they cover. It is for a platform that validates signatures by a method of its own:
	// where Definition.Signature is a [Signer], the suite signs with that.
	Sign func(ch *integration.Channel, body []byte, at time.Time) map[string]string

	// Signatures is a file of signatures that are known to be right, for their author has made them with something
	// else than the platform. Empty is testdata/signatures.json. A platform that signs has such a file.
	Signatures string

	// Handshake is a right one, for platforms that answer handshakes.
	Handshake integration.Verification

	// Sends are messages to send, and message actions. The first one is sent, too, while the API is in all kinds
	// of trouble. Those that succeed show together all that Definition.Support promises.
	Sends []Send

	// Refusal makes an answer of a refusal, in the platform's own form and with a status that the API gives with it. It
	// is there if Definition.Errors is: the suite has the API refuse the first of Sends for the reason of each row.
	Refusal func(r integration.Refusal) Answer

	// Failures are answers of the API that refuse the first of Sends, in the platform's own form: what neither a row of
	// Definition.Errors nor testdata/errors.json shows. There must be some where there is a Definition.Support and no
	// Definition.Errors.
	//
	// With Definition.Errors the file testdata/errors.json has answers of the API, word for word, at least one each that
	// is throttled, auth, permanent, transient and unknown.
	Failures []Failure

	signer Signer // what the suite signs with, nil where Sign is there or nothing is signed
}

// Webhook is a delivery of the platform. Its events, and its answer where the platform is a
// [integration.Responder], are those of the file testdata/golden/webhooks/NAME.json. It may have no events.
type Webhook struct {
	Name    string
	Body    []byte
	Headers map[string]string // beside those of [Platform.Sign]
}

// Send is a message to send. Its requests, its result and its event are those of the file
// testdata/golden/sends/NAME.json.
type Send struct {
	Name    string
	Message integration.Message
	Answer  *Answer // nil: what [Platform.API] answers
	// Action is one of the message actions, such as i_react, called with Params beside the channel's id; Message
	// is not used then. Empty is i_sendMessage.
	Action string
	Params map[string]any
}

// Failure is an answer that says no, and what the platform makes of it. Whether the call is repeated, and what
// its outcome is, follows from the kind.
type Failure struct {
	Name         string
	Answer       Answer
	Kind         integration.ErrorKind
	Code         string
	RetryAfter   time.Duration // that is asked for
	PlatformCode string
	Pauses       integration.Scope // of FaultThrottled: what has to wait; empty is the whole channel
	Calls        int               // of the API; zero is what follows from the kind
}

// Answer is what an API answers.
type Answer struct {
	Status int // zero is 200
	Header map[string]string
	Body   string
}

// Now is the time at which the suite's webhooks come in.
func Now() time.Time { return time.UnixMilli(1_800_000_000_000) }

// Files reads webhooks, named like their files, from those that match the patterns of filepath.Match. A file NAME.form
// holds an urlencoded form, as it is sent: without a line break at its end.
func Files(tb testing.TB, patterns ...string) []Webhook {
	tb.Helper()
	var webhooks []Webhook
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		require.NoError(tb, err)
		require.NotEmpty(tb, paths, "no file matches %s", pattern)
		for _, path := range paths {
			body, err := os.ReadFile(path) // #nosec G304 -- of the test
			require.NoError(tb, err)
			name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
			w := Webhook{Name: name, Body: body}
			if filepath.Ext(path) == ".form" {
				w.Headers = map[string]string{"content-type": "application/x-www-form-urlencoded"}
			}
			webhooks = append(webhooks, w)
		}
	}
	return webhooks
}

var update = flag.Bool("update", false, "write the golden files anew")

// Golden compares got with the file at path. With the flag -update it writes the file anew.
func Golden(tb testing.TB, path string, got []byte) {
	tb.Helper()
	if *update {
		require.NoError(tb, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(tb, os.WriteFile(path, got, 0o600))
	}
	want, err := os.ReadFile(path) // #nosec G304 -- of the test
	require.NoError(tb, err, "go test -update writes the golden files")
	require.Equal(tb, string(want), string(got), "if this is right, go test -update")
}

// golden is Golden for the suite's own files, which hold JSON.
func golden(tb testing.TB, section, name string, got any) {
	tb.Helper()
	Golden(tb, filepath.Join("testdata", "golden", section, strings.ReplaceAll(name, " ", "_")+".json"), indented(tb, got))
}
