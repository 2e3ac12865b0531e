package integration_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// limited is a harness whose platform takes texts of ten characters and captions of six, and keeps what it is sent.
// Each part gets the number of its send as its id; from the one called fails on they fail with err.
func limited(t *testing.T, fails int, err error) (*harness, *[]integration.Message) {
	t.Helper()
	b := newHarness(t)
	b.def.Text = integration.TextLimits{Text: 10, Caption: 6, Unit: textlimit.Characters}
	var sent []integration.Message
	b.platform.sending = func(_ context.Context, attempt int, m *integration.Message) (*integration.SendResult, error) {
		sent = append(sent, *m)
		if fails > 0 && attempt >= fails {
			return nil, err
		}
		return &integration.SendResult{
			Success: true, MessageID: integration.ID(string(rune('0' + attempt))), Metadata: object{"n": attempt},
		}, nil
	}
	return b, &sent
}

// formatted has the platform take HTML, and markdown twice as long.
func formatted(b *harness) {
	b.def.Text.Formats = map[string]integration.TextFormat{
		"html":     {Unit: textlimit.Characters, Markup: textlimit.HTML},
		"markdown": {Text: 20, Unit: textlimit.Characters, Markup: textlimit.Markdown},
	}
}

func (b *harness) sendContent(content object) (any, error) {
	b.t.Helper()
	return b.call(
		integration.ActionSendMessage,
		object{"channelId": "c1", "message": object{"to": object{"id": 42}, "content": content}},
	)
}

