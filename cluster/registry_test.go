package cluster

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster/wire"
)

var start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// infoFrom is an INFO of a node's first instance, with one service per action "<service>.do".
func infoFrom(node string, seq int64, services ...string) *wire.InfoPacket {
	p := &wire.InfoPacket{Header: wire.Header{Sender: node}, InstanceID: "first", Seq: seq, Services: []wire.ServiceInfo{}}
	for _, name := range services {
		p.Services = append(p.Services, serving(name, name+".do", `{}`))
	}
	return p
}

func serving(name, actionName, definition string) wire.ServiceInfo {
	return wire.ServiceInfo{
		Name: name, FullName: name, Actions: map[string]json.RawMessage{actionName: json.RawMessage(definition)},
	}
}

// after is a registry that has taken these INFOs in.
func after(infos ...*wire.InfoPacket) *registry {
	r := newRegistry(heartbeatTimeout)
	for _, p := range infos {
		r.info(p, start)
	}
	return r
}

// served lists the services of a registry as "service@node".
func served(r *registry) []string {
	var list []string
	for _, s := range r.services() {
		list = append(list, s.FullName+"@"+s.NodeID)
	}
	return list
}

func TestInfoReplacesServicesOnlyWhenNewer(t *testing.T) {
	restarted := infoFrom("n", 1, "new")
	restarted.InstanceID = "second"
	silent := infoFrom("n", 3)
	silent.Services = nil
	for name, tc := range map[string]struct {
		infos []*wire.InfoPacket
		want  []string
	}{
		"the first is taken": {[]*wire.InfoPacket{infoFrom("n", 2, "old")}, []string{"old@n"}},
		"one with a higher seq replaces": {[]*wire.InfoPacket{
			infoFrom("n", 2, "old"), infoFrom("n", 3, "new"),
		}, []string{"new@n"}},
		"one with the same seq is a repetition": {[]*wire.InfoPacket{
			infoFrom("n", 2, "old"), infoFrom("n", 2, "new"),
		}, []string{"old@n"}},
		"one with a lower seq is late": {[]*wire.InfoPacket{
			infoFrom("n", 2, "old"), infoFrom("n", 1, "new"),
		}, []string{"old@n"}},
		"a late one does not let another late in": {
			[]*wire.InfoPacket{infoFrom("n", 5, "old"), infoFrom("n", 3), infoFrom("n", 4, "new")}, []string{"old@n"},
		},
		"another instance may begin at seq 1": {[]*wire.InfoPacket{
			infoFrom("n", 9, "old"), restarted,
		}, []string{"new@n"}},
		"a missing seq counts as 1": {[]*wire.InfoPacket{
			infoFrom("n", 0, "old"), infoFrom("n", 1, "new"),
		}, []string{"old@n"}},
		"an empty list takes all away": {[]*wire.InfoPacket{infoFrom("n", 2, "old"), infoFrom("n", 3)}, nil},
		"no list changes nothing":      {[]*wire.InfoPacket{infoFrom("n", 2, "old"), silent}, []string{"old@n"}},
		"no list still counts as seen": {[]*wire.InfoPacket{
			infoFrom("n", 2, "old"), silent, infoFrom("n", 3, "new"),
		}, []string{"old@n"}},
		"what disappeared goes, the rest stays": {[]*wire.InfoPacket{
			infoFrom("n", 2, "a", "b"), infoFrom("n", 3, "b", "c"),
		}, []string{"b@n", "c@n"}},
		"other nodes are left alone": {[]*wire.InfoPacket{
			infoFrom("m", 2, "a"), infoFrom("n", 2, "a"), infoFrom("n", 3),
		}, []string{"a@m"}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, served(after(tc.infos...))) })
	}
}

func TestNodeThatWasAwayIsTakenWithAnySeq(t *testing.T) {
	r := after(infoFrom("n", 9, "old"))
	r.disconnect("n", start)
	require.True(t, joins(r, infoFrom("n", 1, "new")))
	require.Equal(t, []string{"new@n"}, served(r))
}

func TestInfoSaysWhetherTheNodeJoined(t *testing.T) {
	r := newRegistry(heartbeatTimeout)
	require.True(t, joins(r, infoFrom("n", 2)))
	require.False(t, joins(r, infoFrom("n", 3)))
}

func TestActionsThatDisappearedAreNoLongerFound(t *testing.T) {
	r := after(infoFrom("n", 2, "a"), infoFrom("n", 3))
	_, err := r.pick("a.do", "", "")
	require.Equal(t, action.ServiceNotFound("a.do", ""), err)
}

func TestServiceWithoutFullNameGetsItAsInNode(t *testing.T) {
	for name, tc := range map[string]struct{ version, want string }{
		"no version":        {``, "svc"},
		"null":              {`null`, "svc"},
		"a number":          {`3`, "v3.svc"},
		"a number as text":  {`"2"`, "2.svc"},
		"a word":            {`"beta"`, "beta.svc"},
		"an empty text":     {`""`, "svc"},
		"a number with dot": {`1.5`, "v1.5.svc"},
	} {
		t.Run(name, func(t *testing.T) {
			p := infoFrom("n", 2)
			p.Services = []wire.ServiceInfo{{Name: "svc", Version: json.RawMessage(tc.version)}}
			require.Equal(t, []string{tc.want + "@n"}, served(after(p)))
		})
	}
}

