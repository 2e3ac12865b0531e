package events_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/action"
	store "github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/internal/testserver"
	"github.com/hiliosai/switchboard/services/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type object = map[string]any

const (
	name   = "hios.processing.message.received"
	queue  = "FAILED_MESSAGES"
	canary = "CANARY-secret"
)

// harness is the service on a NATS server of its own.
type harness struct {
	t         *testing.T
	publisher *store.Publisher
	service   *integration.Service
	admin     *events.Admin
	answers   []string // and errors, all that callers got to see
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	nc, err := nats.Connect(testserver.NATS(t).ClientURL(), nats.ReconnectBufSize(-1))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	log, _ := test.NewNullLogger()
	b := &harness{t: t}
	b.publisher, err = store.New(
		nc, store.Options{Prefix: "dev", Replicas: 1, Timeout: time.Minute, NodeID: "node-1", Log: logrus.NewEntry(log)},
	)
	require.NoError(t, err)
	secrets := &redact.Secrets{}
	secrets.Add(canary)
	b.admin = &events.Admin{
		Archive: store.NewArchive(b.publisher), Names: []string{name, "hios.other"}, Queue: queue, Secrets: secrets,
		Now: time.Now,
	}
	b.service, err = integration.DefineService(
		events.Definition(b.admin), integration.Runtime{Secrets: secrets, Log: logrus.NewEntry(log)},
	)
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, text := range b.answers {
			require.NotContains(t, text, canary)
			require.NotContains(t, text, "hunter2")
		}
	})
	return b
}

// put stores an event.
func (b *harness) put(name, id string, header map[string][]string, payload any) {
	b.t.Helper()
	require.NoError(b.t, b.publisher.Ensure(b.t.Context(), name))
	event := order.Event{Name: name, MsgID: id, Header: header, Payload: []byte(toJSON(b.t, payload))}
	require.NoError(b.t, b.publisher.Store(b.t.Context(), event))
}

// putDeadLetter stores a dead letter of a tenant.
func (b *harness) putDeadLetter(id, tenant, group string) {
	b.t.Helper()
	b.put(queue, "dead-"+id, map[string][]string{
		"x-original-channel": {"dev." + name}, "x-original-group": {group}, "x-original-message-id": {id},
		"x-error-message": {"no " + canary}, "x-error-type": {"DB_DOWN"},
	}, object{"tenantId": tenant})
}

func user(tenant string, permissions ...string) object {
	return object{"user": object{"id": "u1", "tenantId": tenant, "permissions": permissions}}
}

var (
	reader = user("t1", events.PermissionRead)
	writer = user("t1", events.PermissionWrite)
	root   = user("", events.PermissionWrite, events.AllTenants)
)

// call calls an action and decodes its answer.
func call[T any](b *harness, meta object, action string, params any) (answer T, err error) {
	b.t.Helper()
	result, err := b.service.Call(b.t.Context(), action, request(b.t, meta, params))
	if err != nil {
		b.answers = append(b.answers, err.Error())
		return answer, err
	}
	b.answers = append(b.answers, toJSON(b.t, result))
	require.NoError(b.t, json.Unmarshal([]byte(toJSON(b.t, result)), &answer))
	return answer, nil
}

func request(t *testing.T, meta object, params any) *action.Request {
	t.Helper()
	return &action.Request{Params: []byte(toJSON(t, params)), Meta: action.NewMeta([]byte(toJSON(t, meta)))}
}

func answer[T any](b *harness, meta object, action string, params any) T {
	b.t.Helper()
	v, err := call[T](b, meta, action, params)
	require.NoError(b.t, err)
	return v
}

func refused(b *harness, meta object, name string, params any, code int, typ string) {
	b.t.Helper()
	_, err := call[any](b, meta, name, params)
	e, ok := errors.AsType[*action.Error](err)
	require.True(b.t, ok, "%v", err)
	require.Equal(b.t, []any{code, typ}, []any{e.Code, e.Type}, e.Message)
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}

// ids are the message ids of events.
func ids(list []*events.View) []string {
	found := []string{}
	for _, v := range list {
		found = append(found, v.MessageID)
	}
	return found
}

