package cluster_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

// withNeighbour is a node with services of its own, and a peer "a" with others.
func withNeighbour(t *testing.T) (*node, *peer) {
	t.Helper()
	b := newHarness(t)
	protected := handler("hidden", nil)
	protected.Settings = map[string]any{"visibility": "protected"}
	n := b.start(
		b.prepare(), service("svc", echo, protected),
		listener("mail", "", make(chan heard, 10), "user.*", "$node.connected"),
	)
	p := b.peer("a")
	p.announce(
		fields{"name": "svc", "fullName": "svc", "settings": fields{"rest": "/"}, "actions": fields{
			"svc.echo": fields{"name": "svc.echo"}, "svc.hidden": fields{"visibility": "protected"},
		}},
		fields{
			"name": "posts", "version": 2, "fullName": "v2.posts", "settings": fields{}, "metadata": fields{"x": 1},
			"actions": fields{
				"v2.posts.list": fields{"name": "v2.posts.list", "rest": "GET /"},
			}, "events": fields{"user.*": fields{"name": "user.*", "group": "mail"}, "$api": fields{"name": "$api"}},
		},
		fields{"name": "$node", "fullName": "$node", "actions": fields{"$node.list": fields{"name": "$node.list"}}},
	)
	return n, p
}

// ask calls an action of $node and gives its list, by the value of a key.
func (p *peer) ask(name string, params any, key string) map[string]fields {
	p.t.Helper()
	res := p.call(name, params, nil)
	require.Equal(p.t, true, res["success"], "%v", res)
	list := map[string]fields{}
	for _, item := range res["data"].([]any) {
		list[item.(fields)[key].(string)] = item.(fields)
	}
	return list
}

func TestListOfNodesIsAsInNode(t *testing.T) {
	n, p := withNeighbour(t)
	p.send("HEARTBEAT", fields{"cpu": 7})
	p.sync()
	list := p.ask("$node.list", nil, "id")
	require.Len(t, list, 2)
	// What Node's own list has of each node, without services.
	shape := []string{
		"id", "instanceID", "available", "local", "lastHeartbeatTime", "config", "client", "metadata", "ipList", "port",
		"hostname", "udpAddress", "cpu",
		"cpuSeq", "seq", "offlineSince",
	}
	for id, item := range list {
		require.ElementsMatch(t, shape, keys(item))
		require.Equal(t, []any{true, id == nodeID, fields{}, nil, nil, nil}, []any{
			item["available"], item["local"], item["config"], item["port"], item["udpAddress"], item["offlineSince"],
		})
		require.IsType(t, 0.0, item["lastHeartbeatTime"])
	}
	require.Equal(t, []any{7.0, 2.0, "instance of a", "nodejs"}, []any{
		list["a"]["cpu"], list["a"]["seq"], list["a"]["instanceID"], list["a"]["client"].(fields)["type"],
	})
	require.Equal(
		t, []any{"go", fields{"region": "eu"}}, []any{list[nodeID]["client"].(fields)["type"], list[nodeID]["metadata"]},
	)

	n.ExpireAt(time.Now().Add(time.Minute))
	list = p.ask("$node.list", fields{"withServices": "true"}, "id")
	require.Equal(t, false, list["a"]["available"])
	require.IsType(t, 0.0, list["a"]["offlineSince"])
	require.Equal(t, []any{}, list["a"]["services"])
	require.Len(t, list[nodeID]["services"], 3)
	require.Len(t, p.ask("$node.list", fields{"onlyAvailable": true}, "id"), 1)
}

func TestListOfServicesIsAsInNode(t *testing.T) {
	_, p := withNeighbour(t)
	list := p.ask("$node.services", fields{"skipInternal": true}, "fullName")
	require.Equal(t, map[string]fields{
		"svc": {
			"name": "svc", "fullName": "svc", "settings": fields{}, "metadata": fields{}, "local": true, "available": true,
			"nodes": []any{nodeID, "a"},
		},
		"mail": {
			"name": "mail", "fullName": "mail", "settings": fields{}, "metadata": fields{}, "local": true, "available": true,
			"nodes": []any{nodeID},
		},
		"v2.posts": {
			"name": "posts", "version": 2.0, "fullName": "v2.posts", "settings": fields{}, "metadata": fields{"x": 1.0},
			"local": false, "available": true, "nodes": []any{"a"},
		},
	}, list)
	require.Contains(t, p.ask("$node.services", nil, "fullName"), "$node")

	list = p.ask("$node.services", fields{"onlyLocal": 1, "withActions": true, "withEvents": "on"}, "fullName")
	require.ElementsMatch(t, []string{"$node", "svc", "mail"}, keysOf(list))
	require.ElementsMatch(t, []string{"svc.echo", "svc.hidden"}, keys(list["svc"]["actions"].(fields)))
	require.Equal(t, fields{}, list["mail"]["actions"], "empty, but there")
	require.Equal(t, fields{"user.*": fields{"name": "user.*"}}, list["mail"]["events"], "without internal ones")

	res := p.call(
		"$node.services", fields{"grouping": false, "skipInternal": true, "withActions": true}, nil,
	)["data"].([]any)
	require.Len(t, res, 4)
	for _, item := range res {
		require.NotContains(t, item, "nodes")
		if s := item.(fields); s["name"] == "svc" && s["nodeID"] == "a" {
			require.Equal(t, []string{"svc.echo"}, keys(s["actions"].(fields)), "what may be called from here")
		}
	}
}

func keysOf(m map[string]fields) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	return list
}

