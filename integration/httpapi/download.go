package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/payload"
	"github.com/hiliosai/switchboard/internal/egress"
)

const (
	// downloadTimeout bounds a download, including the reading of its body.
	downloadTimeout = time.Minute
	maxRedirects    = 5
)

// errRedirect means that a redirect is not followed.
var errRedirect = errors.New("it redirects too often, or from https to something else")

// newWebClient returns a client for links from outside. The guard checks its redirects, too.
func newWebClient(transport *guarded) *http.Client {
	return &http.Client{
		Timeout:   downloadTimeout,
		Transport: transport,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			switch {
			case len(via) > maxRedirects ||
				req.URL.Scheme != "https" && (via[0].URL.Scheme == "https" || req.URL.Scheme != "http"):
				return errRedirect
			case req.URL.Host != via[0].URL.Host:
				// net/http drops only some credentials for only some other hosts, and sends the link as Referer.
				clear(req.Header)
			}
			return nil
		},
	}
}

// Download opens the file behind a link that came from outside: from a message, or from a platform's answer. header,
// such as Authorization, is sent to the link's own host only. A file of more than limit bytes is refused: either at
// once, or by an error while its body is read. HTTP 202 gives the error MEDIA_NOT_READY, which may be tried again. The
// whole download may take one minute. Errors are *integration.Error. The caller closes the body.
func (c *Client) Download(
	ctx context.Context, name, link string, header http.Header, limit int64,
) (*integration.MediaFile, error) {
	req, err := Request{Name: name, Method: http.MethodGet, URL: link, Header: header}.encode(ctx)
	if err != nil {
		return nil, integration.Refused(codes.MediaURLInvalid, "%s: the link is not an http or https URL", name)
	}
	res, err := c.web.Do(req)
	if errors.Is(err, egress.ErrRefused) {
		return nil, refused(name, codeMediaAddressRefused, last(err, req.URL))
	}
	if errors.Is(err, errRedirect) || errors.Is(err, errLocation) {
		return nil, integration.Refused(
			codes.MediaURLInvalid,
			"%s: the link cannot be followed: it leads nowhere, redirects too often, or from https to something else", name,
		)
	}
	if err != nil {
		return nil, failure(name, false, err)
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, downloadRefusal(name, res)
	}
	if res.ContentLength > limit {
		res.Body.Close()
		return nil, TooLarge(name, limit)
	}
	file := &integration.MediaFile{Body: &limited{res.Body, name, limit, limit}, Size: res.ContentLength}
	if t, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err == nil {
		file.MimeType = t
	}
	if _, params, err := mime.ParseMediaType(res.Header.Get("Content-Disposition")); err == nil {
		file.Filename = Filename(params["filename"])
	}
	file.Filename = cmp.Or(file.Filename, pathName(res.Request.URL.Path))
	return file, nil
}

// Preparation says how to ask an API whether it has prepared an attachment.
type Preparation struct {
	Call   Call
	Status string // the path of the status in the answer, see [payload.Tree]
	Failed string // the status that means that preparing it failed
}

// Fetch opens the attachment at c.Path, as [Client.Download] does. While the API still prepares the attachment, it
// answers with HTTP 202. Then the error is MEDIA_NOT_READY, or MEDIA_UNAVAILABLE if the API says that preparing it
// failed.
func (a *API) Fetch(ctx context.Context, c Call, limit int64, p Preparation) (*integration.MediaFile, error) {
	name := a.Name + " " + c.Name
	file, err := a.Client.Download(ctx, name, a.Base+c.Path, a.Header, limit)
	if !integration.HasCode(err, codes.MediaNotReady) {
		return file, err
	}
	var status payload.Tree
	if _, asked := a.Ask(ctx, p.Call, &status); asked != nil || status.Text(p.Status) != p.Failed {
		return nil, err // it may still succeed
	}
	return nil, integration.Refused(codes.MediaUnavailable, "%s: the platform could not prepare it", name)
}

// last returns the URL that a request for a link ended at, which redirects may have changed.
func last(err error, link *url.URL) *url.URL {
	if e, ok := errors.AsType[*url.Error](err); ok {
		if u, err := url.Parse(e.URL); err == nil {
			return u
		}
	}
	return link
}

