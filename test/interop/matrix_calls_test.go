package interop_test

import (
	"encoding/json"
	"fmt"

	"github.com/stretchr/testify/require"
)

// Calls and what travels with them (docs/design/moleculer-wire.md §4).
func callBehaviours() []behaviour {
	return []behaviour{
		{name: "params and results pass as they are", ways: both, show: func(r *row) {
			const all = `{"text":"é \" \\ 😀 \u2028 </a>","n":-1.5e-7,"list":[null,true,[],{}],"empty":"",` +
				`"nested":{"deep":[{"x":1}]}}`
			r.answers(all, "probe.same", json.RawMessage(all))
		}},
		{name: "a call without params has an empty object of them", ways: both, show: func(r *row) {
			r.answers(`{}`, "probe.same", nil)
		}},
		{name: "params may be null", ways: toNode, show: func(r *row) {
			r.answers(`null`, "probe.same", json.RawMessage("null"))
		}},
		{name: "a result with a key \"error\" is a result", faults: []int{6}, ways: both, show: func(r *row) {
			r.answers(`{"error":"none"}`, "probe.same", fields{"error": "none"})
		}},
		{name: "numbers beyond 2^53 keep all their digits", faults: []int{30}, ways: toGo, show: func(r *row) {
			// JavaScript has no such number, so the digits are looked at on the wire.
			s := r.stranger()
			a := s.request(r.to.ID(), r.to.Own("probe.same"), fields{"params": json.RawMessage(`{"id":9007199254740993}`)})
			require.Equal(r, `{"id":9007199254740993}`, string(a.Data))
		}},
		{name: "numbers beyond 2^53 are sent with all their digits", faults: []int{30}, ways: toNode, show: func(r *row) {
			r.call(r.to.Own("probe.same"), json.RawMessage(`{"id":9007199254740993,"key":"`+r.key+`"}`))
			r.packet("REQ", r.from, r.to, func(p packet) bool { return contain(p, r.key) && contain(p, "9007199254740993") })
		}},
		{name: "a call from nowhere starts a chain", faults: []int{10}, ways: both, show: func(r *row) {
			e := r.echo(callOptions{RequestID: r.key})
			require.Equal(r, []any{r.key, "", "", 1}, []any{e.RequestID, e.ParentID, e.Caller, e.Level})
		}},
		{
			name: "a handler's call goes on with its chain: request id, parent, level and caller", faults: []int{10},
			ways: both, show: func(r *row) {
				out := r.relay(relayParams{Action: r.to.Own("probe.echo")}, callOptions{RequestID: r.key})
				e := decode[echoed](r.T, out.Data)
				require.Equal(r, []any{r.key, out.ID, r.from.Own("probe"), 2}, []any{e.RequestID, e.ParentID, e.Caller, e.Level})
			},
		},
		{name: "the decision whether to trace is passed on", faults: []int{10}, ways: both, show: func(r *row) {
			for _, tracing := range []bool{true, false} {
				id := fmt.Sprint(r.key, tracing)
				r.stranger().request(r.from.ID(), r.from.Own("probe.relay"), fields{
					"params": fields{"action": r.to.Own("probe.echo")}, "tracing": tracing, "requestID": id, "level": 1,
					"meta": fields{},
				})
				sent := r.packet("REQ", r.from, r.to, func(p packet) bool { return p.fields["requestID"] == id })
				require.Equal(r, tracing, sent.fields["tracing"])
			}
		}},
		{
			name: "headers come with the call and not with the calls of its handler", only: "0.15", ways: toGo,
			show: func(r *row) {
				headers := fields{"headers": fields{"x-key": "1"}}
				direct, err := r.node.peer.Call(r.within(), r.to.Own("probe.echo"), nil, headers)
				require.NoError(r, err)
				require.JSONEq(r, `{"x-key":"1"}`, string(decode[echoed](r.T, direct.Data).Headers))
				relayed, err := r.node.peer.Call(
					r.within(), r.to.Own("probe.relay"), relayParams{Action: r.from.Own("probe.echo")}, headers,
				)
				require.NoError(r, err)
				require.JSONEq(r, `{}`, string(decode[echoed](r.T, decode[outcome](r.T, relayed.Data).Data).Headers))
			},
		},
		{name: "meta goes down the chain", faults: []int{9}, ways: both, show: func(r *row) {
			out := r.relay(
				relayParams{Action: r.to.Own("probe.echo"), Meta: fields{"own": 2}}, callOptions{Meta: fields{"user": 1}},
			)
			require.JSONEq(r, `{"user":1,"own":2}`, string(decode[echoed](r.T, out.Data).Meta))
		}},
		{name: "the callee's meta is merged into the caller's", faults: []int{9}, ways: both, show: func(r *row) {
			out := r.relay(
				relayParams{
					Action: r.to.Own("probe.meta"), Params: json.RawMessage(`{"lang":"fa"}`), Meta: fields{"own": 2, "lang": "en"},
				},
			)
			require.JSONEq(r, `{"own":2,"lang":"fa"}`, string(out.Meta))
		}},
		{
			name: "the callee's meta is merged into the caller's when the call fails", faults: []int{9}, ways: both,
			show: func(r *row) {
				out := r.relay(
					relayParams{Action: r.to.Own("probe.metaError"), Params: json.RawMessage(`{"lang":"fa"}`), Meta: fields{"own": 2}},
				)
				require.Equal(r, "NO", out.Error.Type)
				require.JSONEq(r, `{"own":2,"lang":"fa"}`, string(out.Meta))
			},
		},
		{name: "a call from nowhere gets the callee's meta", faults: []int{9}, ways: both, show: func(r *row) {
			result := r.call(r.to.Own("probe.meta"), fields{"lang": "fa"}, callOptions{Meta: fields{"user": 1}})
			require.JSONEq(r, `{"user":1,"lang":"fa"}`, string(result.Meta))
		}},

		{name: "a call goes to the node that it names", ways: both, show: func(r *row) {
			require.JSONEq(r, `"`+r.to.ID()+`"`, string(r.call("shared.where", nil, callOptions{NodeID: r.to.ID()}).Data))
		}},
		{name: "a call to a node without the action fails", ways: both, show: func(r *row) {
			e := r.fails(r.to.Own("probe.echo"), nil, callOptions{NodeID: r.to2.ID()})
			require.Equal(r, []any{"ServiceNotFoundError", 404.0, true}, []any{e.Name, e.Code, e.Retryable})
			require.JSONEq(r, fmt.Sprintf(`{"action":%q,"nodeID":%q}`, r.to.Own("probe.echo"), r.to2.ID()), string(e.Data))
		}},
		{name: "a call of an unknown action fails", ways: both, show: func(r *row) {
			e := r.fails("nobody.home", nil)
			require.Equal(r, []any{"ServiceNotFoundError", 404.0, true}, []any{e.Name, e.Code, e.Retryable})
			require.JSONEq(r, `{"action":"nobody.home"}`, string(e.Data))
		}},
		{name: "a request for an unknown action is answered with 404", faults: []int{7}, ways: both, show: func(r *row) {
			r.refuses("nobody.home")
		}},
		{
			name: "a request for the action of another node is not passed on to it", faults: []int{8}, ways: both,
			show: func(r *row) {
				r.refuses(r.from.Own("math.add"))
			},
		},
		{name: "a call prefers its own node", faults: []int{25}, ways: both, show: func(r *row) {
			require.JSONEq(r, `"`+r.from.ID()+`"`, string(r.call("shared.where", nil).Data))
		}},
		{name: "calls go to the nodes in turn", faults: []int{25}, ways: both, show: func(r *row) {
			served := map[string]int{}
			for range 10 {
				served[string(r.call("ring.where", nil).Data)]++
			}
			require.Equal(r, map[string]int{quoted(r.go2.ID()): 5, quoted(r.node2.ID()): 5}, served)
		}},
		{name: "calls of one action run at once", faults: []int{2}, ways: both, show: func(r *row) {
			_, err := r.atOnce(20, func(int) any { return meetParams{r.key, 20} }, r.to.Own("probe.gather"))
			require.NoError(r, err)
		}},
		{name: "calls of one handler run at once", faults: []int{32}, ways: both, show: func(r *row) {
			call := fields{"action": r.to.Own("probe.gather"), "params": meetParams{r.key, 10}, "count": 10}
			r.call(r.from.Own("probe.fan"), call, callOptions{Meta: fields{"user": 1}}) // each answer's meta is merged
		}},
		{name: "hundreds of calls at once get each its own answer", faults: []int{32}, ways: both, show: func(r *row) {
			results, err := r.atOnce(300, func(i int) any { return fields{"n": i} }, r.to.Own("probe.same"))
			require.NoError(r, err)
			for i, result := range results {
				require.JSONEq(r, fmt.Sprintf(`{"n":%d}`, i), string(result.Data))
			}
		}},

		{name: "a call is made again as often as its caller asks", faults: []int{31}, ways: both, show: func(r *row) {
			r.answers(`{"attempts":3}`, "probe.flaky", flakyParams{r.key, 2, true}, callOptions{Retries: 2})
		}},
		{name: "a call is made again no oftener than its caller asks", faults: []int{31}, ways: both, show: func(r *row) {
			e := r.fails(r.to.Own("probe.flaky"), flakyParams{r.key, 5, true}, callOptions{Retries: 2})
			require.JSONEq(r, `{"attempts":3}`, string(e.Data))
		}},
		{name: "an error that is not retryable is final", faults: []int{31}, ways: both, show: func(r *row) {
			e := r.fails(r.to.Own("probe.flaky"), flakyParams{r.key, 1, false}, callOptions{Retries: 2})
			require.JSONEq(r, `{"attempts":1}`, string(e.Data))
		}},
		{
			name: "the retry policy that an action announces is followed", faults: []int{20, 31}, ways: both,
			show: func(r *row) {
				r.answers(`{"attempts":3}`, "probe.patient", flakyParams{r.key, 2, true})
			},
		},
		{name: "a call is made again on another node", faults: []int{31}, ways: both, show: func(r *row) {
			for range 2 { // one of them meets the failing node first
				result := r.call("ring.elsewhere", fields{"than": r.node2.ID()}, callOptions{Retries: 1})
				require.JSONEq(r, quoted(r.go2.ID()), string(result.Data))
			}
		}},
		{name: "each attempt has an id of its own and the request id of all", ways: both, show: func(r *row) {
			r.call(r.to.Own("probe.flaky"), flakyParams{r.key, 1, true}, callOptions{Retries: 1, RequestID: r.key})
			of := func(p packet) bool { return p.fields["requestID"] == r.key }
			first, again := r.packet("REQ", r.from, r.to, of), r.packet("REQ", r.from, r.to, of)
			require.NotEqual(r, first.fields["id"], again.fields["id"])
		}},
		{name: "a chain that is too deep ends", faults: []int{31}, ways: both, show: func(r *row) {
			a := r.stranger().request(r.to.ID(), r.to.Own("probe.relay"), fields{
				"params": fields{"action": r.from.Own("probe.echo")}, "level": maxCallLevel, "meta": fields{},
			})
			e := decode[outcome](r.T, a.Data).Error
			require.Equal(r, []any{"MaxCallLevelError", 500.0, false}, []any{e.Name, e.Code, e.Retryable})
			require.JSONEq(r, fmt.Sprintf(`{"nodeID":%q,"level":%d}`, r.to.ID(), maxCallLevel), string(e.Data))
		}},

		{name: "an action of a plain moleculer-go service is called", ways: toGo, show: func(r *row) {
			r.answers(`"hello Ada"`, "plain.greet", fields{"name": "Ada"})
		}},
		{name: "a plain moleculer-go service calls with its own context", ways: toNode, show: func(r *row) {
			result := r.call(r.from.Own("plain.call"), fields{"action": r.to.Own("math.add"), "params": fields{"a": 2, "b": 3}})
			require.JSONEq(r, `5`, string(result.Data))
		}},
		{name: "a plain moleculer-go service makes many calls at once", faults: []int{32}, ways: toNode, show: func(r *row) {
			call := fields{"action": r.to.Own("probe.gather"), "params": meetParams{r.key, 10}, "count": 10}
			r.call(r.from.Own("plain.mcall"), call, callOptions{Meta: fields{"user": 1}})
		}},
		{name: "a plain moleculer-go service gets typed errors", faults: []int{5}, ways: toNode, show: func(r *row) {
			e := r.fails(r.from.Own("plain.call"), fields{"action": r.to.Own("math.add")})
			require.Equal(r, []any{"ValidationError", 422.0, r.to.ID()}, []any{e.Name, e.Code, e.NodeID})
		}},
	}
}

// echo calls the other side's action echo.
func (r *row) echo(opts callOptions) echoed {
	r.Helper()
	return decode[echoed](r.T, r.call(r.to.Own("probe.echo"), nil, opts).Data)
}

// refuses requires that a node has no action of that name.
func (r *row) refuses(action string) {
	r.Helper()
	e := r.stranger().request(r.to.ID(), action, fields{"meta": fields{}}).Error
	require.NotNil(r, e)
	require.Equal(
		r, []any{"ServiceNotFoundError", 404.0, "SERVICE_NOT_FOUND", true}, []any{e.Name, e.Code, e.Type, e.Retryable},
	)
	require.JSONEq(r, fmt.Sprintf(`{"action":%q,"nodeID":%q}`, action, r.to.ID()), string(e.Data))
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }
