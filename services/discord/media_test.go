package discord_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/services/discord"
	"github.com/hiliosai/switchboard/services/discord/discordtest"
)

// blocking is a file whose content comes when it may.
type blocking struct{ asked, release chan struct{} }

func (b blocking) serve(t *testing.T) (link string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(b.asked)
		<-b.release
		_, _ = w.Write([]byte("content"))
	}))
	t.Cleanup(server.Close)
	return server.URL + "/a.bin"
}

const picture = "/attachments/1/2/engine.png"

// signature is the query of a link that ends then.
func signature(end time.Time) string { return fmt.Sprintf("?ex=%x&is=1&hm=2", end.Unix()) }

func fetch(t *testing.T, ch *integration.Channel, id string) (*integration.MediaFile, string, error) {
	t.Helper()
	file, err := newPlatform(t).(integration.MediaFetcher).FetchMedia(t.Context(), id, ch)
	if err != nil {
		return nil, "", err
	}
	defer file.Body.Close()
	content, err := io.ReadAll(file.Body)
	require.NoError(t, err)
	return file, string(content), nil
}

func TestAttachmentIsFetchedByItsLink(t *testing.T) {
	live, over := signature(time.Now().Add(time.Hour)), signature(time.Now().Add(-time.Second))
	const cdn = "https://cdn.discordapp.com"
	for name, test := range map[string]struct {
		link  func(server *discordtest.Server) string
		asked []string
	}{
		"of Discord's CDN": {
			func(*discordtest.Server) string { return cdn + picture + live }, []string{discordtest.Download},
		},
		"of its proxy": {
			func(*discordtest.Server) string { return "https://media.discordapp.net" + picture + live },
			[]string{discordtest.Download},
		},
		"that have ended": {func(*discordtest.Server) string { return cdn + picture + over }, []string{
			discordtest.RefreshURLs, discordtest.Download,
		}},
		"without a signature": {func(*discordtest.Server) string { return cdn + picture }, []string{
			discordtest.RefreshURLs, discordtest.Download,
		}},
		"of a sticker": {
			func(*discordtest.Server) string { return cdn + "/stickers/7.png" }, []string{discordtest.Download},
		},
		"of the channel's own API": {
			func(s *discordtest.Server) string { return s.CDN() + picture + live }, []string{discordtest.Download},
		},
		"of that, which have ended": {
			func(s *discordtest.Server) string { return s.CDN() + picture + over },
			[]string{discordtest.RefreshURLs, discordtest.Download},
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			ch.Settings["cdnBase"] = server.CDN() + "/"
			server.AddFile(picture, "image/png", []byte("a picture"))
			server.AddFile("/stickers/7.png", "image/png", []byte("a picture"))
			file, content, err := fetch(t, ch, test.link(server))
			require.NoError(t, err)
			require.Equal(t, "a picture", content)
			require.Equal(t, "image/png", file.MimeType)
			require.Contains(t, file.Filename, ".png")
			require.Equal(t, int64(len(content)), file.Size)
			require.Equal(t, test.asked, names(server))
			for _, r := range server.Requests() {
				require.Equal(
					t, r.Route != discordtest.Download, r.Header.Get("Authorization") != "", "the bot's token is for the API only",
				)
			}
		})
	}
}

func TestMediaLinkElsewhereIsRefused(t *testing.T) {
	for _, link := range []string{
		"1400000000000000007", "", "file:///etc/passwd", "https://cdn.discordapp.com/%zz",
		"https://example.org/attachments/1/2/a.png", "http://169.254.169.254/latest/meta-data",
		"https://cdn.discordapp.com.example.org/attachments/1/2/a.png", // a host that looks like it
		"https://cdn.discordapp.com@example.org/attachments/1/2/a.png", // a host behind a user
		"https://user@cdn.discordapp.com/attachments/1/2/a.png",        // a user before the host
		"http://cdn.discordapp.com/attachments/1/2/a.png",
		"https://cdn.discordapp.com:8443/attachments/1/2/a.png",
	} {
		t.Run(link, func(t *testing.T) {
			server, ch := newServer(t)
			_, _, err := fetch(t, ch, link)
			requireError(t, err, integration.FaultPermanent, "MEDIA_NOT_FOUND")
			require.Empty(t, server.Requests())
		})
	}
	t.Run("a new link to elsewhere", func(t *testing.T) {
		server, ch := newServer(t)
		server.Script(
			discordtest.RefreshURLs,
			discordtest.Response{
				Body: `{"refreshed_urls":[{"original":"x","refreshed":"http://169.254.169.254/?ex=7fffffff"}]}`,
			},
		)
		_, _, err := fetch(t, ch, "https://cdn.discordapp.com"+picture)
		requireError(t, err, integration.FaultPermanent, "MEDIA_NOT_FOUND")
		require.Len(t, server.Requests(), 1)
	})
}

