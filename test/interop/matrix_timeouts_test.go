package interop_test

import (
	"encoding/json"

	"github.com/stretchr/testify/require"
)

// How time limits hold along a chain of calls (docs/design/moleculer-wire.md §4).
func timeoutBehaviours() []behaviour {
	return []behaviour{
		{name: "a call ends at its timeout", faults: []int{11}, ways: both, show: func(r *row) {
			e := r.fails(r.to.Own("probe.slow"), slowParams{5000}, callOptions{TimeoutMS: 50})
			require.Equal(
				r, []any{"RequestTimeoutError", 504.0, "REQUEST_TIMEOUT", true}, []any{e.Name, e.Code, e.Type, e.Retryable},
			)
			require.Equal(r, r.to.Own("probe.slow"), decode[fields](r.T, e.Data)["action"])
		}},
		{name: "a call without a timeout ends at the action's own", faults: []int{11, 20}, ways: both, show: func(r *row) {
			require.Equal(r, 504.0, r.fails(r.to.Own("probe.limited"), nil).Code)
		}},
		{name: "a call without a timeout carries none", faults: []int{11}, ways: toNode, show: func(r *row) {
			_, err := r.from.Call(r.Context(), r.to.Own("probe.same"), nil, callOptions{RequestID: r.key})
			require.NoError(r, err)
			require.Nil(
				r, r.packet("REQ", r.from, r.to, func(p packet) bool { return p.fields["requestID"] == r.key }).fields["timeout"],
			)
		}},
		{
			name: "the callee keeps the action's own timeout when a request has none", faults: []int{11}, ways: both,
			show: func(r *row) {
				require.Equal(r, 504.0, r.request("probe.limited", nil).Error.Code)
			},
		},
		{
			name: "the callee keeps the action's own timeout when a request has null", faults: []int{11}, ways: both,
			show: func(r *row) {
				require.Equal(r, 504.0, r.request("probe.limited", fields{"timeout": nil}).Error.Code)
			},
		},
		{name: "a timeout of 0 means none, not even the action's own", faults: []int{11}, ways: both, show: func(r *row) {
			require.True(r, r.request("probe.limited", fields{"timeout": 0}).Success)
		}},
		{
			name: "the callee answers a timeout itself, of fractions of a millisecond too", faults: []int{12}, ways: both,
			show: func(r *row) {
				e := r.request("probe.slow", fields{"timeout": 49.5, "params": slowParams{60_000}}).Error
				require.Equal(r, "RequestTimeoutError", e.Name)
			},
		},
		{name: "a handler's call gets the time that is left", faults: []int{11}, ways: both, show: func(r *row) {
			r.relay(relayParams{Action: r.to.Own("probe.echo")}, callOptions{TimeoutMS: 60_000, RequestID: r.key})
			left := r.chained().fields["timeout"].(float64)
			require.Greater(r, left, 0.0)
			require.Less(r, left, 60_000.0)
		}},
		{
			name: "a handler's call keeps its own timeout where that is shorter", faults: []int{11}, ways: both,
			show: func(r *row) {
				r.relay(
					relayParams{Action: r.to.Own("probe.echo"), Opts: callOptions{TimeoutMS: 1000}},
					callOptions{TimeoutMS: 60_000, RequestID: r.key},
				)
				require.LessOrEqual(r, r.chained().fields["timeout"], 1000.0)
			},
		},
		{name: "a handler whose time is over calls nobody", faults: []int{11}, ways: both, show: func(r *row) {
			_, err := r.try(r.from.Own("probe.late"), fields{"action": r.to.Own("probe.same")}, callOptions{TimeoutMS: 40})
			require.Error(r, err)
			e := decode[callError](r.T, r.event(r.from, calledEvent("late")).Data)
			require.Equal(r, []any{"RequestSkippedError", 514.0, false}, []any{e.Name, e.Code, e.Retryable})
		}},
		{name: "an answer that comes too late harms nobody", ways: both, show: func(r *row) {
			_, err := r.try(r.to.Own("probe.slow"), slowParams{1000}, callOptions{TimeoutMS: 20})
			require.Error(r, err)
			r.answers(`{"ms":1100}`, "probe.slow", slowParams{1100}) // it has come by then
		}},
	}
}

// request sends the observed side a REQ for its own action.
func (r *row) request(name string, more fields) answer {
	r.Helper()
	f := fields{"meta": fields{}, "level": 1}
	for key, value := range more {
		f[key] = value
	}
	a := r.stranger().request(r.to.ID(), r.to.Own(name), f)
	if a.Error == nil {
		a.Error = &callError{Data: json.RawMessage("null")}
	}
	return a
}

// chained is the REQ that one side has sent the other in this row's chain.
func (r *row) chained() packet {
	r.Helper()
	return r.packet("REQ", r.from, r.to, func(p packet) bool { return p.fields["requestID"] == r.key })
}
