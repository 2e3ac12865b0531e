package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

// acrobat is a platform that can do every message action. It notes what it is asked, and answers as scripted.
type acrobat struct {
	*platform
	calls   []string
	message *integration.Message
	channel *integration.Channel
	doing   func(attempt int) (*integration.SendResult, error)
}

var (
	_ integration.Editor     = (*acrobat)(nil)
	_ integration.Deleter    = (*acrobat)(nil)
	_ integration.Reactor    = (*acrobat)(nil)
	_ integration.Typer      = (*acrobat)(nil)
	_ integration.ReadMarker = (*acrobat)(nil)
)

func (a *acrobat) do(name string, t integration.Target, ch *integration.Channel) (*integration.SendResult, error) {
	a.calls = append(a.calls, fmt.Sprintf("%s %s/%s/%s", name, t.ConversationID, t.ThreadID, t.MessageID))
	a.channel = ch
	if a.doing == nil {
		return nil, nil
	}
	return a.doing(len(a.calls))
}

func (a *acrobat) EditMessage(
	_ context.Context, t integration.Target, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	a.message = m
	return a.do("edit", t, ch)
}

func (a *acrobat) DeleteMessage(_ context.Context, t integration.Target, ch *integration.Channel) error {
	_, err := a.do("delete", t, ch)
	return err
}

func (a *acrobat) React(_ context.Context, t integration.Target, emoji string, ch *integration.Channel) error {
	_, err := a.do(fmt.Sprintf("react %q", emoji), t, ch)
	return err
}

func (a *acrobat) ShowTyping(_ context.Context, t integration.Target, ch *integration.Channel) error {
	_, err := a.do("type", t, ch)
	return err
}

func (a *acrobat) MarkRead(_ context.Context, t integration.Target, ch *integration.Channel) error {
	_, err := a.do("read", t, ch)
	return err
}

// acrobatic is a harness whose platform can do everything.
func acrobatic(t *testing.T) (*harness, *acrobat) {
	t.Helper()
	b := newHarness(t)
	a := &acrobat{platform: b.platform}
	b.def.Platform = a
	return b, a
}

// actionParams are the least that each message action takes.
func actionParams(name string) object {
	params := object{"channelId": "c1"}
	for field, value := range map[string]object{
		"i_editMessage":   {"messageId": "m1", "message": object{"content": object{"type": "TEXT", "text": "better"}}},
		"i_deleteMessage": {"messageId": "m1"},
		"i_react":         {"messageId": "m1", "emoji": "👍"},
		"i_typing":        {},
		"i_markRead":      {"messageId": "m1"},
	} {
		if field == name {
			maps.Copy(params, value)
		}
	}
	return params
}

var actionNames = []string{"i_editMessage", "i_deleteMessage", "i_react", "i_typing", "i_markRead"}

func TestMessageActionsAreThoseThatThePlatformHas(t *testing.T) {
	const where = `,"conversationId":"any|optional","threadId":"any|optional"}`
	all := map[string]string{
		"i_editMessage":   `{"channelId":"string","messageId":"any","message":"object"` + where,
		"i_deleteMessage": `{"channelId":"string","messageId":"any"` + where,
		"i_react":         `{"channelId":"string","messageId":"any","emoji":"string"` + where,
		"i_typing":        `{"channelId":"string","messageId":"any|optional"` + where,
		"i_markRead":      `{"channelId":"string","messageId":"any"` + where,
	}
	for name, test := range map[string]struct {
		platform integration.Platform
		want     []string
	}{
		"none": {struct{ integration.Platform }{}, nil},
		"editing only": {struct {
			integration.Platform
			integration.Editor
		}{}, actionNames[:1]},
		"deleting only": {struct {
			integration.Platform
			integration.Deleter
		}{}, actionNames[1:2]},
		"reactions only": {struct {
			integration.Platform
			integration.Reactor
		}{}, actionNames[2:3]},
		"typing only": {struct {
			integration.Platform
			integration.Typer
		}{}, actionNames[3:4]},
		"reading only": {struct {
			integration.Platform
			integration.ReadMarker
		}{}, actionNames[4:]},
		"everything": {&acrobat{}, actionNames},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.def.Platform = test.platform
			service := b.define()
			specs := specsOf(service.Schema())
			for action, params := range all {
				if !slices.Contains(test.want, action) {
					require.NotContains(t, specs, action)
					_, err := service.Call(t.Context(), action, request(t, actionParams(action)))
					requireError(t, err, 404, "SERVICE_NOT_FOUND")
					continue
				}
				require.Contains(t, specs, action)
				require.Equal(t, params, toJSON(t, specs[action].Params), "in this order, which is that of the faults")
				require.Nil(t, specs[action].Rest, "it has no route")
				require.NotEmpty(t, specs[action].Description)
			}
		})
	}
}