func TestPermissionsOfEventActions(t *testing.T) {
	calls := map[string]object{
		"list": {"name": name}, "dlq.list": {}, "dlq.show": {"sequence": 1},
		"replay": {"name": name, "messageIds": []string{"m1"}}, "dlq.replay": {"sequences": []int{99}},
		"dlq.drop": {"sequences": []int{99}},
	}
	for who, test := range map[string]struct {
		meta        object
		read, write int // the code of the refusal, 0 for none
	}{
		"nobody":                 {nil, 401, 401},
		"a user":                 {user("t1"), 403, 403},
		"a reader":               {reader, 0, 403},
		"a writer":               {writer, 0, 0},
		"a reader of no tenant":  {user("", events.PermissionRead), 403, 403},
		"a writer of no tenant":  {user("", events.PermissionWrite), 403, 403},
		"who sees tenants alone": {user("", events.AllTenants), 403, 403},
		"who may all":            {root, 0, 0},
	} {
		t.Run(who, func(t *testing.T) {
			b := newHarness(t)
			b.put(name, "m1", nil, object{"tenantId": "t1"})
			b.putDeadLetter("d1", "t1", "mail")
			for action, params := range calls {
				code := test.write
				if action == "list" || action == "dlq.list" || action == "dlq.show" {
					code = test.read
				}
				_, err := call[any](b, test.meta, action, params)
				if code == 0 {
					require.NoError(t, err, action)
					continue
				}
				require.Error(t, err, action)
				require.ErrorContains(t, err, "(", action)
			}
		})
	}
}

func TestCountsNeedAllTenants(t *testing.T) {
	b := newHarness(t)
	b.put(name, "m1", nil, object{})
	b.put(name, "m2", nil, object{})
	refused(b, reader, "count", object{}, 403, "FORBIDDEN")
	counts := answer[[]events.Count](b, root, "count", object{})
	require.Len(t, counts, 3)
	require.Equal(
		t, []any{name, 2, "hios.other", 0, queue, 0},
		[]any{counts[0].Name, counts[0].Count, counts[1].Name, counts[1].Count, counts[2].Name, counts[2].Count},
	)
	require.NotEmpty(t, counts[0].Oldest.Age)
	require.Nil(t, counts[1].Oldest)
}

func TestTenantSeesOnlyItsOwnEvents(t *testing.T) {
	b := newHarness(t)
	b.put(name, "m1", nil, object{"tenantId": "t1"})
	b.put(name, "m2", nil, object{"tenantId": "t2"})
	b.put(
		name, "m3", map[string][]string{"$meta": {base64.StdEncoding.EncodeToString([]byte(`{"tenantId":"t1"}`))}}, object{},
	)
	b.put(name, "m4", nil, object{})
	require.Equal(t, []string{"m1", "m3"}, ids(answer[[]*events.View](b, reader, "list", object{"name": name})))
	require.Equal(t, []string{"m1", "m2", "m3", "m4"}, ids(answer[[]*events.View](b, root, "list", object{"name": name})))
	require.Equal(
		t, []string{"m3"}, ids(answer[[]*events.View](b, reader, "list", object{"name": name, "after": "1", "limit": "1"})),
	)

	b.putDeadLetter("d1", "t2", "mail")
	b.putDeadLetter("d2", "t1", "mail")
	dead := answer[*events.DeadLetters](b, writer, "dlq.list", object{})
	require.Equal(t, []string{"d2"}, ids(dead.Letters))
	require.Equal(t, 1, dead.Total.Count)
	refused(b, writer, "dlq.show", object{"sequence": 1}, 404, "DEAD_LETTER_NOT_FOUND")
	require.Zero(t, answer[events.Dropped](b, writer, "dlq.drop", object{"sequences": []int{1}}).Dropped)
	require.Zero(t, answer[events.Replayed](b, writer, "dlq.replay", object{"sequences": []int{1}}).Replayed)
	require.Zero(
		t, answer[events.Replayed](b, writer, "replay", object{"name": name, "messageIds": []string{"m2"}}).Replayed,
	)
	require.Equal(t, 1, answer[events.Dropped](b, writer, "dlq.drop", object{"all": true}).Dropped)
	require.Equal(t, 1, answer[*events.DeadLetters](b, root, "dlq.list", object{}).Total.Count)
}

