package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/metrics"
)

// told are the events of conditions that were handed over, such as "degraded SENDS_FAILING 50".
func (b *harness) told() []string {
	b.events.mu.Lock()
	defer b.events.mu.Unlock()
	list := []string{}
	for _, e := range b.events.conditions {
		word, ok := strings.CutPrefix(e.Name, "hios.processing.channel.")
		if !ok {
			continue
		}
		var p integration.ConditionPayload
		require.NoError(b.t, json.Unmarshal(e.Payload, &p))
		text := word + " " + p.Condition.Code
		if p.Condition.Level > 0 {
			text += " " + toJSON(b.t, p.Condition.Level)
		}
		list = append(list, text)
	}
	return list
}

// health asks for a channel, or with an empty id for the service, as somebody of a tenant; "" is the cluster.
func (b *harness) health(service *integration.Service, channel, tenant string) (h integration.Health) {
	b.t.Helper()
	params, meta := object{}, object{}
	if channel != "" {
		params["channelId"] = channel
	}
	if tenant != "" {
		meta["tenantId"] = tenant
	}
	req := request(b.t, params)
	req.Meta = metaOf(b.t, meta)
	answer, err := service.Call(b.t.Context(), integration.ActionHealthCheck, req)
	require.NoError(b.t, err)
	decode(b.t, answer, &h)
	return h
}

// newSick is a road whose sends fail with *failure; nil lets them pass.
func newSick(t *testing.T, failure *error) *road {
	t.Helper()
	r := newRoad(t, nil, func(context.Context, int, *integration.Message) (*integration.SendResult, error) {
		return &integration.SendResult{Success: true}, *failure
	})
	return r
}

func refusedToken() error {
	return &integration.Error{Kind: integration.FaultAuth, Code: "CREDENTIALS_REFUSED", Message: "no such token " + token}
}

func TestConditionIsToldOnceItLastsAndOnceItIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failure := refusedToken()
		r := newSick(t, &failure)
		registry := metrics.New(metrics.Options{Namespace: "hios", NodeID: "node-1"})
		r.runtime.NodeID, r.runtime.Now, r.runtime.Metrics = "node-1", nil, registry
		r.service = r.define()
		send := func() { _ = r.send("c1", "ada", "hi") }

		send()
		elapse(9 * time.Second)
		failure = nil
		send()
		elapse(time.Minute)
		require.Empty(t, r.told(), "it was gone too soon")

		began := time.Now()
		failure = refusedToken()
		send()
		elapse(9 * time.Second)
		require.Empty(t, r.told())
		require.Equal(t, integration.HealthHealthy, r.health(r.service, "", "").Status)
		require.Empty(t, r.health(r.service, "", "").Details)
		elapse(2 * time.Second)
		send()
		require.Equal(t, []string{"degraded CREDENTIALS_REFUSED"}, r.told())

		r.platform.healthErr = refusedToken()
		ill := r.health(r.service, "c1", "")
		condition := object{
			"code": "CREDENTIALS_REFUSED", "message": "no such token [redacted]", "since": float64(began.UnixMilli()),
		}
		require.Equal(t, []any{condition}, ill.Details["conditions"])
		r.platform.healthErr = nil
		condition["channelId"] = "c1"
		require.Equal(t, []any{condition}, r.health(r.service, "", "t1").Details["conditions"])
		require.Empty(t, r.health(r.service, "", "t2").Details, "another tenant learns nothing")
		require.Equal(t, integration.HealthHealthy, r.health(r.service, "c2", "").Status)

		failure = nil
		send()
		ill = r.health(r.service, "c1", "")
		require.Equal(t, integration.HealthDegraded, ill.Status)
		require.Equal(t, "CREDENTIALS_REFUSED: no such token [redacted]", ill.Message)
		elapse(29 * time.Second)
		failure = refusedToken()
		send()
		elapse(time.Minute)
		require.Len(t, r.told(), 1, "it came back")
		failure = nil
		send()
		elapse(31 * time.Second)
		require.Equal(t, []string{"degraded CREDENTIALS_REFUSED", "recovered CREDENTIALS_REFUSED"}, r.told())
		require.Equal(t, integration.HealthHealthy, r.health(r.service, "c1", "").Status)

		synctest.Wait()
		events := r.events.conditions
		require.NotEqual(t, events[0].ID, events[1].ID)
		var payload object
		require.NoError(t, json.Unmarshal(events[0].Payload, &payload))
		delete(condition, "channelId")
		require.Equal(t, object{
			"tenantId": "t1", "channelId": "c1", "platform": "parrot", "nodeId": "node-1", "condition": condition,
			"timestamp": float64(began.Add(10 * time.Second).UnixMilli()),
		}, payload)
		require.NotContains(t, r.logs.String()+toJSON(t, events), token)

		page := httptest.NewRecorder()
		registry.Handler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		for _, change := range []string{"degraded", "recovered"} {
			require.Contains(t, page.Body.String(), `switchboard_channel_conditions_total{change="`+change+
				`",code="CREDENTIALS_REFUSED",namespace="hios",nodeID="node-1",platform="parrot"} 1`)
		}
	})
}

