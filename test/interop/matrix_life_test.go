package interop_test

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/cluster"
)

// Packets that no node sends (docs/design/moleculer-wire.md §10, rows 12 and 13).
func hostileBehaviours() []behaviour {
	rows := []behaviour{
		{name: "a request with an id and an action only is answered", faults: []int{12}, ways: both, show: func(r *row) {
			require.True(r, r.stranger().request(r.to.ID(), r.to.Own("probe.same"), nil).Success)
		}},
	}
	for _, command := range []string{
		"REQ.%s", "RES.%s", "EVENT.%s", "INFO", "HEARTBEAT", "DISCOVER", "DISCONNECT", "PING.%s", "PONG.%s",
	} {
		subject := strings.ReplaceAll(command, "%s", "")
		rows = append(rows, behaviour{
			name: fmt.Sprintf("malformed %s packets harm nobody", strings.TrimSuffix(subject, ".")), faults: []int{12, 13},
			ways: toGo,
			show: func(r *row) {
				s := r.stranger()
				for _, body := range malformed(s) {
					require.NoError(r, r.tap.nc.Publish(r.tap.prefix+strings.ReplaceAll(command, "%s", r.to.ID()), []byte(body)))
				}
				r.fence(s)
				r.call(r.to.Own("probe.same"), nil)
			},
		})
	}
	return rows
}

// malformed are packets with every field of the wrong type, and what is no packet at all.
func malformed(s *stranger) []string {
	head := fmt.Sprintf(`"ver":%q,"sender":%q`, s.tap.ver, s.id)
	bodies := []string{
		``, `null`, `[]`, `"x"`, `{`, `{}`, `{"ver":4,"sender":"x"}`, `{"ver":"` + s.tap.ver + `"}`, `{` + head + `}`,
	}
	for _, value := range []string{`null`, `-1.5`, `"x"`, `[]`, `[null]`, `{}`, `{"x":null}`, `true`} {
		body := `{` + head
		for _, field := range []string{
			"id", "action", "event", "params", "data", "meta", "headers", "timeout", "level", "tracing", "parentID",
			"requestID", "caller", "stream",
			"seq", "success", "error", "groups", "broadcast", "services", "ipList", "hostname", "client", "config",
			"instanceID", "metadata", "cpu",
			"time", "arrived",
		} {
			body += fmt.Sprintf(`,%q:%s`, field, value)
		}
		bodies = append(bodies, body+`}`)
	}
	return bodies
}

// What an interruption of NATS does and does not do (docs/design/moleculer-wire.md §6).
func outageBehaviours() []behaviour {
	return []behaviour{
		{name: "while NATS is away a call fails at once", faults: []int{14}, ways: toNode, show: func(r *row) {
			o := r.outage()
			o.begin()
			e := o.fails("outprobe.same", nil)
			require.Equal(r, []any{"BrokerDisconnectedError", 502.0, true}, []any{e.Name, e.Code, e.Retryable})
		}},
		{name: "a call that runs when NATS goes away fails at once", faults: []int{28}, ways: toNode, show: func(r *row) {
			o := r.outage()
			result := o.start(1, "outprobe.slow", slowParams{60_000})
			o.call("outprobe.same", nil) // after it, on the same way
			o.begin()
			err := <-result
			require.Error(r, err)
			e := asCallError(r.T, err)
			require.Equal(r, []any{"BrokerDisconnectedError", 502.0, true}, []any{e.Name, e.Code, e.Retryable})
		}},
		{name: "after NATS was away calls are answered again", faults: []int{28}, ways: both, show: func(r *row) {
			o := r.outage()
			o.server.Restart(r.T)
			require.Eventually(r, func() bool {
				_, err := o.from.Call(r.Context(), "outprobe.same", nil, callOptions{TimeoutMS: 200})
				return err == nil
			}, patience, tick)
		}},
		{
			name: "what was sent while NATS was away does not arrive later", faults: []int{28}, ways: toNode,
			show: func(r *row) {
				o := r.outage()
				o.begin()
				require.Error(r, o.from.(*goNode).emit(r.within(), "out.said", "during", emitOptions{}))
				o.server.Restart(r.T)
				require.Eventually(r, func() bool {
					_ = o.from.(*goNode).emit(r.Context(), "out.said", "after", emitOptions{}) // fails until the connection is back
					e, err := o.to.Event(canceled(r.Context()), calledEvent("out.said"))
					if err == nil {
						require.JSONEq(r, `"after"`, string(e.Data))
					}
					return err == nil
				}, patience, tick)
			},
		},
		{
			name: "a node that is connected again asks who is there and tells who it is", faults: []int{28}, ways: toGo,
			show: func(r *row) {
				extra := r.extraGo(nil)
				r.packet("DISCOVER", extra, nil, anyPacket)
				r.packet("INFO", extra, nil, anyPacket)
				require.NoError(r, extra.nc.ForceReconnect())
				r.packet("DISCOVER", extra, nil, anyPacket)
				r.packet("INFO", extra, nil, anyPacket)
			},
		},
	}
}

