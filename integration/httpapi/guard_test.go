package httpapi_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/internal/egress"
	"github.com/hiliosai/switchboard/internal/testserver/nowhere"
)

// chosen returns the settings of a channel whose addresses a tenant chose.
func chosen() map[string]string { return integration.WithChosenAddresses(nil) }

func TestTenantsAddressMustBePublic(t *testing.T) {
	open := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was called") })
	shut := httptest.NewServer(nil)
	shut.Close()
	client := newClient(t).For(chosen())
	messages := map[string]bool{}
	for name, base := range map[string]string{
		"an open port":   open.URL,
		"a closed port":  shut.URL,
		"with a login":   strings.Replace(open.URL, "http://", "http://user:CANARY@", 1),
		"of https":       strings.Replace(open.URL, "http:", "https:", 1),
		"in IPv6":        strings.Replace(open.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1),
		"by a name":      strings.Replace(open.URL, "127.0.0.1", "localhost", 1),
		"cloud metadata": "http://169.254.169.254",
	} {
		_, err := post(t.Context(), client, base)
		requireError(t, err, integration.FaultPermanent, "ADDRESS_REFUSED")
		_, err = client.Do(t.Context(), httpapi.Request{Name: "parrot say", URL: base + "/CANARY", Wait: time.Second})
		requireError(t, err, integration.FaultPermanent, "ADDRESS_REFUSED")
		_, err = client.Get(t.Context(), "parrot say", base+"/CANARY", nil) //nolint:bodyclose // there is none
		requireError(t, err, integration.FaultPermanent, "MEDIA_ADDRESS_REFUSED")
		require.ErrorContains(t, err, "egress.allow", name)
		if strings.HasSuffix(name, "port") {
			messages[err.Error()] = true
		}
	}
	require.Len(t, messages, 1, "nobody finds out which ports are open")
}

func TestOperatorsAddressMayBePrivate(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	for name, client := range map[string]*httpapi.Client{
		"the operator's":                  newClient(t).For(map[string]string{"apiBase": "x"}),
		"a tenant's that is listed":       newClientFor(t, server.Listener.Addr().String()).For(chosen()),
		"a tenant's where all is allowed": newHomeClient(t).For(chosen()).For(chosen()),
	} {
		_, err := post(t.Context(), client, server.URL)
		require.NoError(t, err, name)
	}
}

func TestGuardChecksTheTargetBehindAProxy(t *testing.T) {
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "http://inner.example/secret", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "of "+r.URL.Host)
	})
	address, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	client := httpapi.NewBehind(address, nowhere.Names{"outer.example": "8.8.8.8", "inner.example": "10.0.0.1"}, nil)
	t.Cleanup(client.Close)

	file, err := download(t.Context(), client, "http://outer.example/a")
	require.NoError(t, err, "the proxy itself may be anywhere")
	body, err := io.ReadAll(file.Body)
	require.NoError(t, err)
	require.NoError(t, file.Body.Close())
	require.Equal(t, "of outer.example", string(body))

	for name, link := range map[string]string{
		"a name": "http://inner.example/a", "an address": "http://169.254.169.254/a",
		"an unknown name": "http://nobody.example/a", "a redirect": "http://outer.example/redirect",
	} {
		t.Run(name, func(t *testing.T) {
			requireError(t, closed(t, client, link), integration.FaultPermanent, "MEDIA_ADDRESS_REFUSED")
		})
	}
	_, err = post(t.Context(), client.For(chosen()), "http://inner.example")
	requireError(t, err, integration.FaultPermanent, "ADDRESS_REFUSED")
	_, err = post(t.Context(), client.For(chosen()), "http://outer.example")
	require.NoError(t, err)
}

func TestRedirectThatIsRefusedNamesItsHost(t *testing.T) {
	guard, err := egress.New()
	require.NoError(t, err)
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://inner.example/CANARY", http.StatusFound)
	})
	address, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	client := httpapi.NewBehind(address, nowhere.Names{"outer.example": "8.8.8.8", "inner.example": "10.0.0.1"}, guard)
	t.Cleanup(client.Close)
	err = closed(t, client, "http://outer.example/CANARY")
	e, ok := errors.AsType[*integration.Error](err)
	require.True(t, ok)
	require.Contains(t, e.Message, `"inner.example" is not a public address`)
	require.NotContains(t, e.Message, "CANARY")
}
