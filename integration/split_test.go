package integration_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

// splitter is the harness's platform, which takes one attachment in a message, and a text with pictures only.
type splitter struct {
	*platform
	err error
}

func (s *splitter) Split(
	_ context.Context, m *integration.Message, _ *integration.Channel,
) ([]*integration.Message, error) {
	return m.Separate(func(t integration.ContentType) bool { return t == integration.TypeImage }), s.err
}

func splitting(t *testing.T, fails int, err error) (*harness, *[]integration.Message) {
	t.Helper()
	b, sent := limited(t, fails, err)
	b.def.Platform = &splitter{platform: b.platform}
	return b, sent
}

func TestSplitterMakesAPartOfEachAttachment(t *testing.T) {
	picture, song := object{"url": "p", "mimeType": "image/png"}, object{
		"url": "s", "mimeType": "audio/mpeg", "caption": "la",
	}
	for name, test := range map[string]struct {
		content  object
		want     []string // type, text and link of each part
		degraded []string
	}{
		"one attachment": {object{"type": "IMAGE", "text": "hi", "media": picture}, []string{"IMAGE hi p"}, nil},
		"two": {object{
			"type": "IMAGE", "text": "hi", "attachments": []object{picture, song},
		}, []string{"IMAGE hi p", "AUDIO  s"}, []string{"several attachments→messages"}},
		"two files": {object{
			"type": "FILE", "attachments": []object{picture, song},
		}, []string{"FILE  p", "FILE  s"}, []string{"several attachments→messages"}},
		"a text that it shows not": {object{
			"type": "AUDIO", "text": "hi", "media": song,
		}, []string{"AUDIO  s", "TEXT hi "}, []string{"audio→audio and text"}},
		"a place with a text": {object{
			"type": "LOCATION", "text": "hi", "location": object{"latitude": 1, "longitude": 2},
		}, []string{"LOCATION  ", "TEXT hi "}, []string{"location→location and text"}},
		"both": {object{
			"type": "AUDIO", "text": "hi", "attachments": []object{song, picture},
		}, []string{"AUDIO  s", "IMAGE  p", "TEXT hi "}, []string{"several attachments→messages", "audio→audio and text"}},
		"a long text behind a song": {
			object{"type": "AUDIO", "text": "0123456789a", "media": song},
			[]string{"AUDIO  s", "TEXT 0123456789 ", "TEXT a "},
			[]string{"audio→audio and text"},
		},
		"buttons stay together": {object{
			"type": "AUDIO", "text": "hi", "media": song, "interactive": object{"buttons": []object{{"title": "Yes"}}},
		}, []string{"AUDIO hi s"}, nil},
		"a text": {object{"type": "TEXT", "text": "hi"}, []string{"TEXT hi "}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b, sent := splitting(t, 0, nil)
			answer, err := b.call(integration.ActionSendMessage, object{"channelId": "c1", "message": object{
				"id": "out", "to": object{"id": 42}, "replyTo": object{"messageId": "m0"}, "replyContext": "r",
				"content": test.content,
			}})
			require.NoError(t, err)
			var got []string
			for i, m := range *sent {
				url := ""
				if m.Content.Media != nil {
					url = m.Content.Media.URL
				}
				got = append(got, string(m.Content.Type)+" "+m.Content.Text+" "+url)
				require.Equal(t, []integration.ID{"out", "out:2", "out:3"}[i], m.ID)
				require.Equal(t, "r", m.ReplyContext)
				require.Equal(t, i == 0, m.ReplyTo != nil)
			}
			require.Equal(t, test.want, got)
			result := answer.(*integration.SendResult)
			if len(got) > 1 {
				require.Equal(t, len(got), result.Parts)
				require.Len(t, result.MessageIDs, len(got))
			}
			var degraded []string
			for _, d := range result.Degraded {
				degraded = append(degraded, d.String())
			}
			require.Equal(t, test.degraded, degraded)
		})
	}
}

