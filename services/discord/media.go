package discord

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// maxDownload is how many bytes an attachment that is fetched may have: what users with Nitro can upload.
const maxDownload = 500 << 20

// cdnHosts are the hosts that Discord serves attachments and stickers from.
var cdnHosts = []string{"cdn.discordapp.com", "media.discordapp.net"}

// FetchMedia downloads an attachment by its link, which is its id.
func (p *platform) FetchMedia(ctx context.Context, id string, ch *integration.Channel) (*integration.MediaFile, error) {
	a := p.api(ch.Credentials, ch.Settings)
	file, err := a.fetch(ctx, id, integration.MediaLimit(ctx, maxDownload))
	return file, httpapi.Repeatable(err)
}

// fetch opens what is behind one of Discord's own links. Links of attachments end after a day; Discord is asked for a
// new one then.
func (a *api) fetch(ctx context.Context, link string, limit int64) (*integration.MediaFile, error) {
	const name = "discord attachment"
	_, configured, err := a.locate(link)
	if err == nil && isExpired(link, time.Now()) {
		link, err = a.refresh(ctx, link)
	}
	if err == nil {
		link, configured, err = a.locate(link)
	}
	if err != nil {
		return nil, err
	}
	if !configured {
		return a.Client.Download(ctx, name, link, nil, limit)
	}
	res, err := a.Client.Get(ctx, name, link, http.Header{"User-Agent": {userAgent}})
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		if res.StatusCode == http.StatusNotFound {
			return nil, integration.Refused(codes.MediaNotFound, "the attachment is gone, or its link has expired")
		}
		return nil, a.Foreign(name, &httpapi.Answer{Status: res.StatusCode, Header: res.Header})
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return &integration.MediaFile{
		Body: res.Body, MimeType: kind, Filename: httpapi.LinkName(link), Size: res.ContentLength,
	}, nil
}

// locate finds where to fetch a link from. It refuses links that do not lead to Discord: otherwise anybody who can make
// up an id could have anything read. configured says that the channel's settings name the place.
func (a *api) locate(link string) (at string, configured bool, err error) {
	u, err := url.Parse(link)
	if err == nil && u.User == nil {
		if base, err := url.Parse(a.Base); err == nil && u.Scheme == base.Scheme && u.Host == base.Host {
			return link, true, nil
		}
		if u.Scheme == "https" && slices.Contains(cdnHosts, u.Host) {
			if a.cdn == "" {
				return link, false, nil
			}
			return a.cdn + u.RequestURI(), true, nil
		}
	}
	return "", false, integration.Refused(codes.MediaNotFound, "the media id is not a link of an attachment at Discord")
}

// isExpired says whether a link no longer leads to its attachment: it is over, or its signature is missing.
func isExpired(link string, now time.Time) bool {
	u, err := url.Parse(link)
	if err != nil || !strings.Contains(u.Path, "attachments/") { // stickers have no signature
		return false
	}
	at := expiry(link)
	return at == 0 || at <= now.UnixMilli()
}

// refresh asks for a new link. The call is not documented. Discord's own clients use it, and bots may.
func (a *api) refresh(ctx context.Context, link string) (string, error) {
	var result struct {
		RefreshedURLs []struct {
			Refreshed string `json:"refreshed"`
		} `json:"refreshed_urls"`
	}
	_, err := a.Ask(ctx, httpapi.Call{
		Name: "refresh attachment links", Path: "/attachments/refresh-urls",
		JSON: map[string][]string{"attachment_urls": {link}},
	}, &result)
	if e, ok := errors.AsType[*integration.Error](err); ok && e.Kind == integration.FaultPermanent && e.HTTPStatus < 500 {
		return "", integration.Refused(
			codes.MediaNotFound, "the attachment's link has expired, and Discord makes no new one: %s", e.Message,
		)
	}
	if err != nil {
		return "", err
	}
	if len(result.RefreshedURLs) == 0 || result.RefreshedURLs[0].Refreshed == "" {
		return "", integration.Refused(codes.MediaNotFound, "the attachment's link has expired, and Discord makes no new one")
	}
	return result.RefreshedURLs[0].Refreshed, nil
}