func TestTextThatIsTooLongIsSentInParts(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(*harness)
		content object
		want    []string // type and text of each part
	}{
		"the longest in one": {nil, object{"type": "TEXT", "text": "0123456789"}, []string{"TEXT 0123456789"}},
		"one character more": {nil, object{
			"type": "TEXT", "text": "0123456789a",
		}, []string{"TEXT 0123456789", "TEXT a"}},
		"between words": {nil, object{
			"type": "TEXT", "text": "one two three four",
		}, []string{"TEXT one two", "TEXT three four"}},
		"of no type, which is a text": {nil, object{"text": "one two three four"}, []string{
			" one two", "TEXT three four",
		}},
		"nothing but space behind the cut": {nil, object{
			"type": "TEXT", "text": "0123456789   ",
		}, []string{"TEXT 0123456789"}},
		"a caption that fits": {nil, object{
			"type": "IMAGE", "text": "012345", "media": object{"url": "u"},
		}, []string{"IMAGE 012345"}},
		"a caption goes on as texts": {nil, object{
			"type": "IMAGE", "text": "abc def ghi jkl mno", "media": object{"url": "u"},
		}, []string{"IMAGE abc", "TEXT def ghi", "TEXT jkl mno"}},
		"that of a file": {nil, object{
			"type": "FILE", "text": "abc def ghi", "media": object{"url": "u"},
		}, []string{"FILE abc", "TEXT def ghi"}},
		"that of a video": {nil, object{
			"type": "VIDEO", "text": "abc def ghi",
		}, []string{"VIDEO abc", "TEXT def ghi"}},
		"that of music": {nil, object{
			"type": "AUDIO", "text": "abc def ghi",
		}, []string{"AUDIO abc", "TEXT def ghi"}},
		"that of speech": {nil, object{
			"type": "VOICE", "text": "abc def ghi",
		}, []string{"VOICE abc", "TEXT def ghi"}},
		"captions without a limit of their": {
			func(b *harness) { b.def.Text.Caption = 0 },
			object{"type": "IMAGE", "text": "0123456789a"},
			[]string{"IMAGE 0123456789", "TEXT a"},
		},
		"in UTF-16": {
			func(b *harness) { b.def.Text.Unit = textlimit.UTF16 },
			object{"type": "TEXT", "text": "😀😀😀😀😀😀"},
			[]string{"TEXT 😀😀😀😀😀", "TEXT 😀"},
		},
		"where the channel says so": {
			func(b *harness) { b.store.channel.Settings = map[string]string{"longText": "split"} },
			object{"type": "TEXT", "text": "0123456789a"},
			[]string{"TEXT 0123456789", "TEXT a"},
		},
		"not where there is no limit": {func(b *harness) {
			b.def.Text = integration.TextLimits{
				Caption: 6, Unit: textlimit.Characters,
			}
		}, object{"type": "TEXT", "text": "0123456789a"}, []string{"TEXT 0123456789a"}},
		"not where nobody can measure": {func(b *harness) { b.def.Text.Unit = nil }, object{
			"type": "TEXT", "text": "0123456789a",
		}, []string{"TEXT 0123456789a"}},
		"of a format that counts as it is": {nil, object{
			"type": "TEXT", "text": "0123456789a", "format": "other",
		}, []string{"TEXT 0123456789", "TEXT a"}},
		"of markup that counts for nothing": {
			formatted,
			object{"type": "TEXT", "text": "<b>0123456789</b>", "format": "html"},
			[]string{"TEXT <b>0123456789</b>"},
		},
		"with markup": {formatted, object{
			"type": "TEXT", "text": "<b>one two three</b>", "format": "html",
		}, []string{"TEXT <b>one two</b>", "TEXT <b>three</b>"}},
		"a caption with markup": {formatted, object{
			"type": "IMAGE", "text": "<b>one two three</b>", "format": "html",
		}, []string{"IMAGE <b>one</b>", "TEXT <b>two three</b>"}},
		"of a format with another limit": {formatted, object{
			"type": "TEXT", "text": "0123456789abcdef", "format": "markdown",
		}, []string{"TEXT 0123456789abcdef"}},
		"not one with marked parts": {nil, object{
			"type": "TEXT", "text": "0123456789a", "entities": []object{{"type": "bold", "offset": 0, "length": 11}},
		}, []string{"TEXT 0123456789a"}},
		"not one with buttons": {nil, object{
			"type": "TEXT", "text": "0123456789a", "interactive": object{"buttons": []object{{"title": "Yes"}}},
		}, []string{"TEXT 0123456789a"}},
		"not what is no text and no media": {nil, object{
			"type": "LOCATION", "text": "0123456789a",
		}, []string{"LOCATION 0123456789a"}},
	} {
		t.Run(name, func(t *testing.T) {
			b, sent := limited(t, 0, nil)
			if test.change != nil {
				test.change(b)
			}
			result, err := b.sendContent(test.content)
			require.NoError(t, err)
			var parts, ids []string
			for i, m := range *sent {
				parts = append(parts, string(m.Content.Type)+" "+m.Content.Text)
				require.Equal(t, (*sent)[0].Content.Format, m.Content.Format)
				ids = append(ids, string(rune('1'+i)))
				require.Equal(t, integration.ID("42"), m.To.ID)
			}
			require.Equal(t, test.want, parts)
			metadata := object{"n": 1}
			if len(parts) > 1 {
				metadata["messageIds"], metadata["parts"] = ids, len(parts)
			}
			want := object{"success": true, "messageId": "1", "metadata": metadata}
			if len(parts) > 1 {
				want["messageIds"], want["parts"] = ids, len(parts)
			}
			require.JSONEq(t, toJSON(t, want), toJSON(t, result), "the first part's id is that of the message")

			var event object
			require.NoError(t, json.Unmarshal(b.events.one(t).Payload, &event))
			require.Equal(t, "hios.processing.message.sent", b.events.one(t).Name)
			require.JSONEq(t, toJSON(t, metadata), toJSON(t, event["metadata"]))
		})
	}
}

func TestBlockOfCodeThatIsCutIsClosedAndOpenedAgain(t *testing.T) {
	b, sent := limited(t, 0, nil)
	b.def.Text = integration.TextLimits{Text: 80, Unit: textlimit.Characters, Markup: textlimit.Markdown}
	_, err := b.sendContent(object{"type": "TEXT", "text": "```\n" + strings.Repeat("a line of code\n", 8) + "```"})
	require.NoError(t, err)
	require.Greater(t, len(*sent), 1)
	for _, m := range *sent {
		require.True(
			t, strings.HasPrefix(m.Content.Text, "```\n") && strings.HasSuffix(m.Content.Text, "```"), m.Content.Text,
		)
		require.LessOrEqual(t, len(m.Content.Text), 80)
	}
}

