package httpapi_test

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/internal/egress"
)

// newHomeClient returns a client that may download from the tests' servers on this machine.
func newHomeClient(t *testing.T) *httpapi.Client {
	t.Helper()
	c := httpapi.New(httpapi.Options{AllowPrivate: true})
	t.Cleanup(c.Close)
	return c
}

// newClientFor returns a client that may also reach the listed addresses.
func newClientFor(t *testing.T, allow ...string) *httpapi.Client {
	t.Helper()
	guard, err := egress.New(allow...)
	require.NoError(t, err)
	c := httpapi.New(httpapi.Options{Guard: guard})
	t.Cleanup(c.Close)
	return c
}

const limit = 100

// download opens the file behind a link, with a credential.
func download(ctx context.Context, c *httpapi.Client, link string) (*integration.MediaFile, error) {
	return c.Download(ctx, "parrot say", link, http.Header{"Authorization": {"Bearer CANARY"}}, limit)
}

// closed opens the file behind a link and closes it at once. It returns the error of opening it.
func closed(t *testing.T, c *httpapi.Client, link string) error {
	t.Helper()
	file, err := download(t.Context(), c, link)
	if err == nil {
		require.NoError(t, file.Body.Close())
	}
	return err
}

// privateAddresses are in some of the ranges that are not public. Package egress tests all of them.
var privateAddresses = []string{
	"0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "192.168.1.1", "224.0.0.1", "255.255.255.255",
	"::", "::1", "fe80::1%1", "fd00::1", "64:ff9b::a00:1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
}

func TestLinkToAPrivateAddressIsNotFollowed(t *testing.T) {
	client := newClient(t)
	for _, address := range privateAddresses {
		t.Run(address, func(t *testing.T) {
			host := address
			if strings.Contains(address, ":") {
				host = "[" + strings.ReplaceAll(address, "%", "%25") + "]"
			}
			requireError(
				t, closed(t, client, "http://"+host+":81/CANARY?key=CANARY"), integration.FaultPermanent, "MEDIA_ADDRESS_REFUSED",
			)
		})
	}
}

func TestPrivateAddressIsNeverReached(t *testing.T) {
	server := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was read") })
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	client := newClient(t)
	for name, host := range map[string]string{
		"by its address":                 "127.0.0.1",
		"by a name":                      "localhost",
		"by an IPv6 address":             "[::1]",
		"by an IPv4 address within IPv6": "[::ffff:127.0.0.1]",
		"by the same in hexadecimal":     "[::ffff:7f00:1]",
		"by the address of nothing":      "0.0.0.0",
		"by a user's name before it":     "example.com@127.0.0.1",
	} {
		t.Run(name, func(t *testing.T) {
			err := closed(t, client, "http://"+host+port+"/CANARY")
			requireError(t, err, integration.FaultPermanent, "MEDIA_ADDRESS_REFUSED")
			require.ErrorContains(t, err, "egress.allow")
			require.ErrorContains(t, err, "media.allowPrivate")
		})
	}
}

func TestPrivateAddressIsReadWhereAllowed(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
	})
	header := http.Header{"Authorization": {"Bearer x"}}
	file, err := newHomeClient(t).Download(
		t.Context(), "parrot say", strings.Replace(server.URL, "127.0.0.1", "localhost", 1)+"/a", header, limit,
	)
	require.NoError(t, err)
	defer file.Body.Close()
	body, err := io.ReadAll(file.Body)
	require.NoError(t, err)
	require.Equal(t, "GET /a Bearer x", string(body))
	require.EqualValues(t, len(body), file.Size)
	require.Equal(t, http.Header{"Authorization": {"Bearer x"}}, header, "the caller's header is left alone")
}

func TestMalformedLinkIsNotQuoted(t *testing.T) {
	client := newClient(t)
	for name, link := range map[string]string{
		"broken": "http://[CANARY", "without a host": "http:///CANARY", "without a scheme": "example.com/CANARY", "empty": "",
		"of another scheme": "ftp://example.com/CANARY", "of files": "file:///etc/CANARY",
		"of data": "data:text/plain,CANARY", "with a line break": "http://localhost/\nCANARY",
	} {
		t.Run(name, func(t *testing.T) {
			requireError(t, closed(t, client, link), integration.FaultPermanent, "MEDIA_URL_INVALID")
		})
	}
}

// redirect starts a server that redirects each request to the result of location.
func redirect(t *testing.T, status int, location func() string) *httptest.Server {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location())
		w.WriteHeader(status)
	})
}