func TestEventsAreReplayedByTimeAndById(t *testing.T) {
	b := newHarness(t)
	for _, id := range []string{"m1", "m2", "m3"} {
		b.put(name, id, nil, object{"tenantId": "t1"})
	}
	refused(b, writer, "replay", object{"name": name}, 422, "EVENTS_NOT_CHOSEN")
	require.Equal(
		t, 1, answer[events.Replayed](b, writer, "replay", object{"name": name, "messageIds": []string{"m2"}}).Replayed,
	)
	require.Equal(
		t, 4,
		answer[events.Replayed](b, writer, "replay", object{"name": name, "since": time.Now().Add(-time.Hour)}).Replayed,
	)
	require.Zero(
		t,
		answer[events.Replayed](
			b, writer, "replay",
			object{"name": name, "since": time.Now().Add(-time.Hour), "until": time.Now().Add(-time.Minute)},
		).Replayed,
	)
	list := answer[[]*events.View](b, root, "list", object{"name": name, "after": 3})
	require.Equal(t, []string{"m2", "m1", "m2", "m3", "m2"}, ids(list), "what they were called")
	require.Equal(t, "dev_hios_processing_message_received:2", list[0].Headers["x-replayed-from"])
}

func TestDeadLettersAreCountedShownReplayedAndDropped(t *testing.T) {
	b := newHarness(t)
	b.putDeadLetter("d1", "t1", "mail")
	b.putDeadLetter("d2", "t1", "audit")
	b.putDeadLetter("d3", "t1", "mail")
	dead := answer[*events.DeadLetters](b, reader, "dlq.list", object{"limit": 2})
	require.Equal(t, []any{queue, 3, queue}, []any{dead.Queue, dead.Total.Count, dead.Total.Name})
	require.Equal(t, []string{"d1", "d2"}, ids(dead.Letters), "the limit is for the list")
	require.Len(t, dead.Groups, 2)
	require.Equal(
		t, []any{"mail", name, 2, "audit", 1},
		[]any{
			dead.Groups[0].Group, dead.Groups[0].Name, dead.Groups[0].Count.Count, dead.Groups[1].Group,
			dead.Groups[1].Count.Count,
		},
	)
	require.Equal(
		t, &events.Original{Event: name, Subject: "dev." + name, Group: "mail", Error: "no [redacted] (DB_DOWN)"},
		dead.Letters[0].Original,
	)
	require.Nil(t, dead.Letters[0].Payload)

	one := answer[*events.View](b, reader, "dlq.show", object{"sequence": "2"})
	require.Equal(t, "d2", one.MessageID)
	require.Equal(t, object{"tenantId": "t1"}, one.Payload)

	for _, name := range []string{"dlq.replay", "dlq.drop"} {
		refused(b, writer, name, object{}, 422, "DEAD_LETTERS_NOT_CHOSEN")
	}
	require.Equal(t, 1, answer[events.Replayed](b, writer, "dlq.replay", object{"group": "audit"}).Replayed)
	require.Equal(t, []string{"d2"}, ids(answer[[]*events.View](b, root, "list", object{"name": name})))
	require.Equal(t, 1, answer[events.Dropped](b, writer, "dlq.drop", object{"messageIds": []string{"d3"}}).Dropped)
	require.Equal(t, 1, answer[events.Dropped](b, writer, "dlq.drop", object{"subject": name}).Dropped)
	require.Zero(t, answer[*events.DeadLetters](b, reader, "dlq.list", object{}).Total.Count)
}

