// Command node is the node under measurement: the product as it is, with all it does by default, and an
// action bench.i_echo that shows what the link alone costs. BENCH_PPROF is an address to serve profiles at.
package main

import (
	"context"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"time"

	"github.com/moleculer-go/moleculer"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/node"
)

func main() {
	if address := os.Getenv("BENCH_PPROF"); address != "" {
		runtime.SetMutexProfileFraction(10)
		mux := http.NewServeMux()
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
		server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: time.Second}
		go func() { _ = server.ListenAndServe() }()
	}
	node.Main(node.Service(integration.ServiceDefinition{
		Name: "bench",
		Actions: []moleculer.Action{action.New("i_echo", action.Spec{
			Handle: func(_ context.Context, req *action.Request) (any, error) { return req.Params, nil },
		})},
	}))
}
