package integration_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/inflight"
)

func TestMediaLargerThanAPacketIsRefusedBeforeItIsRead(t *testing.T) {
	const packet = 1 << 20
	for name, test := range map[string]struct {
		packet, size, most int64 // most bytes are read
		typ                string
	}{
		"as much as fits":              {packet, 700 << 10, packet, ""},
		"more, and it says so":         {packet, 800 << 10, 0, "MEDIA_TOO_LARGE"},
		"more, and it says nothing":    {packet, -1, packet, "MEDIA_TOO_LARGE"},
		"a packet without any room":    {1 << 10, 1, 0, "MEDIA_TOO_LARGE"},
		"a call that needs no packets": {0, 800 << 10, packet, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.runtime.PacketLimit = func(*action.Request) int64 { return test.packet }
			b.runtime.MediaBytes = inflight.New(8 << 20)
			content := &counted{Reader: io.LimitReader(zeros{}, max(test.size, 0))}
			if test.size < 0 {
				content.Reader = zeros{}
			}
			b.platform.media = &integration.MediaFile{Body: content, Size: test.size}
			result, err := b.call(integration.ActionGetMedia, object{"channelId": "c1", "mediaId": "f1"})
			require.LessOrEqual(t, content.n, test.most)
			require.Zero(t, b.runtime.MediaBytes.Held())
			if test.typ != "" {
				requireError(t, err, 422, test.typ)
				return
			}
			require.NoError(t, err)
			if test.packet > 0 {
				require.LessOrEqual(t, int64(len(toJSON(t, result))), test.packet)
			}
		})
	}
}

// counted counts what is read of it.
type counted struct {
	io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

func (*counted) Close() error { return nil }

func TestAttachmentBytesAreBounded(t *testing.T) {
	b := newHarness(t)
	b.runtime.MediaBytes = inflight.New(1 << 20)
	read := func(ctx context.Context, size int64) error {
		_, err := integration.ReadMedia(
			ctx, "attachment", &integration.MediaFile{Body: io.NopCloser(io.LimitReader(zeros{}, size)), Size: -1}, 8<<20,
		)
		return err
	}
	var inner error
	b.platform.sending = func(ctx context.Context, attempt int, _ *integration.Message) (*integration.SendResult, error) {
		if attempt == 1 {
			require.NoError(t, read(ctx, 600<<10))
			require.GreaterOrEqual(t, b.runtime.MediaBytes.Held(), int64(600<<10))
			b.platform.media = &integration.MediaFile{Body: io.NopCloser(io.LimitReader(zeros{}, 600<<10)), Size: 600 << 10}
			_, inner = b.call(integration.ActionGetMedia, object{"channelId": "c1", "mediaId": "f1"})
		} else {
			return nil, read(ctx, 2<<20) // more than ever fits
		}
		return &integration.SendResult{Success: true, MessageID: "1"}, nil
	}
	send := object{
		"channelId": "c1",
		"message": object{
			"to": object{"id": "1"}, "content": object{"type": "IMAGE", "media": object{"url": "https://example.com/a"}},
		},
	}
	_, err := b.call(integration.ActionSendMessage, send)
	require.NoError(t, err)
	e := errorOf(t, inner, 503, "MEDIA_BUSY")
	require.True(t, e.Retryable)
	require.Zero(t, b.runtime.MediaBytes.Held(), "it is over with the send")

	result, err := b.call(integration.ActionSendMessage, send)
	require.NoError(t, err, "a refusal is an answer")
	require.Contains(t, toJSON(t, result), "MEDIA_TOO_LARGE")
	require.Zero(t, b.runtime.MediaBytes.Held())
}

func TestAttachmentTakesRoomOnlyAsItArrives(t *testing.T) {
	b := newHarness(t)
	b.runtime.MediaBytes = inflight.New(1 << 20)
	var held int64
	body := readerFunc(func([]byte) (int, error) {
		held = b.runtime.MediaBytes.Held()
		return 0, io.EOF
	})
	b.platform.media = &integration.MediaFile{Body: io.NopCloser(body), Size: 1 << 19}
	_, err := b.call(integration.ActionGetMedia, object{"channelId": "c1", "mediaId": strings.Repeat("x", 10)})
	require.NoError(t, err)
	require.EqualValues(t, 64<<10, held)
}

type readerFunc func(p []byte) (int, error)

func (r readerFunc) Read(p []byte) (int, error) { return r(p) }