func TestServiceWithoutNameIsSkipped(t *testing.T) {
	p := infoFrom("n", 2, "good")
	p.Services = append([]wire.ServiceInfo{{}}, p.Services...)
	require.Equal(t, []string{"good@n"}, served(after(p)))
}

func TestRemoteActionsAreCallableByVisibility(t *testing.T) {
	for definition, want := range map[string]bool{
		`{}`:                         true,
		`{"visibility":null}`:        true,
		`{"visibility":"published"}`: true,
		`{"visibility":"public"}`:    true,
		`{"visibility":"protected"}`: false,
		`{"visibility":"private"}`:   false,
		`{"visibility":5}`:           false,
		`{"protected":true}`:         false,
		`"no object"`:                false,
	} {
		t.Run(definition, func(t *testing.T) {
			p := infoFrom("n", 2)
			p.Services = []wire.ServiceInfo{serving("svc", "svc.do", definition)}
			require.Equal(t, want, after(p).knows("svc.do"))
		})
	}
}

func TestNodesAreCalledInTurn(t *testing.T) {
	r := after(infoFrom("a", 2, "svc"), infoFrom("b", 2, "svc"), infoFrom("c", 2, "svc"))
	calls := map[string]int{}
	for range 9 {
		node, err := r.pick("svc.do", "", "")
		require.NoError(t, err)
		calls[node]++
	}
	require.Equal(t, map[string]int{"a": 3, "b": 3, "c": 3}, calls)
}

func TestPickingAGivenNode(t *testing.T) {
	r := after(infoFrom("a", 2, "svc"), infoFrom("b", 2, "other"))
	for name, tc := range map[string]struct {
		node    string
		wantErr error
	}{
		"that serves it":   {"a", nil},
		"that does not":    {"b", action.ServiceNotFound("svc.do", "b")},
		"that is not here": {"c", action.ServiceNotFound("svc.do", "c")},
	} {
		t.Run(name, func(t *testing.T) {
			node, err := r.pick("svc.do", tc.node, "")
			if tc.wantErr != nil {
				require.Equal(t, tc.wantErr, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.node, node)
		})
	}
}

func TestPickingGoesOnWhenANodeLeaves(t *testing.T) {
	r := after(infoFrom("a", 2, "svc"), infoFrom("b", 2, "svc"))
	for range 3 {
		_, err := r.pick("svc.do", "", "")
		require.NoError(t, err)
	}
	r.disconnect("b", start)
	for range 3 {
		node, err := r.pick("svc.do", "", "")
		require.NoError(t, err)
		require.Equal(t, "a", node)
	}
}

func TestNodeThatDisconnectedMustBeAskedAgain(t *testing.T) {
	r := after(infoFrom("n", 2, "svc"))
	require.True(t, r.heartbeat("n", nil, start))
	require.True(t, r.disconnect("n", start))
	require.Empty(t, served(r))
	require.False(t, r.heartbeat("n", nil, start), "its heartbeat alone brings nothing back")
	require.False(t, r.disconnect("n", start), "it has left already")
}

func TestUnknownNodeMustBeAsked(t *testing.T) {
	require.False(t, newRegistry(heartbeatTimeout).heartbeat("n", nil, start))
}

func TestNodeIsDroppedAfterThirtySecondsOfSilence(t *testing.T) {
	for name, tc := range map[string]struct {
		beat, check time.Duration
		want        []string
	}{
		"not at thirty seconds":      {0, 30 * time.Second, nil},
		"right after":                {0, 30*time.Second + 1, []string{"n"}},
		"counted from the heartbeat": {20 * time.Second, 50 * time.Second, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := after(infoFrom("n", 2, "svc"))
			require.True(t, r.heartbeat("n", nil, start.Add(tc.beat)))
			require.Equal(t, tc.want, r.expire(start.Add(tc.check)))
			require.Equal(t, tc.want == nil, r.knows("svc.do"))
		})
	}
}

func TestInfoIsNotAHeartbeat(t *testing.T) {
	r := after(infoFrom("n", 2))
	r.info(infoFrom("n", 3), start.Add(29*time.Second))
	require.Equal(t, []string{"n"}, r.expire(start.Add(31*time.Second)))
}

func TestNodeIsDroppedOnce(t *testing.T) {
	r := after(infoFrom("n", 2))
	require.Equal(t, []string{"n"}, r.expire(start.Add(time.Minute)))
	require.Empty(t, r.expire(start.Add(2*time.Minute)))
}

func TestNodeIsForgottenAfterTenMinutes(t *testing.T) {
	r := after(infoFrom("n", 2))
	r.disconnect("n", start)
	r.expire(start.Add(10 * time.Minute))
	require.Len(t, r.nodes, 1)
	r.expire(start.Add(10*time.Minute + 1))
	require.Empty(t, r.nodes)
}