func TestReplayThatFailsSaysHowFarItGot(t *testing.T) {
	b := newHarness(t)
	b.putDeadLetter("d1", "t1", "mail")
	b.put(queue, "record", map[string][]string{"x-original-channel": {"dev." + name}}, object{"tenantId": "t1"})
	_, err := call[any](b, writer, "dlq.replay", object{"all": true})
	e, ok := errors.AsType[*action.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(
		t, []any{503, "EVENTS_INTERRUPTED", true, object{"replayed": 1, "last": uint64(1), "through": uint64(2)}},
		[]any{e.Code, e.Type, e.Retryable, e.Data},
	)
}

func TestReplayEndsWithItsCaller(t *testing.T) {
	b := newHarness(t)
	for i := range 9 {
		b.put(name, fmt.Sprint("m", i), nil, object{"tenantId": "t1"})
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	b.admin.Secrets = &redact.Secrets{}
	p, err := b.admin.Replay(ctx, name, events.Filter{}, func(string) bool {
		if seen++; seen == 4 {
			cancel()
		}
		return true
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 3, p.Count)

	_, err = b.service.Call(ctx, "replay", request(t, writer, object{"name": name, "since": time.Now().Add(-time.Hour)}))
	require.Error(t, err)
	if e, ok := errors.AsType[*action.Error](err); ok {
		require.False(t, e.Retryable, "retrying would replay the first ones again")
	}
	require.Equal(t, 12, b.stored(name))
}

// stored is how many events of a name there are.
func (b *harness) stored(name string) int {
	b.t.Helper()
	s, err := b.admin.Archive.Summarize(b.t.Context(), name)
	require.NoError(b.t, err)
	return s.Count
}

func TestReplayIsBounded(t *testing.T) {
	b := newHarness(t)
	for i := range 1003 {
		b.put(name, fmt.Sprint("m", i), nil, object{"tenantId": "t1"})
	}
	since := time.Now().Add(-time.Hour)
	first := answer[events.Replayed](b, writer, "replay", object{"name": name, "since": since})
	require.Equal(t, events.Replayed{Replayed: 1000, Rest: events.Rest{More: true, Last: 1000, Through: 1003}}, first)
	second := answer[events.Replayed](
		b, writer, "replay", object{"name": name, "since": since, "after": first.Last, "through": first.Through},
	)
	require.Equal(t, events.Replayed{Replayed: 3}, second)
	require.Equal(t, 2006, b.stored(name))
	require.Len(t, answer[[]*events.View](b, reader, "list", object{"name": name, "limit": 1000}), 1000)

	long := make([]int, 1001)
	ids := make([]string, 1001)
	for action, params := range map[string]object{
		"list": {"name": name}, "replay": {"name": name, "since": since}, "dlq.list": {}, "dlq.replay": {"all": true},
		"dlq.drop": {"all": true},
	} {
		for key, value := range map[string]any{"sequences": long, "messageIds": ids, "limit": 1001} {
			params[key] = value
			refused(b, writer, action, params, 422, "VALIDATION_ERROR")
			delete(params, key)
		}
	}
}

func TestReplayOfARepeatedSequenceHappensOnce(t *testing.T) {
	b := newHarness(t)
	b.put(name, "m1", nil, object{"tenantId": "t1"})
	require.Equal(
		t, events.Replayed{Replayed: 1},
		answer[events.Replayed](b, writer, "replay", object{"name": name, "sequences": []int{1, 1, 1}}),
	)
	require.Equal(t, 2, b.stored(name))
}

func TestListFitsIntoAnAnswer(t *testing.T) {
	b := newHarness(t)
	for i := range 20 {
		b.put(name, fmt.Sprint("m", i), nil, object{"tenantId": "t1", "text": strings.Repeat("x", 100<<10)})
	}
	list := answer[[]*events.View](b, reader, "list", object{"name": name})
	require.Len(t, list, 6, "what goes beyond 512 KB is on the next page")
	require.Len(
		t, answer[[]*events.View](b, reader, "list", object{"name": name, "after": list[5].Sequence, "limit": 3}), 3,
	)
}

func TestUnknownNamesAreRefusedWithTheKnownOnes(t *testing.T) {
	b := newHarness(t)
	b.put(name, "m1", nil, object{"tenantId": "t1"})
	b.put("shop.orders", "o1", nil, object{"tenantId": "t1"})
	b.putDeadLetter("d1", "t1", "v1.mail")
	b.put(
		"DEAD", "dead-x", map[string][]string{"x-original-channel": {"dev.shop.orders"}, "x-original-group": {"x"}},
		object{},
	)
	all := "FAILED_MESSAGES, hios.other, hios.processing.message.received"
	for test, want := range map[string]struct {
		action string
		params object
		typ    string
		known  string
		all    bool // the caller sees all tenants
	}{
		"an event":        {"list", object{"name": "nope.x"}, "EVENT_NOT_FOUND", all, false},
		"for all tenants": {"list", object{"name": "nope.x"}, "EVENT_NOT_FOUND", "DEAD, " + all + ", shop.orders", true},
		"with the prefix": {"list", object{"name": "dev." + name}, "EVENT_NOT_FOUND", all, false},
		"of a replay": {"replay", object{
			"name": "nope.x", "sequences": []int{1},
		}, "EVENT_NOT_FOUND", all, false},
		"of groups": {"groups", object{"name": "nope.x"}, "EVENT_NOT_FOUND", "DEAD, " + all +
			", shop.orders", true},
		"a queue": {
			"dlq.list",
			object{"queue": "NOPE"},
			"QUEUE_NOT_FOUND", "DEAD, FAILED_MESSAGES",
			false,
		},
		"an event's name as a queue": {"dlq.list", object{"queue": name}, "QUEUE_NOT_FOUND", "DEAD, FAILED_MESSAGES", false},
		"of one letter": {"dlq.show", object{
			"queue": "NOPE", "sequence": 1,
		}, "QUEUE_NOT_FOUND", "DEAD, FAILED_MESSAGES", false},
		"of a drop": {"dlq.drop", object{
			"queue": "NOPE", "all": true,
		}, "QUEUE_NOT_FOUND", "DEAD, FAILED_MESSAGES", false},
		"a group":                        {"dlq.list", object{"group": "nope"}, "GROUP_NOT_FOUND", "v1.mail", false},
		"a group to replay":              {"dlq.replay", object{"group": "nope"}, "GROUP_NOT_FOUND", "v1.mail", false},
		"an event of dead letters":       {"dlq.list", object{"subject": "nope.x"}, "EVENT_NOT_FOUND", all, false},
		"an event of letters to be gone": {"dlq.drop", object{"subject": "nope.x"}, "EVENT_NOT_FOUND", all, false},
	} {
		t.Run(test, func(t *testing.T) {
			who := writer
			if want.all {
				who = root
			}
			refused(b, who, want.action, want.params, 404, want.typ)
			require.Contains(t, b.answers[len(b.answers)-1], "; there are: "+want.known)
		})
	}
	require.ErrorContains(t, b.admin.Tail(t.Context(), []string{"nope.x"}, time.Time{}, nil), `there is no event "nope.x"`)

	require.Len(t, answer[[]*events.View](b, reader, "list", object{"name": "shop.orders"}), 1, "others' events are known")
	require.Empty(
		t, answer[[]*events.View](b, reader, "list", object{"name": "hios.other"}),
		"and those that nobody has published yet",
	)
	require.Zero(t, answer[*events.DeadLetters](b, reader, "dlq.list", object{"subject": "hios.other"}).Total.Count)
	require.Equal(t, 1, answer[*events.DeadLetters](b, root, "dlq.list", object{"queue": "DEAD"}).Total.Count)
}

func TestGroupsNeedAllTenants(t *testing.T) {
	b := newHarness(t)
	b.put(name, "m1", nil, object{})
	b.put("shop.orders", "o1", nil, object{})
	for _, n := range []string{name, "shop.orders"} { // as a Node service makes it
		c, err := b.publisher.Consume(t.Context(), store.Subscription{
			Name: n, Group: "v1.mail", Service: "v1.mail", MaxInFlight: 1, MaxRetries: 1,
			Handle: func(context.Context, *store.Delivery) error { return nil },
		})
		require.NoError(t, err)
		require.NoError(t, c.Stop(t.Context()))
	}
	b.put(name, "m2", nil, object{})
	refused(b, reader, "groups", object{}, 403, "FORBIDDEN")
	require.Eventually(t, func() bool { // the server counts a moment later
		groups := answer[[]events.Group](b, root, "groups", object{})
		return len(groups) == 2 && groups[0].Event == name && groups[0].Group == "v1_mail" && groups[0].Pending == 1
	}, time.Minute, 5*time.Millisecond)
	require.Len(t, answer[[]events.Group](b, root, "groups", object{"name": "shop.orders"}), 1)
}

func TestTimesAreRounded(t *testing.T) {
	b := newHarness(t)
	b.put(name, "m1", nil, object{})
	stored := answer[[]*events.View](b, root, "list", object{"name": name})[0].Stored
	at, err := time.Parse(time.RFC3339, stored.Time)
	require.NoError(t, err)
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`, stored.Time)
	require.Equal(t, stored.Timestamp, at.UnixMilli())
}

func TestEventsAreShownWithoutSecrets(t *testing.T) {
	b := newHarness(t)
	b.put(name, "m1", map[string][]string{
		"$meta": {
			base64.StdEncoding.EncodeToString([]byte(`{"tenantId":"t1","authToken":"hunter2","user":{"password":"hunter2"}}`)),
		},
		"Authorization": {"hunter2"},
		"$headers":      {base64.StdEncoding.EncodeToString([]byte(`{"cookie":"hunter2"}`))}, "x-note": {"see " + canary},
		"x-error-stack": {base64.StdEncoding.EncodeToString([]byte("at " + canary))},
	}, object{
		"tenantId": "t1", "url": "https://x/" + canary, "id": json.Number("12345678901234567890"),
		"apiKeys": []any{"hunter2", object{"n": 1}}, "token": json.Number("5"), "replyContext": "token=hunter2",
	})
	v := answer[[]*events.View](b, reader, "list", object{"name": name})[0]
	require.Equal(
		t, object{"tenantId": "t1", "authToken": redact.Placeholder, "user": object{"password": redact.Placeholder}}, v.Meta,
	)
	require.Equal(t, map[string]string{
		"Authorization": redact.Placeholder, "$headers": `{"cookie":"[redacted]"}`, "x-note": "see [redacted]",
		"x-error-stack": "at [redacted]", "Nats-Msg-Id": "m1",
	}, v.Headers)
	require.Contains(t, b.answers[0], `"id":12345678901234567890`)
	require.Contains(t, b.answers[0], `"url":"https://x/[redacted]"`)
	require.Contains(t, b.answers[0], `"token":"[redacted]"`)
	require.Contains(t, b.answers[0], `"replyContext":"[redacted]"`)

	require.NoError(
		t, b.publisher.Store(t.Context(), order.Event{Name: name, MsgID: "m2", Payload: []byte("no JSON " + canary)}),
	)
	require.NoError(t, b.publisher.Store(t.Context(), order.Event{Name: name, MsgID: "m3", Payload: []byte{0xff, 0xfe}}))
	list := answer[[]*events.View](b, root, "list", object{"name": name, "after": 1})
	require.Equal(t, []any{"no JSON [redacted]", "//4="}, []any{list[0].Payload, list[1].Payload})
}

func TestTailShowsAllEvents(t *testing.T) {
	b := newHarness(t)
	b.put(name, "m1", nil, object{"n": 1})
	b.putDeadLetter("d1", "t1", "mail")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var shown []string
	require.NoError(t, b.admin.Tail(ctx, nil, time.Now().Add(-time.Hour), func(v *events.View) {
		shown = append(shown, fmt.Sprint(v.Subject, " ", v.MessageID))
		if len(shown) == 2 {
			cancel()
		}
	}))
	require.ElementsMatch(t, []string{"dev." + name + " m1", "dev." + queue + " d1"}, shown)
}

func TestReplayLeavesTimeForItsAnswer(t *testing.T) {
	b := newHarness(t)
	for i := range 9 {
		b.put(name, fmt.Sprint("m", i), nil, object{"tenantId": "t1"})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	b.admin.Now = func() time.Time { return time.Now().Add(-time.Hour) } // when the call began: most of its time is over
	p, err := b.admin.Replay(ctx, name, events.Filter{}, nil)
	require.NoError(t, err, "its caller still waits")
	require.Equal(t, store.Progress{Through: 9, More: true}, p)
	require.Equal(t, 9, b.stored(name))
}
