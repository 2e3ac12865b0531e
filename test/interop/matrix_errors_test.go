package interop_test

import (
	"encoding/json"
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/cluster"
)

// Errors as callers see them (docs/design/moleculer-wire.md §4).
func errorBehaviours() []behaviour {
	var rows []behaviour
	for _, e := range []wireError{
		{Name: "MoleculerError", Message: "teapot", Code: 418, Type: "TEAPOT"},
		{Name: "MoleculerRetryableError", Message: "later", Code: 503, Type: "LATER", Retryable: true},
		{Name: "MoleculerServerError", Message: "broken", Code: 598, Type: "BROKEN", Retryable: true},
		{Name: "MoleculerClientError", Message: "conflict", Code: 409, Type: "CONFLICT"},
		{
			Name: "ValidationError", Message: "Parameters validation error!", Code: 422, Type: "VALIDATION_ERROR",
			Data: json.RawMessage(`[{"type":"required","field":"a"}]`),
		},
		{
			Name: "ServiceNotFoundError", Message: "Service 'a.b' is not found on 'n' node.", Code: 404,
			Type: "SERVICE_NOT_FOUND", Retryable: true,
		},
		{
			Name: "ServiceNotAvailableError", Message: "Service 'a.b' is not available on 'n' node.", Code: 404,
			Type: "SERVICE_NOT_AVAILABLE", Retryable: true,
		},
		{
			Name: "RequestTimeoutError", Message: "Request is timed out when call 'a.b' action on 'n' node.", Code: 504,
			Type: "REQUEST_TIMEOUT", Retryable: true,
		},
		{
			Name: "RequestSkippedError", Message: "Calling 'a.b' is skipped because timeout reached on 'n' node.", Code: 514,
			Type: "REQUEST_SKIPPED",
		},
		{
			Name: "RequestRejectedError", Message: "Request is rejected when call 'a.b' action on 'n' node.", Code: 503,
			Type: "REQUEST_REJECTED", Retryable: true,
		},
		{
			Name: "QueueIsFullError", Message: "Queue is full. Request 'a.b' action on 'n' node is rejected.", Code: 429,
			Type: "QUEUE_FULL", Retryable: true,
		},
		{
			Name: "MaxCallLevelError", Message: "Request level is reached the limit (3) on 'n' node.", Code: 500,
			Type: "MAX_CALL_LEVEL", Data: json.RawMessage(`{"nodeID":"n","level":3}`),
		},
		{
			Name: "BrokerDisconnectedError", Message: "The broker's transporter has disconnected.", Code: 502,
			Type: "BAD_GATEWAY", Retryable: true,
		},
		// of moleculer-web, not of Moleculer
		{Name: "UnAuthorizedError", Message: "Unauthorized", Code: 401, Type: "NO_TOKEN"},
	} {
		if e.Data == nil {
			e.Data = json.RawMessage(`{"action":"a.b","nodeID":"n"}`)
		}
		rows = append(rows, behaviour{
			name: fmt.Sprintf("error class %s arrives with all its fields", e.Name), faults: []int{4, 5}, ways: both,
			show: func(r *row) {
				got := r.fails(r.to.Own("probe.error"), e)
				require.JSONEq(r, string(e.Data), string(got.Data))
				got.Data, got.Meta = nil, nil
				require.Equal(r, &callError{
					Name: e.Name, Message: e.Message, Code: float64(e.Code), Type: e.Type, Retryable: e.Retryable, NodeID: r.to.ID(),
				}, got)
			},
		})
	}
	return append(rows, []behaviour{
		{name: "a mistake in a handler arrives under its own name", faults: []int{5}, ways: toNode, show: func(r *row) {
			e := r.fails(r.to.Own("probe.mistake"), nil)
			require.Equal(r, []any{"TypeError", false, r.to.ID()}, []any{e.Name, e.Retryable, e.NodeID})
			require.NotEmpty(r, e.Message)
		}},
		{name: "an unforeseen error is a 500 that tells nothing", faults: []int{4, 21}, ways: toGo, show: func(r *row) {
			e := r.fails(r.to.Own("probe.mistake"), nil)
			require.Equal(
				r, []any{"MoleculerServerError", 500.0, "INTERNAL_ERROR", false}, []any{e.Name, e.Code, e.Type, e.Retryable},
			)
			require.NotContains(r, e.Message, "password")
		}},
		{name: "a panic is a 500, and the node lives", ways: toGo, show: func(r *row) {
			require.Equal(r, 500.0, r.fails(r.to.Own("probe.panic"), nil).Code)
			r.call(r.to.Own("probe.same"), nil)
		}},
		{name: "an error keeps the node where it arose", faults: []int{4, 5}, ways: both, show: func(r *row) {
			e := r.fails(r.to.Own("probe.relay"), relayParams{Action: r.from.Own("probe.metaError"), Rethrow: true})
			require.Equal(r, []any{"NO", r.from.ID()}, []any{e.Type, e.NodeID})
		}},
		{
			name: "wrong params are a ValidationError that lists every fault", faults: []int{31}, ways: both,
			show: func(r *row) {
				e := r.fails(r.to.Own("math.add"), fields{"a": "two"})
				require.Equal(r, []any{"ValidationError", 422.0, false}, []any{e.Name, e.Code, e.Retryable})
				require.JSONEq(r, fmt.Sprintf(`[
				{"type":"number","message":"The 'a' field must be a number.","field":"a","actual":"two","nodeID":%[1]q,"action":%[2]q},
				{"type":"required","message":"The 'b' field is required.","field":"b","nodeID":%[1]q,"action":%[2]q}
			]`, r.from.ID(), r.to.Own("math.add")), string(e.Data))
			},
		},
		{name: "a result that NATS does not take is an error", ways: both, show: func(r *row) {
			e := r.fails(r.to.Own("probe.big"), fields{"bytes": 2 << 20})
			require.Contains(r, []any{e.Type, e.Code}, "MAX_PAYLOAD_EXCEEDED") // a word for a code where nats.js found out
		}},
		{name: "params that NATS does not take are an error", faults: []int{14}, ways: toNode, show: func(r *row) {
			require.Equal(r, "MAX_PAYLOAD_EXCEEDED", r.fails(r.to.Own("probe.same"), make([]byte, 2<<20)).Type)
		}},
		{name: "an action refuses what is more than may wait for it", ways: toGo, show: func(r *row) {
			results := r.start(3, r.to.Own("probe.narrow"), meetParams{r.key, 2})
			r.queueFull(<-results) // one runs and one waits
			r.call(r.to.Own("probe.gather"), meetParams{r.key, 2})
			require.NoError(r, <-results)
			require.NoError(r, <-results)
		}},
		{name: "a node refuses what is more than may wait", ways: toGo, show: func(r *row) {
			probe := service{Name: "probe", Schema: schema("", r.own("probe"), nil, nil)}
			r.extraGo([]service{probe}, func(o *cluster.Options) { o.Concurrency, o.Queue = 1, 1 })
			r.from.Knows(r.T, r.own("probe.slow"))
			r.queueFull(<-r.start(4, r.own("probe.slow"), slowParams{300}))
		}},
	}...)
}

// start makes calls at once, whose outcomes come as they end.
func (r *row) start(n int, action string, params any) <-chan error {
	r.Helper()
	ctx := r.within()
	outcomes := make(chan error, n)
	for range n {
		go func() {
			_, err := r.from.Call(ctx, action, params, callOptions{})
			outcomes <- err
		}()
	}
	return outcomes
}

func (r *row) queueFull(err error) {
	r.Helper()
	require.Error(r, err)
	e := asCallError(r.T, err)
	require.Equal(r, []any{"QueueIsFullError", 429.0, true}, []any{e.Name, e.Code, e.Retryable})
}