func downloadRefusal(name string, res *http.Response) error {
	e := &integration.Error{
		Kind: integration.FaultPermanent, Code: codes.MediaNotFound, HTTPStatus: res.StatusCode,
		Message: fmt.Sprintf("%s: HTTP %d", name, res.StatusCode),
	}
	switch {
	case res.StatusCode == http.StatusAccepted:
		e.Kind, e.Code, e.Message = integration.FaultTransient, codes.MediaNotReady, name+": it is not prepared yet"
	case res.StatusCode == http.StatusTooManyRequests:
		e.Kind, e.Code, e.RetryAfter = integration.FaultThrottled, codes.RateLimited, RetryAfter(res.Header, time.Now())
	case res.StatusCode == http.StatusUnauthorized:
		e.Kind, e.Code = integration.FaultAuth, codes.CredentialsRefused
	case res.StatusCode >= 500:
		e.Kind, e.Code = integration.FaultTransient, codes.MediaUnavailable
	}
	return e
}

// limited is a body that returns an error when more than limit bytes have been read.
type limited struct {
	io.ReadCloser
	name        string
	limit, left int64 // bytes
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, TooLarge(l.name, l.limit)
	}
	return n, err
}

// TooLarge returns the error for an attachment of more than limit bytes.
func TooLarge(name string, limit int64) *integration.Error {
	return integration.Refused(codes.MediaTooLarge, "%s: the attachment is larger than %d bytes", name, limit)
}

// Media reads an attachment that is to be sent: from a link, from a datasource, or from the message itself. An
// attachment of more than limit bytes is refused. Errors are *integration.Error. Their kind is never unknown, because
// nothing has been sent yet.
func (c *Client) Media(ctx context.Context, m *integration.Media, limit int64) (*Attachment, error) {
	const name = "attachment"
	file, err := c.open(ctx, name, m, limit)
	if err != nil {
		if _, ok := errors.AsType[*integration.Error](err); !ok { // the datasource's own error
			err = &integration.Error{
				Kind: integration.FaultTransient, Code: codes.MediaUnavailable, Message: name + ": " + err.Error(), Err: err,
			}
		}
		return nil, Repeatable(err)
	}
	defer file.Body.Close()
	content := m.Data // if the message has it, it is in memory already
	if len(content) == 0 {
		if content, err = integration.ReadMedia(ctx, name, file, limit); err != nil {
			return nil, err
		}
	} else if int64(len(content)) > limit {
		return nil, TooLarge(name, limit)
	}
	a := &Attachment{
		Content: content, MimeType: cmp.Or(m.MimeType, file.MimeType),
		Filename: cmp.Or(Filename(m.Filename), file.Filename, "file"),
	}
	if a.MimeType == "" {
		a.MimeType = cmp.Or(mime.TypeByExtension(path.Ext(a.Filename)), "application/octet-stream")
	}
	return a, nil
}

// Attachment is an attachment in memory.
type Attachment struct {
	Content  []byte
	MimeType string
	Filename string // never empty
}

func (c *Client) open(
	ctx context.Context, name string, m *integration.Media, limit int64,
) (*integration.MediaFile, error) {
	switch {
	case len(m.Data) > 0:
		return &integration.MediaFile{Body: io.NopCloser(bytes.NewReader(m.Data)), Size: int64(len(m.Data))}, nil
	case m.Datasource != "":
		source, err := datasource.Get[integration.MediaSource](ctx, m.Datasource)
		if err != nil {
			return nil, &integration.Error{
				Kind: integration.FaultInvalid, Code: codes.MediaSourceUnknown, Message: name + ": " + err.Error(), Err: err,
			}
		}
		return source.OpenMedia(ctx, m.URL)
	case IsLink(m.URL):
		return c.Download(ctx, name, m.URL, nil, limit)
	default:
		return nil, &integration.Error{
			Kind: integration.FaultInvalid, Code: codes.MediaURLInvalid,
			Message: name + ": it needs an http or https url, data or a datasource",
		}
	}
}

// IsLink reports whether a text is an http or https URL with a host.
func IsLink(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// LinkHost returns the host of a link, with its port. It is for logs and errors, because the path may be secret. It is
// empty for a text without a host.
func LinkHost(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	return u.Host
}