func TestFirstPartCarriesAllButTheText(t *testing.T) {
	b, sent := limited(t, 0, nil)
	_, err := b.call(integration.ActionSendMessage, object{"channelId": "c1", "message": object{
		"id": "out", "conversationId": "chat", "threadId": "t1", "to": object{"id": "u1"},
		"replyTo":  object{"messageId": "m0"},
		"content":  object{"type": "IMAGE", "text": "abc def ghi jkl mno", "media": object{"url": "u"}},
		"metadata": object{"k": "v"},
	}})
	require.NoError(t, err)
	require.Len(t, *sent, 3)
	first := (*sent)[0]
	require.Equal(t, integration.ID("out"), first.ID)
	require.Equal(t, &integration.ReplyTo{MessageID: "m0"}, first.ReplyTo)
	require.Equal(t, &integration.Media{URL: "u"}, first.Content.Media)
	for i, part := range (*sent)[1:] {
		require.Equal(t, []integration.ID{"out:2", "out:3"}[i], part.ID, "a repetition of the message has the same ids")
		require.Nil(t, part.ReplyTo)
		require.Nil(t, part.Content.Media)
		require.Equal(
			t, []integration.ID{"chat", "t1", "u1"}, []integration.ID{part.ConversationID, part.ThreadID, part.To.ID},
		)
		require.Equal(t, object{"k": "v"}, part.Metadata)
	}
}

func TestPartsOfAMessageWithoutAnIDHaveNone(t *testing.T) {
	b, sent := limited(t, 0, nil)
	_, err := b.sendContent(object{"type": "TEXT", "text": "0123456789a"})
	require.NoError(t, err)
	for _, m := range *sent {
		require.Empty(t, m.ID)
	}
}

func TestChannelMayRefuseLongTexts(t *testing.T) {
	for name, test := range map[string]struct {
		content object
		message string // sent when empty
	}{
		"a text": {object{
			"type": "TEXT", "text": "0123456789a",
		}, "the text has a length of 11, of which Parrot takes 10; the channel's longText says not to split it"},
		"a caption": {object{
			"type": "IMAGE", "text": "0123456",
		}, "the text has a length of 7, of which Parrot takes 6; the channel's longText says not to split it"},
		"one that is long enough": {object{"type": "TEXT", "text": "0123456789"}, ""},
		"one with markup": {object{
			"type": "TEXT", "text": "<b>0123456789a</b>", "format": "html",
		}, "the text has a length of 11, of which Parrot takes 10; the channel's longText says not to split it"},
		"markup that is no text": {object{"type": "TEXT", "text": "<b>0123456789</b>", "format": "html"}, ""},
		"markup that is faulty": {object{
			"type": "TEXT", "text": "<b>0123456789a", "format": "html",
		}, "the text is too long for one message, and cannot be split: the markup is faulty: <b> is not closed"},
	} {
		t.Run(name, func(t *testing.T) {
			b, sent := limited(t, 0, nil)
			formatted(b)
			b.store.channel.Settings = map[string]string{"longText": "refuse"}
			result, err := b.sendContent(test.content)
			require.NoError(t, err)
			if test.message == "" {
				require.Len(t, *sent, 1)
				return
			}
			require.JSONEq(t, toJSON(t, object{"success": false, "error": object{
				"message": test.message, "code": "MESSAGE_TOO_LONG", "kind": "invalid", "class": "invalid", "retryable": false,
			}}), toJSON(t, result))
			require.Empty(t, *sent)
			require.Equal(t, "hios.processing.message.failed", b.events.one(t).Name)
		})
	}
}

