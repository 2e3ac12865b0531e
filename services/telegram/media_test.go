package telegram_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

func TestFilesAreFetchedByTheirID(t *testing.T) {
	for name, test := range map[string]struct {
		path     string
		response *telegramtest.Response
		mimeType string
		filename string
	}{
		"a photo":                         {"photos/file_1.jpg", nil, "image/jpeg", "file_1.jpg"},
		"a voice message":                 {"voice/file_2.oga", nil, "audio/ogg", "file_2.oga"},
		"a video":                         {"videos/file_3.MP4", nil, "video/mp4", "file_3.MP4"},
		"a file without extension":        {"documents/file_4", nil, "application/octet-stream", ""},
		"a name with characters of a URL": {"documents/50% of ?what#.pdf", nil, "application/pdf", "50% of ?what#.pdf"},
		"a file of a local server":        {"/var/lib/documents/a b.pdf", nil, "application/pdf", "a b.pdf"},
		"a server that knows the type": {
			"documents/file_5.bin",
			&telegramtest.Response{Header: http.Header{"Content-Type": {"image/webp"}}, Body: "content"}, "image/webp",
			"file_5.bin",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			server.AddFile("file-id", test.path, []byte("content"))
			if test.response != nil {
				server.Script(telegramtest.Download, *test.response)
			}
			file, err := newPlatform(t).(integration.MediaFetcher).FetchMedia(t.Context(), "file-id", ch)
			require.NoError(t, err)
			defer file.Body.Close()
			content, err := io.ReadAll(file.Body)
			require.NoError(t, err)
			require.Equal(t, "content", string(content))
			require.Equal(t, test.mimeType, file.MimeType)
			require.Equal(t, test.filename, file.Filename)
			require.Equal(t, int64(len(content)), file.Size)
		})
	}
}

func TestFilesThatCannotBeFetchedSayWhy(t *testing.T) {
	size := func(bytes string) telegramtest.Response {
		return telegramtest.Response{
			Body: `{"ok":true,"result":{"file_id":"file-id","file_path":"photos/file_1.jpg","file_size":` + bytes + `}}`,
		}
	}
	for name, test := range map[string]struct {
		method   string
		response telegramtest.Response
		kind     integration.ErrorKind
		code     string
	}{
		"an unknown id": {"getFile", telegramtest.Failure(
			400, "Bad Request: wrong file_id or the file is temporarily unavailable", nil,
		), integration.FaultPermanent, "MEDIA_NOT_FOUND"},
		"a file that Telegram finds too big": {
			"getFile", telegramtest.Failure(400, "Bad Request: file is too big", nil), integration.FaultPermanent,
			"MEDIA_TOO_LARGE",
		},
		"a file of a byte more than 20 MB": {"getFile", size("20971521"), integration.FaultPermanent, "MEDIA_TOO_LARGE"},
		"a file without a path": {"getFile", telegramtest.Response{
			Body: `{"ok":true,"result":{"file_id":"file-id"}}`,
		}, integration.FaultPermanent, "MEDIA_NOT_FOUND"},
		"a revoked token": {"getFile", telegramtest.Failure(
			401, "Unauthorized", nil,
		), integration.FaultAuth, "CREDENTIALS_REFUSED"},
		"a question without an answer": {"getFile", telegramtest.Response{Reset: true}, integration.FaultTransient, "PLATFORM_NO_ANSWER"},
		"a link that has expired":      {telegramtest.Download, telegramtest.Failure(404, "Not Found", nil), integration.FaultPermanent, "MEDIA_NOT_FOUND"},
		"a download that is throttled": {telegramtest.Download, telegramtest.Failure(
			429, "Too Many Requests", nil,
		), integration.FaultThrottled, "RATE_LIMITED"},
		"a download that fails for now": {telegramtest.Download, telegramtest.Response{Status: 502}, integration.FaultTransient, "PLATFORM_NO_ANSWER"},
		"a download that is cut off":    {telegramtest.Download, telegramtest.Response{Reset: true}, integration.FaultTransient, "PLATFORM_UNREACHABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			server.AddFile("file-id", "photos/file_1.jpg", []byte("content"))
			server.Script(test.method, test.response, test.response) // net/http repeats a GET on a kept connection
			_, err := newPlatform(t).(integration.MediaFetcher).FetchMedia(t.Context(), "file-id", ch)
			requireError(t, err, test.kind, test.code)
		})
	}
	for _, local := range []string{
		"/var/lib/telegram-bot-api/" + token + "/documents/file_0", `C:\\bots\\123456~token\\file_0`,
	} {
		t.Run("a file on the disk of a local server", func(t *testing.T) {
			server, ch := newServer(t)
			server.Script(
				"getFile", telegramtest.Response{Body: `{"ok":true,"result":{"file_id":"x","file_path":"` + local + `"}}`},
			)
			_, err := newPlatform(t).(integration.MediaFetcher).FetchMedia(t.Context(), "x", ch)
			requireError(t, err, integration.FaultPermanent, "MEDIA_LOCAL")
			require.Contains(t, err.Error(), "--local")
			require.NotContains(t, err.Error(), "expired")
			require.NotContains(t, err.Error(), "file_0", "the path holds the token")
		})
	}
	t.Run("an id that was never given", func(t *testing.T) {
		_, ch := newServer(t)
		_, err := newPlatform(t).(integration.MediaFetcher).FetchMedia(t.Context(), "another", ch)
		requireError(t, err, integration.FaultPermanent, "MEDIA_NOT_FOUND")
	})
}