func request(t *testing.T, params object) *action.Request {
	t.Helper()
	return &action.Request{Params: json.RawMessage(toJSON(t, params))}
}

func TestMessageActionReachesThePlatformWithItsTarget(t *testing.T) {
	texts := object{"messageId": "m1", "conversationId": "chat", "threadId": "t1"}
	numbers := object{"messageId": 9007199254740993, "conversationId": json.Number("-1001234567890123456"), "threadId": 7}
	empty := object{"conversationId": nil, "threadId": nil}
	for name, test := range map[string]struct {
		action string
		params object
		want   string
	}{
		"an edit":                       {"i_editMessage", texts, "edit chat/t1/m1"},
		"an edit by numbers":            {"i_editMessage", numbers, "edit -1001234567890123456/7/9007199254740993"},
		"an edit by the message only":   {"i_editMessage", empty, "edit //m1"},
		"a deletion":                    {"i_deleteMessage", texts, "delete chat/t1/m1"},
		"a deletion by numbers":         {"i_deleteMessage", numbers, "delete -1001234567890123456/7/9007199254740993"},
		"a reaction":                    {"i_react", texts, `react "👍" chat/t1/m1`},
		"a reaction taken away":         {"i_react", object{"emoji": ""}, `react "" //m1`},
		"typing":                        {"i_typing", object{"conversationId": "chat", "threadId": 7}, "type chat/7/"},
		"typing in answer to a message": {"i_typing", object{"messageId": 5}, "type //5"},
		"typing in answer to none": {"i_typing", object{
			"conversationId": "chat", "messageId": nil,
		}, "type chat//"},
		"a message that was read":             {"i_markRead", texts, "read chat/t1/m1"},
		"a message that was read, by numbers": {"i_markRead", numbers, "read -1001234567890123456/7/9007199254740993"},
	} {
		t.Run(name, func(t *testing.T) {
			b, a := acrobatic(t)
			params := actionParams(test.action)
			maps.Copy(params, test.params)
			result, err := b.call(test.action, params)
			require.NoError(t, err)
			require.JSONEq(t, `{"success":true}`, toJSON(t, result))
			require.Equal(t, []string{test.want}, a.calls)
			require.Same(t, b.store.channel, a.channel)
			require.Empty(t, b.events.events, "whoever called knows what it changed")
			require.Empty(t, b.platform.steps)
		})
	}
}

func TestEditHandsOnTheMessageWithoutAnID(t *testing.T) {
	b, a := acrobatic(t)
	a.doing = func(int) (*integration.SendResult, error) {
		return &integration.SendResult{
			Success: true, MessageID: "m1", Metadata: object{"url": "/bot" + token, "all": []string{token, "x"}},
		}, nil
	}
	result, err := b.call(
		"i_editMessage",
		object{
			"channelId": "c1", "messageId": "m1",
			"message": object{"id": "other", "content": object{"type": "TEXT", "text": "better"}},
		},
	)
	require.NoError(t, err)
	require.JSONEq(
		t, `{"success":true,"messageId":"m1","metadata":{"url":"/bot[redacted]","all":["[redacted]","x"]}}`,
		toJSON(t, result),
	)
	require.Equal(
		t, &integration.Message{Content: integration.Content{Type: integration.TypeText, Text: "better"}}, a.message,
	)
}