func TestFailedPartEndsTheMessageAndNamesDeliveredParts(t *testing.T) {
	const text = "one two three four five six"
	for name, test := range map[string]struct {
		fails    int
		kind     integration.ErrorKind
		attempts int // of the part that failed
		ids      []string
		code     int // of the error; an answer when zero
		typ      string
		message  string
		outcome  string
	}{
		"the second, for good": {
			2, integration.FaultPermanent, 1,
			[]string{"1"},
			0, "PARTLY_SENT", "1 of 3 parts were sent, then: there is trouble",
			"partly_delivered",
		},
		"the third, for good": {
			3, integration.FaultPermanent, 1,
			[]string{"1", "2"},
			0, "PARTLY_SENT",
			"2 of 3 parts were sent, then: there is trouble", "partly_delivered",
		},
		"for want of credentials": {
			2, integration.FaultAuth, 1,
			[]string{"1"},
			0, "PARTLY_SENT", "1 of 3 parts were sent, then: there is trouble",
			"partly_delivered",
		},
		"with trouble that stays": {
			2, integration.FaultTransient, 3,
			[]string{"1"},
			0, "PARTLY_SENT", "1 of 3 parts were sent, then: there is trouble",
			"partly_delivered",
		},
		"with too many calls": {
			3, integration.FaultThrottled, 3,
			[]string{"1", "2"},
			0, "PARTLY_SENT",
			"2 of 3 parts were sent, then: there is trouble", "partly_delivered",
		},
		"nobody knows how": {
			2, integration.FaultUnknown, 1,
			[]string{"1"},
			504, "TROUBLE", "1 of 3 parts were sent, then: there is trouble",
			"unknown",
		},
		"the first, as any message": {
			1, integration.FaultPermanent, 1, nil, 0, "TROUBLE", "there is trouble", "not_delivered",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, sent := limited(t, test.fails, trouble(test.kind, 0))
				result, err := b.sendContent(object{"type": "TEXT", "text": text})
				require.Len(t, *sent, test.fails-1+test.attempts, "nothing of it is sent twice, and nothing behind it")
				metadata := object{}
				if test.ids != nil {
					metadata = object{"messageIds": test.ids, "parts": 3}
				}
				if test.code != 0 {
					e := errorOf(t, err, test.code, test.typ)
					require.Equal(t, test.message, e.Message)
					require.False(t, e.Retryable)
				} else {
					require.NoError(t, err)
					want := object{"success": false, "error": object{
						"message": test.message, "code": test.typ, "kind": "permanent", "class": "permanent", "retryable": false,
						"platformCode": "p9", "httpStatus": 418,
					}}
					if test.ids != nil {
						want["metadata"] = object{"n": 1, "messageIds": test.ids, "parts": 3}
						want["messageIds"], want["parts"] = test.ids, 3
					}
					require.JSONEq(t, toJSON(t, want), toJSON(t, result))
				}

				metadata["code"], metadata["kind"], metadata["outcome"] = test.typ, integration.FaultPermanent, test.outcome
				if test.code != 0 {
					metadata["kind"] = test.kind
				}
				e := b.events.one(t)
				require.Equal(t, "hios.processing.message.failed", e.Name)
				var event struct {
					Error      string
					RetryCount int
					Message    json.RawMessage
					Metadata   object
				}
				require.NoError(t, json.Unmarshal(e.Payload, &event))
				require.Equal(t, test.message, event.Error)
				require.Equal(t, test.attempts-1, event.RetryCount)
				require.JSONEq(t, toJSON(t, metadata), toJSON(t, event.Metadata))
				require.JSONEq(
					t, toJSON(t, object{"to": object{"id": 42}, "content": object{"type": "TEXT", "text": text}}),
					string(event.Message), "as it came",
				)
				pass(time.Minute) // until the pause of what was throttled is over
			})
		})
	}
}

func TestPartsAreSentInOrderWithTheirOwnAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := limited(t, 0, nil)
		var texts []string
		failed := map[string]int{}
		b.platform.sending = func(_ context.Context, _ int, m *integration.Message) (*integration.SendResult, error) {
			if texts = append(texts, m.Content.Text); failed[m.Content.Text] < 2 {
				failed[m.Content.Text]++
				return nil, trouble(integration.FaultTransient, 0)
			}
			return &integration.SendResult{Success: true}, nil
		}
		_, err := b.sendContent(object{"type": "TEXT", "text": "0123456789a"})
		require.NoError(t, err)
		require.Equal(t, []string{"0123456789", "0123456789", "0123456789", "a", "a", "a"}, texts)
	})
}

