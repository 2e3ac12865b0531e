package leases_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/leases"
)

// three starts three nodes that want n keys, and waits until they have them.
func three(h *harness, n int) []*node {
	nodes := []*node{h.start("a", nil), h.start("b", nil), h.start("c", nil)}
	for _, node := range nodes {
		node.Want(wanted(n))
	}
	after(30 * time.Second)
	return nodes
}

func requireBalance(t *testing.T, total int, nodes ...*node) {
	t.Helper()
	sum := 0
	for _, n := range nodes {
		share := float64(total) / float64(len(nodes))
		require.InDelta(t, share, len(n.owned()), share/10, n.name)
		sum += len(n.owned())
	}
	require.Equal(t, total, sum)
}

func TestMembersShareKeysEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		nodes := three(h, 1000)
		requireBalance(t, 1000, nodes...)
		before := h.moveCounts()
		puts := h.puts.Load()
		after(time.Minute)
		require.LessOrEqual(t, h.puts.Load()-puts, int64(3*21), "at rest only the nodes' entries are written")
		moved, _ := h.moved(before)
		require.Zero(t, moved)
		for _, o := range nodes[0].Owners() {
			require.NotEmpty(t, o.Node)
			_, mine := nodes[0].owned()[o.Key]
			require.Equal(t, mine, o.Mine)
		}
		for _, n := range nodes {
			n.close()
		}
	})
}

func TestMemberThatDiesLosesOnlyItsKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		nodes := three(h, 1000)
		before, lost := h.moveCounts(), nodes[1].owned()
		nodes[1].away.Store(true) // for the others that is a death
		begin := time.Now()
		for len(nodes[0].owned())+len(nodes[2].owned()) < 1000 {
			after(100 * time.Millisecond)
			require.Less(t, time.Since(begin), 15*time.Second)
		}
		t.Logf("taken over after %s", time.Since(begin))
		requireBalance(t, 1000, nodes[0], nodes[2])
		keys, most := h.moved(before)
		require.Equal(t, len(lost), keys)
		require.Equal(t, 1, most)
		for key := range lost {
			require.Len(t, h.moves[key], before[key]+1)
			require.False(t, lost[key].Valid())
		}
		after(time.Minute)
		keys, most = h.moved(before)
		require.Equal(t, len(lost), keys)
		require.Equal(t, 1, most)
		nodes[1].away.Store(false) // it comes back
		after(time.Minute)
		requireBalance(t, 1000, nodes...)
		for _, n := range nodes {
			n.close()
		}
	})
}

func TestMemberThatClosesHandsOverAtOnce(t *testing.T) {
	for name, dirty := range map[string]bool{"with cursors to be written": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				nodes := three(h, 1000)
				before, lost := h.moveCounts(), nodes[2].owned()
				if dirty {
					for _, l := range lost {
						require.NoError(t, l.Save([]byte(`1`)))
						require.NoError(t, l.Flush(t.Context()))
						require.NoError(t, l.Save([]byte(`"`+l.Key()+`"`)))
					}
				}
				begin := time.Now()
				nodes[2].close()
				for len(nodes[0].owned())+len(nodes[1].owned()) < 1000 {
					after(10 * time.Millisecond)
					require.Less(t, time.Since(begin), time.Second)
				}
				t.Logf("handed over after %s", time.Since(begin))
				for key, l := range lost {
					require.False(t, l.Valid())
					require.ErrorIs(t, l.Flush(t.Context()), leases.ErrLost)
					next := nodes[0].owned()[key]
					if next == nil {
						next = nodes[1].owned()[key]
					}
					require.Greater(t, next.Epoch(), l.Epoch())
					if dirty {
						require.Equal(t, `"`+key+`"`, string(next.Cursor()))
					}
				}
				after(time.Minute)
				keys, most := h.moved(before)
				require.Equal(t, len(lost), keys)
				require.Equal(t, 1, most)
				requireBalance(t, 1000, nodes[0], nodes[1])
				nodes[0].close()
				nodes[1].close()
			})
		})
	}
}

