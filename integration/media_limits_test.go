package integration_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func TestMediaLimitsAreCheckedBeforeSend(t *testing.T) {
	png := append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 24)...)
	large := object{"data": bytes.Repeat([]byte("a"), 101), "mimeType": "image/png"}
	link := object{"url": "https://example.org/a"}
	for name, test := range map[string]struct {
		content object
		code    string // "" where it is sent
		says    string
	}{
		"bytes within all limits": {object{"type": "IMAGE", "media": object{"data": png}}, "", ""},
		"with parameters": {object{
			"type": "IMAGE", "media": object{"data": png, "mimeType": "image/png; a=b"},
		}, "", ""},
		"what says nothing": {object{
			"type": "IMAGE", "media": object{"data": png, "mimeType": "application/octet-stream"},
		}, "", ""},
		"too many bytes": {object{
			"type": "IMAGE", "media": large,
		}, "MEDIA_TOO_LARGE", "image: the attachment is larger than 100 bytes"},
		"another type": {object{
			"type": "IMAGE", "media": object{"data": png, "mimeType": "image/gif"},
		}, "MESSAGE_INVALID", "content of type image must be image/png or image/jpeg, not image/gif"},
		"another type by its bytes": {object{
			"type": "IMAGE", "media": object{"data": []byte("GIF89a")},
		}, "MESSAGE_INVALID", "not image/gif"},
		"two": {object{"type": "IMAGE", "attachments": []object{link, {"data": png}}}, "", ""},
		"three": {object{
			"type": "IMAGE", "attachments": []object{link, link, link},
		}, "MESSAGE_INVALID", "there are 3 attachments; Parrot takes 2"},
		"the second too large": {object{
			"type": "IMAGE", "attachments": []object{link, large},
		}, "MEDIA_TOO_LARGE", ""},
		"another type in an album": {object{
			"type": "IMAGE", "attachments": []object{link, {"data": large["data"], "mimeType": "audio/ogg"}},
		}, "", ""},
		"of buttons": {object{
			"type": "INTERACTIVE", "media": large, "interactive": object{"buttons": []object{{"title": "Yes"}}},
		}, "MEDIA_TOO_LARGE", ""},
		"a link is the platform's": {object{
			"type": "IMAGE", "media": object{"url": "https://example.org/a", "mimeType": "image/gif"},
		}, "", ""},
		"a type of content without":    {object{"type": "FILE", "media": large}, "", ""},
		"no attachment of a media":     {object{"type": "IMAGE"}, "", ""},
		"a sticker that is an id only": {object{"type": "STICKER", "sticker": object{"id": 1}}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, sent := limited(t, 0, nil)
			b.def.Media = map[integration.ContentType]integration.MediaLimits{
				integration.TypeImage: {Types: []string{"image/png", "image/jpeg"}, MaxBytes: 100, MaxCount: 2},
			}
			answer, err := b.sendContent(test.content)
			require.NoError(t, err)
			result := answer.(*integration.SendResult)
			if test.code == "" {
				require.True(t, result.Success, "%+v", result.Error)
				return
			}
			require.Equal(t, test.code, result.Error.Code)
			require.Contains(t, result.Error.Message, test.says)
			require.Empty(t, *sent)
		})
	}
}

func TestMediaLimitsHoldForEachPartOfASplitMessage(t *testing.T) {
	b, sent := splitting(t, 0, nil)
	b.def.Media = map[integration.ContentType]integration.MediaLimits{integration.TypeImage: {MaxCount: 1, MaxBytes: 1}}
	answer, err := b.sendContent(object{"type": "IMAGE", "attachments": []object{{"url": "a"}, {"url": "b"}}})
	require.NoError(t, err)
	require.Equal(t, 2, answer.(*integration.SendResult).Parts)
	*sent = nil
	answer, err = b.sendContent(object{"type": "IMAGE", "attachments": []object{{"url": "a"}, {"data": []byte("xx")}}})
	require.NoError(t, err)
	require.Equal(t, "MEDIA_TOO_LARGE", answer.(*integration.SendResult).Error.Code)
	require.Empty(t, *sent, "the second part is checked before the first is sent")
}

func TestTextsAreWithinTheirLimits(t *testing.T) {
	require.NoError(t, integration.Within("Parrot", "жжж", 3, "the title of button %d", 1))
	err := integration.Within("Parrot", "жжжж", 3, "the title of button %d", 1)
	require.EqualError(t, err, "the title of button 1 has 4 characters; Parrot takes 3 (MESSAGE_INVALID)")
}

func TestMediaByLinkIsAnHTTPSLink(t *testing.T) {
	const link = "https://example.org/a.png"
	for name, test := range map[string]struct {
		media object
		taken bool
	}{
		"an https link": {object{"url": link}, true},
		"an http link":  {object{"url": "http://example.org/a.png"}, false},
		"bytes":         {object{"data": []byte("a"), "url": link}, false},
		"an id":         {object{"id": "17", "url": link}, false},
		"a datasource":  {object{"datasource": "files", "url": link}, false},
		"nothing":       {object{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b, sent := limited(t, 0, nil)
			b.def.Media = map[integration.ContentType]integration.MediaLimits{integration.TypeImage: {ByLink: true}}
			answer, err := b.sendContent(object{"type": "IMAGE", "media": test.media})
			require.NoError(t, err)
			result := answer.(*integration.SendResult)
			require.Equal(t, test.taken, result.Success)
			if !test.taken {
				require.Equal(t, "MEDIA_URL_INVALID", result.Error.Code)
				require.Empty(t, *sent)
			}
		})
	}
}
