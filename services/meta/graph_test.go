package meta_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/services/meta"
)

// newGraph is a Graph API that answers everything alike, and says what it was asked.
func newGraph(t *testing.T, status int, body string, header ...string) (*meta.Graph, func() *http.Request) {
	t.Helper()
	var asked *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	client := httpapi.New(httpapi.Options{})
	t.Cleanup(client.Close)
	return meta.New(options(client, server.URL+"/")), func() *http.Request { return asked }
}

func options(client *httpapi.Client, base string) meta.Options {
	codes := map[string]integration.ErrorRow{
		"131056": {
			Kind: integration.FaultThrottled, Code: "RATE_LIMITED", Wait: 6 * time.Second, Pauses: integration.PausesRecipient,
		},
	}
	return meta.Options{
		Client: client, Product: "parrot", Base: base, Token: "graph-token", Errors: meta.ErrorTable(codes),
	}
}

func TestGraphCallHasVersionAndToken(t *testing.T) {
	g, asked := newGraph(t, 200, `{"id":"7"}`)
	var node struct{ ID string }
	require.NoError(t, g.Get(t.Context(), "node", "7", url.Values{"fields": {"id,name"}}, &node))
	require.Equal(t, "7", node.ID)
	require.Equal(t, "/v25.0/7?fields=id%2Cname", asked().URL.RequestURI())
	require.Equal(t, "Bearer graph-token", asked().Header.Get("Authorization"))

	o := options(g.Client, strings.TrimSuffix(g.Base, "v25.0/"))
	o.Version, o.ProofSecret = "v24.0", secret
	g = meta.New(o)
	body, err := httpapi.JSON("parrot edge", map[string]string{"a": "b"})
	require.NoError(t, err)
	require.NoError(t, g.Post(t.Context(), "edge", "7/edge", body, &node))
	require.Equal(t, "/v24.0/7/edge", asked().URL.Path)
	require.Equal(t, sign(secret, []byte("graph-token")), "sha256="+asked().URL.Query().Get("appsecret_proof"))
	require.Equal(t, "https://graph.facebook.com/v25.0/", meta.New(meta.Options{}).Base)
}

func TestGraphErrorsAreClassified(t *testing.T) {
	failure := func(code, more string) string { return `{"error":{"message":"no","code":` + code + more + `}}` }
	for name, test := range map[string]struct {
		status int
		body   string
		kind   integration.ErrorKind
		code   string
	}{
		"an expired token": {401, failure(
			"190", `,"error_subcode":463`,
		), integration.FaultAuth, "CREDENTIALS_REFUSED"},
		"an expired token with another status":    {400, failure("190", ``), integration.FaultAuth, "CREDENTIALS_REFUSED"},
		"no token":                                {400, failure("0", ``), integration.FaultAuth, "CREDENTIALS_REFUSED"},
		"a session that has ended":                {400, failure("102", ``), integration.FaultAuth, "CREDENTIALS_REFUSED"},
		"a capability that is missing":            {400, failure("3", ``), integration.FaultAuth, "PERMISSION_MISSING"},
		"a permission that is missing":            {403, failure("10", ``), integration.FaultAuth, "PERMISSION_MISSING"},
		"the last of the permissions":             {403, failure("299", ``), integration.FaultAuth, "PERMISSION_MISSING"},
		"a number that is beyond the permissions": {403, failure("300", ``), integration.FaultPermanent, "MESSAGE_REJECTED"},
		"a blocked account":                       {400, failure("368", ``), integration.FaultAuth, "ACCOUNT_RESTRICTED"},
		"too many calls of the app":               {400, failure("4", ``), integration.FaultThrottled, "RATE_LIMITED"},
		"too many calls of the user":              {400, failure("17", ``), integration.FaultThrottled, "RATE_LIMITED"},
		"too many calls of the page":              {403, failure("32", ``), integration.FaultThrottled, "RATE_LIMITED"},
		"too many calls of a custom limit":        {400, failure("613", ``), integration.FaultThrottled, "RATE_LIMITED"},
		"a code of the product":                   {400, failure("131056", ``), integration.FaultThrottled, "RATE_LIMITED"},
		"a code as a string":                      {400, failure(`"131056"`, ``), integration.FaultThrottled, "RATE_LIMITED"},
		"an unknown error":                        {500, failure("1", ``), integration.FaultUnknown, "PLATFORM_UNAVAILABLE"},
		"a service that is down":                  {400, failure("2", ``), integration.FaultUnknown, "PLATFORM_UNAVAILABLE"},
		"what is called transient": {400, failure(
			"4711", `,"is_transient":true`,
		), integration.FaultUnknown, "PLATFORM_UNAVAILABLE"},
		"a wrong parameter that is transient": {400, failure(
			"100", `,"is_transient":true`,
		), integration.FaultUnknown, "PLATFORM_UNAVAILABLE"},
		"an expired token that is transient": {400, failure(
			"190", `,"is_transient":true`,
		), integration.FaultAuth, "CREDENTIALS_REFUSED"},
		"a wrong parameter": {400, failure("100", ``), integration.FaultPermanent, "MESSAGE_INVALID"},
		"an object that is not there": {400, failure(
			"100", `,"error_subcode":33`,
		), integration.FaultAuth, "OBJECT_UNKNOWN"},
		"a code nobody knows":                   {400, failure("4711", ``), integration.FaultPermanent, "MESSAGE_REJECTED"},
		"a code nobody knows, of too many":      {429, failure("4711", ``), integration.FaultThrottled, "RATE_LIMITED"},
		"a code nobody knows, of a wrong token": {401, failure("4711", ``), integration.FaultAuth, "CREDENTIALS_REFUSED"},
		"a code nobody knows, of a server":      {500, failure("4711", ``), integration.FaultUnknown, "PLATFORM_UNAVAILABLE"},
		"a code nobody knows, of overload": {
			503, failure("4711", ``), integration.FaultTransient,
			"PLATFORM_UNAVAILABLE",
		},
		"a code nobody knows, of a gateway": {504, failure("4711", ``), integration.FaultUnknown, "PLATFORM_NO_ANSWER"},
		"no code": {
			400, `{"error":{"message":"no"}}`, integration.FaultPermanent,
			"MESSAGE_REJECTED",
		},
		"an error with a status of success": {200, failure("131056", ``), integration.FaultThrottled, "RATE_LIMITED"},
		"no JSON":                           {404, `<html>`, integration.FaultPermanent, "API_BASE_INVALID"},
		"JSON without an error":             {502, `{}`, integration.FaultUnknown, "PLATFORM_NO_ANSWER"},
		"an error of another shape":         {400, `{"error":"no"}`, integration.FaultPermanent, "MESSAGE_REJECTED"},
		"a list":                            {200, `[]`, integration.FaultUnknown, "ANSWER_UNREADABLE"},
		"an answer of another shape":        {200, `{"id":{}}`, integration.FaultUnknown, "ANSWER_UNREADABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			g, _ := newGraph(t, test.status, test.body)
			var node struct{ ID string }
			err := g.Post(t.Context(), "edge", "7/edge", httpapi.Body{}, &node)
			e := requireError(t, err, test.kind, test.code)
			require.Equal(t, test.status, e.HTTPStatus)
			require.NotContains(t, e.Message, "graph-token")
		})
	}
}

