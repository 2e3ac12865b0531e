package sms_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"example.com/sms"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/node"
	"github.com/hiliosai/switchboard/node/nodetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(int) { http.DefaultClient.CloseIdleConnections() }))
}

func TestNodeAnswersSignedFormInXML(t *testing.T) {
	n := nodetest.Start(t, node.Platform(sms.Definition), node.Config("services: [sms]"))
	n.MustApply(channel("https://api.sms.example", n.URL()))
	w := &integration.Webhook{
		Channel: channel("", n.URL()), URL: n.URL() + "/sms/line", ContentType: "application/x-www-form-urlencoded",
		RawBody: []byte("MessageSid=SM1&From=%2B15550123&To=%2B15550100&Body=hello+there"),
	}
	require.NoError(t, sms.Signature.Sign(w, time.Now()))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL, bytes.NewReader(w.RawBody))
	require.NoError(t, err)
	req.Header.Set("Content-Type", w.ContentType)
	req.Header.Set("X-Twilio-Signature", w.Headers.Get("X-Twilio-Signature"))
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(
		t, "200 text/xml <Response/>", fmt.Sprintf("%d %s %s", res.StatusCode, res.Header.Get("Content-Type"), answer),
	)
}

func TestPlatformIsShort(t *testing.T) {
	lines := 0
	for _, file := range []string{"sms.go", "sms_test.go"} {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		lines += bytes.Count(source, []byte("\n"))
	}
	require.LessOrEqual(t, lines, 150, "a platform, its fake and its test are short, or the kit lacks something")
}
