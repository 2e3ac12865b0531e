package interop_test

import (
	"context"
	"strings"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// What members know of each other (docs/design/moleculer-wire.md §3).
func registryBehaviours() []behaviour {
	rows := []behaviour{
		{name: "a node is listed with its software, version and runtime", faults: []int{1}, ways: both, show: func(r *row) {
			client := find(r.ask(r.from, "list", nil), "id", r.to.ID())["client"].(fields)
			require.Equal(r, map[member]string{r.node: "nodejs", r.golang: "go"}[r.to], client["type"])
			require.NotEmpty(r, client["version"])
			require.NotEmpty(r, client["langVersion"])
		}},
		{name: "a node knows those who came before it", ways: both, show: func(r *row) {
			require.Equal(r, true, find(r.ask(r.latecomer(), "list", nil), "id", r.to.ID())["available"])
		}},
		{name: "a node learns of those who come after it", ways: both, show: func(r *row) {
			require.Equal(r, true, find(r.ask(r.from, "list", nil), "id", r.to2.ID())["available"])
		}},
		{name: "the services of others are listed", ways: both, show: func(r *row) {
			require.NotNil(r, find(r.ask(r.from, "services", nil), "fullName", r.to.Own("math")))
		}},
		{name: "the events of others are listed with their groups", ways: both, show: func(r *row) {
			var groups []any
			for _, listed := range r.ask(r.from, "events", nil) {
				if listed["name"] == r.to.Own("twice") {
					groups = append(groups, listed["group"])
				}
			}
			require.ElementsMatch(r, []any{r.to.Own("mail"), r.to.Own("audit")}, groups)
		}},
		{
			name: "an action is announced with its route, params, timeout and description", faults: []int{20}, ways: both,
			show: func(r *row) {
				announced := find(r.ask(r.from, "actions", nil), "name", r.to.Own("probe.described"))["action"].(fields)
				delete(announced, "name")
				require.Equal(r, fields{
					"rawName": "described", "rest": "GET /described", "params": fields{"q": "string|optional"}, "timeout": 5000.0,
					"description": "does nothing",
				}, announced)
			},
		},
		{name: "settings named in $secureSettings stay at home", faults: []int{21}, ways: both, show: func(r *row) {
			require.Equal(r, fields{"region": "eu"}, find(r.ask(r.from, "services", nil), "name", r.to.Own("vault"))["settings"])
		}},
		{name: "a service that starts later is called", ways: both, show: func(r *row) {
			r.to.Host(r.T, named("list", schema("", r.own("late"), nil, nil)))
			r.from.Knows(r.T, r.own("late.list"))
			r.call(r.own("late.list"), nil)
		}},
		{name: "a service that ends is called no more", faults: []int{23}, ways: toNode, show: func(r *row) {
			r.to.Host(r.T, named("list", schema("", r.own("brief"), nil, nil)))
			r.from.Knows(r.T, r.own("brief.list"))
			r.node.require(r.T, "removeService", fields{"name": r.own("brief")})
			require.Eventually(r, func() bool {
				return find(r.ask(r.from, "services", nil), "name", r.own("brief")) == nil
			}, rowPatience, tick)
			require.Equal(r, "SERVICE_NOT_FOUND", r.fails(r.own("brief.list"), nil).Type)
		}},
		{name: "a protected action is for its own node only", faults: []int{20}, ways: both, show: func(r *row) {
			require.Equal(r, "ServiceNotFoundError", r.fails(r.to.Own("probe.guarded"), nil).Name)
		}},
		{name: "a private action is not announced", ways: both, show: func(r *row) {
			require.Nil(r, find(r.ask(r.from, "actions", nil), "name", r.to.Own("probe.hidden")))
		}},

		{name: "a DISCOVER is answered with INFO, to the one who asks", ways: both, show: func(r *row) {
			s := r.stranger()
			s.send("DISCOVER."+r.to.ID(), nil)
			s.expect(
				"INFO", func(p packet) bool { return p.Command == "INFO" && p.Target == s.id && p.fields["sender"] == r.to.ID() },
			)
		}},
		{
			name: "an INFO without settings, metadata, actions and events is taken", faults: []int{13}, ways: both,
			show: func(r *row) {
				s := r.joined(
					1, nil, fields{"name": r.key, "fullName": r.key, "settings": nil, "metadata": nil, "actions": nil, "events": nil},
					serves("after"+r.key),
				)
				require.True(r, r.serves(s, "after"+r.key))
			},
		},
		{name: "an INFO older than the last one changes nothing", faults: []int{22}, ways: both, show: func(r *row) {
			s := r.joined(5, nil, serves("new"+r.key))
			r.tell(s, 4, nil, serves("old"+r.key))
			require.Equal(r, []bool{true, false}, []bool{r.serves(s, "new"+r.key), r.serves(s, "old"+r.key)})
		}},
		{name: "another instance of a node may count from the beginning", faults: []int{22}, ways: both, show: func(r *row) {
			s := r.joined(5, nil, serves("old"+r.key))
			r.tell(s, 1, fields{"instanceID": "another"}, serves("new"+r.key))
			require.Equal(r, []bool{true, false}, []bool{r.serves(s, "new"+r.key), r.serves(s, "old"+r.key)})
		}},
		{name: "an INFO with fewer services takes the others away", faults: []int{23}, ways: both, show: func(r *row) {
			s := r.joined(1, nil, serves("stays"+r.key), serves("goes"+r.key))
			r.tell(s, 2, nil, serves("stays"+r.key))
			require.Equal(r, []bool{true, false}, []bool{r.serves(s, "stays"+r.key), r.serves(s, "goes"+r.key)})
		}},
		{name: "an INFO with no services takes all away", faults: []int{23}, ways: both, show: func(r *row) {
			s := r.joined(1, nil, serves(r.key))
			r.tell(s, 2, nil)
			require.False(r, r.serves(s, r.key))
		}},
		{name: "the heartbeat of an unknown node is answered with DISCOVER", ways: both, show: func(r *row) {
			s := r.stranger()
			s.send("HEARTBEAT", fields{"cpu": 1})
			s.expect("DISCOVER", func(p packet) bool {
				return p.Command == "DISCOVER" && p.Target == s.id && p.fields["sender"] == r.to.ID()
			})
		}},
		{name: "a heartbeat tells the load of its node", faults: []int{22}, ways: both, show: func(r *row) {
			s := r.joined(1, nil)
			s.send("HEARTBEAT", fields{"cpu": 42})
			r.fence(s)
			require.Equal(r, 42.0, find(r.ask(r.to, "list", nil), "id", s.id)["cpu"])
		}},
		{name: "a node that has left is listed as offline", faults: []int{27}, ways: both, show: func(r *row) {
			s := r.joined(1, nil, serves(r.key))
			r.disconnect(s)
			listed := find(r.ask(r.to, "list", nil), "id", s.id)
			require.Equal(r, false, listed["available"])
			require.NotNil(r, listed["offlineSince"])
		}},
		{name: "the services of a node that has left are unknown", faults: []int{24}, ways: both, show: func(r *row) {
			s := r.joined(1, nil, serves(r.key))
			r.disconnect(s)
			require.False(r, r.serves(s, r.key))
		}},
		{
			name: "who waits for the service of a node that has left waits on", faults: []int{24}, ways: toGo,
			show: func(r *row) {
				s := r.joined(1, nil, serves(r.key))
				r.golang.Knows(r.T, r.key+".do")
				r.disconnect(s)
				ctx, cancel := context.WithCancel(r.Context())
				cancel()
				require.ErrorIs(r, r.golang.link.WaitFor(ctx, r.key+".do"), context.Canceled)
			},
		},
		{name: "a node that comes back is there again, whatever its seq", ways: both, show: func(r *row) {
			s := r.joined(5, nil, serves(r.key))
			r.disconnect(s)
			r.tell(s, 1, nil, serves(r.key))
			require.True(r, r.serves(s, r.key))
		}},
		{name: "a heartbeat alone does not bring a node back", ways: both, show: func(r *row) {
			s := r.joined(1, nil, serves(r.key))
			r.disconnect(s)
			s.send("HEARTBEAT", fields{"cpu": 1})
			r.fence(s)
			require.Equal(r, false, find(r.ask(r.to, "list", nil), "id", s.id)["available"])
		}},
		{name: "a second node of the same id makes the first one stop", faults: []int{22}, ways: toGo, show: func(r *row) {
			extra := r.extraGo(nil)
			r.tap.send(
				r.T, "INFO", fields{"sender": extra.ID(), "instanceID": uuid.NewString(), "services": []fields{}, "seq": 1},
			)
			select {
			case err := <-extra.link.Fatal():
				require.ErrorContains(r, err, extra.ID())
			case <-r.within().Done():
				require.Fail(r, "it goes on")
			}
		}},
		{name: "a node of the other protocol is ignored, and logged once", faults: []int{1}, ways: toGo, show: func(r *row) {
			s := r.stranger()
			for range 3 {
				s.info(1, fields{"ver": other(r.line)}, serves(r.key))
			}
			r.waitHandled(r.golang)
			require.False(r, r.serves(s, r.key))
			logged := 0
			for _, entry := range r.golang.logs.AllEntries() {
				if strings.Contains(entry.Message+errorOf(entry.Data), "protocol version") &&
					strings.Contains(errorOf(entry.Data), s.id) {
					logged++
				}
			}
			require.Equal(r, 1, logged)
		}},
		{name: "own $-events tell of nodes that come and go, and stay at home", ways: both, show: func(r *row) {
			s := r.joined(1, nil)
			r.disconnect(s)
			for _, name := range []string{"$node.connected", "$node.disconnected"} {
				r.event(r.to, func(e moleculerEvent) bool { return e.Name == name && strings.Contains(string(e.Data), s.id) })
			}
			_, sent, _ := r.tap.packets.take(func(p packet) bool {
				name, _ := p.fields["event"].(string)
				return p.Command == "EVENT" && strings.HasPrefix(name, "$node.")
			})
			require.False(r, sent)
		}},
		{name: "own $-events tell who comes back", ways: both, show: func(r *row) {
			s := r.joined(1, nil)
			r.disconnect(s)
			r.tell(s, 2, nil)
			for _, reconnected := range []bool{false, true} {
				e := r.event(r.to, func(e moleculerEvent) bool {
					return e.Name == "$node.connected" && strings.Contains(string(e.Data), s.id)
				})
				require.Equal(r, reconnected, decode[fields](r.T, e.Data)["reconnected"])
			}
		}},
		{name: "a PING is answered in milliseconds", faults: []int{3}, ways: toGo, show: func(r *row) {
			pong := decode[struct {
				NodeID                string
				ElapsedTime, TimeDiff float64
			}](r.T, r.node.Ping(r.T, r.to.ID()))
			require.Equal(r, r.to.ID(), pong.NodeID)
			require.InDelta(r, 0, pong.TimeDiff, patience.Seconds()*1000, "both have one clock, and count its milliseconds")
		}},
		{name: "a PING to all is answered", faults: []int{3}, ways: toGo, show: func(r *row) {
			r.node.require(r.T, "pingAll", nil)
			r.event(r.node, func(e moleculerEvent) bool {
				return e.Name == "$node.pong" && strings.Contains(string(e.Data), r.to.ID())
			})
		}},
	}
	for _, v := range []struct{ what, action string }{
		{"a number as version is prefixed with v", "v2.%posts.list"},
		{"a word as version is the prefix itself", "beta.%posts.list"},
		{"$noVersionPrefix leaves the version out of names", "%pages.list"},
		{"$noServiceNamePrefix leaves the service out of the names of actions", "%bare"},
	} {
		rows = append(rows, behaviour{name: v.what, faults: []int{15}, ways: both, show: func(r *row) {
			action := strings.ReplaceAll(v.action, "%", r.to.Own(""))
			require.JSONEq(r, `"`+action+`"`, string(r.call(action, nil).Data))
		}})
	}
	return rows
}

// other is the protocol of the other line.
func other(l line) string {
	if l == lines[0] {
		return string(lines[1].protocol)
	}
	return string(lines[0].protocol)
}

func errorOf(data map[string]any) string {
	err, ok := data["error"].(error)
	if !ok {
		return ""
	}
	return err.Error()
}

// latecomer is a node of from's kind that has come after to.
func (r *row) latecomer() member {
	if r.from == member(r.node) {
		return r.node2
	}
	return r.golang
}

// joined is a stranger that the observed side has heard of.
func (r *row) joined(seq int, more fields, services ...fields) *stranger {
	r.Helper()
	s := r.stranger()
	r.tell(s, seq, more, services...)
	return s
}

// tell sends an INFO and waits until the observed side has taken it.
func (r *row) tell(s *stranger, seq int, more fields, services ...fields) {
	r.Helper()
	s.info(seq, more, services...)
	r.fence(s)
}

func (r *row) disconnect(s *stranger) {
	r.Helper()
	s.send("DISCONNECT", nil)
	r.fence(s)
}

// fence waits until the observed side has taken all that the stranger has sent about itself.
func (r *row) fence(s *stranger) {
	r.Helper()
	s.ping(r.to)
}

// serves says whether the observed side counts a service as the stranger's.
func (r *row) serves(s *stranger, name string) bool {
	r.Helper()
	service := find(r.ask(r.to, "services", fields{"onlyAvailable": true, "grouping": false}), "fullName", name)
	return service != nil && service["nodeID"] == s.id
}