func TestMessageActionChecksEachParameter(t *testing.T) {
	for name, test := range map[string]struct {
		action string
		params object
		want   []string
	}{
		"nothing for an edit": {"i_editMessage", object{
			"channelId": nil, "messageId": nil, "message": nil,
		}, []string{"channelId required", "messageId required", "message required"}},
		"nothing for a deletion": {"i_deleteMessage", object{"channelId": nil, "messageId": nil}, []string{
			"channelId required", "messageId required",
		}},
		"nothing for a reaction": {"i_react", object{"messageId": nil, "emoji": nil}, []string{
			"messageId required", "emoji required",
		}},
		"nothing for typing":     {"i_typing", object{"channelId": nil}, []string{"channelId required"}},
		"nothing that was read":  {"i_markRead", object{"messageId": nil}, []string{"messageId required"}},
		"a channel that is none": {"i_typing", object{"channelId": 1}, []string{"channelId string"}},
		"an emoji that is none":  {"i_react", object{"emoji": 1}, []string{"emoji string"}},
		"a message that is none": {"i_editMessage", object{"message": "better"}, []string{"message object"}},
		"a field of it that is none": {"i_editMessage", object{
			"message": object{"content": object{"text": 1}},
		}, []string{"message.content.text string"}},
		"a message's id that is none": {"i_deleteMessage", object{"messageId": true}, []string{"messageId string"}},
		"another that is none":        {"i_markRead", object{"messageId": object{}}, []string{"messageId string"}},
		"a conversation's id that is none": {"i_typing", object{
			"conversationId": []int{1},
		}, []string{"conversationId string"}},
		"a thread's id that is none":         {"i_react", object{"threadId": false}, []string{"threadId string"}},
		"no message's id in answer to typed": {"i_typing", object{"messageId": false}, []string{"messageId string"}},
	} {
		t.Run(name, func(t *testing.T) {
			b, a := acrobatic(t)
			params := actionParams(test.action)
			maps.Copy(params, test.params)
			_, err := b.callWith(t.Context(), test.action, params, &action.Request{Sender: "n1"})
			faults, ok := errorOf(t, err, 422, "VALIDATION_ERROR").Data.([]action.Fault)
			require.True(t, ok)
			var found []string
			for _, f := range faults {
				require.Equal(t, "parrot."+test.action, f.Action)
				require.Equal(t, "n1", f.NodeID)
				found = append(found, f.Field+" "+f.Type)
			}
			require.Equal(t, test.want, found)
			require.Empty(t, a.calls)
		})
	}
}

func TestMessageActionNeedsAnActiveChannelOfThePlatform(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*harness)
		code   int
		typ    string
	}{
		"an unknown one":          {func(b *harness) { b.store.channel.ID = "c2" }, 404, "CHANNEL_NOT_FOUND"},
		"one of another platform": {func(b *harness) { b.store.channel.Platform = "crow" }, 404, "CHANNEL_NOT_FOUND"},
		"an inactive one": {
			func(b *harness) { b.store.channel.Status = integration.ChannelInactive }, 403,
			"CHANNEL_INACTIVE",
		},
		"no store": {func(b *harness) { b.store.err = errors.New("CANARY") }, 503, "CHANNELS_UNAVAILABLE"},
	} {
		for _, action := range actionNames {
			t.Run(name+" for "+action, func(t *testing.T) {
				b, a := acrobatic(t)
				test.change(b)
				_, err := b.call(action, actionParams(action))
				require.NotContains(t, errorOf(t, err, test.code, test.typ).Message, "CANARY")
				require.Empty(t, a.calls)
			})
		}
	}
}