func TestSendsFailingIsToldByLevels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failure error
		r := newSick(t, &failure)
		r.runtime.Now = nil
		r.service = r.define()
		send := func(times int, kind integration.ErrorKind) {
			failure = nil
			if kind != "" {
				failure = &integration.Error{Kind: kind, Code: "TROUBLE", Message: "there is trouble"}
			}
			for range times {
				_ = r.send("c1", "ada", "hi")
			}
		}
		const fails = integration.FaultPermanent
		send(20, integration.FaultInvalid)
		send(9, fails)
		elapse(11 * time.Second)
		require.Empty(t, r.told(), "nine are too few, and what is malformed does not count")
		send(9, "")
		send(1, fails) // 10 of 19
		elapse(11 * time.Second)
		require.Equal(t, []string{"degraded SENDS_FAILING 50"}, r.told())
		send(12, fails) // 22 of 31
		elapse(11 * time.Second)
		require.Equal(t, []string{"degraded SENDS_FAILING 50", "degraded SENDS_FAILING 70"}, r.told())
		require.Contains(t, r.health(r.service, "c1", "").Message,
			"22 of 31 sends within five minutes have failed; the last failure: there is trouble")

		elapse(5 * time.Minute)
		send(3, fails) // a level stays while most fail, with few sends
		require.Len(t, r.told(), 2)
		send(7, fails)
		elapse(11 * time.Second)
		require.Equal(t, "degraded SENDS_FAILING 100", r.told()[2])
		send(11, "")
		elapse(31 * time.Second)
		require.Equal(t, []string{"recovered SENDS_FAILING 100"}, r.told()[3:])
		send(5, fails)
		elapse(time.Minute)
		require.Equal(t, "degraded SENDS_FAILING 50", r.told()[4])
	})
}

func TestSuspensionIsACondition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failure error = trouble(integration.FaultUnknown, 0)
		r := newSick(t, &failure)
		for range 10 {
			_ = r.send("c1", "ada", "hi")
		}
		elapse(11 * time.Second)
		require.ElementsMatch(t, []string{"degraded SENDING_SUSPENDED", "degraded SENDS_FAILING 100"}, r.told())
		failure = nil
		elapse(10 * time.Second)
		for range 11 {
			require.NoError(t, r.send("c1", "ada", "hi"))
		}
		elapse(31 * time.Second)
		require.ElementsMatch(t, []string{"recovered SENDING_SUSPENDED", "recovered SENDS_FAILING 100"}, r.told()[2:])
	})
}

func TestConditionOfAnotherChannelStateEnds(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*store)
		told   []string
	}{
		"changed": {func(s *store) {
			ch := newChannel()
			ch.Credentials["token"] = "123:new"
			s.set(ch, nil)
		}, []string{"degraded CREDENTIALS_REFUSED", "recovered CREDENTIALS_REFUSED"}},
		"switched off": {func(s *store) {
			ch := newChannel()
			ch.Status = integration.ChannelInactive
			s.set(ch, nil)
		}, []string{"degraded CREDENTIALS_REFUSED"}},
		"removed": {func(s *store) {
			ch := newChannel()
			ch.ID = "another"
			s.set(ch, nil)
		}, []string{"degraded CREDENTIALS_REFUSED"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newHarness(t)
				b.platform.sending = func(context.Context, int, *integration.Message) (*integration.SendResult, error) {
					return nil, refusedToken()
				}
				service := b.define()
				require.NoError(t, service.StartConsuming(t.Context()))
				_, err := service.Call(t.Context(), integration.ActionSendMessage, request(t, sendParams()))
				require.NoError(t, err)
				elapse(11 * time.Second)
				require.Len(t, b.told(), 1)
				test.change(b.store)
				b.store.changed("c1")
				elapse(time.Minute)
				require.Equal(t, test.told, b.told())
				require.Empty(t, b.health(service, "", "").Details)
			})
		})
	}
}