func TestDegradationsAreReportedWithThePlatformsOwn(t *testing.T) {
	impossible := integration.Impossible("it has none", "https://example.com")
	for name, test := range map[string]struct {
		support integration.Support
		message object
		theirs  []integration.Degradation
		want    []string
	}{
		"nothing": {nil, object{"replyTo": object{"messageId": "m1"}, "threadId": "t1"}, nil, nil},
		"an answer to a message": {integration.Support{
			integration.FeatureReply: {Out: impossible},
		}, object{"replyTo": object{"messageId": "m1"}}, nil, []string{"reply→none"}},
		"an answer to none": {integration.Support{
			integration.FeatureReply: {Out: impossible},
		}, object{"replyTo": object{"quote": "hi"}}, nil, nil},
		"a thread": {integration.Support{
			integration.FeatureThread: {Out: impossible},
		}, object{"threadId": "t1"}, nil, []string{"thread→none"}},
		"both": {integration.Support{
			integration.FeatureReply: {Out: impossible}, integration.FeatureThread: {Out: impossible},
		}, object{"replyTo": object{"messageId": "m1"}, "threadId": "t1"}, nil, []string{"reply→none", "thread→none"}},
		"beside the platform's": {
			integration.Support{integration.FeatureReply: {Out: impossible}},
			object{"replyTo": object{"messageId": "m1"}},
			[]integration.Degradation{{Feature: "html", Became: "text"}, {Feature: "voice", Became: token, Note: token}},
			[]string{"reply→none", "html→text", "voice→[redacted]"},
		},
		"the platform's only": {nil, object{}, []integration.Degradation{
			{Feature: "html", Became: "text"},
		}, []string{"html→text"}},
		"what it has with losses": {
			integration.Support{integration.FeatureReply: {Out: integration.Degraded("as a quote")}},
			object{"replyTo": object{"messageId": "m1"}},
			nil, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.def.Support = test.support
			result := &integration.SendResult{Success: true, MessageID: "1", Degraded: test.theirs, Metadata: object{"n": 1}}
			before := toJSON(t, result)
			b.platform.sending = func(
				context.Context, int, *integration.Message,
			) (*integration.SendResult, error) {
				return result, nil
			}
			message := object{"to": object{"id": 42}, "content": object{"type": "TEXT", "text": "hi"}}
			for k, v := range test.message {
				message[k] = v
			}
			answer, err := b.call(integration.ActionSendMessage, object{"channelId": "c1", "message": message})
			require.NoError(t, err)
			want := object{"n": 1}
			if test.want != nil {
				want["degraded"] = test.want
			}
			top := object{"success": true, "messageId": "1", "metadata": want}
			if test.want != nil {
				var typed []object
				for _, token := range test.want {
					feature, became, _ := strings.Cut(token, "→")
					typed = append(typed, object{"feature": feature, "became": became})
					if became == "[redacted]" {
						typed[len(typed)-1]["note"] = became
					}
				}
				top["degraded"] = typed
			}
			require.JSONEq(t, toJSON(t, top), toJSON(t, answer))
			require.Contains(t, string(b.events.one(t).Payload), `"metadata":`+toJSON(t, want))
			require.Equal(t, before, toJSON(t, result), "the platform's own result is left alone")
		})
	}
}

func TestUnsupportedContentIsRefusedWithoutAskingPlatform(t *testing.T) {
	media := object{"url": "https://example.com/a"}
	for feature, content := range map[integration.Feature]object{
		integration.FeatureText:     {"type": "TEXT", "text": "hi"},
		integration.FeatureImage:    {"type": "IMAGE", "media": media},
		integration.FeatureVideo:    {"type": "VIDEO", "media": media},
		integration.FeatureAudio:    {"type": "AUDIO", "media": media},
		integration.FeatureVoice:    {"type": "VOICE", "media": media},
		integration.FeatureFile:     {"type": "FILE", "media": media},
		integration.FeatureAlbum:    {"type": "FILE", "attachments": []object{media, media}},
		integration.FeatureSticker:  {"type": "STICKER", "sticker": object{"id": 1}},
		integration.FeatureLocation: {"type": "LOCATION", "location": object{"latitude": 1, "longitude": 2}},
		integration.FeatureContact:  {"type": "CONTACT"},
		integration.FeatureTemplate: {"type": "TEMPLATE"},
		integration.FeaturePoll:     {"type": "POLL"},
		integration.FeatureReaction: {"type": "REACTION"},
		integration.FeatureForm:     {"type": "INTERACTIVE", "interactive": object{"kind": "form"}},
		integration.FeatureList: {"type": "INTERACTIVE", "interactive": object{
			"sections": []object{{"rows": []object{{"title": "A"}}}},
		}},
		integration.FeatureButtons: {"type": "TEXT", "text": "?", "interactive": object{
			"buttons": []object{{"title": "Yes"}},
		}},
	} {
		t.Run(string(feature), func(t *testing.T) {
			b := newHarness(t)
			b.platform.sending = failing()
			_, err := b.sendContent(content)
			require.NoError(t, err)
			require.Equal(t, []string{"send"}, b.platform.steps, "who tells of no support refuses nothing")

			b = newHarness(t)
			b.def.Support = integration.Support{
				feature: {In: integration.Full(), Out: integration.Impossible("it has no such thing", "https://example.com")},
			}
			result, err := b.sendContent(content)
			require.NoError(t, err)
			require.JSONEq(t, toJSON(t, object{"success": false, "error": object{
				"message": string(feature) + " cannot be sent through Parrot: it has no such thing", "code": "UNSUPPORTED_CONTENT",
				"kind": "permanent", "class": "permanent", "retryable": false,
			}}), toJSON(t, result))
			require.Empty(t, b.platform.steps)
			require.Equal(t, "hios.processing.message.failed", b.events.one(t).Name)
			require.NotContains(t, string(b.events.one(t).Payload), "retryCount")

			b = newHarness(t)
			b.platform.sending = failing()
			b.def.Support = integration.Support{
				feature: {In: integration.Impossible(
					"it sends none", "https://example.com",
				), Out: integration.Degraded("something is lost")},
			}
			_, err = b.sendContent(content)
			require.NoError(t, err)
			require.Equal(t, []string{"send"}, b.platform.steps, "only what cannot be sent is refused")
		})
	}
}

