package integration_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

// lines are the log's, as JSON, that contain a text; the log is emptied.
func (b *harness) lines(text string) []object {
	b.t.Helper()
	log := b.runtime.Log.Logger
	log.SetOutput(&bytes.Buffer{}) // which waits for whoever is writing
	defer log.SetOutput(b.logs)
	var list []object
	for scanner := bufio.NewScanner(bytes.NewReader(b.logs.Bytes())); scanner.Scan(); {
		var line object
		require.NoError(b.t, json.Unmarshal(scanner.Bytes(), &line))
		if strings.Contains(line["msg"].(string), text) {
			delete(line, "time")
			list = append(list, line)
		}
	}
	b.logs.Reset()
	return list
}

// inJSON makes the log one of JSON, of a level.
func (b *harness) inJSON(level logrus.Level) {
	b.runtime.Log.Logger.SetFormatter(&logrus.JSONFormatter{})
	b.runtime.Log.Logger.SetLevel(level)
}

func TestRefusedWebhookLogsOneLineAMinutePerReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHarness(t)
		b.runtime.Now = nil
		b.inJSON(logrus.InfoLevel)
		b.platform.signature = func(w *integration.Webhook) error {
			return &integration.Error{Kind: integration.FaultUnauthorized, Code: w.Headers.Get("x-code"), Message: "no " + token}
		}
		service := b.define()
		post := func(times int, changes ...object) {
			for range times {
				changes := append([]object{{"timestamp": time.Now().UnixMilli()}}, changes...)
				_, err := service.Call(t.Context(), integration.ActionReceiveWebhook, request(t, webhookParams(changes...)))
				require.Error(t, err)
			}
		}
		wrong := object{"headers": object{"x-code": "SIGNATURE_INVALID"}}
		line := func(count int, reason, message string) object {
			return object{
				"level": "warning", "service": "parrot", "channel": "c1", "tenant": "t1",
				"reason": reason, "count": float64(count), "msg": "webhook refused: " + message,
			}
		}

		post(6, wrong)
		post(2, object{"headers": object{"x-code": "SIGNATURE_EXPIRED"}})
		require.Equal(
			t, []object{line(1, "SIGNATURE_INVALID", "no [redacted]"), line(1, "SIGNATURE_EXPIRED", "no [redacted]")},
			b.lines("webhook refused"),
		)
		pass(30 * time.Second)
		post(3, wrong)
		require.Empty(t, b.lines("webhook refused"))
		pass(31 * time.Second)
		synctest.Wait()
		require.ElementsMatch(
			t, []object{line(8, "SIGNATURE_INVALID", "no [redacted]"), line(1, "SIGNATURE_EXPIRED", "no [redacted]")},
			b.lines("webhook refused"),
		)

		pass(3 * time.Minute)
		synctest.Wait()
		require.Empty(t, b.lines("webhook refused"), "nothing has come")
		post(1, wrong)
		require.Len(t, b.lines("webhook refused"), 1, "and so it is told at once again")
		post(4, wrong)
		require.NoError(t, service.Stop(t.Context()))
		require.Equal(
			t, []object{line(4, "SIGNATURE_INVALID", "no [redacted]")}, b.lines("webhook refused"), "what is left at the end",
		)
		pass(3 * time.Minute)
		synctest.Wait()
		require.Empty(t, b.lines(""))
	})
}

func TestRefusalsAreLoggedWithTheirReason(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*harness)
		action string
		params object
		reason any // nil: it is not logged as one
		known  bool
	}{
		"an unknown channel": {nil, "i_receiveWebhook", webhookParams(
			object{"channelId": "nobody"},
		), "CHANNEL_NOT_FOUND", false},
		"params that are missing": {nil, "i_receiveWebhook", object{"channelId": "c1"}, "VALIDATION_ERROR", false},
		"an inactive channel": {
			func(b *harness) { b.store.channel.Status = "INACTIVE" }, "i_receiveWebhook",
			webhookParams(), "CHANNEL_INACTIVE", true,
		},
		"a time that is long past": {nil, "i_receiveWebhook", webhookParams(object{"timestamp": 1}), "WEBHOOK_TOO_OLD", true},
		"no raw body": {
			func(b *harness) {
				b.platform.signature = func(w *integration.Webhook) error { _, err := w.SignedBody(); return err }
			}, "i_receiveWebhook", webhookParams(), "RAW_BODY_MISSING", true,
		},
		"a structure that is wrong": {
			func(b *harness) { b.platform.validateErr = errors.New("odd") }, "i_receiveWebhook", webhookParams(),
			"WEBHOOK_INVALID", true,
		},
		"what cannot be read": {
			func(b *harness) { b.platform.normalizeErr = errors.New("odd") }, "i_receiveWebhook", webhookParams(),
			"WEBHOOK_INVALID", true,
		},
		"a damaged channel": {func(b *harness) {
			b.store.err = action.Server(
				500, "CHANNEL_SEALED", "sealed",
			)
		}, "i_receiveWebhook", webhookParams(), "CHANNEL_SEALED", false},
		"a store that is away": {
			func(b *harness) { b.store.err = errors.New("away") }, "i_receiveWebhook", webhookParams(), nil, false,
		},
		"a stream that is away": {
			func(b *harness) {
				b.platform.messages = messages(1)
				b.events.fail = func(event) error { return errors.New("away") }
			}, "i_receiveWebhook", webhookParams(), nil, false,
		},
		"a handshake": {func(b *harness) { b.platform.verify = echo }, "i_verifyWebhook", object{
			"channelId": "c1", "token": "x",
		}, "VERIFICATION_FAILED", true},
		"a handshake of an unknown channel": {
			func(b *harness) { b.platform.verify = echo }, "i_verifyWebhook",
			object{"channelId": "nobody", "token": "x"},
			"CHANNEL_NOT_FOUND", false,
		},
		"a handshake without a channel": {
			func(b *harness) { b.platform.verify = echo }, "i_verifyWebhook",
			object{"token": "x"},
			"VERIFICATION_FAILED",
			false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.inJSON(logrus.WarnLevel)
			if test.change != nil {
				test.change(b)
			}
			_, err := b.call(test.action, test.params)
			require.Error(t, err)
			lines := b.lines("webhook refused")
			if test.reason == nil {
				require.Empty(t, lines)
				return
			}
			require.Len(t, lines, 1)
			require.Equal(t, []any{test.reason, 1.0}, []any{lines[0]["reason"], lines[0]["count"]})
			if test.known {
				require.Equal(t, []any{"c1", "t1"}, []any{lines[0]["channel"], lines[0]["tenant"]})
			} else {
				require.NotContains(t, lines[0], "channel")
			}
		})
	}
}

func TestUnknownChannelsShareALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHarness(t)
		b.inJSON(logrus.WarnLevel)
		service := b.define()
		for i := range 5000 {
			_, err := service.Call(
				t.Context(), integration.ActionReceiveWebhook,
				request(t, webhookParams(object{"channelId": fmt.Sprint("guess-", i)})),
			)
			require.Error(t, err)
		}
		require.Len(t, b.lines("webhook refused"), 1)
		pass(61 * time.Second)
		synctest.Wait()
		lines := b.lines("webhook refused")
		require.Len(t, lines, 1)
		require.Equal(
			t, []any{4999.0, "CHANNEL_NOT_FOUND", "guess-4999"},
			[]any{lines[0]["count"], lines[0]["reason"], lines[0]["lastChannel"]},
		)
	})
}

func TestReasonsWithoutNumberShareALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHarness(t)
		b.inJSON(logrus.WarnLevel)
		n := 0
		b.platform.signature = func(*integration.Webhook) error {
			n++
			return &integration.Error{Kind: integration.FaultUnauthorized, Code: fmt.Sprint("CODE_", n), Message: "no"}
		}
		service := b.define()
		for range 1500 {
			_, err := service.Call(t.Context(), integration.ActionReceiveWebhook, request(t, webhookParams()))
			require.Error(t, err)
		}
		require.Len(t, b.lines("webhook refused"), 1001)
		pass(61 * time.Second)
		synctest.Wait()
		lines := b.lines("webhook refused")
		require.Len(t, lines, 1)
		require.Equal(t, []any{499.0, "OTHER"}, []any{lines[0]["count"], lines[0]["reason"]})
	})
}

func TestLineAboutASendTellsWhoseItIs(t *testing.T) {
	for name, test := range map[string]struct {
		err   error
		level string
		msg   string
	}{
		"that failed":    {trouble(integration.FaultPermanent, 0), "warning", "message not sent"},
		"that succeeded": {nil, "debug", "message sent"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.inJSON(logrus.DebugLevel)
			b.platform.sending = failing()
			if test.err != nil {
				b.platform.sending = always(test.err)
			}
			_, err := b.callWith(t.Context(), integration.ActionSendMessage, sendParams(), &action.Request{RequestID: "r1"})
			require.NoError(t, err)
			lines := b.lines(test.msg)
			require.Len(t, lines, 1)
			require.Subset(t, lines[0], object{
				"level": test.level, "service": "parrot", "action": "i_sendMessage", "requestID": "r1", "channel": "c1",
				"tenant": "t1", "attempts": 1.0,
			})
			if test.err == nil {
				require.Equal(t, "42:7", lines[0]["messageId"])
			} else {
				require.Subset(t, lines[0], object{"code": "TROUBLE", "kind": "permanent"})
			}
		})
	}
}