func to(location string) func() string { return func() string { return location } }

func TestRedirectToAPrivateAddressIsNotFollowed(t *testing.T) {
	other := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was read") })
	port := other.URL[strings.LastIndex(other.URL, ":"):]
	for name, location := range map[string]string{
		"an address":       "http://127.0.0.1" + port + "/CANARY",
		"a name":           "http://localhost" + port + "/CANARY",
		"IPv6":             "http://[::ffff:127.0.0.1]" + port + "/CANARY",
		"clouds' metadata": "http://169.254.169.254/CANARY",
		"without a scheme": "//localhost" + port + "/CANARY",
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprint(name, " ", status), func(t *testing.T) {
				first := redirect(t, status, to(location))
				client := newClientFor(t, first.Listener.Addr().String())
				requireError(t, closed(t, client, first.URL+"/CANARY"), integration.FaultPermanent, "MEDIA_ADDRESS_REFUSED")
			})
		}
	}
}

func TestRedirectsEndAtAPrivateAddress(t *testing.T) {
	secret := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was read") })
	second := redirect(t, 302, to(secret.URL))
	first := redirect(t, 302, to(second.URL))
	client := newClientFor(t, first.Listener.Addr().String(), second.Listener.Addr().String())
	requireError(t, closed(t, client, first.URL+"/CANARY"), integration.FaultPermanent, "MEDIA_ADDRESS_REFUSED")
}

func TestLinkIsFollowedOverAFewRedirects(t *testing.T) {
	for hops, code := range map[int]string{0: "", 1: "", 5: "", 6: "MEDIA_URL_INVALID"} {
		t.Run(strconv.Itoa(hops), func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				n, _ := strconv.Atoi(r.URL.Path[1:])
				if n == 0 {
					_, _ = io.WriteString(w, "here")
					return
				}
				http.Redirect(w, r, fmt.Sprint("/", n-1), http.StatusFound) // on the same host
			})
			err := closed(t, newHomeClient(t), server.URL+"/"+strconv.Itoa(hops)+"?key=CANARY")
			if code == "" {
				require.NoError(t, err)
				return
			}
			requireError(t, err, integration.FaultPermanent, code)
		})
	}
}

func TestMalformedRedirectIsNotQuoted(t *testing.T) {
	for name, location := range map[string]string{
		"no URL": "http://example.com:CANARY/%zz", "broken": "://CANARY", "a file": "file:///etc/CANARY",
		"another scheme": "gopher://127.0.0.1/CANARY",
	} {
		t.Run(name, func(t *testing.T) {
			requireError(
				t, closed(t, newHomeClient(t), redirect(t, 302, to(location)).URL+"/CANARY"), integration.FaultPermanent,
				"MEDIA_URL_INVALID",
			)
		})
	}
}

func TestMalformedRedirectOfAnAPIIsNotQuoted(t *testing.T) {
	_, err := post(t.Context(), newClient(t), redirect(t, 302, to("http://example.com:CANARY/%zz")).URL)
	requireError(t, err, integration.FaultUnknown, "PLATFORM_NO_ANSWER")

	created := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "://CANARY")
		w.WriteHeader(http.StatusCreated)
	})
	answer, err := post(t.Context(), newClient(t), created.URL)
	require.NoError(t, err, "of what is no redirect it does not matter")
	require.Equal(t, http.StatusCreated, answer.Status)
}

// serveTLS starts an https server whose certificate client trusts.
func serveTLS(t *testing.T, client *httpapi.Client, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewTLSServer(handle)
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	client.Trust(pool)
	return server
}

func TestRedirectFromHTTPSToHTTPIsNotFollowed(t *testing.T) {
	client := newHomeClient(t)
	plain := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was read in the open") })
	location := plain.URL
	secure := serveTLS(t, client, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/here":
			_, _ = io.WriteString(w, "here")
		case "/twice":
			http.Redirect(w, r, "/CANARY", http.StatusFound)
		default:
			http.Redirect(w, r, location, http.StatusFound)
		}
	})
	require.NoError(t, closed(t, client, secure.URL+"/here"))
	requireError(t, closed(t, client, secure.URL+"/CANARY"), integration.FaultPermanent, "MEDIA_URL_INVALID")
	requireError(t, closed(t, client, secure.URL+"/twice"), integration.FaultPermanent, "MEDIA_URL_INVALID")

	require.NoError(
		t, closed(t, client, redirect(t, 302, to(secure.URL+"/here")).URL), "the other way round it gains some",
	)
}

