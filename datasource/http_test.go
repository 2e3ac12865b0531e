package datasource_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/internal/testserver/nowhere"
	"github.com/hiliosai/switchboard/internal/testserver/pipes"
)

type user struct {
	Name string `json:"name"`
}

// api starts a server and a client of it.
func api(t *testing.T, opts datasource.HTTPOptions, handle http.HandlerFunc) (context.Context, *datasource.HTTPClient) {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	opts.BaseURL = server.URL + opts.BaseURL
	ctx, _, _ := open(t, datasource.HTTP("users", opts))
	return ctx, get[*datasource.HTTPClient](ctx, t, "users")
}

func TestHTTPCallSendsJSON(t *testing.T) {
	t.Parallel()
	opts := datasource.HTTPOptions{BaseURL: "/v1/", Header: http.Header{"Authorization": {"Bearer x"}, "X-Kept": {"yes"}}}
	ctx, client := api(t, opts, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		fmt.Fprintf(w, `{"name": %q}`, strings.Join([]string{
			r.Method, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("X-Kept"), r.Header.Get("Content-Type"),
			string(body),
		}, "|"))
	})
	var got user
	require.NoError(t, client.GetJSON(ctx, "users/a%2Fb?full=1", &got))
	require.Equal(t, "GET|/v1/users/a%2Fb?full=1|Bearer x|yes||", got.Name)
	require.NoError(t, client.PostJSON(ctx, "/users", user{"Ada"}, &got))
	require.Equal(t, `POST|/v1/users|Bearer x|yes|application/json|{"name":"Ada"}`, got.Name)
	require.NoError(t, client.PostJSON(ctx, "/users", user{"Ada"}, nil))
	answer, err := client.Do(ctx, http.MethodDelete, "users/1", http.Header{"authorization": {"own"}}, nil)
	require.NoError(t, err)
	require.Contains(t, string(answer.Body), "DELETE|/v1/users/1|own|yes")
	require.Error(t, client.GetJSON(ctx, "http://elsewhere/users", &got), "a path can't lead elsewhere")
	require.Error(t, client.GetJSON(ctx, "//elsewhere/users", &got))
}

func TestHTTPErrorsAreClassified(t *testing.T) {
	t.Parallel()
	for status, tc := range map[int]struct {
		retryable bool
		wantType  string
		data      any
	}{
		429: {true, datasource.TypeUnavailable, map[string]int64{"retryAfterMs": 7000}},
		500: {true, datasource.TypeUnavailable, map[string]int64{"retryAfterMs": 7000}},
		503: {true, datasource.TypeUnavailable, map[string]int64{"retryAfterMs": 7000}},
		404: {false, "DATASOURCE_REFUSED", nil},
		401: {false, "DATASOURCE_REFUSED", nil},
		302: {false, "DATASOURCE_REFUSED", nil},
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			ctx, client := api(t, datasource.HTTPOptions{}, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(status)
				fmt.Fprint(w, canary)
			})
			err := client.GetJSON(ctx, "u?token="+canary, nil)
			failed, ok := errors.AsType[*datasource.HTTPError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, []any{status, canary, tc.retryable}, []any{failed.Status, string(failed.Body), failed.Retryable()})
			e := action.AsError(datasource.AsError(err), "a.b", "n")
			require.Equal(t, []any{tc.retryable, tc.wantType, tc.data}, []any{e.Retryable, e.Type, e.Data})
			require.NotContains(t, err.Error()+e.Error(), canary)
		})
	}
}

func TestHTTPTimeoutIsRetryable(t *testing.T) {
	t.Parallel()
	hangs := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server sees that the caller leaves
		<-r.Context().Done()
	}
	for name, tc := range map[string]struct {
		opts   datasource.HTTPOptions
		within time.Duration // of the call's context; zero bounds nothing
		want   string        // of the message
		handle http.HandlerFunc
	}{
		"it takes longer than the client waits": {
			datasource.HTTPOptions{Timeout: 50 * time.Millisecond}, 0, "in time", hangs,
		},
		"it takes longer than the caller waits": {datasource.HTTPOptions{}, 50 * time.Millisecond, "in time", hangs},
		"it hangs up": {datasource.HTTPOptions{}, 0, "closed", func(
			http.ResponseWriter, *http.Request,
		) {
			panic(http.ErrAbortHandler)
		}},
		"it hangs up in the middle": {datasource.HTTPOptions{}, 0, "closed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "half")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, client := api(t, tc.opts, tc.handle)
			if tc.within > 0 {
				var cancel func()
				ctx, cancel = context.WithTimeout(ctx, tc.within)
				defer cancel()
			}
			err := client.PostJSON(ctx, "u?token="+canary, canary, nil) // what hangs does so until the client leaves
			e := action.AsError(err, "a.b", "n")
			require.Equal(t, []any{true, datasource.TypeUnavailable}, []any{e.Retryable, e.Type})
			require.NotContains(t, err.Error()+e.Error(), canary)
			require.Contains(t, e.Message, tc.want)
		})
	}
}