func TestSuspensionAndItsEndAreOneLogLineEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failure error = trouble(integration.FaultUnknown, 0)
		r := newRoad(t, nil, func(context.Context, int, *integration.Message) (*integration.SendResult, error) {
			return &integration.SendResult{Success: true}, failure
		})
		r.inJSON(logrus.InfoLevel)
		r.platform.health = &integration.Health{Status: integration.HealthHealthy, Details: object{"bot": "Polly"}}
		health := func(channel string, meta object) (h integration.Health) {
			params := object{}
			if channel != "" {
				params["channelId"] = channel
			}
			req := request(t, params)
			req.Meta = metaOf(t, meta)
			answer, err := r.service.Call(t.Context(), integration.ActionHealthCheck, req)
			require.NoError(t, err)
			decode(t, answer, &h)
			delete(h.Details, "conditions") // see conditions_test.go
			return h
		}
		suspensions := func() []object {
			return slices.DeleteFunc(r.lines("channel "), func(line object) bool { return line["code"] == "SENDS_FAILING" })
		}
		for range 12 {
			require.Error(t, r.send("c1", "ada", "1"))
		}
		lines := r.lines("channel ")
		require.Len(t, lines, 1)
		require.Subset(
			t, lines[0],
			object{
				"level": "warning", "service": "parrot", "channel": "c1", "tenant": "t1", "kind": "unknown", "code": "TROUBLE",
			},
		)
		require.Contains(
			t, lines[0]["msg"],
			"channel suspended: after 10 failures in a row the channel's calls are held back; the last was: there is trouble",
		)

		at := float64(r.started.UnixMilli())
		suspended := object{
			"channelId": "c1", "kind": "unknown", "code": "TROUBLE", "since": at,
			"message": "after 10 failures in a row the channel's calls are held back; the last was: there is trouble",
		}
		ill := health("c1", nil)
		require.Equal(t, integration.HealthUnhealthy, ill.Status)
		require.Equal(t, suspended["message"], ill.Message)
		require.Equal(t, object{"bot": "Polly", "suspended": suspended}, ill.Details)
		require.Equal(t, integration.HealthHealthy, health("c2", nil).Status)
		require.Equal(t, object{"suspended": []any{suspended}}, health("", nil).Details)
		require.Equal(t, object{"suspended": []any{suspended}}, health("", object{"tenantId": "t1"}).Details)
		require.Empty(t, health("", object{"tenantId": "t2"}).Details, "another tenant learns nothing")

		pass(15 * time.Second)
		require.Error(t, r.send("c1", "ada", "2"))
		require.Empty(t, suspensions(), "it is still suspended")
		pass(15 * time.Second)
		failure = nil
		require.NoError(t, r.send("c1", "ada", "3"))
		lines = suspensions()
		require.Len(t, lines, 1)
		require.Subset(t, lines[0], object{"level": "info", "msg": "channel works again", "channel": "c1", "tenant": "t1"})
		require.Equal(t, object{"bot": "Polly"}, health("c1", nil).Details)
		require.Empty(t, health("", nil).Details)

		failure = trouble(integration.FaultAuth, 0)
		for range 12 {
			require.Error(t, r.send("c1", "ada", "4"))
		}
		changed := *r.channels["c1"]
		changed.Settings = map[string]string{"pin": "1"}
		r.channels.set("c1", &changed)
		require.Equal(t, object{"bot": "Polly"}, health("c1", nil).Details, "it may work now")
		r.lines("")
		failure = nil
		require.NoError(t, r.send("c1", "ada", "5"))
		lines = r.lines("channel ")
		require.Len(t, lines, 1)
		require.Equal(t, "channel was changed, its calls are not held back any more", lines[0]["msg"])
	})
}

// choosy is a platform of which each webhook has a part that is another account's.
type choosy struct{ *platform }

func (c *choosy) Normalize(ctx context.Context, w *integration.Webhook) ([]integration.Message, error) {
	w.Foreign("phone number id 7")
	return c.platform.Normalize(ctx, w)
}

func TestMessageForAnotherAccountIsIgnoredAndLogged(t *testing.T) {
	b := newHarness(t)
	b.inJSON(logrus.WarnLevel)
	b.def.Platform = &choosy{b.platform}
	b.platform.messages = messages(1)
	answer, err := b.receive(webhookParams())
	require.NoError(t, err)
	require.JSONEq(t, `{"success":true,"messages":1,"failed":0,"ignored":1}`, toJSON(t, answer))
	lines := b.lines("webhook refused")
	require.Len(t, lines, 1)
	require.Subset(t, lines[0], object{
		"channel": "c1", "tenant": "t1", "reason": "FOREIGN_ACCOUNT", "count": 1.0,
		"msg": "webhook refused: it is for phone number id 7, which is not the channel's; nothing of it was published",
	})
}
