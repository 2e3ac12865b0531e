package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/leases"
)

func TestSessionSetCursorWaitsForWhatCameBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		c.events.held = make(chan struct{})
		var first string
		var set atomic.Bool
		c.listener.receive = func(ctx context.Context, session *integration.Session) error {
			first = string(session.Cursor())
			if err := session.Deliver(ctx, incoming(1)); err != nil {
				return err
			}
			err := session.SetCursor(ctx, json.RawMessage(`"fresh"`))
			set.Store(err == nil)
			<-ctx.Done()
			return err
		}
		_, stop := c.node("n1")
		elapse(5 * time.Second)
		require.False(t, set.Load(), "an item before it is not durable")
		close(c.events.held)
		elapse(5 * time.Second)
		require.True(t, set.Load())
		stop()
		_, stop = c.node("n2")
		elapse(5 * time.Second)
		stop()
		require.Equal(t, `"fresh"`, first)
	})
}

// Whoever waits for room, or for what is under way, must not hold up the end of a session.
func TestSessionThatWaitsEndsWithItsChannel(t *testing.T) {
	for name, wait := range map[string]func(ctx context.Context, session *integration.Session) error{
		"Deliver": func(ctx context.Context, session *integration.Session) error {
			for n := 0; ; n++ {
				if err := session.Deliver(ctx, incoming(n)); err != nil {
					return err
				}
			}
		},
		"Flush": func(ctx context.Context, session *integration.Session) error {
			return errors.Join(session.Deliver(ctx, incoming(1)), session.Flush(ctx))
		},
		"SetCursor": func(ctx context.Context, session *integration.Session) error {
			return errors.Join(session.Deliver(ctx, incoming(1)), session.SetCursor(ctx, json.RawMessage("7")))
		},
		"Turn": func(ctx context.Context, session *integration.Session) error {
			return errors.Join(session.Turn(ctx, "bot", time.Hour), session.Turn(ctx, "bot", time.Hour))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newConnected(t)
				c.events.held = make(chan struct{})
				var ended atomic.Value
				c.listener.receive = func(ctx context.Context, session *integration.Session) error {
					err := wait(ctx, session)
					ended.Store(err)
					return err
				}
				_, stop := c.node("n1")
				elapse(5 * time.Second)
				require.Nil(t, ended.Load())
				off := *c.store.channel
				off.Status = integration.ChannelInactive
				c.store.set(&off, nil)
				c.store.changed("c1")
				elapse(time.Second)
				require.ErrorIs(t, ended.Load().(error), context.Canceled)
				close(c.events.held)
				stop()
			})
		})
	}
}

// A cursor is a position in what one bot receives: another bot's is another one.
func TestSessionOfOtherCredentialsHasNoCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		var cursors []string
		c.listener.receive = func(ctx context.Context, session *integration.Session) error {
			cursors = append(cursors, string(session.Cursor()))
			if err := session.Deliver(ctx, incoming(len(cursors))); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		}
		_, stop := c.node("n1")
		elapse(5 * time.Second)
		change := func(change func(ch *integration.Channel)) {
			other := *c.store.channel
			other.Settings, other.Credentials = maps.Clone(other.Settings), maps.Clone(other.Credentials)
			change(&other)
			c.store.set(&other, nil)
			c.store.changed("c1")
			elapse(5 * time.Second)
		}
		change(func(ch *integration.Channel) { ch.Settings = map[string]string{"apiBase": "http://elsewhere"} })
		change(func(ch *integration.Channel) {
			for name := range ch.Credentials {
				ch.Credentials[name] = "of-another-bot"
			}
		})
		stop()
		require.Equal(t, []string{"", "1", ""}, cursors)
	})
}

// An item of a channel that cannot be read for a while is not lost: the platform might not send it again.
func TestSessionDeliversAgainWhatTheChannelRefused(t *testing.T) {
	for name, err := range map[string]error{
		"the database is away":     errors.New("the database is away"),
		"the channel is not found": integration.ErrChannelNotFound,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newConnected(t)
				begin := make(chan struct{})
				c.listener.receive = func(ctx context.Context, session *integration.Session) error {
					<-begin
					for n := range 3 {
						if err := session.Deliver(ctx, incoming(n)); err != nil {
							return err
						}
					}
					<-ctx.Done()
					return nil
				}
				on := c.store.channel
				_, stop := c.node("n1")
				elapse(5 * time.Second)
				c.store.set(on, err) // of which nobody has told the node
				close(begin)
				elapse(20 * time.Second)
				require.Empty(t, c.stored())
				c.store.set(on, nil)
				elapse(20 * time.Second)
				stop()
				require.Equal(t, []string{"0", "1", "2"}, c.stored())
			})
		})
	}
}

// A platform that does not see the end of its ctx must not store beside the next owner.
func TestSessionStoresNothingAfterItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		store := &severed{Store: c.leases}
		c.leases = store
		deliver, ended := make(chan struct{}), make(chan struct{})
		c.listener.receive = func(_ context.Context, session *integration.Session) error {
			defer close(ended)
			deaf := context.Background()
			if err := session.Deliver(deaf, incoming(1)); err != nil {
				return err
			}
			<-deliver
			return session.Deliver(deaf, incoming(2))
		}
		_, stop := c.node("n1")
		elapse(5 * time.Second)
		require.Equal(t, []string{"1"}, c.stored())
		store.cut.Store(true)
		elapse(9 * time.Second)
		close(deliver)
		<-ended
		elapse(20 * time.Second)
		require.Equal(t, []string{"1"}, c.stored())
		store.cut.Store(false)
		c.listener.receive = func(ctx context.Context, _ *integration.Session) error {
			<-ctx.Done()
			return nil
		}
		stop()
	})
}

// severed is a store of leases that can be out of reach.
type severed struct {
	leases.Store
	cut atomic.Bool
}

func (s *severed) Get(ctx context.Context, key string) (leases.Entry, error) {
	if s.cut.Load() {
		return leases.Entry{}, errors.New("out of reach")
	}
	return s.Store.Get(ctx, key)
}

func (s *severed) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if s.cut.Load() {
		return 0, errors.New("out of reach")
	}
	return s.Store.Put(ctx, key, value, revision)
}
