package redact_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/redact"
)

const canary = "123456:CANARY/secret+value"

func TestASecretIsRemovedInEveryForm(t *testing.T) {
	t.Parallel()
	var s redact.Secrets
	s.Add(canary, "short", "")
	for name, text := range map[string]string{
		"plain":         "token " + canary + " is wrong",
		"query escaped": "?token=123456%3ACANARY%2Fsecret%2Bvalue",
		"path escaped":  "/bot123456:CANARY%2Fsecret+value/getMe",
	} {
		t.Run(name, func(t *testing.T) {
			require.NotContains(t, s.Redact(text), "CANARY")
			require.Contains(t, s.Redact(text), redact.Placeholder)
		})
	}
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
