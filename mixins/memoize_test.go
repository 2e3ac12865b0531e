package mixins_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/mixins"
)

// counting is a plain moleculer-go service with an action "get" that counts its calls, by id and page.
func counting(name string, calls *ledger, c *cache.Cache, rule any) moleculer.ServiceSchema {
	return moleculer.ServiceSchema{
		Name: name, Mixins: []moleculer.Mixin{mixins.Memoize(c, cache.Keygen{})},
		Actions: []moleculer.Action{
			{Name: "get", Settings: object{"cache": rule}, Handler: func(_ moleculer.Context, params moleculer.Payload) any {
				n := calls.add(name)
				if params.Get("fail").Bool() {
					return action.Client(409, "FAILED", "failed")
				}
				return fmt.Sprint(params.Get("id").String(), " ", n)
			}},
			{Name: "clean", Handler: func(ctx moleculer.Context, _ moleculer.Payload) any {
				if err := mixins.Clean(action.ContextOf(ctx)); err != nil {
					return err
				}
				return "done"
			}},
		},
	}
}

// ask calls get and requires the answer.
func (b *harness) ask(want, name string, params, meta object) {
	b.t.Helper()
	answer, err := b.call(name+".get", params, meta)
	require.NoError(b.t, err)
	require.Equal(b.t, `"`+want+`"`, answer)
}

func TestMemoizeFollowsTheSettingsOfPlainActions(t *testing.T) {
	for name, test := range map[string]struct {
		rule any
		want [4]string
	}{
		"none":                {nil, [4]string{"a 1", "a 2", "b 3", "a 4"}},
		"false":               {false, [4]string{"a 1", "a 2", "b 3", "a 4"}},
		"one that is off":     {object{"enabled": false, "keys": []any{"id"}}, [4]string{"a 1", "a 2", "b 3", "a 4"}},
		"all params":          {true, [4]string{"a 1", "a 2", "b 3", "a 2"}},
		"one param":           {object{"keys": []any{"id"}}, [4]string{"a 1", "a 1", "b 2", "a 1"}},
		"one of meta":         {object{"keys": []string{"#user.id"}, "ttl": 60}, [4]string{"a 1", "a 1", "a 1", "a 2"}},
		"one result for all":  {object{"keys": []any{}, "ttl": 60.0}, [4]string{"a 1", "a 1", "a 1", "a 1"}},
		"a rule of Go's own":  {action.CacheRule{Keys: []string{"id"}}, [4]string{"a 1", "a 1", "b 2", "a 1"}},
		"a pointer to a rule": {&action.CacheRule{Keys: []string{"id"}}, [4]string{"a 1", "a 1", "b 2", "a 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			b, calls := newHarness(t), &ledger{}
			b.serve("n1", counting("old", calls, newCache(t), test.rule))
			b.ask(test.want[0], "old", object{"id": "a"}, nil)
			b.ask(test.want[1], "old", object{"id": "a", "page": 2}, nil)
			b.ask(test.want[2], "old", object{"id": "b"}, nil)
			b.ask(test.want[3], "old", object{"id": "a", "page": 2}, object{"user": object{"id": 7}})
		})
	}
}

func TestMemoizeKeepsAResultForItsTTL(t *testing.T) {
	b, calls := newHarness(t), &ledger{}
	b.serve("n1", counting("old", calls, newCache(t), object{"ttl": 0.05}))
	b.ask("a 1", "old", object{"id": "a"}, nil)
	eventually(t, func() bool {
		_, err := b.call("old.get", object{"id": "a"}, nil)
		require.NoError(t, err)
		return len(calls.lines()) > 1
	})
}

func TestMemoizeIsBypassedByMeta(t *testing.T) {
	b, calls := newHarness(t), &ledger{}
	b.serve("n1", counting("old", calls, newCache(t), true))
	b.ask("a 1", "old", object{"id": "a"}, object{"$cache": true})
	b.ask("a 2", "old", object{"id": "a"}, object{"$cache": false})
	b.ask("a 1", "old", object{"id": "a"}, nil)
}

func TestErrorsAreNotKept(t *testing.T) {
	b, calls := newHarness(t), &ledger{}
	b.serve("n1", counting("old", calls, newCache(t), true))
	for range 2 {
		_, err := b.call("old.get", object{"fail": true}, nil)
		requireError(t, err, 409, "FAILED")
	}
	require.Len(t, calls.lines(), 2)
}

func TestMemoizeRunsTheHandlerOnceForConcurrentCalls(t *testing.T) {
	b, calls, open := newHarness(t), &ledger{}, make(chan struct{})
	entered := make(chan struct{}, 100)
	b.serve("n1", moleculer.ServiceSchema{
		Name: "old", Mixins: []moleculer.Mixin{mixins.Memoize(newCache(t), cache.Keygen{})},
		Actions: []moleculer.Action{{Name: "get", Settings: object{"cache": true}, Handler: func(
			moleculer.Context, moleculer.Payload,
		) any {
			entered <- struct{}{}
			<-open
			return calls.add("get")
		}}},
	})
	answers := make([]string, 100)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i], _ = b.call("old.get", object{"id": 1}, nil) })
	}
	<-entered
	close(open)
	wg.Wait()
	for _, answer := range answers {
		require.Equal(t, "1", answer)
	}
	require.Len(t, calls.lines(), 1)
}

