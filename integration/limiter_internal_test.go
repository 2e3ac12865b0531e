package integration

import (
	"context"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
)

func newTestLimiter() *limiter {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return &limiter{limit: 1, log: logrus.NewEntry(log)}
}

func TestLimiterForgetsChannelsWithoutCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter()
		busy := l.ofChannel(&Channel{ID: "busy"})
		end, err := l.begin(busy)
		require.NoError(t, err)
		l.ofChannel(&Channel{ID: "suspended"}).suspendedSince.Store(1)
		l.ofChannel(&Channel{ID: "failing"}).sends.level = 70
		l.ofChannel(&Channel{ID: "idle"})
		for range 2 { // a sweep forgets what was not used since the last one
			<-time.After(sweepEvery)
			l.ofChannel(&Channel{ID: "used"})
			l.ofChannel(&Channel{ID: time.Now().String()}) // a new channel begins the sweep
		}
		require.NotContains(t, l.channels, "idle")
		for _, id := range []string{"busy", "suspended", "failing", "used"} {
			require.Contains(t, l.channels, id)
		}
		end()
		l.drop("busy")
		require.NotContains(t, l.channels, "busy")
	})
}

func TestLimiterHoldsNoCredentials(t *testing.T) {
	l := newTestLimiter()
	channel := l.ofChannel(&Channel{ID: "c1", TenantID: "t1", Credentials: map[string]string{"token": "secret"}})
	runtime.GC()
	require.Nil(t, channel.channel.Value(), "nothing but the caller keeps the channel alive")
	require.Same(
		t, channel, l.ofChannel(&Channel{ID: "c1", TenantID: "t1", Credentials: map[string]string{"token": "secret"}}),
	)
	require.NotSame(
		t, channel, l.ofChannel(&Channel{ID: "c1", TenantID: "t1", Credentials: map[string]string{"token": "changed"}}),
	)
	require.NotEqual(
		t, fingerprint(&Channel{Credentials: map[string]string{"a": "b"}}),
		fingerprint(&Channel{Settings: map[string]string{"a": "b"}}),
	)
}

// BenchmarkLimiter is what the limits of a channel without rates cost a call.
func BenchmarkLimiter(b *testing.B) {
	l, ch := newTestLimiter(), &Channel{ID: "c1", Credentials: map[string]string{"token": "secret"}}
	call := &platformCall{
		channel: ch, recipient: "r",
		do: func(context.Context) (*SendResult, error) { return &SendResult{Success: true}, nil },
	}
	b.ReportAllocs()
	for b.Loop() {
		channel := l.ofChannel(ch)
		end, err := l.begin(channel)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := l.withLimits(b.Context(), channel, l.throttle.NewTicket(), call); err != nil {
			b.Fatal(err)
		}
		end()
	}
}