func TestHTTPConnectionFailureIsRetryable(t *testing.T) {
	t.Parallel()
	base := strings.Replace(nowhere.URL(t), "http://", "http://user:"+canary+"@", 1)
	ctx, set, logs := open(t, datasource.HTTP("users", datasource.HTTPOptions{BaseURL: base, HealthPath: "health"}))
	err := get[*datasource.HTTPClient](ctx, t, "users").GetJSON(ctx, "u", nil)
	e := action.AsError(err, "a.b", "n")
	require.Equal(t, []any{true, datasource.TypeUnavailable}, []any{e.Retryable, e.Type})
	h := set.Health(ctx)[0]
	require.Equal(t, "The datasource is not available: it cannot be connected to.", h.Message)
	requireNoSecret(t, logs, err, e)
}

func TestHTTPHealthIsThatOfTheHealthPath(t *testing.T) {
	t.Parallel()
	var status atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			w.WriteHeader(int(status.Load()))
		}
	}))
	t.Cleanup(server.Close)
	ctx, set, _ := open(t, datasource.HTTP("users", datasource.HTTPOptions{BaseURL: server.URL, HealthPath: "health"}))
	for _, tc := range []struct {
		status int32
		want   string
	}{{200, datasource.Healthy}, {500, datasource.Unhealthy}, {204, datasource.Healthy}} {
		status.Store(tc.status)
		requireStatus(ctx, t, set, tc.want)
	}
}

func TestHTTPAnswerIsBounded(t *testing.T) {
	t.Parallel()
	ctx, client := api(t, datasource.HTTPOptions{MaxBodyBytes: 1000}, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.Repeat("1", len(r.URL.Path)-1))
	})
	answer, err := client.Do(ctx, http.MethodGet, strings.Repeat("a", 1000), nil, nil)
	require.NoError(t, err)
	require.Len(t, answer.Body, 1000)
	_, err = client.Do(ctx, http.MethodGet, strings.Repeat("a", 1001), nil, nil)
	e := action.AsError(err, "a.b", "n")
	require.Equal(t, []any{false, "DATASOURCE_ANSWER_TOO_LARGE"}, []any{e.Retryable, e.Type})
	require.NoError(t, client.GetJSON(ctx, "a", new(int)), "the client goes on")
}

func TestHTTPAnswerOfAnotherFormIsAnError(t *testing.T) {
	t.Parallel()
	ctx, client := api(
		t, datasource.HTTPOptions{}, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `["`+canary+`"]`) },
	)
	err := client.GetJSON(ctx, "u", new(user))
	require.Equal(t, "DATASOURCE_ANSWER_INVALID", action.AsError(err, "a.b", "n").Type)
	require.NotContains(t, err.Error(), canary)
}

func TestHTTPConnectionsAreReusedAndBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		listener := pipes.New()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/bad" {
				w.WriteHeader(http.StatusNotFound)
			}
			fmt.Fprint(w, `{}`)
		})}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		ctx, _, _ := open(
			t, datasource.HTTP("users", datasource.HTTPOptions{BaseURL: "http://api.example.com", MaxConnsPerHost: 2}),
		)
		client := get[*datasource.HTTPClient](ctx, t, "users")
		client.DialWith(listener.Dial)
		for range 10 {
			require.NoError(t, client.GetJSON(ctx, "good", new(user)))
			require.Error(t, client.GetJSON(ctx, "bad", new(user)))
		}
		require.Equal(t, 1, listener.Opened, "errors keep the connection too")
		done := make(chan error)
		for range 20 {
			go func() { done <- client.GetJSON(ctx, "good", new(user)) }()
		}
		for range 20 {
			require.NoError(t, <-done)
		}
		require.LessOrEqual(t, listener.Opened, 2)
		client.Close()
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
}