func anyPacket(packet) bool { return true }

func canceled(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

// interrupted is a pair of nodes whose NATS server can be taken away.
type interrupted struct {
	*row
	server *natsd
}

func (r *row) outage() *interrupted {
	r.Helper()
	server := natsServer(r.T, withLogin)
	services := []service{
		{Name: "probe", Schema: schema("", "outprobe", nil, nil)}, listening("out.*", "", schema("", "out", nil, nil)),
	}
	inGo, inNode := services, services
	if r.from == member(r.golang) {
		inGo = nil
	} else {
		inNode = nil
	}
	w := &world{line: r.line, url: server.URL()}
	w.node, w.golang = w.startNode(r.T, nil, inNode...), w.startGo(r.T, inGo...)
	o := &interrupted{row: &row{T: r.T, world: w, key: r.key, from: w.golang, to: w.node}, server: server}
	if inNode == nil {
		o.from, o.to = o.to, o.from
	}
	o.from.Knows(r.T, "outprobe.same")
	o.call("outprobe.same", nil)
	return o
}

// begin takes the server away and waits until the node in Go has noticed.
func (o *interrupted) begin() {
	o.Helper()
	o.server.Stop()
	require.Eventually(o, func() bool { return !o.golang.nc.IsConnected() }, rowPatience, tick)
}

// How nodes leave (docs/design/moleculer-wire.md §6).
func departureBehaviours() []behaviour {
	return []behaviour{
		{name: "a call that runs when its node leaves is answered", faults: []int{29}, ways: toGo, show: func(r *row) {
			extra := r.extra()
			result := r.start(1, r.own("probe.slow"), slowParams{400})
			r.call(r.own("probe.same"), nil) // after it, on the same way
			extra.Leave(r.T)
			require.NoError(r, <-result)
		}},
		{name: "a node that leaves refuses new requests", faults: []int{29}, ways: toGo, show: func(r *row) {
			extra := r.extra()
			running := r.start(1, r.own("probe.slow"), slowParams{1000})
			r.call(r.own("probe.same"), nil)
			left := make(chan struct{})
			go func() { defer close(left); extra.Leave(r.T) }()
			var refusal *callError
			require.Eventually(r, func() bool {
				refusal = r.stranger().request(extra.ID(), r.own("probe.same"), nil).Error
				return refusal != nil
			}, rowPatience, tick)
			require.Equal(
				r, []any{"ServiceNotAvailableError", 404.0, true}, []any{refusal.Name, refusal.Code, refusal.Retryable},
			)
			require.NoError(r, <-running)
			<-left
		}},
		{
			name: "a node that leaves withdraws its services before it says goodbye", faults: []int{29}, ways: both,
			show: func(r *row) {
				extra := r.extra()
				announced := r.packet("INFO", extra, nil, func(p packet) bool { return contain(p, r.own("probe")) })
				extra.Leave(r.T)
				r.packet("DISCONNECT", extra, nil, anyPacket)
				withdrawn, before, _ := r.tap.packets.take(func(p packet) bool {
					return p.Command == "INFO" && p.Target == "" && p.fields["sender"] == extra.ID() && !contain(p, r.own("probe"))
				})
				require.True(r, before)
				require.Empty(r, withdrawn.fields["services"])
				require.Greater(r, withdrawn.fields["seq"], announced.fields["seq"])
			},
		},
		{name: "callers lose nothing while one of two nodes leaves", faults: []int{29}, ways: both, show: func(r *row) {
			r.leavesUnnoticed()
		}},
		{name: "a call fails at once when its node has left", ways: toNode, show: func(r *row) {
			extra := r.extra()
			result := r.start(1, r.own("probe.slow"), slowParams{60_000})
			r.call(r.own("probe.same"), nil)
			extra.Leave(r.T)
			err := <-result
			require.Error(r, err)
			e := asCallError(r.T, err)
			require.Equal(r, []any{"RequestRejectedError", 503.0, true}, []any{e.Name, e.Code, e.Retryable})
		}},
		{
			name: "a call that outlasts the drain fails as one that may be made again", faults: []int{29}, ways: toGo,
			show: func(r *row) {
				probe := service{Name: "probe", Schema: schema("", r.own("probe"), nil, nil)}
				extra := r.extraGo([]service{probe}, func(o *cluster.Options) { o.DrainTimeout = tick })
				r.from.Knows(r.T, r.own("probe.slow"))
				result := r.start(1, r.own("probe.slow"), slowParams{60_000})
				r.call(r.own("probe.same"), nil)
				extra.Leave(r.T)
				err := <-result
				require.Error(r, err)
				e := asCallError(r.T, err)
				require.Equal(r, []any{503.0, true}, []any{e.Code, e.Retryable})
			},
		},
	}
}

// leavesUnnoticed requires that callers of a service on two nodes have no failure while one of them leaves.
func (r *row) leavesUnnoticed() {
	r.Helper()
	first := r.extra()
	second := r.extra()
	require.Eventually(r, func() bool {
		list := r.ask(r.from, "actions", fields{"withEndpoints": true})
		return len(endpoints(find(list, "name", r.own("where.where")))) == 2
	}, rowPatience, tick)
	ctx, cancel := context.WithCancel(r.within())
	var callers sync.WaitGroup
	failures := make(chan error, 4)
	for range cap(failures) {
		callers.Go(func() {
			for ctx.Err() == nil {
				if _, err := r.from.Call(r.Context(), r.own("probe.slow"), slowParams{20}, callOptions{}); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	first.Leave(r.T)
	require.JSONEq(r, quoted(second.ID()), string(r.call(r.own("where.where"), nil).Data))
	cancel()
	callers.Wait()
	require.Empty(r, failures)
}

// What shows at the end of a world's life.
func finalBehaviours() []behaviour {
	return []behaviour{
		{
			name: "a heartbeat comes by itself and tells the load as a whole percentage", faults: []int{26}, ways: both,
			show: func(r *row) {
				ctx, cancel := context.WithTimeout(r.Context(), patience)
				defer cancel()
				beat, err := r.tap.packets.next(
					ctx, func(p packet) bool { return p.Command == "HEARTBEAT" && p.fields["sender"] == r.to.ID() },
				)
				require.NoError(r, err)
				cpu := beat.fields["cpu"].(float64)
				require.Equal(r, float64(int(cpu)), cpu)
				require.LessOrEqual(r, cpu, 100.0)
			},
		},
		{name: "no packet held a secret", faults: []int{21}, ways: toGo, show: func(r *row) {
			for _, leak := range r.tap.Leaks() {
				require.NotContains(r, leak, `"sender":"go-`)
			}
		}},
	}
}