func TestAttachmentThatCannotBeFetchedSaysWhy(t *testing.T) {
	const permanent, transient = integration.FaultPermanent, integration.FaultTransient
	live, over := picture+signature(time.Now().Add(time.Hour)), picture+signature(time.Now().Add(-time.Hour))
	for name, test := range map[string]struct {
		link     string
		call     string
		response discordtest.Response
		kind     integration.ErrorKind
		code     string
	}{
		"that are gone": {
			live, discordtest.Download, discordtest.Response{Status: http.StatusNotFound}, permanent, "MEDIA_NOT_FOUND",
		},
		"that come too fast": {
			live, discordtest.Download,
			discordtest.Response{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"5"}}},
			integration.FaultThrottled, "RATE_LIMITED",
		},
		"for a CDN that fails": {
			live, discordtest.Download, discordtest.Response{Status: http.StatusBadGateway}, transient, "PLATFORM_NO_ANSWER",
		},
		"for a connection that breaks": {
			live, discordtest.Download, discordtest.Response{Reset: true}, transient, "PLATFORM_UNREACHABLE",
		},
		"for links that get no new ones": {
			over, discordtest.RefreshURLs, discordtest.Response{Body: `{"refreshed_urls":[]}`}, permanent, "MEDIA_NOT_FOUND",
		},
		"for new links that are null": {
			over, discordtest.RefreshURLs,
			discordtest.Response{Body: `{"refreshed_urls":[{"refreshed":null}]}`},
			permanent,
			"MEDIA_NOT_FOUND",
		},
		"for links that are refused": {
			over, discordtest.RefreshURLs, discordtest.Failure(http.StatusBadRequest, 50035, "no", nil), permanent,
			"MEDIA_NOT_FOUND",
		},
		"for a wrong token": {
			over, discordtest.RefreshURLs, discordtest.Failure(http.StatusUnauthorized, 0, "no", nil), integration.FaultAuth,
			"CREDENTIALS_REFUSED",
		},
		"for an API that fails": {
			over, discordtest.RefreshURLs, discordtest.Failure(http.StatusInternalServerError, 0, "no", nil), transient,
			"PLATFORM_UNAVAILABLE",
		},
		"for a question without an answer": {
			over, discordtest.RefreshURLs, discordtest.Response{Reset: true}, transient, "PLATFORM_NO_ANSWER",
		},
		"for an answer that cannot be read": {
			over, discordtest.RefreshURLs, discordtest.Response{Body: "{"}, transient, "ANSWER_UNREADABLE",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			server.AddFile(picture, "image/png", []byte("a picture"))
			server.Script(test.call, test.response, test.response) // net/http repeats a GET on a kept connection
			_, _, err := fetch(t, ch, server.CDN()+test.link)
			requireError(t, err, test.kind, test.code)
		})
	}
}

func TestMediaLinkToPrivateAddressIsRefused(t *testing.T) {
	client := httpapi.New(httpapi.Options{})
	t.Cleanup(client.Close)
	_, ch := newServer(t)
	m := of(integration.Content{Type: integration.TypeFile, Media: &integration.Media{URL: "http://127.0.0.1:1/a.bin"}})
	_, err := discord.Definition(client).Platform.Send(t.Context(), &m, ch)
	requireError(t, err, integration.FaultPermanent, "MEDIA_ADDRESS_REFUSED")
}

func TestMessageThatCameInCanBeSent(t *testing.T) {
	server, ch := newServer(t)
	ch.Settings["cdnBase"] = server.CDN()
	server.AddFile(picture, "image/png", []byte("a picture"))
	id := "https://cdn.discordapp.com" + picture + signature(time.Now().Add(-time.Hour))
	m := of(integration.Content{Type: integration.TypeImage, Media: &integration.Media{ID: id, URL: id}})
	_, err := newPlatform(t).Send(t.Context(), &m, ch)
	require.NoError(t, err)
	require.Equal(t, []string{discordtest.RefreshURLs, discordtest.Download, discordtest.CreateMessage}, names(server))
	require.Equal(t, map[string]string{"files[0] engine.png image/png": "a picture"}, files(server.Requests()[2]))
}

func TestFileTooLargeIsNotRetried(t *testing.T) {
	server, ch := newServer(t)
	server.AddFile(picture, "image/png", make([]byte, 20<<20+1))
	m := of(
		integration.Content{
			Type:  integration.TypeImage,
			Media: &integration.Media{ID: server.CDN() + picture + signature(time.Now().Add(time.Hour))},
		},
	)
	_, err := newPlatform(t).Send(t.Context(), &m, ch)
	requireError(t, err, integration.FaultPermanent, "MEDIA_TOO_LARGE")
	require.Equal(t, []string{discordtest.Download}, names(server))
}