func TestInfoWakesThoseWhoWait(t *testing.T) {
	r := newRegistry(heartbeatTimeout)
	news := r.news()
	r.info(infoFrom("n", 2), start)
	receive(t, news)
	require.NotEqual(t, news, r.news(), "the next news have their own channel")
}

func TestRegistryCannotBeFilledByOneNode(t *testing.T) {
	p := infoFrom("n", 2)
	for i := range maxServicesPerNode + 1 {
		p.Services = append(p.Services, wire.ServiceInfo{Name: fmt.Sprint(i)})
	}
	require.Len(t, after(p).services(), maxServicesPerNode)
}

func TestRegistryBoundsUnknownNodes(t *testing.T) {
	r := newRegistry(heartbeatTimeout)
	for i := range maxNodes + 1 {
		r.info(infoFrom(fmt.Sprint(i), 2), start)
	}
	require.Len(t, r.nodes, maxNodes)
}

func joins(r *registry, p *wire.InfoPacket) bool {
	return r.info(p, start).joined
}

func TestSilenceLimitFollowsHeartbeats(t *testing.T) {
	for name, tc := range map[string]struct {
		interval, timeout time.Duration
		silence, every    time.Duration // 0 is for ever
	}{
		"as Node has it by default": {0, 0, 30 * time.Second, 5 * time.Second},
		"slow heartbeats":           {time.Minute, 3 * time.Minute, 3 * time.Minute, 5 * time.Second},
		"fast heartbeats":           {2 * time.Second, 6 * time.Second, 6 * time.Second, time.Second},
		"no timeout":                {0, -1, 0, 5 * time.Second},
		"no heartbeats":             {-1, 0, 0, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			l := New(
				nil, Options{HeartbeatInterval: tc.interval, HeartbeatTimeout: tc.timeout, Log: logrus.NewEntry(logrus.New())},
			)
			require.Equal(t, tc.every, l.expireEvery())
			l.registry.info(infoFrom("n", 2, "svc"), start)
			if tc.silence == 0 {
				require.Empty(t, l.registry.expire(start.Add(24*time.Hour)))
				return
			}
			require.Empty(t, l.registry.expire(start.Add(tc.silence)))
			require.Equal(t, []string{"n"}, l.registry.expire(start.Add(tc.silence+1)))
		})
	}
}

func TestHeartbeatInterval(t *testing.T) {
	for name, tc := range map[string]struct{ interval, want time.Duration }{
		"default": {0, 10 * time.Second}, "slow": {time.Minute, time.Minute}, "fast": {2 * time.Second, 2 * time.Second},
		"none": {-1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := New(nil, Options{HeartbeatInterval: tc.interval, Log: logrus.NewEntry(logrus.New())})
			require.InDelta(t, tc.want, l.beat, float64(tc.want)/20)
		})
	}
}

func TestNodeWhoseHeartbeatWaitsToBeReadIsNotSilent(t *testing.T) {
	l := New(nil, Options{Log: logrus.NewEntry(logrus.New())})
	l.registry.info(infoFrom("n", 2, "svc"), time.Now().Add(-time.Hour))
	l.control <- &nats.Msg{Subject: "MOL.HEARTBEAT", Data: []byte(`{"ver":"4","sender":"n","cpu":1}`)}
	l.lookForSilent(time.Now())
	require.True(t, l.registry.available("n"))
}

func TestNodeThatWasSilentForLongIsRemembered(t *testing.T) {
	r := newRegistry(time.Hour)
	r.info(infoFrom("n", 2), start)
	gone := start.Add(time.Hour + 1)
	require.Equal(t, []string{"n"}, r.expire(gone))
	r.expire(gone.Add(10 * time.Minute))
	require.Len(t, r.nodes, 1)
	r.expire(gone.Add(10*time.Minute + 1))
	require.Empty(t, r.nodes)
}

func TestNodeThatWasTriedComesLast(t *testing.T) {
	r := after(infoFrom("a", 2, "svc"), infoFrom("b", 2, "svc"))
	for range 4 {
		for _, tried := range []string{"a", "b", "a", "a"} {
			node, err := r.pick("svc.do", "", tried)
			require.NoError(t, err)
			require.NotEqual(t, tried, node)
		}
	}
	r.disconnect("b", start)
	node, err := r.pick("svc.do", "", "a")
	require.NoError(t, err)
	require.Equal(t, "a", node, "there is no other")
}

func TestVisitorsSaySo(t *testing.T) {
	for metadata, want := range map[string]bool{
		`{"visitor":true}`: true, `{"visitor":false}`: false, `{"Visitor":true}`: false, `{"visitor":"yes"}`: false,
		`{}`: false, `[]`: false, `null`: false, ``: false,
	} {
		p := infoFrom("n", 2)
		p.Metadata = json.RawMessage(metadata)
		require.Equal(t, want, after(p).isVisitor("n"), metadata)
	}
	require.False(t, after().isVisitor("n"))
}
