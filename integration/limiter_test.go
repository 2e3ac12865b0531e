package integration_test

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

// channels has several. Conditions look at them from goroutines of their own.
type channels map[string]*integration.Channel

var channelsLock sync.Mutex

func (c channels) set(id string, ch *integration.Channel) {
	channelsLock.Lock()
	defer channelsLock.Unlock()
	c[id] = ch
}

func (c channels) Channel(_ context.Context, id string) (*integration.Channel, error) {
	channelsLock.Lock()
	defer channelsLock.Unlock()
	if ch, ok := c[id]; ok {
		return ch, nil
	}
	return nil, integration.ErrChannelNotFound
}

// road is one service with two channels, c1 and c2, whose platform does as scripted.
type road struct {
	*harness
	service  *integration.Service
	channels channels
	started  time.Time
}

func newRoad(t *testing.T, settings map[string]string, sending sending) *road {
	t.Helper()
	b := newHarness(t)
	r := &road{harness: b, channels: channels{}, started: time.Now()}
	for _, id := range []string{"c1", "c2"} {
		ch := newChannel()
		ch.ID, ch.Settings = id, settings
		r.channels[id] = ch
	}
	b.def.Channels = r.channels
	b.platform.sending = sending
	r.service = b.define()
	return r
}

func (r *road) send(channel, to, text string) error {
	params, _ := json.Marshal(
		object{
			"channelId": channel, "message": object{"to": object{"id": to}, "content": object{"type": "TEXT", "text": text}},
		},
	)
	result, err := r.service.Call(r.t.Context(), integration.ActionSendMessage, &action.Request{Params: params})
	if err != nil {
		return err
	}
	if sent := result.(*integration.SendResult); sent.Error != nil { //nolint:forcetypeassert // the action has no other answer
		return &integration.Error{Kind: sent.Error.Kind, Code: sent.Error.Code, Message: sent.Error.Message}
	}
	return nil
}

// log keeps what reached the platform, and when.
type log struct {
	mu    sync.Mutex
	texts []string
	at    []time.Time
}

func (l *log) add(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.texts, l.at = append(l.texts, text), append(l.at, time.Now())
}

func TestThrottledSendsWaitInOrderAndDoNotDelayOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := &log{}
		pause := &integration.Error{
			Kind: integration.FaultThrottled, Code: "RATE_LIMITED", Message: "slow down", RetryAfter: 5 * time.Second,
			Pauses: integration.PausesRecipient,
		}
		r := newRoad(t, nil, func(_ context.Context, attempt int, m *integration.Message) (*integration.SendResult, error) {
			if attempt == 1 {
				return nil, pause
			}
			sent.add(m.Content.Text)
			return &integration.SendResult{Success: true}, nil
		})
		var wg sync.WaitGroup
		send := func(to, text string) {
			wg.Go(func() {
				if err := r.send("c1", to, text); err != nil {
					t.Errorf("%s: %v", text, err)
				}
			})
			synctest.Wait()
		}
		for _, text := range []string{"first", "second", "third"} {
			send("ada", text)
		}
		send("bob", "to another")
		wg.Wait()
		require.Equal(t, []string{"to another", "first", "second", "third"}, sent.texts)
		require.Equal(t, r.started, sent.at[0])
		require.Equal(t, 5*time.Second, sent.at[1].Sub(r.started))
	})
}

func TestLongPauseIsReturnedToTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoad(t, nil, always(trouble(integration.FaultThrottled, time.Minute)))
		requireError(t, r.send("c1", "ada", "1"), 429, "TROUBLE")
		requireError(t, r.send("c1", "bob", "2"), 429, "RATE_LIMITED")
		require.Equal(t, []string{"send"}, r.platform.steps, "the whole channel has to wait")
		require.Equal(t, r.started, time.Now())
		pass(time.Minute)
		synctest.Wait()
	})
}

func TestChannelThatKeepsFailingIsSuspendedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		calls := map[string]int{}
		r := newRoad(t, nil, func(_ context.Context, _ int, m *integration.Message) (*integration.SendResult, error) {
			calls[string(m.To.ID)]++
			if m.To.ID == "ada" && broken {
				return nil, trouble(integration.FaultUnknown, 0)
			}
			return &integration.SendResult{Success: true}, nil
		})
		for range 10 {
			requireError(t, r.send("c1", "ada", "1"), 504, "TROUBLE")
		}
		e := errorOf(t, r.send("c1", "bob", "2"), 503, "CHANNEL_SUSPENDED")
		require.True(t, e.Retryable)
		require.JSONEq(t, `{"kind":"transient","outcome":"not_delivered","retryAfterMs":15000}`, toJSON(t, e.Data))
		require.Zero(t, calls["bob"], "nothing is sent")
		require.NoError(t, r.send("c2", "bob", "3"), "another channel works")

		pass(15 * time.Second)
		requireError(t, r.send("c1", "ada", "4"), 504, "TROUBLE")
		requireError(t, r.send("c1", "ada", "5"), 503, "CHANNEL_SUSPENDED")

		pass(15 * time.Second)
		broken = false
		require.NoError(t, r.send("c1", "ada", "6"))
		require.NoError(t, r.send("c1", "ada", "7"))
	})
}