func TestMessageActionFailuresAreAnsweredAsSendsAre(t *testing.T) {
	for kind, test := range map[integration.ErrorKind]struct {
		attempts int
		code     int // of the error; an answer when zero
	}{
		integration.FaultPermanent: {1, 0},
		integration.FaultAuth:      {1, 0},
		integration.FaultInvalid:   {1, 0},
		integration.FaultNotFound:  {1, 404},
		integration.FaultForbidden: {1, 403},
		integration.FaultUnknown:   {1, 504},
		integration.FaultTransient: {3, 503},
		integration.FaultThrottled: {3, 429},
	} {
		for _, action := range actionNames {
			t.Run(string(kind)+" for "+action, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b, a := acrobatic(t)
					e := trouble(kind, 0)
					e.Message = "no " + token
					a.doing = func(int) (*integration.SendResult, error) { return nil, e }
					result, err := b.call(action, actionParams(action))
					require.Len(t, a.calls, test.attempts)
					require.Empty(t, b.events.events)
					if test.code == 0 {
						require.NoError(t, err)
						require.JSONEq(t, toJSON(t, object{"success": false, "error": object{
							"message": "no [redacted]", "code": "TROUBLE", "kind": kind, "class": kind, "retryable": false,
							"platformCode": "p9", "httpStatus": 418,
						}}), toJSON(t, result))
					} else {
						told := errorOf(t, err, test.code, "TROUBLE")
						require.Equal(t, "no [redacted]", told.Message)
						require.Equal(t, test.attempts > 1, told.Retryable)
					}
					require.Contains(t, b.logs.String(), "the platform did not do it: no [redacted]")
					require.NotContains(t, b.logs.String(), "CANARY")
					pass(time.Minute) // until what was throttled may go on, and its timer has ended
				})
			})
		}
	}
}

func TestMessageActionIsRetriedUntilDone(t *testing.T) {
	for _, action := range actionNames {
		t.Run(action, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, a := acrobatic(t)
				a.doing = func(attempt int) (*integration.SendResult, error) {
					if attempt < 3 {
						return nil, trouble(integration.FaultTransient, 0)
					}
					return nil, nil
				}
				result, err := b.call(action, actionParams(action))
				require.NoError(t, err)
				require.JSONEq(t, `{"success":true}`, toJSON(t, result))
				require.Len(t, a.calls, 3)
			})
		})
	}
}

func TestErrorWithoutKindLeavesMessageActionUnknown(t *testing.T) {
	b, a := acrobatic(t)
	a.doing = func(int) (*integration.SendResult, error) { return nil, errors.New("boom") }
	_, err := b.call("i_deleteMessage", actionParams("i_deleteMessage"))
	require.False(t, errorOf(t, err, 504, "SEND_FAILED").Retryable)
}

func TestEditWithFailureInItsResultHasFailed(t *testing.T) {
	b, a := acrobatic(t)
	a.doing = func(int) (*integration.SendResult, error) { return &integration.SendResult{}, nil }
	result, err := b.call("i_editMessage", actionParams("i_editMessage"))
	require.NoError(t, err)
	require.Contains(t, toJSON(t, result), `"success":false`)
}

func TestMessageActionHasADeadlineOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHarness(t)
		b.def.Platform = hangs{b.platform}
		start := time.Now()
		_, err := b.call("i_typing", actionParams("i_typing"))
		requireError(t, err, 504, "SEND_FAILED")
		require.Equal(t, time.Minute, time.Since(start))
	})
}

// hangs is a platform that never shows that anybody types.
type hangs struct{ integration.Platform }

func (hangs) ShowTyping(ctx context.Context, _ integration.Target, _ *integration.Channel) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestEditToUnsupportedContentIsRefused(t *testing.T) {
	b, a := acrobatic(t)
	b.def.Support = integration.Support{
		integration.FeatureImage: {Out: integration.Impossible("it has no pictures", "https://example.com")},
	}
	result, err := b.call(
		"i_editMessage", object{"channelId": "c1", "messageId": "m1", "message": object{"content": object{"type": "IMAGE"}}},
	)
	require.NoError(t, err)
	require.JSONEq(t, `{"success":false,"error":{"message":"image cannot be sent through Parrot: it has no pictures",`+
		`"code":"UNSUPPORTED_CONTENT","kind":"permanent","class":"permanent","retryable":false}}`, toJSON(t, result))
	require.Empty(t, a.calls)
}