func TestCleanEventDeletesOnlyTheResultsOfItsService(t *testing.T) {
	b, calls, c := newHarness(t), &ledger{}, newCache(t)
	old, older := counting("old", calls, c, true), counting("older", calls, c, true)
	old.Events, older.Events = unrelated, unrelated
	b.serve("n1", old, older)
	b.ask("a 1", "old", object{"id": "a"}, nil)
	b.ask("a 2", "older", object{"id": "a"}, nil)
	require.NoError(t, b.caller.Emit(t.Context(), "cache.clean.old", nil, action.EmitOptions{Broadcast: true}))
	eventually(t, func() bool {
		answer, err := b.call("old.get", object{"id": "a"}, nil)
		require.NoError(t, err)
		return answer == `"a 3"`
	})
	b.ask("a 2", "older", object{"id": "a"}, nil)
}

// unrelated makes moleculer-go merge the events of mixins as it should.
var unrelated = []moleculer.Event{{Name: "unrelated", Handler: func(moleculer.Context, moleculer.Payload) {}}}

func TestCleanEventReachesAServiceWithoutEvents(t *testing.T) {
	b, calls := newHarness(t), &ledger{}
	b.serve("n1", counting("old", calls, newCache(t), true))
	b.ask("a 1", "old", object{"id": "a"}, nil)
	require.NoError(t, b.caller.Emit(t.Context(), "cache.clean.old", nil, action.EmitOptions{Broadcast: true}))
	require.Eventually(t, func() bool {
		answer, err := b.call("old.get", object{"id": "a"}, nil)
		return err == nil && answer == `"a 2"`
	}, patience, 2*time.Millisecond, "moleculer-go drops the events of a mixin where the service has none")
}

func TestMixinEventReachesAServiceWithManyEventsOnce(t *testing.T) {
	b, heard := newHarness(t), &ledger{}
	listening := func(name string) moleculer.Event {
		return moleculer.Event{Name: name, Handler: func(moleculer.Context, moleculer.Payload) { heard.add(name) }}
	}
	b.serve("n1", moleculer.ServiceSchema{
		Name: "old", Events: []moleculer.Event{listening("a"), listening("b"), listening("end")},
		Mixins: []moleculer.Mixin{{Name: "m", Events: []moleculer.Event{listening("theirs")}}},
	})
	for _, name := range []string{"theirs", "end"} {
		require.NoError(t, b.caller.Emit(t.Context(), name, nil, action.EmitOptions{Broadcast: true}))
	}
	eventually(t, func() bool { return len(heard.lines()) > 1 && slices.Contains(heard.lines(), "end") })
	require.ElementsMatch(t, []string{"theirs", "end"}, heard.lines())
}

func TestCleanDeletesTheResultsOnAllNodes(t *testing.T) {
	b, calls := newHarness(t), &ledger{}
	for _, id := range []string{"n1", "n2"} {
		s := counting("old", calls, newCache(t), true)
		s.Events = unrelated
		b.serve(id, s)
	}
	for i, id := range []string{"n1", "n2"} {
		answer, err := b.callNode(id, "old.get", object{"id": "a"}, nil)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf(`"a %d"`, i+1), answer)
	}
	_, err := b.callNode("n1", "old.clean", nil, nil)
	require.NoError(t, err)
	for i, id := range []string{"n1", "n2"} {
		eventually(t, func() bool {
			answer, err := b.callNode(id, "old.get", object{"id": "a"}, nil)
			require.NoError(t, err)
			return answer == fmt.Sprintf(`"a %d"`, i+3)
		})
	}
}

func TestCleanNeedsACall(t *testing.T) {
	require.ErrorContains(t, mixins.Clean(t.Context()), "no service's call")
}

func TestMemoizeFailsForAResultThatIsNotJSON(t *testing.T) {
	b := newHarness(t)
	b.serve("n1", moleculer.ServiceSchema{
		Name: "old", Mixins: []moleculer.Mixin{mixins.Memoize(newCache(t), cache.Keygen{})},
		Actions: []moleculer.Action{
			{Name: "get", Settings: object{"cache": true}, Handler: func(
				moleculer.Context, moleculer.Payload,
			) any {
				return func() {}
			}},
		},
	})
	_, err := b.call("old.get", nil, nil)
	requireError(t, err, 500, "INTERNAL_ERROR")
}

func TestPermissionsAreCheckedBeforeTheCache(t *testing.T) {
	b := newHarness(t)
	b.serve("n1", moleculer.ServiceSchema{
		Name: "old", Mixins: []moleculer.Mixin{mixins.Memoize(newCache(t), cache.Keygen{}), mixins.Permissions()},
		Actions: []moleculer.Action{
			{Name: "get", Settings: object{
				"cache": object{"keys": []any{}}, "permissions": []any{"read", "role:admin"},
			}, Handler: func(moleculer.Context, moleculer.Payload) any { return 1 }},
			{Name: "any", Settings: object{"permissions": "authenticated"}, Handler: func(
				moleculer.Context, moleculer.Payload,
			) any {
				return 1
			}},
			{Name: "free", Handler: func(moleculer.Context, moleculer.Payload) any { return 1 }},
		},
	})
	reader, admin, other := object{
		"user": object{"id": 1, "permissions": []string{"read"}},
	}, object{"user": object{"id": 2, "role": "admin"}}, object{"user": object{"id": 3}}
	for range 2 {
		for _, meta := range []object{reader, admin} {
			_, err := b.call("old.get", nil, meta)
			require.NoError(t, err)
		}
		_, err := b.call("old.get", nil, other)
		e := errorOf(t, err, 403, "FORBIDDEN")
		require.JSONEq(t, `{"permissions":["read","role:admin"]}`, string(e.Data.(json.RawMessage)))
		_, err = b.call("old.get", nil, nil)
		requireError(t, err, 401, "UNAUTHORIZED")
	}
	_, err := b.call("old.any", nil, other)
	require.NoError(t, err)
	_, err = b.call("old.any", nil, nil)
	requireError(t, err, 401, "UNAUTHORIZED")
	_, err = b.call("old.free", nil, nil)
	require.NoError(t, err)
}