func TestCredentialGoesToTheLinksOwnHostOnly(t *testing.T) {
	for name, test := range map[string]struct {
		host string // the host of the second server; empty means the host of the first
		want bool
	}{
		"the same host": {"", true},
		"another port":  {"127.0.0.1", false},
		"another name":  {"localhost", false},
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(chan http.Header, 1)
			second := serve(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header })
			location := "/here"
			if test.host != "" {
				location = "http://" + test.host + second.URL[strings.LastIndex(second.URL, ":"):]
			}
			first := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/here" {
					seen <- r.Header
					return
				}
				if r.Header.Get("Authorization") != "Bearer CANARY" || r.Header.Get("X-Token") != "CANARY" {
					t.Errorf("the link's own host was sent %v", r.Header)
				}
				http.Redirect(w, r, location, http.StatusFound)
			})
			file, err := newHomeClient(t).Download(t.Context(), "parrot say", first.URL+"/CANARY?key=CANARY",
				http.Header{"Authorization": {"Bearer CANARY"}, "X-Token": {"CANARY"}, "Cookie": {"a=CANARY"}}, limit)
			require.NoError(t, err)
			require.NoError(t, file.Body.Close())
			got := <-seen
			if test.want {
				require.Equal(t, []string{"Bearer CANARY", "CANARY"}, []string{got.Get("Authorization"), got.Get("X-Token")})
				return
			}
			require.NotContains(t, fmt.Sprint(got), "CANARY", "nor the link itself, as Referer")
		})
	}
}

func TestDownloadThatIsRefusedIsClassified(t *testing.T) {
	for status, want := range map[int]struct {
		kind integration.ErrorKind
		code string
	}{
		201: {integration.FaultPermanent, "MEDIA_NOT_FOUND"},
		204: {integration.FaultPermanent, "MEDIA_NOT_FOUND"},
		304: {integration.FaultPermanent, "MEDIA_NOT_FOUND"},
		400: {integration.FaultPermanent, "MEDIA_NOT_FOUND"},
		401: {integration.FaultAuth, "CREDENTIALS_REFUSED"},
		403: {integration.FaultPermanent, "MEDIA_NOT_FOUND"},
		404: {integration.FaultPermanent, "MEDIA_NOT_FOUND"},
		429: {integration.FaultThrottled, "RATE_LIMITED"},
		500: {integration.FaultTransient, "MEDIA_UNAVAILABLE"},
		503: {integration.FaultTransient, "MEDIA_UNAVAILABLE"},
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(status)
			})
			err := closed(t, newHomeClient(t), server.URL+"/CANARY?key=CANARY")
			requireError(t, err, want.kind, want.code)
			e, ok := errors.AsType[*integration.Error](err)
			require.True(t, ok)
			require.Equal(t, status, e.HTTPStatus)
			require.Equal(t, status == 429, e.RetryAfter == 7*time.Second)
		})
	}
}

func TestDownloadThatIsNotAnsweredMayBeRepeated(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	resets := serve(t, func(w http.ResponseWriter, _ *http.Request) { reset(hijack(w)) })
	for name, base := range map[string]string{"nobody listens": gone.URL, "the connection is reset": resets.URL} {
		t.Run(name, func(t *testing.T) {
			requireError(
				t, closed(t, newHomeClient(t), base+"/CANARY?key=CANARY"), integration.FaultTransient, "PLATFORM_UNREACHABLE",
			)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := download(ctx, newHomeClient(t), resets.URL+"/CANARY")
	requireError(t, err, integration.FaultTransient, "PLATFORM_UNREACHABLE")
}

func TestDownloadBeyondItsLimitIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		size    int
		said    bool // the header Content-Length has the size
		open    string
		reading string
	}{
		"as large as it may be, and says so": {limit, true, "", ""},
		"as large as it may be":              {limit, false, "", ""},
		"larger, and says so":                {limit + 1, true, "MEDIA_TOO_LARGE", ""},
		"larger":                             {limit + 1, false, "", "MEDIA_TOO_LARGE"},
		"much larger":                        {1 << 20, false, "", "MEDIA_TOO_LARGE"},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if test.said {
					w.Header().Set("Content-Length", strconv.Itoa(test.size))
				} else {
					_ = http.NewResponseController(w).Flush()
				}
				_, _ = w.Write(make([]byte, test.size))
			})
			file, err := download(t.Context(), newHomeClient(t), server.URL+"/CANARY")
			if test.open != "" {
				requireError(t, err, integration.FaultPermanent, test.open)
				return
			}
			require.NoError(t, err)
			defer file.Body.Close()
			require.Equal(t, test.said, file.Size == int64(test.size))
			data, err := io.ReadAll(file.Body)
			if test.reading != "" {
				requireError(t, err, integration.FaultPermanent, test.reading)
				require.LessOrEqual(t, len(data), limit)
				_, err = file.Body.Read(make([]byte, 1))
				requireError(t, err, integration.FaultPermanent, test.reading)
				return
			}
			require.NoError(t, err)
			require.Len(t, data, test.size)
		})
	}
}