func TestRefusedCredentialsSuspendChannelUntilItIsChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := true
		r := newRoad(t, nil, func(context.Context, int, *integration.Message) (*integration.SendResult, error) {
			if refused {
				return nil, trouble(integration.FaultAuth, 0)
			}
			return &integration.SendResult{Success: true}, nil
		})
		for range 15 {
			require.Error(t, r.send("c1", "ada", "1"))
		}
		require.Len(t, r.platform.steps, 10)
		var e *integration.Error
		require.ErrorAs(t, r.send("c1", "ada", "2"), &e)
		require.Equal(t, integration.FaultAuth, e.Kind, "who waits for it to pass waits in vain")
		require.Equal(t, "CHANNEL_SUSPENDED", e.Code)

		refused = false
		changed := *r.channels["c1"]
		changed.Credentials = maps.Clone(changed.Credentials)
		changed.Credentials["token"] = "654321:another"
		r.channels.set("c1", &changed)
		require.NoError(t, r.send("c1", "ada", "3"))
	})
}

func TestPermanentRefusalSuspendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoad(t, nil, always(trouble(integration.FaultPermanent, 0)))
		for range 30 {
			require.ErrorContains(t, r.send("c1", "ada", "1"), "TROUBLE")
		}
	})
}

func TestLimiterIsNotFilledByOneChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoad(t, nil, nil)
		r.runtime.ChannelCalls = 3
		r.service = r.define()
		hang := make(chan struct{})
		r.platform.sending = func(_ context.Context, _ int, m *integration.Message) (*integration.SendResult, error) {
			if m.Content.Text == "hangs" {
				<-hang
			}
			return &integration.SendResult{Success: true}, nil
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := r.send("c1", "ada", "hangs"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		e := errorOf(t, r.send("c1", "bob", "2"), 429, "CHANNEL_BUSY")
		require.True(t, e.Retryable)
		require.NoError(t, r.send("c2", "bob", "3"))
		close(hang)
		wg.Wait()
		require.NoError(t, r.send("c1", "bob", "4"))
	})
}

func TestChannelsOwnRatesSpaceItsMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := &log{}
		r := newRoad(t, map[string]string{"rate": "2/s", "recipientRate": "1/s"}, func(
			_ context.Context, _ int, m *integration.Message,
		) (*integration.SendResult, error) {
			sent.add(m.Content.Text)
			return &integration.SendResult{Success: true}, nil
		})
		for _, to := range []string{"ada", "bob", "cid", "ada"} {
			require.NoError(t, r.send("c1", to, to))
		}
		var after []time.Duration
		for _, at := range sent.at {
			after = append(after, at.Sub(r.started))
		}
		require.Equal(t, []time.Duration{0, 0, 500 * time.Millisecond, time.Second}, after)
	})
}

func TestPlatformThatPanicsReleasesItsPlace(t *testing.T) {
	r := newRoad(t, nil, func(_ context.Context, attempt int, _ *integration.Message) (*integration.SendResult, error) {
		if attempt <= 3 {
			panic("a bug")
		}
		return &integration.SendResult{Success: true}, nil
	})
	r.runtime.ChannelCalls = 1
	r.service = r.define()
	for range 3 {
		require.Panics(t, func() { _ = r.send("c1", "ada", "1") })
	}
	require.NoError(t, r.send("c1", "ada", "2"))
}

func TestPlatformThatKeepsPanickingIsSuspended(t *testing.T) {
	r := newRoad(
		t, nil, func(context.Context, int, *integration.Message) (*integration.SendResult, error) { panic("a bug") },
	)
	for range 10 {
		require.Panics(t, func() { _ = r.send("c1", "ada", "1") })
	}
	e := errorOf(t, r.send("c1", "ada", "2"), 503, "CHANNEL_SUSPENDED")
	require.Contains(t, e.Message, "the platform's code panicked")
}

func TestRecipientsTurnIsGivenBackWhileTheChannelWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoad(t, nil, func(_ context.Context, attempt int, _ *integration.Message) (*integration.SendResult, error) {
			switch attempt {
			case 1:
				e := trouble(integration.FaultThrottled, 5*time.Second) // which the call waits for
				e.Pauses = integration.PausesRecipient
				return nil, e
			case 2:
				return nil, trouble(integration.FaultThrottled, 3*time.Minute) // of the channel
			}
			return &integration.SendResult{Success: true}, nil
		})
		ended := make(chan error, 1)
		go func() { ended <- r.send("c1", "bob", "1") }()
		synctest.Wait()
		requireError(t, r.send("c1", "ada", "2"), 429, "TROUBLE")
		requireError(t, <-ended, 429, "RATE_LIMITED")
		pass(3 * time.Minute)
		synctest.Wait()
		require.NoError(t, r.send("c1", "bob", "4"))
	})
}

func TestRemovedChannelIsNoLongerSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoad(t, nil, always(trouble(integration.FaultUnknown, 0)))
		for range 10 {
			require.Error(t, r.send("c1", "r", "x"))
		}
		suspended := func() string {
			answer, err := r.service.Call(t.Context(), integration.ActionHealthCheck, &action.Request{})
			require.NoError(t, err)
			return toJSON(t, answer)
		}
		require.Contains(t, suspended(), `"channelId":"c1"`)
		delete(r.channels, "c1")
		require.NotContains(t, suspended(), "suspended")
	})
}
