package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/claims"
	"github.com/hiliosai/switchboard/integration"
)

// batch is a platform whose webhooks are lists of messages.
type batch struct{ integration.Platform }

func (batch) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	var hook struct{ Messages []integration.Message }
	err := json.Unmarshal(w.Payload, &hook)
	return hook.Messages, err
}

// desk receives such webhooks for a channel that wants repeated ones told for as long as they may come.
type desk struct {
	*road
	store claims.Store
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{newRoad(t, map[string]string{"dedup": "horizon"}, nil), claims.NewMemory(claims.MemoryOptions{})}
	d.def.Platform = batch{}
	d.runtime.Claims = d.store
	d.service = d.define()
	return d
}

// receive hands over messages named like c:1, of conversation c.
func (d *desk) receive(names ...string) (string, error) {
	result, err := d.receiveUntil(d.t.Context(), names...)
	if err != nil {
		return "", err
	}
	encoded, err := json.Marshal(result)
	return string(encoded), err
}

// receiveUntil is receive for a caller that waits as long as ctx.
func (d *desk) receiveUntil(ctx context.Context, names ...string) (any, error) {
	var messages []object
	for _, name := range names {
		messages = append(messages, object{"id": name, "conversationId": name[:1], "dedupKey": name})
	}
	params, _ := json.Marshal(webhookParams(object{"payload": object{"messages": messages}}))
	return d.service.Call(ctx, integration.ActionReceiveWebhook, &action.Request{Params: params})
}

func (d *desk) published() []string {
	d.events.mu.Lock()
	defer d.events.mu.Unlock()
	var ids []string
	for _, e := range d.events.events {
		ids = append(ids, e.ID)
	}
	return ids
}

func TestRepeatedMessageIsADuplicateForAsLongAsItMayCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		result, err := d.receive("a:1", "a:2")
		require.NoError(t, err)
		require.JSONEq(t, `{"success":true,"messages":2,"failed":0}`, result)

		<-time.After(23 * time.Hour)
		d.service = d.define() // on another node
		result, err = d.receive("a:2", "a:3")
		require.NoError(t, err)
		require.JSONEq(t, `{"success":true,"messages":2,"failed":0,"duplicates":1}`, result)
		require.Equal(t, []string{"parrot:c1:a:1", "parrot:c1:a:2", "parrot:c1:a:3"}, d.published())
	})
}

func TestSecondBotOfAChannelHasItsOwnMessageIDs(t *testing.T) {
	d := newDesk(t)
	_, err := d.receive("a:1")
	require.NoError(t, err)
	changed := *d.channels["c1"]
	changed.Credentials = maps.Clone(changed.Credentials)
	changed.Credentials["token"] = "654321:another"
	d.channels["c1"] = &changed
	_, err = d.receive("a:1")
	require.NoError(t, err)
	require.Len(t, d.published(), 2)
}

func TestMessageNotStoredIsNotADuplicate(t *testing.T) {
	d := newDesk(t)
	d.events.fail = func(e event) error {
		if e.ID == "parrot:c1:a:2" {
			return errors.New("no ack")
		}
		return nil
	}
	_, err := d.receive("a:1", "a:2")
	requireError(t, err, 503, "EVENTS_UNAVAILABLE")
	d.events.fail = nil
	result, err := d.receive("a:1", "a:2")
	require.NoError(t, err)
	require.JSONEq(t, `{"success":true,"messages":2,"failed":0,"duplicates":1}`, result)
	require.Equal(t, []string{"parrot:c1:a:1", "parrot:c1:a:2", "parrot:c1:a:2"}, d.published())
}

func TestMessageClaimedByAnotherNodeIsPublishedToo(t *testing.T) {
	d := newDesk(t)
	d.events.held = make(chan struct{}) // the other node waits for its ack
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := d.receive("a:1"); err != nil {
				t.Error(err)
			}
		})
	}
	d.events.handed(t, 2) // both wait for an ack: the stream tells that the second is the first
	close(d.events.held)
	wg.Wait()
}

func TestWebhooksAreTakenWithoutClaims(t *testing.T) {
	d := newDesk(t)
	d.runtime.Claims = brokenClaims{}
	d.service = d.define()
	result, err := d.receive("a:1")
	require.NoError(t, err)
	require.JSONEq(t, `{"success":true,"messages":1,"failed":0}`, result)
}

// slowClaims takes a second for keys of conversation a.
type slowClaims struct{ claims.Store }

func (s slowClaims) Claim(ctx context.Context, terms claims.Terms, keys ...string) ([]claims.Claim, error) {
	if keys[0][len(keys[0])-3] == 'a' && keys[0][len(keys[0])-1] == '1' {
		<-time.After(time.Second)
	}
	return s.Store.Claim(ctx, terms, keys...)
}

func TestClaimDelaysOnlyItsConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.runtime.Claims = slowClaims{d.store}
		d.service = d.define()
		var wg sync.WaitGroup
		for _, name := range []string{"a:1", "a:2", "b:1", "a:3"} {
			wg.Go(func() {
				if _, err := d.receive(name); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		require.Equal(t, []string{"parrot:c1:b:1", "parrot:c1:a:1", "parrot:c1:a:2", "parrot:c1:a:3"}, d.published())
	})
}

func TestMessagesAlreadyInTheStreamAreDuplicates(t *testing.T) {
	b := newHarness(t)
	b.platform.messages = []integration.Message{{ID: "1", DedupKey: "1"}}
	b.events.duplicate = true
	result, err := b.receive(webhookParams())
	require.NoError(t, err)
	require.JSONEq(t, `{"success":true,"messages":1,"failed":0,"duplicates":1}`, toJSON(t, result))
}

// deaf are claims that never answer.
type deaf struct {
	claims.Store
	asked int
}

func (d *deaf) Claim(ctx context.Context, _ claims.Terms, _ ...string) ([]claims.Claim, error) {
	d.asked++
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestHangingClaimsDelayFewWebhooksBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		away := &deaf{Store: d.store}
		d.runtime.Claims = away
		d.service = d.define()
		began := time.Now()
		for _, name := range []string{"a:1", "a:2", "b:1", "a:3"} {
			_, err := d.receive(name)
			require.NoError(t, err)
		}
		require.Equal(t, 1, away.asked)
		require.Less(t, time.Since(began), 2*time.Second)

		<-time.After(3 * time.Second)
		_, err := d.receive("a:4")
		require.NoError(t, err)
		require.Equal(t, 2, away.asked, "they are asked again after a while")
	})
}