func TestDownloadThatIsCompressedIsMeasuredDecompressed(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(make([]byte, 1<<20)) // a thousand times the size that is sent
		_ = z.Close()
	})
	file, err := newHomeClient(t).Download(t.Context(), "parrot say", server.URL, nil, 1<<19)
	require.NoError(t, err)
	defer file.Body.Close()
	_, err = io.Copy(io.Discard, file.Body)
	requireError(t, err, integration.FaultPermanent, "MEDIA_TOO_LARGE")
}

func TestDownloadsNameIsNotAPath(t *testing.T) {
	long := strings.Repeat("ü", 300)
	for name, test := range map[string]struct{ disposition, path, want string }{
		"as the server calls it":        {`attachment; filename="terms.pdf"`, "/a.bin", "terms.pdf"},
		"in UTF-8":                      {`attachment; filename*=UTF-8''%C3%BCber%20uns.pdf`, "/", "über uns.pdf"},
		"of the link":                   {"", "/files/a%20b.png", "a b.png"},
		"of the link, of a folder":      {"", "/files/", ""},
		"of nothing":                    {"", "/", ""},
		"of a header that is none":      {`filename=;;="`, "/a.png", "a.png"},
		"of an empty one":               {`attachment; filename=""`, "/a.png", "a.png"},
		"a way up":                      {`attachment; filename="../../etc/passwd"`, "/", "passwd"},
		"a way down":                    {`attachment; filename="/etc/passwd"`, "/", "passwd"},
		"a way up on Windows":           {`attachment; filename*=UTF-8''..%5C..%5Cboot.ini`, "/", "boot.ini"},
		"a drive":                       {`attachment; filename*=UTF-8''C%3A%5Cboot.ini`, "/", "boot.ini"},
		"the folder above":              {`attachment; filename=".."`, "/a.png", "a.png"},
		"the folder above, with a path": {`attachment; filename="a/.."`, "/a.png", "a.png"},
		"this folder":                   {`attachment; filename="."`, "/", ""},
		"the folder above, of the link": {"", "/a/%2e%2e", ""},
		"the root":                      {`attachment; filename="/"`, "/a.png", "a.png"},
		"lines":                         {`attachment; filename*=UTF-8''a%0D%0AX-Forged%3A%201.png`, "/", "aX-Forged: 1.png"},
		"a NUL":                         {`attachment; filename*=UTF-8''a.png%00.exe`, "/", "a.png.exe"},
		"a text turned round":           {`attachment; filename*=UTF-8''a%E2%80%AEgnp.exe`, "/", "agnp.exe"},
		"space":                         {`attachment; filename="  "`, "/a.png", "a.png"},
		"bytes that are no text":        {`attachment; filename*=UTF-8''a%FF.png`, "/", "a.png"},
		"a long one": {
			`attachment; filename*=UTF-8''` + url.PathEscape(long) + `.png`, "/",
			strings.Repeat("ü", 125) + ".png",
		},
		"a long one without an end": {`attachment; filename*=UTF-8''` + url.PathEscape("a."+long), "/", "a." +
			strings.Repeat("ü", 126)},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if test.disposition != "" {
					w.Header().Set("Content-Disposition", test.disposition)
				}
			})
			file, err := download(t.Context(), newHomeClient(t), server.URL+test.path)
			require.NoError(t, err)
			require.NoError(t, file.Body.Close())
			require.Equal(t, test.want, file.Filename)
		})
	}
}

func TestDownloadHasTheTypeThatTheServerSends(t *testing.T) {
	for header, want := range map[string]string{
		"image/png": "image/png", "Text/HTML; charset=utf-8": "text/html", "no type at all": "", "image/png; a": "",
	} {
		t.Run(header, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", header) })
			file, err := download(t.Context(), newHomeClient(t), server.URL)
			require.NoError(t, err)
			require.NoError(t, file.Body.Close())
			require.Equal(t, want, file.MimeType)
		})
	}
}