func TestSplitterPartsHaveRetriesOfTheirOwn(t *testing.T) {
	album := object{"type": "IMAGE", "attachments": []object{{"url": "a"}, {"url": "b"}}}
	t.Run("the second is sent again alone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, _ := splitting(t, 0, nil)
			var tried []string
			b.platform.sending = func(_ context.Context, _ int, m *integration.Message) (*integration.SendResult, error) {
				if tried = append(tried, m.Content.Media.URL); slices.Equal(tried, []string{"a", "b"}) {
					return nil, trouble(integration.FaultTransient, 0)
				}
				return &integration.SendResult{Success: true, MessageIDs: []integration.ID{"x", "y"}}, nil
			}
			answer, err := b.sendContent(album)
			require.NoError(t, err)
			require.Equal(t, []string{"a", "b", "b"}, tried)
			require.Equal(t, []integration.ID{"x", "y", "x", "y"}, answer.(*integration.SendResult).MessageIDs)
		})
	})
	t.Run("what fails for good is sent in part", func(t *testing.T) {
		b, _ := splitting(t, 2, trouble(integration.FaultPermanent, 0))
		answer, err := b.sendContent(album)
		require.NoError(t, err)
		result := answer.(*integration.SendResult)
		require.Equal(t, "PARTLY_SENT", result.Error.Code)
		require.Equal(t, []integration.ID{"1"}, result.MessageIDs)
	})
}

func TestSplitterRefusalSendsNothing(t *testing.T) {
	b, sent := splitting(t, 0, nil)
	b.def.Platform = &splitter{platform: b.platform, err: integration.Invalid("too much")}
	answer, err := b.sendContent(object{"type": "IMAGE", "media": object{"url": "a"}})
	require.NoError(t, err)
	require.Equal(t, "MESSAGE_INVALID", answer.(*integration.SendResult).Error.Code)
	require.Empty(t, *sent)
}

func TestReplyContextOfMoreThan4KBIsRefused(t *testing.T) {
	for size, ok := range map[int]bool{4096: true, 4097: false} {
		b, sent := limited(t, 0, nil)
		answer, err := b.call(integration.ActionSendMessage, object{"channelId": "c1", "message": object{
			"to": object{"id": 42}, "replyContext": strings.Repeat("x", size), "content": object{"type": "TEXT", "text": "hi"},
		}})
		require.NoError(t, err)
		require.Equal(t, ok, answer.(*integration.SendResult).Success)
		require.Equal(t, ok, len(*sent) == 1)
	}
}

func TestMoreAttachmentsThanOneSendTakesAreSentOneByOne(t *testing.T) {
	for attachments, parts := range map[int]int{2: 1, 3: 3} {
		b, sent := limited(t, 0, nil)
		b.def.MaxAttachments = 2
		var later []bool
		send := b.platform.sending
		b.platform.sending = func(ctx context.Context, n int, m *integration.Message) (*integration.SendResult, error) {
			later = append(later, integration.IsLaterPart(ctx))
			return send(ctx, n, m)
		}
		list := make([]object, attachments)
		for i := range list {
			list[i] = object{"url": "p", "mimeType": "image/png"}
		}
		_, err := b.call(integration.ActionSendMessage, object{"channelId": "c1", "message": object{
			"to": object{"id": 42}, "content": object{"type": "IMAGE", "attachments": list},
		}})
		require.NoError(t, err)
		require.Len(t, *sent, parts)
		require.Equal(t, []bool{false, true, true}[:parts], later)
	}
}

func TestReplyContextOfAWebhookOverFourKBIsLeftOut(t *testing.T) {
	b := newHarness(t)
	b.platform.messages = []integration.Message{
		{ID: "m1", ReplyContext: strings.Repeat("x", 4<<10)},
		{ID: "m2", ReplyContext: strings.Repeat("x", 4<<10+1)},
	}
	_, err := b.receive(webhookParams())
	require.NoError(t, err)
	require.Contains(t, string(b.events.events[0].Payload), `"replyContext":"xxx`)
	require.NotContains(t, string(b.events.events[1].Payload), "replyContext")
	require.Contains(t, b.logs.String(), "replyContext is too large")
}
