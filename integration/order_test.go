package integration_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

// reader is a platform whose webhooks take as long to read as they say.
type reader struct{ integration.Platform }

func (reader) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	var hook struct {
		ID    string
		Takes time.Duration
	}
	if err := json.Unmarshal(w.Payload, &hook); err != nil {
		return nil, err
	}
	<-time.After(hook.Takes)
	if hook.ID == "" {
		return nil, &integration.Error{Kind: integration.FaultInvalid, Code: "NO_ID", Message: "no id"}
	}
	return []integration.Message{{ID: integration.ID(hook.ID), DedupKey: hook.ID}}, nil
}

func TestWebhooksOfAChannelArePublishedAsTheyCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoad(t, nil, nil)
		r.def.Platform = reader{}
		r.service = r.define()
		ended := map[string]time.Duration{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		receive := func(channel, id string, takes time.Duration) {
			wg.Go(func() {
				params := toJSON(t, webhookParams(object{"channelId": channel, "payload": object{"id": id, "takes": takes}}))
				_, err := r.service.Call(
					t.Context(), integration.ActionReceiveWebhook, &action.Request{Params: json.RawMessage(params)},
				)
				if (err == nil) != (id != "") {
					t.Errorf("%q: %v", id, err)
				}
				mu.Lock()
				defer mu.Unlock()
				ended[id] = time.Since(r.started)
			})
			synctest.Wait()
		}
		receive("c1", "1", 3*time.Second)
		receive("c1", "", time.Second) // is refused, and lets nobody pass the one before
		receive("c1", "2", 0)
		receive("c1", "3", 0)
		receive("c2", "other", 0)
		wg.Wait()
		var ids []string
		for _, e := range r.events.events {
			ids = append(ids, e.ID)
		}
		require.Equal(t, []string{"parrot:c2:other", "parrot:c1:1", "parrot:c1:2", "parrot:c1:3"}, ids)
		require.Zero(t, ended["other"], "another channel does not wait")
	})
}
