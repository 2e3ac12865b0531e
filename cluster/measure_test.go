package cluster_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/metrics"
)

// counted adds a registry to a node.
func counted(b *harness) (*metrics.Registry, func(*cluster.Options)) {
	r := metrics.New(metrics.Options{Namespace: b.namespace, NodeID: nodeID})
	return r, func(o *cluster.Options) { o.Metrics = r }
}

// scrape reads the lines of a registry, without the labels of the node.
func scrape(t *testing.T, r *metrics.Registry, namespace string) string {
	t.Helper()
	answer := httptest.NewRecorder()
	r.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, answer.Code)
	node := regexp.MustCompile(`,?(namespace="` + regexp.QuoteMeta(namespace) + `"|nodeID="` + nodeID + `")`)
	text := node.ReplaceAllString(answer.Body.String(), "")
	return strings.NewReplacer("{}", "", "{,", "{").Replace(text)
}

func TestRequestIsCountedAsInNode(t *testing.T) {
	b := newHarness(t)
	registry, adjust := counted(b)
	n := b.start(b.prepare(adjust), service("svc", echo))
	p := b.peer("a")
	p.announce(fields{"name": "svc", "fullName": "svc"})
	require.Equal(t, true, p.call("svc.echo", fields{"x": 1}, fields{"caller": "v2.posts", "level": 3})["success"])
	require.Equal(t, false, p.call("svc.missing", nil, nil)["success"])
	_, err := n.Call(t.Context(), "svc.echo", nil, action.CallOptions{})
	require.NoError(t, err)
	_, err = n.Call(t.Context(), "nobody.there", nil, action.CallOptions{})
	require.Error(t, err)

	text := scrape(t, registry, b.namespace)
	for _, line := range []string{
		`moleculer_request_total{action="svc.echo",caller="v2.posts",service="svc",type="local"} 1`,
		`moleculer_request_total{action="svc.echo",caller="null",service="svc",type="local"} 1`,
		`moleculer_request_active{action="svc.echo",caller="v2.posts",service="svc",type="local"} 0`,
		`moleculer_request_time_count{action="svc.echo",caller="v2.posts",service="svc",type="local"} 1`,
		`moleculer_request_time_bucket{action="svc.echo",caller="v2.posts",service="svc",type="local",le="10000"} 1`,
		`moleculer_request_levels{level="3"} 1`,
		`moleculer_transit_receive_total{type="REQ"} 2`,
		`moleculer_transit_publish_total{type="RES"} 2`,
		`moleculer_transit_connected 1`,
		`moleculer_registry_nodes_online_total 2`,
		`moleculer_registry_service_endpoints_total{service="svc"} 2`,
		`moleculer_registry_action_endpoints_total{action="svc.echo"} 1`,
		`moleculer_broker_namespace{value="` + b.namespace + `"} 1`,
	} {
		require.Contains(t, text, line+"\n")
	}
	require.NotContains(t, text, "svc.missing", "what nobody serves is no label")
	require.NotContains(t, text, "nobody.there")
}

func TestRequestThatFailsIsCountedByItsError(t *testing.T) {
	b := newHarness(t)
	registry, adjust := counted(b)
	refuse := func(context.Context, *action.Request) (any, error) {
		return nil, action.Client(409, "TAKEN", "it is taken")
	}
	b.start(b.prepare(adjust), service("svc", handler("refuse", refuse)))
	p := b.peer("a")
	require.Equal(t, false, p.call("svc.refuse", nil, nil)["success"])
	require.Contains(t, scrape(t, registry, b.namespace), `moleculer_request_error_total{action="svc.refuse",`+
		`caller="null",errorCode="409",errorName="MoleculerClientError",errorType="TAKEN",service="svc",type="local"} 1`+"\n")
}

func TestNodesInOneProcessShareNoCounters(t *testing.T) {
	one := metrics.New(metrics.Options{NodeID: "one"})
	two := metrics.New(metrics.Options{NodeID: "two"})
	one.Cluster().PacketSent("REQ", 7)
	require.Contains(t, scrape(t, one, ""), `moleculer_transporter_packets_sent_bytes{nodeID="one"} 7`)
	require.Contains(t, scrape(t, two, ""), `moleculer_transporter_packets_sent_bytes{nodeID="two"} 0`)
}

func TestCallersOfOthersFillNoMemory(t *testing.T) {
	r := metrics.New(metrics.Options{NodeID: nodeID})
	for i := range 5000 {
		r.Cluster().Begin(metrics.Call{Action: "svc.echo", Caller: strings.Repeat("x", i+1)}, i)
	}
	text := scrape(t, r, "")
	require.LessOrEqual(t, strings.Count(text, "moleculer_request_total{"), 2001)
	require.Contains(t, text, `moleculer_request_total{action="other",caller="other"`)
}

func TestMetricsOfNodeAreListed(t *testing.T) {
	b := newHarness(t)
	_, adjust := counted(b)
	b.start(b.prepare(adjust), service("svc", echo))
	p := b.peer("a")
	p.call("svc.echo", nil, nil)
	list := p.ask("$node.metrics", fields{"includes": "moleculer.request.**", "types": []string{"counter"}}, "name")
	require.Contains(t, list, "moleculer.request.total")
	require.NotContains(t, list, "moleculer.request.time")
	require.NotContains(t, list, "moleculer.transit.publish.total")
	total := list["moleculer.request.total"]
	require.Equal(t, "request", total["unit"])
	require.Equal(t, []any{"service", "action", "type", "caller"}, total["labelNames"])
	value := total["values"].([]any)[1].(fields)
	require.Equal(t, []any{1.0, fields{"service": "svc", "action": "svc.echo", "type": "local", "caller": nil}},
		[]any{value["value"], value["labels"]})
	require.Equal(t, `"svc"|"svc.echo"|"local"|`, value["key"])

	buckets := p.ask("$node.metrics", fields{"includes": []string{"moleculer.request.time"}}, "name")
	first := buckets["moleculer.request.time"]["values"].([]any)[0].(fields)
	require.Len(t, first["buckets"], 12)
	infos := p.ask("$node.metrics", fields{"types": "info", "excludes": []string{"os.**"}}, "name")
	require.NotContains(t, infos, "os.type")
	require.Equal(t, "go", infos["moleculer.node.type"]["values"].([]any)[0].(fields)["value"])
	require.Equal(t, 422.0, errorOf(t, p.call("$node.metrics", fields{"types": 7}, nil))["code"])
}
