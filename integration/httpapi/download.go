package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"syscall"
	"time"

	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/integration"
)

const (
	// downloadTimeout bounds a download, its body included.
	downloadTimeout = time.Minute
	maxRedirects    = 5
)

// errPrivate and errRedirect are why a link is not followed.
var (
	errPrivate  = errors.New("the address is not a public one")
	errRedirect = errors.New("it redirects too often, or from https to something else")
)

// newWebClient makes a client for links from outside, to where it may. The address is judged when it is dialled, so that
// no name can lead to another one than was looked at.
func newWebClient(may func(netip.AddrPort) bool) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	dialer.Control = func(_, address string, _ syscall.RawConn) error {
		if at, err := netip.ParseAddrPort(address); err != nil || !may(at) {
			return errPrivate
		}
		return nil
	}
	return &http.Client{
		Timeout:   downloadTimeout,
		Transport: transport(dialer),
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			switch {
			case len(via) > maxRedirects || req.URL.Scheme != "https" && (via[0].URL.Scheme == "https" || req.URL.Scheme != "http"):
				return errRedirect
			case req.URL.Host != via[0].URL.Host:
				// net/http drops credentials that it knows by name, for some other hosts, and tells the link as Referer.
				clear(req.Header)
			}
			return nil
		},
	}
}

// globalIPv6 is all that is assigned of IPv6 as public addresses.
var globalIPv6 = netip.MustParsePrefix("2000::/3")

// notPublic lists the ranges that package netip has no name for (IANA special-purpose registries).
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"),
}

func anywhere(netip.AddrPort) bool { return true }

func public(at netip.AddrPort) bool {
	a := at.Addr().Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && !globalIPv6.Contains(a) {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// Download opens what is behind a link that came from outside: from a message, or from a platform's answer.
// header, such as an Authorization, goes to the link's own host only. What is larger than limit bytes is
// refused, at the latest while it is read. Errors are *integration.Error; the caller closes the body.
func (c *Client) Download(ctx context.Context, name, link string, header http.Header, limit int64) (*integration.MediaFile, error) {
	req, err := newRequest(ctx, name, http.MethodGet, link, header, nil)
	if err != nil {
		return nil, mediaError("MEDIA_URL_INVALID", "%s: the link is not an http or https URL", name)
	}
	res, err := c.web.Do(req)
	if errors.Is(err, errPrivate) {
		return nil, mediaError("MEDIA_ADDRESS_REFUSED", "%s: the link leads to an address that is not public; media.allowPrivate allows that", name)
	}
	if errors.Is(err, errRedirect) || errors.Is(err, errLocation) {
		return nil, mediaError("MEDIA_URL_INVALID", "%s: the link cannot be followed: it leads nowhere, redirects too often, or from https to something else", name)
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

func downloadRefusal(name string, res *http.Response) error {
	e := &integration.Error{Kind: integration.ErrPermanent, Code: "MEDIA_NOT_FOUND", HTTPStatus: res.StatusCode, Message: fmt.Sprintf("%s: HTTP %d", name, res.StatusCode)}
	switch {
	case res.StatusCode == http.StatusTooManyRequests:
		e.Kind, e.Code, e.RetryAfter = integration.ErrThrottled, "RATE_LIMITED", RetryAfter(res.Header, time.Now())
	case res.StatusCode == http.StatusUnauthorized:
		e.Kind, e.Code = integration.ErrAuth, "CREDENTIALS_REFUSED"
	case res.StatusCode >= 500:
		e.Kind, e.Code = integration.ErrTransient, "MEDIA_UNAVAILABLE"
	}
	return e
}

// limited is a body that ends with an error where it is longer than it may be.
type limited struct {
	io.ReadCloser
	name        string
	limit, left int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, TooLarge(l.name, l.limit)
	}
	return n, err
}

// TooLarge is the error for an attachment of more than limit bytes.
func TooLarge(name string, limit int64) *integration.Error {
	return mediaError("MEDIA_TOO_LARGE", "%s: the attachment is larger than %d bytes", name, limit)
}

func mediaError(code, format string, args ...any) *integration.Error {
	return &integration.Error{Kind: integration.ErrPermanent, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Media reads an attachment that is to be sent, from wherever the message says, up to limit bytes. Errors are
// *integration.Error: whatever went wrong, nothing was sent.
func (c *Client) Media(ctx context.Context, m *integration.Media, limit int64) (*Attachment, error) {
	const name = "attachment"
	file, err := c.open(ctx, name, m, limit)
	if err != nil {
		if _, ok := errors.AsType[*integration.Error](err); !ok { // a datasource's own
			err = &integration.Error{Kind: integration.ErrTransient, Code: "MEDIA_UNAVAILABLE", Message: name + ": " + err.Error(), Err: err}
		}
		return nil, Repeatable(err)
	}
	defer file.Body.Close()
	content, err := io.ReadAll(io.LimitReader(file.Body, limit+1))
	if err != nil {
		if e, ok := errors.AsType[*integration.Error](err); ok {
			return nil, e
		}
		return nil, &integration.Error{Kind: integration.ErrTransient, Code: "MEDIA_UNAVAILABLE", Message: name + ": it could not be read to its end", Err: err}
	}
	if int64(len(content)) > limit {
		return nil, TooLarge(name, limit)
	}
	a := &Attachment{Content: content, MimeType: cmp.Or(m.MimeType, file.MimeType), Filename: cmp.Or(Filename(m.Filename), file.Filename, "file")}
	if a.MimeType == "" {
		a.MimeType = cmp.Or(mime.TypeByExtension(path.Ext(a.Filename)), "application/octet-stream")
	}
	return a, nil
}

// Attachment is one that was read.
type Attachment struct {
	Content  []byte
	MimeType string
	Filename string // never empty
}

func (c *Client) open(ctx context.Context, name string, m *integration.Media, limit int64) (*integration.MediaFile, error) {
	switch {
	case len(m.Data) > 0:
		return &integration.MediaFile{Body: io.NopCloser(bytes.NewReader(m.Data)), Size: int64(len(m.Data))}, nil
	case m.Datasource != "":
		source, err := datasource.Get[integration.MediaSource](ctx, m.Datasource)
		if err != nil {
			return nil, &integration.Error{Kind: integration.ErrInvalid, Code: "MEDIA_SOURCE_UNKNOWN", Message: name + ": " + err.Error(), Err: err}
		}
		return source.OpenMedia(ctx, m.URL)
	case IsLink(m.URL):
		return c.Download(ctx, name, m.URL, nil, limit)
	default:
		return nil, &integration.Error{Kind: integration.ErrInvalid, Code: "MEDIA_URL_INVALID", Message: name + ": it needs an http or https url, data or a datasource"}
	}
}

// IsLink says whether a text is a URL of the web.
func IsLink(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}