func TestListOfActionsIsAsInNode(t *testing.T) {
	_, p := withNeighbour(t)
	list := p.ask("$node.actions", fields{"skipInternal": true, "withEndpoints": true}, "name")
	endpoint := func(id string) fields { return fields{"nodeID": id, "state": true, "available": true} }
	require.Equal(t, map[string]fields{
		"svc.echo": {
			"name": "svc.echo", "count": 2.0, "hasLocal": true, "available": true,
			"action":    fields{"name": "svc.echo", "rawName": "echo"},
			"endpoints": []any{endpoint(nodeID), endpoint("a")},
		},
		"svc.hidden": {
			"name": "svc.hidden", "count": 1.0, "hasLocal": true, "available": true, "endpoints": []any{endpoint(nodeID)},
			"action": fields{"name": "svc.hidden", "rawName": "hidden", "visibility": "protected"},
		},
		"v2.posts.list": {
			"name": "v2.posts.list", "count": 1.0, "hasLocal": false, "available": true, "endpoints": []any{endpoint("a")},
			"action": fields{"name": "v2.posts.list", "rest": "GET /"},
		},
	}, list)
	list = p.ask("$node.actions", fields{"onlyLocal": true}, "name")
	require.NotContains(t, list, "v2.posts.list")
	require.Equal(t, 2.0, list["svc.echo"]["count"], "of all nodes")
	require.NotContains(t, list["svc.echo"], "endpoints")
	require.Equal(t, 2.0, list["$node.list"]["count"])
}

func TestListOfEventsIsAsInNode(t *testing.T) {
	_, p := withNeighbour(t)
	list := p.ask("$node.events", fields{"withEndpoints": true}, "name")
	endpoint := func(id string) fields { return fields{"nodeID": id, "state": true, "available": true} }
	require.Equal(t, fields{
		"name": "user.*", "group": "mail", "count": 2.0, "hasLocal": true, "available": true,
		"event":     fields{"name": "user.*"},
		"endpoints": []any{endpoint(nodeID), endpoint("a")},
	}, list["user.*"])
	require.ElementsMatch(t, []string{"user.*", "$api", "$node.connected"}, keysOf(list))
	require.Equal(t, []string{"user.*"}, keysOf(p.ask("$node.events", fields{"skipInternal": true}, "name")))
	require.ElementsMatch(
		t, []string{"user.*", "$node.connected"}, keysOf(p.ask("$node.events", fields{"onlyLocal": true}, "name")),
	)
}

func TestHealthIsAsInNodeButForTheCommandLine(t *testing.T) {
	_, p := withNeighbour(t)
	health := p.call("$node.health", nil, nil)["data"].(fields)
	for part, names := range map[string][]string{
		"cpu":     {"load1", "load5", "load15", "cores", "utilization"},
		"mem":     {"free", "total", "percent"},
		"os":      {"uptime", "type", "release", "hostname", "arch", "platform", "user"},
		"process": {"pid", "memory", "uptime", "argv"},
		"client":  {"type", "version", "langVersion"},
		"net":     {"ip"},
		"time":    {"now", "iso", "utc"},
	} {
		require.ElementsMatch(t, names, keys(health[part].(fields)), part)
	}
	require.Len(t, health, 7)
	require.Equal(t, []any{}, health["process"].(fields)["argv"], "it may hold secrets")
	require.Greater(t, health["process"].(fields)["memory"].(fields)["rss"], 0.0)
	require.Positive(t, health["mem"].(fields)["total"])
	_, err := time.Parse(time.RFC3339, health["time"].(fields)["iso"].(string))
	require.NoError(t, err)
	_, err = time.Parse(time.RFC1123, health["time"].(fields)["utc"].(string))
	require.NoError(t, err)
}

func TestOptionsTellNoSecrets(t *testing.T) {
	n, p := withNeighbour(t)
	id := p.request("$node.options", nil, nil)
	res := p.await(func(got packet) bool { return got.is("RES", "a") && got.fields["id"] == id })
	options := res.fields["data"].(fields)
	require.Equal(
		t, []any{nodeID, "NATS", fields{"region": "eu"}},
		[]any{options["nodeID"], options["transporter"], options["metadata"]},
	)
	for _, secret := range []string{user, password, n.nc.ConnectedUrl()} {
		require.NotContains(t, string(res.raw), secret)
	}
}

func TestMetricsAreDisabled(t *testing.T) {
	_, p := withNeighbour(t)
	require.Equal(t, fields{
		"name": "MoleculerClientError", "code": 400.0, "type": "METRICS_DISABLED", "message": "Metrics feature is disabled",
		"retryable": false,
		"data":      fields{}, "nodeID": nodeID,
	}, errorOf(t, p.call("$node.metrics", nil, nil)))
}

func TestOddParamsOfTheNodeServiceAskForNothing(t *testing.T) {
	_, p := withNeighbour(t)
	for _, params := range []any{nil, 5, "x", []any{}, fields{"withServices": fields{}, "onlyAvailable": nil}} {
		require.Len(t, p.ask("$node.list", params, "id"), 2)
	}
}

func TestNodeServiceIsLocalUnlessANodeIsNamed(t *testing.T) {
	n, p := withNeighbour(t)
	result, err := n.Call(within(t), "$node.list", nil, action.CallOptions{})
	require.NoError(t, err)
	require.Equal(t, nodeID, result.NodeID)
	done := calling(within(t), n, "$node.list", nil, action.CallOptions{NodeID: "a"})
	p.respond(p.expect("REQ", "a"), fields{"success": true})
	require.Equal(t, "a", receive(t, done).NodeID)
}