func TestMessageActionsWorkWithoutTexts(t *testing.T) {
	for _, action := range actionNames[1:] {
		t.Run(action, func(t *testing.T) {
			b, a := acrobatic(t)
			b.def.Support = integration.Support{
				integration.FeatureText: {Out: integration.Impossible("it has no texts", "https://example.com")},
			}
			result, err := b.call(action, actionParams(action))
			require.NoError(t, err)
			require.JSONEq(t, `{"success":true}`, toJSON(t, result))
			require.Len(t, a.calls, 1)
		})
	}
}

func TestReactionThatIsSentGoesToThePlatformsReactions(t *testing.T) {
	for name, test := range map[string]struct {
		message object
		want    string
	}{
		"one put on": {object{
			"to":      object{"id": 42},
			"content": object{"type": "REACTION", "reaction": object{"messageId": 7, "emoji": "👍", "action": "add"}},
		}, `react "👍" 42//7`},
		"one taken away": {object{
			"to":      object{"id": 42},
			"content": object{"type": "REACTION", "reaction": object{"messageId": "7", "emoji": "👍", "action": "remove"}},
		}, `react "" 42//7`},
		"one without an action": {
			object{
				"to": object{"id": 42}, "content": object{"type": "REACTION", "reaction": object{"messageId": "7", "emoji": "👍"}},
			},
			`react "👍" 42//7`,
		},
		"one within a conversation": {
			object{
				"conversationId": "chat", "threadId": 9, "to": object{"id": 42},
				"content": object{"type": "REACTION", "reaction": object{"messageId": "7", "emoji": "👍", "action": "add"}},
			},
			`react "👍" chat/9/7`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, a := acrobatic(t)
			result, err := b.call(integration.ActionSendMessage, object{"channelId": "c1", "message": test.message})
			require.NoError(t, err)
			require.JSONEq(t, `{"success":true}`, toJSON(t, result))
			require.Equal(t, []string{test.want}, a.calls)
			require.Empty(t, b.platform.steps, "nothing is sent")
			require.Equal(t, "hios.processing.message.sent", b.events.one(t).Name)
		})
	}
}

func TestReactionWithoutPlatformSupportIsSentAsMessage(t *testing.T) {
	reaction := object{"messageId": "7", "emoji": "👍", "action": "add"}
	for name, test := range map[string]struct {
		change  func(*harness)
		content object
	}{
		"a platform without reactions": {func(*harness) {}, object{"type": "REACTION", "reaction": reaction}},
		"a reaction that is none": {
			func(b *harness) { b.def.Platform = &acrobat{platform: b.platform} },
			object{"type": "REACTION"},
		},
		"a reaction of another content": {
			func(b *harness) { b.def.Platform = &acrobat{platform: b.platform} },
			object{"type": "TEXT", "text": "hi", "reaction": reaction},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.platform.sending = failing()
			test.change(b)
			_, err := b.call(
				integration.ActionSendMessage,
				object{"channelId": "c1", "message": object{"to": object{"id": 42}, "content": test.content}},
			)
			require.NoError(t, err)
			require.Equal(t, []string{"send"}, b.platform.steps)
		})
	}
}

func TestReactionThatFailsIsPublishedAsAnyFailure(t *testing.T) {
	b, a := acrobatic(t)
	a.doing = func(int) (*integration.SendResult, error) { return nil, trouble(integration.FaultPermanent, 0) }
	result, err := b.call(integration.ActionSendMessage, object{"channelId": "c1", "message": object{
		"to":      object{"id": 42},
		"content": object{"type": "REACTION", "reaction": object{"messageId": "7", "emoji": "👍", "action": "add"}},
	}})
	require.NoError(t, err)
	require.Contains(t, toJSON(t, result), `"code":"TROUBLE"`)
	require.Equal(t, "hios.processing.message.failed", b.events.one(t).Name)
}
