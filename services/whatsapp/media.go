package whatsapp

import (
	"cmp"
	"context"
	"errors"
	"net/url"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/services/meta"
)

var _ integration.MediaFetcher = (*platform)(nil)

// FetchMedia implements [integration.MediaFetcher], "Media". An id lasts for seven days. Its link lasts for five
// minutes, so each call gets a new one.
func (p *platform) FetchMedia(ctx context.Context, id string, ch *integration.Channel) (*integration.MediaFile, error) {
	if !idPattern.MatchString(id) { // it becomes a part of the URL
		return nil, integration.Refused(codes.MediaNotFound, "the id of an attachment is a number")
	}
	a := p.api(ch.Credentials, ch.Settings)
	var m struct {
		URL      string `json:"url"`
		MimeType string `json:"mime_type"`
		Size     int64  `json:"file_size"`
	}
	// No phone_number_id: with it, WhatsApp refuses media that came to another number of the account.
	if err := a.Get(ctx, "media", id, nil, &m); err != nil {
		return nil, mediaError(err)
	}
	limit := integration.MediaLimit(ctx, maxDownload)
	switch {
	case m.Size > limit:
		return nil, httpapi.TooLarge("whatsapp media", limit)
	case !a.trusts(m.URL):
		return nil, integration.Refused(codes.MediaNotFound, "whatsapp media: the answer has no link")
	}
	header := a.Header.Clone()
	header.Set("User-Agent", "Switchboard") // the media servers refuse requests without one
	file, err := a.Client.Download(ctx, "whatsapp media download", m.URL, header, limit)
	if err != nil {
		return nil, err
	}
	file.MimeType = cmp.Or(m.MimeType, file.MimeType)
	return file, nil
}

// trusts says whether the token may be sent to the server of a link: over TLS, or if it is the server of the API.
func (a api) trusts(link string) bool {
	to, err := url.Parse(link)
	base, baseErr := url.Parse(a.Base)
	return err == nil && to.Host != "" &&
		(to.Scheme == "https" || baseErr == nil && to.Scheme == base.Scheme && to.Host == base.Host)
}

// mediaError turns an error about an unknown object of the Graph API into one about media.
func mediaError(err error) error {
	if e, ok := errors.AsType[*integration.Error](err); ok &&
		(e.Code == meta.CodeObjectUnknown || e.PlatformCode == "100") {
		return integration.Refused(
			codes.MediaNotFound, "%s; attachments of messages can be fetched for seven days", e.Message,
		)
	}
	return err
}
