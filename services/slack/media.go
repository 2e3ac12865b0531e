package slack

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// loginPageType is the type of Slack's login page, which it shows to callers that it does not know.
const loginPageType = "text/html"

// fileInfo asks what Slack knows of a file, "files.info".
func (a *api) fileInfo(ctx context.Context, id string) (*file, error) {
	answer, _, err := ask[struct{ File file }](ctx, a, "files.info", url.Values{"file": {id}})
	return &answer.File, err
}

// FetchMedia downloads a file by its id.
func (p *platform) FetchMedia(ctx context.Context, id string, ch *integration.Channel) (*integration.MediaFile, error) {
	if !isWord(id) {
		return nil, integration.Refused(
			codes.MediaNotFound, "the mediaId is not the id of a file of Slack, such as F024BE91L",
		)
	}
	a := p.api(ch.Credentials, ch.Settings)
	f, err := a.fileInfo(ctx, id)
	link := cmp.Or(f.URLPrivateDownload, f.URLPrivate)
	switch {
	case err != nil:
		return nil, err
	case f.Mode == "tombstone" || f.Mode == "hidden_by_limit" || link == "":
		return nil, integration.Refused(
			codes.MediaNotFound, "slack files.info: the file was deleted, or is beyond what the workspace's plan keeps",
		)
	case f.isExternal() || !a.trusts(link):
		return nil, integration.Refused(
			codes.MediaExternal, "the file is kept outside of Slack, which gives nothing but a link to it",
		)
	case f.Size > integration.MediaLimit(ctx, maxDownload):
		return nil, httpapi.TooLarge("slack file download", integration.MediaLimit(ctx, maxDownload))
	}
	return a.download(ctx, f, link)
}

// download fetches a file from its link. It follows no redirect: the only one leads to the login page, "Working with
// files".
func (a *api) download(ctx context.Context, f *file, link string) (*integration.MediaFile, error) {
	const name = "slack file download"
	res, err := a.Client.Get(ctx, name, link, a.Header)
	if err != nil {
		return nil, err
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	got := &integration.MediaFile{
		Body: res.Body, MimeType: cmp.Or(f.Mimetype, kind), Filename: httpapi.Filename(cmp.Or(f.Name, f.ID)),
		Size: res.ContentLength,
	}
	isLogin := res.StatusCode == http.StatusOK && kind == loginPageType && f.Mimetype != loginPageType
	switch {
	case isLogin, res.StatusCode/100 == 3, res.StatusCode == http.StatusForbidden:
		res.Body.Close()
		return nil, loginPage(res.StatusCode)
	case res.StatusCode == http.StatusNotFound:
		res.Body.Close()
		return nil, &integration.Error{
			Kind: integration.FaultPermanent, Code: codes.MediaNotFound, HTTPStatus: res.StatusCode,
			Message: name + ": HTTP 404",
		}
	case res.StatusCode != http.StatusOK:
		res.Body.Close()
		return nil, httpapi.Repeatable(httpapi.Foreign(name, &httpapi.Answer{Status: res.StatusCode, Header: res.Header}))
	case kind == loginPageType:
		return wholePage(ctx, got, f.Size)
	}
	return got, nil
}

// wholePage reads a file that is an HTML page. It tells it from the login page by its size.
func wholePage(ctx context.Context, got *integration.MediaFile, size int64) (*integration.MediaFile, error) {
	defer got.Body.Close()
	content, err := integration.ReadMedia(ctx, "slack file download", got, integration.MediaLimit(ctx, maxDownload))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) != size {
		return nil, loginPage(http.StatusOK)
	}
	got.Body, got.Size = io.NopCloser(bytes.NewReader(content)), size
	return got, nil
}

// loginPage is the error of a download that got the login page.
func loginPage(status int) error {
	return &integration.Error{
		Kind: integration.FaultPermanent, Code: codes.MediaForbidden, HTTPStatus: status,
		Message: "slack file download: Slack showed its login page instead of the file: " +
			"the token needs the scope files:read, and the app must be in a channel that has the file",
	}
}