func TestSingleAttachmentIsNotAnAlbum(t *testing.T) {
	b := newHarness(t)
	b.platform.sending = failing()
	b.def.Support = integration.Support{
		integration.FeatureAlbum: {Out: integration.Impossible("one at a time", "https://example.com")},
	}
	_, err := b.sendContent(object{"type": "IMAGE", "attachments": []object{{"url": "u"}}})
	require.NoError(t, err)
	require.Equal(t, []string{"send"}, b.platform.steps)
}

func TestFeatureIsInboundOrOutboundOrBoth(t *testing.T) {
	oneWay := map[integration.Feature]string{
		integration.FeatureTemplate: "out", integration.FeatureTyping: "out", integration.FeatureMarkRead: "out",
		integration.FeatureCommand: "in", integration.FeatureOrder: "in", integration.FeatureStatus: "in",
		integration.FeatureMembership: "in", integration.FeatureEcho: "in", integration.FeatureMedia: "in",
	}
	seen := map[integration.Feature]bool{}
	for _, f := range integration.Features() {
		require.False(t, seen[f], "%s is there twice", f)
		seen[f] = true
		require.Equal(t, oneWay[f] != "out", f.Inbound(), f)
		require.Equal(t, oneWay[f] != "in", f.Outbound(), f)
	}
	require.Len(t, seen, 28)
}

func TestEventOfAFailedSendOmitsTheAttachmentsContent(t *testing.T) {
	const data = "Q0FOQVJZ" // base64
	for name, test := range map[string]struct{ content, want string }{
		"the only one": {
			`{"type":"IMAGE","media":{"url":"","data":"` + data + `","filename":"a.png"}}`,
			`{"type":"IMAGE","media":{"url":"","filename":"a.png"}}`,
		},
		"one of several": {
			`{"type":"IMAGE","attachments":[{"url":"u"},{"url":"","data":"` + data + `","caption":"b"}]}`,
			`{"type":"IMAGE","attachments":[{"url":"u"},{"url":"","caption":"b"}]}`,
		},
		"both": {
			`{"type":"IMAGE","media":{"url":"","data":"` + data + `"},"attachments":[{"url":"","data":"` + data + `"}]}`,
			`{"type":"IMAGE","media":{"url":""},"attachments":[{"url":""}]}`,
		},
		"none, and fields that nobody knows": {
			`{"type":"IMAGE","media":{"url":"u","odd":1},"odd":2}`, `{"type":"IMAGE","media":{"url":"u","odd":1},"odd":2}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			var held int
			b.platform.sending = func(_ context.Context, _ int, m *integration.Message) (*integration.SendResult, error) {
				if m.Content.Media != nil {
					held += len(m.Content.Media.Data)
				}
				for _, a := range m.Content.Attachments {
					held += len(a.Data)
				}
				return nil, trouble(integration.FaultPermanent, 0)
			}
			_, err := b.call(
				integration.ActionSendMessage,
				object{"channelId": "c1", "message": json.RawMessage(`{"to":{"id":"42"},"content":` + test.content + `}`)},
			)
			require.NoError(t, err)
			require.Equal(t, strings.Count(test.content, data)*len("CANARY"), held, "the platform has it")
			var event struct {
				Message struct{ Content json.RawMessage }
			}
			require.NoError(t, json.Unmarshal(b.events.one(t).Payload, &event))
			require.JSONEq(t, test.want, string(event.Message.Content))
		})
	}
}

func TestDataThatIsNotBase64IsRefused(t *testing.T) {
	b := newHarness(t)
	_, err := b.sendContent(object{"type": "IMAGE", "media": object{"data": "?"}})
	require.Equal(t, action.NameValidationError, errorOf(t, err, 422, "VALIDATION_ERROR").Name)
	require.Empty(t, b.platform.steps)
}