func TestMemberThatJoinsGetsItsShareWithoutAStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		a, b := h.start("a", nil), h.start("b", nil)
		a.Want(wanted(1000))
		b.Want(wanted(1000))
		after(40 * time.Second)
		requireBalance(t, 1000, a, b)
		before := h.moveCounts()
		c := h.start("c", nil)
		c.Want(wanted(1000))
		after(time.Minute)
		requireBalance(t, 1000, a, b, c)
		keys, most := h.moved(before)
		require.Equal(t, len(c.owned()), keys, "only what the third needs")
		require.LessOrEqual(t, keys, 334)
		require.Equal(t, 1, most, "nothing moves twice")
		for _, n := range []*node{a, b, c} {
			n.close()
		}
	})
}

func TestMemberWithoutStoreStopsBeforeOthersBegin(t *testing.T) {
	for name, fault := range map[string]func(*node, bool){
		"away":  func(n *node, on bool) { n.away.Store(on) },
		"hangs": func(n *node, on bool) { n.hangs.Store(on) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				a, b := h.start("a", nil), h.start("b", nil)
				a.Want(wanted(10))
				b.Want(wanted(10))
				after(20 * time.Second)
				lost := a.owned()
				require.NotEmpty(t, lost)
				fault(a, true)
				stopped := time.Duration(0)
				for begin := time.Now(); len(b.owned()) < 10; after(50 * time.Millisecond) {
					if len(a.owned()) == 0 && stopped == 0 {
						stopped = time.Since(begin)
					}
					require.Less(t, time.Since(begin), 15*time.Second)
				}
				require.NotZero(t, stopped, "it stopped first; two owners at once are a fault of their own")
				require.LessOrEqual(t, stopped, 8*time.Second+50*time.Millisecond)
				require.Error(t, a.Check())
				for _, l := range lost {
					require.False(t, l.Valid())
					require.ErrorIs(t, l.Flush(t.Context()), leases.ErrLost)
				}
				fault(a, false)
				after(20 * time.Second)
				require.NoError(t, a.Check())
				requireBalance(t, 10, a, b)
				a.close()
				b.close()
			})
		})
	}
}

func TestMemberThatWasPausedIsNotValidAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		a := h.start("a", nil)
		a.Want(wanted(10))
		after(5 * time.Second)
		require.Len(t, a.owned(), 10)
		for _, l := range a.owned() {
			require.True(t, l.Valid())
			puts := h.puts.Load()
			a.shift.Add(int64(40 * time.Second)) // its timers did not fire
			require.False(t, l.Valid())
			require.ErrorIs(t, l.Flush(t.Context()), leases.ErrLost)
			require.NoError(t, l.Save([]byte("late")))
			require.Equal(t, puts, h.puts.Load())
			break
		}
		after(20 * time.Second)
		require.Len(t, a.owned(), 10)
		for _, l := range a.owned() {
			require.True(t, l.Valid())
			require.Empty(t, l.Cursor())
			require.EqualValues(t, 2, l.Epoch())
		}
		a.close()
	})
}

func TestCursorSurvivesATakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		a := h.start("a", func(ctx context.Context, l *leases.Lease) {
			_ = l.Save([]byte(`{"offset":7}`))
			_ = l.SetShared([]byte(`16`))
			_ = l.SetState([]byte(`"connected"`))
			<-ctx.Done()
			_ = l.Save([]byte("after the end"))
		})
		a.Want(wanted(1))
		after(2 * time.Second)
		b := h.start("b", nil)
		b.Want(wanted(1))
		after(2 * time.Second)
		seen := b.Owner("channel-0000")
		require.Equal(t, "a", seen.Node)
		require.Equal(t, `"connected"`, string(seen.State))
		require.Equal(t, `16`, string(seen.Shared))
		require.False(t, seen.Mine)
		a.away.Store(true)
		after(15 * time.Second)
		l := b.owned()["channel-0000"]
		require.NotNil(t, l)
		require.Equal(t, `{"offset":7}`, string(l.Cursor()))
		require.Equal(t, `16`, string(l.Shared()))
		require.EqualValues(t, 2, l.Epoch())
		require.Empty(t, b.Owner("channel-0000").State)
		require.True(t, b.Owner("channel-0000").Mine)
		a.away.Store(false)
		a.close()
		b.close()
	})
}

func TestLeaseIsWrittenAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		a := h.start("a", nil)
		a.Want(wanted(1))
		after(time.Second)
		l := a.owned()["channel-0000"]
		puts := h.puts.Load()
		for i := range 10_000 {
			require.NoError(t, l.Save(fmt.Append(nil, i)))
			after(time.Millisecond)
		}
		require.LessOrEqual(t, h.puts.Load()-puts, int64(11+5))
		require.NoError(t, l.Flush(t.Context()))
		e, err := h.store.Get(t.Context(), "telegram/channel-0000")
		require.NoError(t, err)
		require.Contains(t, string(e.Value), `"OTk5OQ=="`)

		err = l.Save(make([]byte, leases.MaxCursor+1))
		require.ErrorIs(t, err, leases.ErrTooLarge)
		var fault *leases.Error
		require.ErrorAs(t, err, &fault)
		require.True(t, fault.Permanent())
		require.ErrorIs(t, l.SetState(make([]byte, leases.MaxState+1)), leases.ErrTooLarge)
		require.ErrorIs(t, l.SetShared(make([]byte, leases.MaxShared+1)), leases.ErrTooLarge)
		a.close()
	})
}

func TestApartKeysAreOnDifferentNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		var list []leases.Wanted
		for i := range 50 {
			for copies := range 2 {
				list = append(list, leases.Wanted{Key: fmt.Sprintf("c%d#%d", i, copies), Apart: fmt.Sprint("c", i)})
			}
		}
		a := h.start("a", nil)
		a.Want(list)
		after(10 * time.Second)
		require.Len(t, a.owned(), 50, "one copy of each")
		b := h.start("b", nil)
		b.Want(list)
		after(10 * time.Second)
		require.Len(t, a.owned(), 50)
		require.Len(t, b.owned(), 50)
		c := h.start("c", nil)
		c.Want(list)
		after(time.Minute)
		requireBalance(t, 100, a, b, c)
		before := h.moveCounts()
		a.away.Store(true)
		after(time.Minute)
		_, most := h.moved(before)
		require.LessOrEqual(t, most, 2)
		for _, n := range []*node{b, c} {
			require.Len(t, n.owned(), 50)
			copies := map[string]bool{}
			for key := range n.owned() {
				base := key[:len(key)-1]
				require.False(t, copies[base])
				copies[base] = true
			}
		}
		a.away.Store(false)
		for _, n := range []*node{a, b, c} {
			n.close()
		}
	})
}

func TestKeyOfFewIsNotMovedBackAndForth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		a, b := h.start("a", nil), h.start("b", nil)
		a.Want(wanted(4))
		b.Want(wanted(4))
		after(10 * time.Second)
		before := h.moveCounts()
		c := h.start("c", nil)
		c.Want(wanted(4))
		after(time.Minute)
		require.Len(t, c.owned(), 1)
		keys, most := h.moved(before)
		require.Equal(t, 1, keys)
		require.Equal(t, 1, most)
		for _, n := range []*node{a, b, c} {
			n.close()
		}
	})
}

func TestKeyThatIsNotWantedIsGivenUpAndDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		a := h.start("a", nil)
		a.Want(wanted(3))
		after(time.Second)
		require.Len(t, a.owned(), 3)
		a.Want(wanted(1))
		synctest.Wait()
		require.Len(t, a.owned(), 1)
		after(time.Minute)
		e, err := h.store.Get(t.Context(), "telegram/channel-0002")
		require.NoError(t, err)
		require.NotNil(t, e.Value)
		after(10 * time.Minute)
		e, err = h.store.Get(t.Context(), "telegram/channel-0002")
		require.NoError(t, err)
		require.Nil(t, e.Value)
		a.close()
	})
}

