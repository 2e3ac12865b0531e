package httpapi_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/internal/testserver/overdue"
	"github.com/hiliosai/switchboard/internal/testserver/pipes"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	path     = "/bot123:CANARY/sendMessage?key=CANARY"
	maxBytes = 4 << 20
)

func newClient(t *testing.T) *httpapi.Client {
	t.Helper()
	c := httpapi.New(httpapi.Options{})
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server
}

// post calls the parrot's API.
func post(ctx context.Context, c *httpapi.Client, base string) (*httpapi.Answer, error) {
	return c.PostJSON(
		ctx, "parrot say", base+path, http.Header{"Authorization": {"Bearer CANARY"}}, map[string]string{"text": "CANARY"},
	)
}

// requireError checks an error's kind and code, and that no error in its chain quotes a credential.
func requireError(t *testing.T, err error, kind integration.ErrorKind, code string) {
	t.Helper()
	e, ok := errors.AsType[*integration.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, kind, e.Kind, e.Message)
	require.Equal(t, code, e.Code, e.Message)
	require.True(t, strings.HasPrefix(e.Message, "parrot say: "), e.Message)
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		require.NotContains(t, cause.Error(), "CANARY")
	}
}

func TestPostJSONReturnsTheAnswerUnchanged(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set(
			"X-Seen",
			strings.Join([]string{r.Method, r.URL.String(), r.Header.Get("Content-Type"), r.Header.Get("Authorization")}, " "),
		)
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write(body)
	})
	header := http.Header{"Authorization": {"Bearer x"}}
	answer, err := newClient(t).PostJSON(t.Context(), "parrot say", server.URL+"/say?a=1", header, map[string]int{"n": 1})
	require.NoError(t, err)
	require.Equal(t, http.StatusTeapot, answer.Status)
	require.JSONEq(t, `{"n":1}`, string(answer.Body))
	require.Equal(t, "POST /say?a=1 application/json Bearer x", answer.Header.Get("X-Seen"))
	require.Equal(t, http.Header{"Authorization": {"Bearer x"}}, header, "the caller's header is left alone")
}

func TestCallThatWasNotWrittenMayBeRepeated(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, base := range map[string]string{
		"nobody listens":           gone.URL,
		"no TLS on the other side": strings.Replace(serve(t, nil).URL, "http:", "https:", 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := post(t.Context(), newClient(t), base)
			requireError(t, err, integration.FaultTransient, "PLATFORM_UNREACHABLE")
		})
	}
}

func TestCallThatNeverBeganMayBeRepeated(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := post(ctx, newClient(t), serve(t, nil).URL)
	requireError(t, err, integration.FaultTransient, "PLATFORM_UNREACHABLE")
}

func TestCallThatWasWrittenButNotAnsweredIsNotRepeated(t *testing.T) {
	for name, answer := range map[string]func(cancel func()) http.HandlerFunc{
		"reset after the body": func(func()) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { reset(hijack(w)) }
		},
		"no answer in time": func(cancel func()) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) {
				cancel()
				<-r.Context().Done()
			}
		},
		"an answer cut off": func(func()) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				conn := hijack(w)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
				_ = conn.Close()
			}
		},
		"an answer that is none": func(func()) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				conn := hijack(w)
				_, _ = io.WriteString(conn, "220 smtp.example.com ESMTP\r\n")
				_ = conn.Close()
			}
		},
		"an answer without an end": func(func()) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				chunk := make([]byte, 1<<20)
				for range maxBytes/len(chunk) + 1 {
					_, _ = w.Write(chunk)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var calls atomic.Int32
			handle := answer(cancel)
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				_, _ = io.Copy(io.Discard, r.Body)
				handle(w, r)
			})
			_, err := post(ctx, newClient(t), server.URL)
			requireError(t, err, integration.FaultUnknown, "PLATFORM_NO_ANSWER")
			require.ErrorContains(t, err, "it may have been carried out")
			require.EqualValues(t, 1, calls.Load())
		})
	}
}

func TestDeadlineIsNamedInTheError(t *testing.T) {
	ctx, expire := overdue.Context(t.Context())
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server notices only then that the client is gone
		expire()
		<-r.Context().Done()
	})
	_, err := post(ctx, newClient(t), server.URL)
	requireError(t, err, integration.FaultUnknown, "PLATFORM_NO_ANSWER")
	require.ErrorContains(t, err, "no answer in time")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestLongestAnswerIsRead(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxBytes)) })
	answer, err := post(t.Context(), newClient(t), server.URL)
	require.NoError(t, err)
	require.Len(t, answer.Body, maxBytes)
}

func TestRedirectIsNotFollowed(t *testing.T) {
	other := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the credentials were carried elsewhere") })
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	client := newClient(t)
	answer, err := post(t.Context(), client, server.URL)
	require.NoError(t, err)
	require.Equal(t, http.StatusTemporaryRedirect, answer.Status)

	res, err := client.Get(t.Context(), "parrot say", server.URL+path, nil)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusTemporaryRedirect, res.StatusCode)
}

func TestConnectionsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := pipes.New()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest) // the connection is kept after an error, too
			_, _ = io.WriteString(w, `{"ok":false}`)
		})}
		done := make(chan error, 1)
		go func() { done <- server.Serve(listener) }()
		client := httpapi.New(httpapi.Options{})
		client.DialWith(listener.Dial)
		for range 50 {
			_, err := post(t.Context(), client, "http://api.example.com")
			require.NoError(t, err)
		}
		require.Equal(t, 1, listener.Opened, "for 50 calls")
		client.Close()
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
}

func TestMalformedURLIsNotQuoted(t *testing.T) {
	client := newClient(t)
	for name, url := range map[string]string{
		"broken":            "http://[CANARY",
		"without a host":    "http:///botCANARY",
		"without a scheme":  "api.example.com/botCANARY",
		"of another scheme": "file:///etc/CANARY",
		"with a line break": "http://localhost/\nCANARY",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.PostJSON(t.Context(), "parrot say", url, nil, nil)
			requireError(t, err, integration.FaultPermanent, "API_BASE_INVALID")
			_, err = client.Get(t.Context(), "parrot say", url, nil) //nolint:bodyclose // there is none
			requireError(t, err, integration.FaultPermanent, "API_BASE_INVALID")
		})
	}
}

func TestRequestThatCannotBeEncodedIsTheCallersFault(t *testing.T) {
	_, err := newClient(t).PostJSON(t.Context(), "parrot say", "http://localhost", nil, make(chan int))
	requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
}

func TestGetOpensADownload(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method+" "+r.Header.Get("Authorization"))
	})
	res, err := newClient(t).Get(t.Context(), "parrot say", server.URL+path, http.Header{"Authorization": {"Bearer x"}})
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "GET Bearer x", string(body))
}

func TestDownloadMayBeRepeated(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { reset(hijack(w)) })
	_, err := newClient(t).Get(t.Context(), "parrot say", server.URL+path, nil) //nolint:bodyclose // there is none
	requireError(t, err, integration.FaultTransient, "PLATFORM_UNREACHABLE")
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	const forever = 1e6 * time.Second
	for value, want := range map[string]time.Duration{
		"30":                             30 * time.Second,
		" 2 ":                            2 * time.Second,
		"0.25":                           250 * time.Millisecond,
		"0":                              0,
		"-5":                             0,
		"99999999999":                    forever,
		"Wed, 01 Jul 2026 12:00:40 GMT":  40 * time.Second,
		"Wed, 01 Jul 2026 11:59:00 GMT":  0,
		"Wednesday, 01-Jul-26 12:01 GMT": 0,
		"soon":                           0,
		"NaN":                            0,
		"1e999":                          0,
		"":                               0,
	} {
		t.Run(strconv.Quote(value), func(t *testing.T) {
			require.Equal(t, want, httpapi.RetryAfter(http.Header{"Retry-After": {value}}, now))
		})
	}
	require.Zero(t, httpapi.RetryAfter(nil, now))
}

func hijack(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	return conn
}

// reset closes a connection with a TCP reset, as a crashing process does.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func TestUserInTheAddressIsSent(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		_, _ = io.WriteString(w, user+" "+password+" "+r.Header.Get("Authorization"))
	})
	address := strings.Replace(server.URL, "://", "://proxy:CANARY@", 1)
	answer, err := newClient(t).Do(t.Context(), httpapi.Request{Name: "parrot say", URL: address})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(answer.Body), "proxy CANARY Basic "), string(answer.Body))

	answer, err = newClient(t).Do(
		t.Context(), httpapi.Request{Name: "parrot say", URL: address, Header: http.Header{"Authorization": {"Bearer x"}}},
	)
	require.NoError(t, err)
	require.Equal(t, "  Bearer x", string(answer.Body))
}

func TestCallThatWaitsIsGivenUpWhenItIsOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := pipes.New()
		server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done() // a server that hangs
		})}
		done := make(chan error, 1)
		go func() { done <- server.Serve(listener) }()
		client := httpapi.New(httpapi.Options{})
		client.DialWith(listener.Dial)
		began := time.Now()
		_, err := client.Do(t.Context(), httpapi.Request{
			Name: "parrot say", URL: "http://api.example.com/CANARY", Wait: 50 * time.Second,
		})
		requireError(t, err, integration.FaultUnknown, "PLATFORM_NO_ANSWER")
		require.Equal(t, 65*time.Second, time.Since(began)) // the fake clock of synctest
		client.Close()
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
}

func TestCallThatWaitsMayHaveALongAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(r.URL.Query().Get("size"))
		_, _ = w.Write(make([]byte, size))
	}))
	t.Cleanup(server.Close)
	client := httpapi.New(httpapi.Options{})
	t.Cleanup(client.Close)
	call := func(size int, wait time.Duration) error {
		_, err := client.Do(t.Context(), httpapi.Request{
			Name: "parrot poll", URL: server.URL + "?key=CANARY&size=" + strconv.Itoa(size), Wait: wait,
		})
		return err
	}
	require.NoError(t, call(20<<20, time.Second))
	for _, err := range []error{call(20<<20+1, time.Second), call(10<<20, 0)} {
		require.ErrorIs(t, err, httpapi.ErrAnswerTooLong)
		require.NotContains(t, err.Error(), "CANARY")
	}
}