func TestGraphErrorSaysWhatToDo(t *testing.T) {
	g, _ := newGraph(t, 400, `{"error":{"message":"(#190) Expired","code":190,"error_subcode":463,`+
		`"error_user_msg":"Log in again","error_data":{"details":"since Monday"}}}`)
	e := requireError(t, g.Get(t.Context(), "node", "7", nil, &struct{}{}), integration.FaultAuth, "CREDENTIALS_REFUSED")
	require.Equal(t, "190", e.PlatformCode)
	require.Equal(t, "parrot node: 190 (#190) Expired; since Monday; Log in again; make a new access token of a system "+
		"user and put it into the channel", e.Message)
}

func TestThrottledCallKnowsHowLongToWait(t *testing.T) {
	limited := `{"error":{"message":"no","code":4}}`
	for name, test := range map[string]struct {
		body   string
		header []string
		wait   time.Duration
		pauses integration.Scope
	}{
		"as long as the documentation says": {`{"error":{"code":131056}}`, nil, 6 * time.Second, integration.PausesRecipient},
		"a minute where nothing says":       {limited, nil, time.Minute, ""},
		"as long as Retry-After says":       {limited, []string{"Retry-After", "30"}, 30 * time.Second, ""},
		"as long as the account's usage says": {
			limited,
			[]string{
				"X-Business-Use-Case-Usage",
				`{"1":[{"type":"messages","estimated_time_to_regain_access":5},{"estimated_time_to_regain_access":19}],"2":[]}`,
			},
			19 * time.Minute, "",
		},
		"no longer than a day": {limited, []string{
			"X-Business-Use-Case-Usage", `{"1":[{"estimated_time_to_regain_access":99999999}]}`,
		}, 24 * time.Hour, ""},
		"a minute where the usage is odd": {limited, []string{"X-Business-Use-Case-Usage", `[]`}, time.Minute, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g, _ := newGraph(t, 400, test.body, test.header...)
			e := requireError(t, g.Get(t.Context(), "node", "7", nil, &struct{}{}), integration.FaultThrottled, "RATE_LIMITED")
			require.Equal(t, test.wait, e.RetryAfter)
			require.Equal(t, test.pauses, e.Pauses)
		})
	}
}