func TestKeyThatANodeDoesNotWantIsTakenByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		a, b := h.start("a", nil), h.start("b", nil)
		a.Want(wanted(0))
		b.Want(wanted(0))
		after(5 * time.Second)
		a.Want(wanted(20)) // the other one has not heard of them
		after(1500 * time.Millisecond)
		require.Len(t, a.owned(), 20)
		before := h.moveCounts()
		after(time.Minute)
		_, most := h.moved(before)
		require.LessOrEqual(t, most, 1)
		a.close()
		b.close()
	})
}

func TestTurnIsTakenOnceInAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		nodes := three(h, 0)
		taken := make(chan time.Time, 12)
		for _, n := range nodes {
			for range 4 {
				go func() {
					if n.Turn(t.Context(), "identify", 5*time.Second) == nil {
						taken <- time.Now()
					}
				}()
			}
		}
		after(56 * time.Second)
		require.Len(t, taken, 12)
		last := <-taken
		for range 11 {
			next := <-taken
			require.GreaterOrEqual(t, next.Sub(last), 5*time.Second)
			last = next
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, nodes[0].Turn(ctx, "identify", 5*time.Second), context.DeadlineExceeded)
		for _, n := range nodes {
			n.close()
		}
		require.ErrorIs(t, nodes[0].Turn(t.Context(), "identify", time.Second), leases.ErrClosed)
	})
}

func TestRunThatDoesNotEndCannotHoldTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		stuck := make(chan struct{})
		a := h.start("a", func(ctx context.Context, l *leases.Lease) {
			<-ctx.Done()
			if l.Key() == "channel-0003" {
				<-stuck
			}
		})
		a.Want(wanted(10))
		after(time.Second)
		b := h.start("b", nil)
		b.Want(nil)
		after(time.Second)
		b.Want(wanted(10))
		held := a.owned()["channel-0003"]
		require.NotNil(t, held)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		closed := make(chan error, 1)
		go func() { closed <- a.Member.Close(ctx) }()
		after(time.Second)
		require.GreaterOrEqual(t, len(b.owned()), 9, "the others are not held up")
		require.True(t, held.Valid())
		require.NotContains(t, b.owned(), "channel-0003")
		require.ErrorIs(t, <-closed, context.DeadlineExceeded)
		require.False(t, held.Valid())
		after(time.Second)
		require.Len(t, b.owned(), 10, "and the run that does not end knows that it is not valid")
		close(stuck)
		synctest.Wait()
		h.faults = nil // it was beside its successor
		b.close()
	})
}

func TestGroupMayBeClosedAndOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		a := h.start("a", nil)
		a.Want(wanted(5))
		after(time.Second)
		_, err := a.Member.Group("telegram", leases.GroupOptions{})
		require.ErrorContains(t, err, "is open")
		require.NoError(t, a.Group.Close(t.Context()))
		require.Empty(t, a.owned())
		changed := make(chan struct{}, 100)
		again, err := a.Member.Group("telegram", leases.GroupOptions{
			Run: func(ctx context.Context, _ *leases.Lease) { <-ctx.Done() }, OnChange: func() { changed <- struct{}{} },
		})
		require.NoError(t, err)
		again.Want(wanted(5))
		after(2 * time.Second)
		require.NotEmpty(t, changed)
		for _, o := range again.Owners() {
			require.True(t, o.Mine)
			require.EqualValues(t, 2, o.Epoch)
		}
		a.close()
	})
}

func TestMemberTakesManyKeysAFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		a := h.start("a", nil)
		begin := time.Now()
		a.Want(wanted(10_000))
		for len(a.owned()) < 10_000 {
			after(10 * time.Millisecond)
			require.Less(t, time.Since(begin), 5*time.Second)
		}
		t.Logf("10,000 keys after %s", time.Since(begin))
		require.LessOrEqual(t, h.most.Load(), int64(64), "writes at once")
		puts := h.puts.Load()
		after(time.Minute)
		t.Logf("%d writes in a minute at rest", h.puts.Load()-puts)
		require.LessOrEqual(t, h.puts.Load()-puts, int64(21))
		a.close()
	})
}

func TestMembersLogWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		a, b := h.start("a", nil), h.start("b", nil)
		a.Want(wanted(10))
		b.Want(wanted(10))
		after(20 * time.Second)
		h.log.Reset()
		a.away.Store(true)
		after(15 * time.Second)
		lines := []string{}
		for _, e := range h.log.AllEntries() {
			lines = append(lines, fmt.Sprint(e.Level, " ", e.Message, " ", e.Data["owner"], " ", e.Data["connections"]))
		}
		require.Contains(t, lines, "warning This node could not renew its leases: it closes its connections, and "+
			"other nodes may take them over <nil> 5")
		require.Contains(t, lines, "warning A node has not renewed its leases; its connections are taken over a <nil>")
		a.away.Store(false)
		after(20 * time.Second)
		h.log.Reset()
		a.close()
		require.Contains(t, h.log.LastEntry().Message, "handed over")
		b.close()
	})
}

func TestEntriesThatAreMalformedAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		for _, key := range []string{"telegram/channel-0000", "node/garbage", "turn/identify", "unknown", "telegram/"} {
			_, err := h.store.Put(t.Context(), key, []byte(`[1,"`), 0)
			require.NoError(t, err)
		}
		a := h.start("a", nil)
		a.Want(wanted(2))
		require.NoError(t, a.Turn(t.Context(), "identify", time.Second))
		after(15 * time.Second)
		require.Len(t, a.owned(), 2)
		e, err := h.store.Get(t.Context(), "node/garbage")
		require.NoError(t, err)
		require.Nil(t, e.Value)
		a.close()
	})
}

func TestOnChangeMayCallWant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := leases.NewMember(leases.NewMemory(), leases.Options{Node: "a"})
		var g *leases.Group
		ready := make(chan struct{})
		calls := 0
		g, err := m.Group("telegram", leases.GroupOptions{
			Run: func(ctx context.Context, l *leases.Lease) {
				_ = l.SetShared([]byte("3"))
				<-ctx.Done()
			},
			OnChange: func() {
				<-ready
				calls++
				n := 1
				if string(g.Owner("channel-0000").Shared) == "3" {
					n = 3
				}
				g.Want(wanted(n))
			},
		})
		require.NoError(t, err)
		close(ready)
		g.Want(wanted(1))
		after(time.Minute)
		require.Len(t, g.Owners(), 3)
		for _, o := range g.Owners() {
			require.True(t, o.Mine)
		}
		require.Less(t, calls, 20)
		require.NoError(t, m.Close(t.Context()))
	})
}

func TestTakeOverTakesLessThan12Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times []time.Duration
		for i := range 30 {
			h := newHarness(t)
			a, b := h.start("a", nil), h.start("b", nil)
			a.Want(wanted(10))
			b.Want(wanted(10))
			after(20*time.Second + time.Duration(i)*100*time.Millisecond) // before and after renewals
			a.away.Store(true)
			begin := time.Now()
			for len(b.owned()) < 10 {
				after(50 * time.Millisecond)
				require.Less(t, time.Since(begin), 12*time.Second)
			}
			times = append(times, time.Since(begin))
			a.away.Store(false)
			a.close()
			b.close()
		}
		slices.Sort(times)
		t.Logf("taken over after %s, median %s, worst %s", times[0], times[15], times[29])
	})
}

func TestMemberWithoutGroupsLeavesTheStoreAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := leases.NewMemory()
		m := leases.NewMember(store, leases.Options{Node: "a"})
		after(time.Minute)
		require.NoError(t, m.Check())
		ctx, cancel := context.WithCancel(t.Context())
		require.ErrorIs(t, store.Watch(ctx, func(e leases.Entry) {
			require.Empty(t, e)
			cancel()
		}), context.Canceled)
		require.NoError(t, m.Close(t.Context()))
		_, err := m.Group("telegram", leases.GroupOptions{})
		require.ErrorIs(t, err, leases.ErrClosed)
	})
}
