package integrationtest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// elsewhere runs a part of the suite in a copy of this package that has a folder of fixtures beside its module.
type elsewhere struct {
	t           *testing.T
	dir, shared string
}

func newElsewhere(t *testing.T) elsewhere {
	t.Helper()
	root := t.TempDir()
	e := elsewhere{t, filepath.Join(root, "module"), filepath.Join(root, "shared", "fixtures")}
	require.NoError(t, os.CopyFS(filepath.Join(e.dir, "testdata"), os.DirFS("testdata")))
	require.NoError(t, os.WriteFile(filepath.Join(e.dir, "go.mod"), nil, 0o600))
	return e
}

func (e elsewhere) write(name, data string) {
	e.t.Helper()
	path := filepath.Join(e.shared, name)
	require.NoError(e.t, os.MkdirAll(filepath.Dir(path), 0o750))
	require.NoError(e.t, os.WriteFile(path, []byte(data), 0o600))
}

func (e elsewhere) run(part string, args ...string) (output string, ok bool) {
	e.t.Helper()
	binary, err := os.Executable()
	require.NoError(e.t, err)
	cmd := exec.CommandContext(
		e.t.Context(), binary, append(args, "-test.v", "-test.run=^TestSuite$/^"+strings.ReplaceAll(part, " ", "_")+"$")...,
	)
	cmd.Dir, cmd.Env = e.dir, append(os.Environ(), faultVariable+"=")
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

func TestFixturesBecomeWhatIsReviewed(t *testing.T) {
	t.Parallel()
	e := newElsewhere(t)
	output, ok := e.run("fixtures")
	require.True(t, ok, output)
	require.Contains(t, output, "no payloads from elsewhere")

	e.write(
		"parrot/said.json",
		`{"messages": [{"id": "f-1", "chat": "perch", "user": "Ada Lovelace", "text": "a secret of hers"}]}`,
	)
	e.write("parrot/api_error_429.json", `{}`)
	e.write("parrot/gateway_bot_response.json", `{}`)
	output, ok = e.run("fixtures")
	require.False(t, ok, "nobody has reviewed it: %s", output)
	output, ok = e.run("fixtures", "-update")
	require.True(t, ok, output)
	output, ok = e.run("fixtures")
	require.True(t, ok, output)

	reviewed, err := os.ReadFile(filepath.Join(e.dir, "testdata", "fixtures", "said.json"))
	require.NoError(t, err)
	require.Contains(t, string(reviewed), `"message.from.id"`)
	require.NotContains(t, string(reviewed), "Ada")
	require.NotContains(t, string(reviewed), "secret")
	refusal, err := os.ReadFile(filepath.Join(e.dir, "testdata", "fixtures", "api_error_429.json"))
	require.NoError(t, err)
	require.Contains(t, string(refusal), `"kind": "throttled"`)
	require.NoFileExists(t, filepath.Join(e.dir, "testdata", "fixtures", "gateway_bot_response.json"))

	e.write(
		"parrot/said.json",
		`{"messages": [{"id": "f-1", "chat": "perch", "user": "Ada Lovelace", "text": "another secret"}]}`,
	)
	_, ok = e.run("fixtures")
	require.False(t, ok, "a text that differs")
}

func TestSignaturesFromElsewhereHoldThePlatform(t *testing.T) {
	t.Parallel()
	e := newElsewhere(t)
	output, ok := e.run("signatures from elsewhere")
	require.True(t, ok, output)
	require.Contains(t, output, "no signatures from elsewhere")

	mac := hmac.New(sha256.New, []byte("their secret"))
	mac.Write([]byte(`{"a":1}`))
	right := hex.EncodeToString(mac.Sum(nil))
	vectors := func(signature string) string {
		return `[{"platform": "crow", "key": "k"}, {"platform": "parrot", "key": "their secret", "body": "{\"a\":1}", ` +
			`"headers": {"X-Parrot-Signature": "` + signature + `"}}]`
	}
	e.write("signature_vectors.json", vectors(right))
	output, ok = e.run("signatures from elsewhere")
	require.True(t, ok, output)
	require.NotContains(t, output, "no signatures from elsewhere")
	e.write("signature_vectors.json", vectors(strings.Repeat("0", len(right))))
	_, ok = e.run("signatures from elsewhere")
	require.False(t, ok, "a signature that the platform does not take")
}
