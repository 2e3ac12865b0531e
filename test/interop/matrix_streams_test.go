package interop_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// Request streams (docs/design/moleculer-wire.md §4).
func streamBehaviours() []behaviour {
	return []behaviour{
		{name: "a stream of bytes arrives whole", faults: []int{19}, ways: toGo, show: func(r *row) {
			r.uploads([]byte("hello "), []byte("\x00\xffworld"))
		}},
		{name: "a chunk that is split on the wire arrives whole", faults: []int{19}, ways: toGo, show: func(r *row) {
			r.uploads(bytes.Repeat([]byte("0123456789"), 30_000))
		}},
		{name: "an empty stream arrives", faults: []int{19}, ways: toGo, show: func(r *row) {
			r.uploads()
		}},
		{name: "a stream of objects arrives in order", faults: []int{19}, ways: toGo, show: func(r *row) {
			result, err := r.stream("probe.upload", fields{"objectMode": true, "chunks": []any{fields{"n": 1}, "two", []int{3}}})
			require.NoError(r, err)
			objects, err := json.Marshal(decode[uploaded](r.T, result).Objects)
			require.NoError(r, err)
			require.JSONEq(r, `[{"n":1},"two",[3]]`, string(objects))
		}},
		{name: "params come beside a stream", faults: []int{19}, only: "0.15", ways: toGo, show: func(r *row) {
			result, err := r.stream("probe.upload", fields{"chunks": []string{}, "params": fields{"name": "a.txt"}})
			require.NoError(r, err)
			require.JSONEq(r, `{"name":"a.txt"}`, string(decode[uploaded](r.T, result).Params))
		}},
		{name: "many streams at once keep apart", faults: []int{19}, ways: toGo, show: func(r *row) {
			for i := range 10 {
				r.Run("stream", func(t *testing.T) {
					t.Parallel()
					own := *r
					own.T = t
					own.uploads(bytes.Repeat([]byte{byte(i)}, 1000), []byte{byte(i)})
				})
			}
		}},
		{name: "the packets of a stream are put in order", faults: []int{19}, ways: toGo, show: func(r *row) {
			s, id := r.stranger(), uuid.NewString()
			for _, f := range []fields{
				{"seq": 2, "stream": true, "params": "b"},
				{"seq": 0, "stream": true, "params": nil},
				{"seq": 3, "stream": false, "params": nil},
				{"seq": 1, "stream": true, "params": "a"},
			} {
				f["meta"] = fields{}
				s.sendRequest(r.to.ID(), id, r.to.Own("probe.upload"), f)
			}
			require.Equal(r, sum([]byte("ab")), decode[uploaded](r.T, s.answer(id).Data).Sum)
		}},
		{name: "an action that takes no streams refuses one", faults: []int{19}, ways: toGo, show: func(r *row) {
			_, err := r.stream("probe.same", fields{"chunks": encoded("hello")})
			r.refused(err, "STREAM_NOT_SUPPORTED", 501)
		}},
		{name: "a stream that is larger than allowed is refused", faults: []int{19}, ways: toGo, show: func(r *row) {
			_, err := r.stream("probe.upload", fields{"chunks": encoded(string(make([]byte, streamLimit+1)))})
			r.refused(err, "STREAM_TOO_LARGE", 413)
		}},
		{name: "a stream that breaks off fails", faults: []int{19}, ways: toGo, show: func(r *row) {
			_, err := r.stream("probe.upload", fields{"chunks": encoded("hello"), "failure": "the disk is gone"})
			r.refused(err, "STREAM_ABORTED", 400)
		}},
		{name: "an answer that is a stream is an error", faults: []int{19}, ways: toNode, show: func(r *row) {
			_, err := r.try(r.to.Own("probe.streamed"), nil)
			r.refused(err, "STREAM_NOT_SUPPORTED", 501)
		}},
	}
}

// stream calls an action of the other side with a stream.
func (r *row) stream(name string, args fields) (json.RawMessage, error) {
	r.Helper()
	args["action"] = r.to.Own(name)
	return r.node.do(r.within(), "callStream", args)
}

// uploads requires that chunks of bytes arrive.
func (r *row) uploads(chunks ...[]byte) {
	r.Helper()
	texts := make([]string, len(chunks))
	for i, chunk := range chunks {
		texts[i] = string(chunk)
	}
	result, err := r.stream("probe.upload", fields{"chunks": encoded(texts...)})
	require.NoError(r, err)
	all := bytes.Join(chunks, nil)
	got := decode[uploaded](r.T, result)
	require.Equal(r, []any{len(all), sum(all)}, []any{got.Length, got.Sum})
}

func (r *row) refused(err error, typ string, code float64) {
	r.Helper()
	require.Error(r, err)
	e := asCallError(r.T, err)
	require.Equal(r, []any{typ, code, false}, []any{e.Type, e.Code, e.Retryable})
}

// encoded are chunks as a peer takes them.
func encoded(chunks ...string) []string {
	list := []string{}
	for _, chunk := range chunks {
		list = append(list, base64.StdEncoding.EncodeToString([]byte(chunk)))
	}
	return list
}
