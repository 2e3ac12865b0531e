package redact_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/redact"
)

const canary = `123456:CANARY/sec"ret\<+>value`

func TestSecretIsRemovedInEveryForm(t *testing.T) {
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

func TestSecretIsNotAShortTextWordOrNumber(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		value, text string
		secret      bool
	}{
		"six bytes":               {"a1b2c3", "no a1b2c3 here", true},
		"five bytes":              {"a1b2c", "no a1b2c here", false},
		"as Go quotes it":         {"bell\a-and-é1", `no "bell\a-and-é1" here`, true},
		"as JSON has it":          {"bell\a-and-é1", `no "bell\u0007-and-é1" here`, true},
		"a word":                  {"timeout", "the timeout is over", false},
		"a word in capitals":      {"TIMEOUT", "the TIMEOUT is over", false},
		"words":                   {"channel message", "the channel message is lost", false},
		"a word of no text":       {"canaries", "no canaries here", true},
		"words with hyphens":      {"channel-message", "the channel-message is lost", true},
		"a number":                {"1714650010123", "at 1714650010123", false},
		"an address":              {"127.0.0.1:8080", "dial 127.0.0.1:8080", false},
		"many words":              {"my-very-secret-word", "it is my-very-secret-word", true},
		"a long number":           {"1234567890123456", "it is 1234567890123456", true},
		"a word with a digit":     {"s3cret", "it is s3cret", true},
		"a word with a mark":      {"secret!", "it is secret!", true},
		"a word that is kept":     {"error", "the error is here", true},
		"one letter that is kept": {"ß", "the ß is here", true},
	} {
		t.Run(name, func(t *testing.T) {
			var s redact.Secrets
			if strings.Contains(name, "kept") {
				s.Keep(test.value)
			} else {
				s.Add(test.value)
			}
			if test.secret {
				require.Contains(t, s.Redact(test.text), redact.Placeholder)
			} else {
				require.Equal(t, test.text, s.Redact(test.text))
			}
		})
	}
}

func TestSecretsWithACommonPrefixAreReplacedWhole(t *testing.T) {
	t.Parallel()
	var s redact.Secrets
	for i := range 20 {
		s.Add("xoxb-1234567" + strings.Repeat("9", i))
	}
	s.Keep("xox")
	require.Equal(t, redact.Placeholder+" and "+redact.Placeholder+"a and "+redact.Placeholder+".",
		s.Redact("xoxb-1234567"+strings.Repeat("9", 19)+" and xoxb-12345679a and xox."))
}

func TestURLShowsNoUserAndPassword(t *testing.T) {
	t.Parallel()
	var s redact.Secrets
	for text, want := range map[string]string{
		"dial postgres://u:p@h:5432/db failed": "dial postgres://[redacted]@h:5432/db failed",
		"nats://token@h, redis://:p@h and tls://a:b@c": "nats://[redacted]@h, redis://[redacted]@h and " +
			"tls://[redacted]@c",
		`{"url":"https://u:p%40x@h/p?q"}`:                  `{"url":"https://[redacted]@h/p?q"}`,
		"https://h/@user, https://h:80?a=b@c and a@b.c://": "https://h/@user, https://h:80?a=b@c and a@b.c://",
		"https://[redacted]@h":                             "https://[redacted]@h",
	} {
		require.Equal(t, want, s.Redact(text))
	}
}

func TestRedactExceptLeavesWhatTheCallerSent(t *testing.T) {
	t.Parallel()
	var s redact.Secrets
	s.Add(canary, "another-s3cret")
	for _, said := range []string{canary, url.QueryEscape(canary), fmt.Sprintf("%q", canary)} {
		require.Equal(
			t, "no "+canary+" and "+redact.Placeholder, s.RedactExcept("no "+canary+" and another-s3cret", "I say "+said),
		)
	}
	require.NotContains(t, s.RedactExcept(canary, "123456:CANARY"), "CANARY", "a part of it is not enough")
}

func TestSecretThatIsNotInUseAnyMoreIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s redact.Secrets
		s.Keep("kept-s3cret")
		s.Add("removed-s3cret")
		for range 130 {
			for i := range 200 { // more than are looked at in one go
				s.Add(fmt.Sprintf("used-s3cret-%d", i))
			}
			<-time.After(30 * time.Second)
		}
		require.Equal(t, "removed-s3cret", s.Redact("removed-s3cret"))
		for _, text := range []string{"kept-s3cret", "used-s3cret-0", "used-s3cret-199"} {
			require.Equal(t, redact.Placeholder, s.Redact(text))
		}
		require.Equal(t, 200, s.Len())

		<-time.After(2 * time.Hour)
		for range 10 {
			s.Add("new-s3cret")
			<-time.After(time.Second)
		}
		require.Equal(t, 1, s.Len())
		require.Equal(t, "used-s3cret-7", s.Redact("used-s3cret-7"))
		require.Equal(t, redact.Placeholder, s.Redact("kept-s3cret"))
	})
}

func TestSecretsAreBounded(t *testing.T) {
	t.Parallel()
	many := redact.Bounded(1000, 1<<20)
	for i := range 3000 {
		many.Add("many-s3crets-" + strconv.Itoa(i))
	}
	require.Equal(t, 1000, many.Len())
	require.Equal(t, redact.Placeholder, many.Redact("many-s3crets-2999"))

	long := redact.Bounded(1000, 1<<20)
	for i := range 300 {
		long.Add(fmt.Sprint(i, strings.Repeat("x", 10_000)))
	}
	require.LessOrEqual(t, long.Bytes(), 1<<20)
	require.Greater(t, long.Len(), 90)
	long.Add(strings.Repeat("too-long", 1<<18), "new-s3cret")
	require.Equal(t, redact.Placeholder, long.Redact("new-s3cret"))
	require.Greater(t, long.Len(), 90, "what finds no room drops nothing")
}

// Which is counted in allocations, as a replacer that is built anew makes one for every secret.
func TestAddingASecretCostsTheSameForAnyNumber(t *testing.T) {
	of := func(n int) float64 {
		s := many(n)
		i := n
		return testing.AllocsPerRun(100, func() {
			i++
			s.Add(secret(i))
			if text := s.Redact("the platform says " + secret(i)); text != "the platform says "+redact.Placeholder {
				panic(text)
			}
		})
	}
	few := of(10)
	require.Less(t, of(10_000), 2*few)
	require.Less(t, few, 50.0)
}

func BenchmarkOneSecretMoreAndAnError(b *testing.B) {
	s := many(10_000)
	text := strings.Repeat("the platform says nothing of it, ", 30)
	for i := 10_000; b.Loop(); i++ {
		s.Add(secret(i))
		s.Redact(text + secret(i))
	}
}

func many(n int) *redact.Secrets {
	s := &redact.Secrets{}
	for i := range n {
		s.Add(secret(i))
	}
	return s
}

// secret is one of many that begin alike, with characters that are escaped.
func secret(i int) string { return fmt.Sprintf("12345:AA+%08d/%x", i, i*7919) }

func TestLogLineHoldsNoSecret(t *testing.T) {
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
	out.Reset()
	log.SetFormatter(&logrus.JSONFormatter{})
	log.WithField("wait", 427529019*time.Nanosecond).Info("waits")
	require.Contains(t, out.String(), `"wait":427`, "in ms")
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