// files is a datasource of attachments.
type files map[string]func() (*integration.MediaFile, error)

func (f files) OpenMedia(_ context.Context, name string) (*integration.MediaFile, error) {
	return f[name]()
}

// withFiles opens a datasource "files".
func withFiles(t *testing.T, f files) context.Context {
	t.Helper()
	log, _ := test.NewNullLogger()
	set, err := datasource.NewSet(logrus.NewEntry(log),
		datasource.New("files", func(context.Context) (files, error) { return f, nil }),
		datasource.New("other", func(context.Context) (int, error) { return 1, nil }))
	require.NoError(t, err)
	require.NoError(t, set.Open(t.Context()))
	t.Cleanup(func() { require.NoError(t, set.Close(context.Background())) })
	return set.Context(t.Context())
}

// body is an attachment's content that records whether it was closed.
type body struct {
	io.Reader
	closed *atomic.Int32
}

func (b body) Close() error {
	b.closed.Add(1)
	return nil
}

func TestAttachmentIsReadFromEverySource(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		_, _ = io.WriteString(w, "of "+r.URL.Path)
	})
	closes := &atomic.Int32{}
	ctx := withFiles(t, files{"a.pdf": func() (*integration.MediaFile, error) {
		return &integration.MediaFile{
			Body: body{strings.NewReader("of a datasource"), closes}, MimeType: "application/pdf", Filename: "a.pdf", Size: -1,
		}, nil
	}})
	for name, test := range map[string]struct {
		media integration.Media
		want  httpapi.Attachment
	}{
		"a link": {integration.Media{URL: server.URL + "/x.png"}, httpapi.Attachment{
			[]byte("of /x.png"), "image/png", "x.png",
		}},
		"a link that the message names": {integration.Media{
			URL: server.URL + "/x.png", MimeType: "image/webp", Filename: "y.webp",
		}, httpapi.Attachment{[]byte("of /x.png"), "image/webp", "y.webp"}},
		"data": {integration.Media{Data: []byte("of data")}, httpapi.Attachment{
			[]byte("of data"), "application/octet-stream", "file",
		}},
		"data with a name": {integration.Media{
			Data: []byte("of data"), Filename: "a.png",
		}, httpapi.Attachment{[]byte("of data"), "image/png", "a.png"}},
		"data comes before the others": {integration.Media{
			Data: []byte("of data"), Datasource: "files", URL: server.URL,
		}, httpapi.Attachment{[]byte("of data"), "application/octet-stream", "file"}},
		"a datasource": {integration.Media{Datasource: "files", URL: "a.pdf"}, httpapi.Attachment{
			[]byte("of a datasource"), "application/pdf", "a.pdf",
		}},
		"a datasource, by the message too": {
			integration.Media{Datasource: "files", URL: "a.pdf", Filename: "b.pdf"},
			httpapi.Attachment{[]byte("of a datasource"), "application/pdf", "b.pdf"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newHomeClient(t).Media(ctx, &test.media, limit)
			require.NoError(t, err)
			require.Equal(t, &test.want, got)
		})
	}
	require.EqualValues(t, 2, closes.Load())
}

// unreadable is an attachment that cannot be read, and the error that says so.
type unreadable struct {
	media integration.Media
	kind  integration.ErrorKind
	code  string
}

func requireUnreadable(ctx context.Context, t *testing.T, attachments map[string]unreadable) {
	t.Helper()
	for name, test := range attachments {
		t.Run(name, func(t *testing.T) {
			_, err := newHomeClient(t).Media(ctx, &test.media, limit)
			e, ok := errors.AsType[*integration.Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, test.kind, e.Kind, e.Message)
			require.Equal(t, test.code, e.Code, e.Message)
			require.True(t, strings.HasPrefix(e.Message, "attachment: "), e.Message)
			for cause := err; cause != nil; cause = errors.Unwrap(cause) {
				require.NotContains(t, cause.Error(), "CANARY")
			}
		})
	}
}