func TestConditionIsNotToldOfAChannelThatWasChangedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failure := refusedToken()
		r := newSick(t, &failure)
		require.Error(t, r.send("c1", "ada", "hi"))
		changed := *r.channels["c1"]
		changed.Credentials = map[string]string{"token": "123:new"}
		r.channels.set("c1", &changed)
		elapse(time.Minute)
		require.Empty(t, r.told())
	})
}

func TestDeadLettersOfAChannelAreACondition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHarness(t)
		b.runtime.Now = nil
		b.platform.messages = []integration.Message{{ID: "m1", DedupKey: "1"}}
		b.events.fail = func(e event) error {
			if strings.HasSuffix(e.Name, ".received") {
				return rejected{errors.New("it is too large")}
			}
			return nil
		}
		service := b.define()
		receive := func() {
			params := webhookParams(object{"timestamp": time.Now().UnixMilli()})
			_, err := service.Call(t.Context(), integration.ActionReceiveWebhook, request(t, params))
			require.NoError(t, err)
		}
		receive()
		elapse(9 * time.Minute)
		receive()
		elapse(9 * time.Minute)
		require.Equal(t, []string{"degraded DEAD_LETTERS"}, b.told())
		require.Contains(t, b.health(service, "c1", "").Message, "it is too large")
		elapse(2 * time.Minute)
		require.Equal(t, []string{"degraded DEAD_LETTERS", "recovered DEAD_LETTERS"}, b.told())
	})
}

func TestUnpublishedConditionGoesWithTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failure := refusedToken()
		r := newSick(t, &failure)
		r.events.fail = func(e event) error {
			if strings.Contains(e.Name, ".channel.") {
				return errors.New("the stream is away")
			}
			return nil
		}
		_ = r.send("c1", "ada", "hi")
		_ = r.send("c2", "ada", "hi")
		elapse(11 * time.Second)
		require.Equal(t, 1, strings.Count(r.logs.String(), "could not be published, it goes with the next one"))
		r.events.fail, r.events.conditions = nil, nil
		failure = nil
		require.NoError(t, r.send("c1", "ada", "hi"))
		elapse(31 * time.Second)
		require.Equal(t, []string{
			"degraded CREDENTIALS_REFUSED", "degraded CREDENTIALS_REFUSED", "recovered CREDENTIALS_REFUSED",
		}, r.told())
	})
}

func TestReceivingStoppedIsToldOnceWhoeverKeepsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		var away atomic.Bool
		away.Store(true)
		c.listener.receive = func(ctx context.Context, session *integration.Session) error {
			if away.Load() {
				return &integration.Error{Kind: integration.FaultTransient, Code: "POLL_CONFLICT", Message: "somebody else polls"}
			}
			session.Ready()
			<-ctx.Done()
			return nil
		}
		service, stop := c.node("n1")
		elapse(20 * time.Second)
		require.Equal(t, []string{"degraded RECEIVING_STOPPED"}, c.told())
		details := toJSON(t, c.health(service, "c1", "").Details["conditions"])
		require.Contains(t, details, "POLL_CONFLICT: somebody else polls")
		stop()
		_, stop = c.node("n2")
		elapse(2 * time.Minute)
		require.Len(t, c.told(), 1, "another node does not tell it again")
		away.Store(false)
		elapse(2 * time.Minute)
		require.Equal(t, []string{"degraded RECEIVING_STOPPED", "recovered RECEIVING_STOPPED"}, c.told())
		stop()
		_, stop = c.node("n3")
		elapse(time.Minute)
		stop()
		require.Len(t, c.told(), 2)
	})
}

func TestShortLossOfAConnectionIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnected(t)
		c.listener.receive = func(ctx context.Context, session *integration.Session) error {
			session.Ready()
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Minute):
				return errors.New("it was lost")
			}
		}
		_, stop := c.node("n1")
		elapse(10 * time.Minute)
		stop()
		require.Empty(t, c.told())
	})
}
