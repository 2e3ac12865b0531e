package telegram_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

func TestMediaIsFetchedByID(t *testing.T) {
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
			&telegramtest.Response{Header: http.Header{"Content-Type": {"image/webp"}}, Body: "content"},
			"image/webp", "file_5.bin",
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

func TestMediaErrors(t *testing.T) {
	const download, permanent, transient = telegramtest.Download, integration.FaultPermanent, integration.FaultTransient
	file := func(members string) telegramtest.Response {
		return answer(`{"ok":true,"result":{"file_id":"file-id"` + members + `}}`)
	}
	refused := func(status int, description string) telegramtest.Response {
		return telegramtest.Failure(status, description, nil)
	}
	reset := telegramtest.Response{Reset: true}
	for name, test := range map[string]struct {
		method   string
		response telegramtest.Response
		kind     integration.ErrorKind
		code     string
	}{
		"an id of another bot":     {"getFile", refused(400, "wrong file_id"), permanent, "MEDIA_NOT_FOUND"},
		"a file over the limit":    {"getFile", refused(400, "file is too big"), permanent, "MEDIA_TOO_LARGE"},
		"a byte more than 20 MB":   {"getFile", file(`,"file_path":"a","file_size":20971521`), permanent, "MEDIA_TOO_LARGE"},
		"a file without a path":    {"getFile", file(""), permanent, "MEDIA_NOT_FOUND"},
		"a revoked token":          {"getFile", refused(401, "Unauthorized"), integration.FaultAuth, "CREDENTIALS_REFUSED"},
		"no answer":                {"getFile", reset, transient, "PLATFORM_NO_ANSWER"},
		"an expired link":          {download, refused(404, "Not Found"), permanent, "MEDIA_NOT_FOUND"},
		"a throttled download":     {download, refused(429, "Slow"), integration.FaultThrottled, "RATE_LIMITED"},
		"a download that fails":    {download, telegramtest.Response{Status: 502}, transient, "PLATFORM_NO_ANSWER"},
		"a download that is reset": {download, reset, transient, "PLATFORM_UNREACHABLE"},
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
			server.Script("getFile", file(`,"file_path":"`+local+`"`))
			_, err := newPlatform(t).(integration.MediaFetcher).FetchMedia(t.Context(), "x", ch)
			requireError(t, err, integration.FaultPermanent, "MEDIA_LOCAL")
			require.Contains(t, err.Error(), "--local")
			require.NotContains(t, err.Error(), "expired")
			require.NotContains(t, err.Error(), "file_0", "the path has the token")
		})
	}
	t.Run("an unknown id", func(t *testing.T) {
		_, ch := newServer(t)
		_, err := newPlatform(t).(integration.MediaFetcher).FetchMedia(t.Context(), "another", ch)
		requireError(t, err, integration.FaultPermanent, "MEDIA_NOT_FOUND")
	})
}