func TestUnreadableAttachmentIsReportedAndNothingIsSent(t *testing.T) {
	large := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write(make([]byte, limit+1))
	})
	cut := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn := hijack(w)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nCANARY")
		_ = conn.Close()
	})
	requireUnreadable(t.Context(), t, map[string]unreadable{
		"nowhere": {integration.Media{}, integration.FaultInvalid, "MEDIA_URL_INVALID"},
		"an id of a platform": {integration.Media{
			URL: "CANARY", ID: "CANARY",
		}, integration.FaultInvalid, "MEDIA_URL_INVALID"},
		"a file of this machine": {integration.Media{
			URL: "file:///etc/CANARY",
		}, integration.FaultInvalid, "MEDIA_URL_INVALID"},
		"a link without a host": {integration.Media{URL: "https:///CANARY"}, integration.FaultInvalid, "MEDIA_URL_INVALID"},
		"too much data": {integration.Media{
			Data: make([]byte, limit+1),
		}, integration.FaultPermanent, "MEDIA_TOO_LARGE"},
		"too much behind a link": {integration.Media{
			URL: large.URL + "/CANARY",
		}, integration.FaultPermanent, "MEDIA_TOO_LARGE"},
		"a link that breaks off": {integration.Media{
			URL: cut.URL + "/CANARY",
		}, integration.FaultTransient, "MEDIA_UNAVAILABLE"},
	})
}

func TestUnreadableAttachmentOfADatasourceIsReported(t *testing.T) {
	own := &integration.Error{Kind: integration.FaultPermanent, Code: "GONE", Message: "attachment: gone"}
	unknown := &integration.Error{Kind: integration.FaultUnknown, Code: "HM", Message: "attachment: hm"}
	closes := &atomic.Int32{}
	of := func(r io.Reader) func() (*integration.MediaFile, error) {
		return func() (*integration.MediaFile, error) {
			return &integration.MediaFile{Body: body{r, closes}, Size: -1}, nil
		}
	}
	ctx := withFiles(t, files{
		"own":     func() (*integration.MediaFile, error) { return nil, own },
		"unknown": func() (*integration.MediaFile, error) { return nil, unknown },
		"plain":   func() (*integration.MediaFile, error) { return nil, errors.New("no bucket") },
		"breaks":  of(iotest.ErrReader(errors.New("broken"))),
		"endless": of(zeros{}),
	})
	requireUnreadable(ctx, t, map[string]unreadable{
		"too much in a datasource": {integration.Media{
			Datasource: "files", URL: "endless",
		}, integration.FaultPermanent, "MEDIA_TOO_LARGE"},
		"a datasource that breaks off": {integration.Media{
			Datasource: "files", URL: "breaks",
		}, integration.FaultTransient, "MEDIA_UNAVAILABLE"},
		"a datasource's own error": {integration.Media{
			Datasource: "files", URL: "own",
		}, integration.FaultPermanent, "GONE"},
		"a datasource's error of no kind": {integration.Media{
			Datasource: "files", URL: "plain",
		}, integration.FaultTransient, "MEDIA_UNAVAILABLE"},
		"a datasource that does not know": {integration.Media{
			Datasource: "files", URL: "unknown",
		}, integration.FaultTransient, "HM"},
		"a datasource that is none": {integration.Media{
			Datasource: "nobody", URL: "x",
		}, integration.FaultInvalid, "MEDIA_SOURCE_UNKNOWN"},
		"a datasource that has none of all": {
			integration.Media{Datasource: "other", URL: "x"}, integration.FaultInvalid, "MEDIA_SOURCE_UNKNOWN",
		},
	})
	require.EqualValues(t, 2, closes.Load(), "those that were opened are closed")
	require.Equal(t, integration.FaultUnknown, unknown.Kind, "the datasource's own error is left alone")
}

func TestAttachmentOfAPrivateAddressIsNotRead(t *testing.T) {
	server := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was read") })
	_, err := newClient(t).Media(t.Context(), &integration.Media{URL: server.URL + "/CANARY"}, limit)
	e, ok := errors.AsType[*integration.Error](err)
	require.True(t, ok)
	require.Equal(t, "MEDIA_ADDRESS_REFUSED", e.Code)
	require.NotContains(t, e.Message, "CANARY")
}

// zeros is a reader of zeros that never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestLinkIsAnHTTPURL(t *testing.T) {
	for text, want := range map[string]bool{
		"https://example.com/a": true, "http://example.com": true, "HTTPS://example.com": true, "http://[::1]:80/": true,
		"": false, "4711": false, "AgACAgIAAxkBAAM": false, "/a": false, "example.com/a": false, "//example.com/a": false,
		"https:///a":          false,
		"ftp://example.com/a": false, "file:///a": false, "data:,a": false, "http://[": false, "https:example.com": false,
	} {
		require.Equal(t, want, httpapi.IsLink(text), text)
	}
}
