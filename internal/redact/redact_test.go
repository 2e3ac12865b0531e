package redact_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/redact"
)

const canary = `123456:CANARY/sec"ret\<+>value`

func TestASecretIsRemovedInEveryForm(t *testing.T) {
	t.Parallel()
	var s redact.Secrets
	s.Add(canary, "short", "")
	for name, text := range map[string]string{
		"plain":          "token " + canary + " is wrong",
		"query escaped":  "?token=" + url.QueryEscape(canary),
		"path escaped":   "/bot" + url.PathEscape(canary) + "/getMe",
		"quoted by Go":   fmt.Sprintf("no bot %q", canary),
		"in JSON":        `{"token":"123456:CANARY/sec\"ret\\\u003c+\u003evalue"}`,
		"in Node's JSON": `{"token":"123456:CANARY/sec\"ret\\<+>value"}`,
	} {
		t.Run(name, func(t *testing.T) {
			require.NotContains(t, s.Redact(text), "CANARY")
			require.Contains(t, s.Redact(text), redact.Placeholder)
		})
	}
	require.NotContains(t, s.Redact(fmt.Sprintf("%q", canary)), "value", "no end of it stays")
	s.Add(canary + "-and-more")
	require.Equal(t, redact.Placeholder+".", s.Redact(canary+"-and-more."))
	require.Equal(t, "a short word stays", s.Redact("a short word stays"))
}

func TestALogLineHoldsNoSecret(t *testing.T) {
	t.Parallel()
	var s redact.Secrets
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	log.SetLevel(logrus.TraceLevel)
	log.AddHook(&s)
	s.Add(canary)
	parent := log.WithField("token", canary)
	parent.WithError(errors.New("dial "+canary)).WithField("list", []string{canary}).Trace("with " + canary)
	parent.Info("again")
	require.NotContains(t, out.String(), "CANARY")
	require.Equal(t, canary, parent.Data["token"], "the caller's own entry is left alone")
}

func TestSecretsMayBeAddedWhileTextsAreRedacted(t *testing.T) {
	t.Parallel()
	var s redact.Secrets
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				s.Add(canary)
				require.NotContains(t, s.Redact(canary), "CANARY")
			}
		})
	}
	wg.Wait()
}
