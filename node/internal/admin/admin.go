// Package admin answers whoever watches over a node: Prometheus, probes and, where that is allowed, Go's profiler. It
// listens at an address of its own, apart from webhooks.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

// Options are what a listener answers.
type Options struct {
	Address string // HOST:PORT
	// Metrics answers GET /metrics; nil is none.
	Metrics http.Handler
	// Ready says whether the node does its work, with a report, for GET /-/ready.
	Ready func(ctx context.Context) (ok bool, report any)
	// Pprof serves Go's profiler at /debug/pprof/.
	Pprof bool
	Log   *logrus.Entry
}

// Listener serves HTTP. Start it once, then Stop it.
type Listener struct {
	server *http.Server
	socket net.Listener
}

// Start listens and serves in the background.
func Start(ctx context.Context, o Options) (*Listener, error) {
	var config net.ListenConfig
	socket, err := config.Listen(ctx, "tcp", o.Address)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err // the address stands in front of it
		}
		return nil, fmt.Errorf("admin.listen %s: %w", o.Address, err)
	}
	l := &Listener{socket: socket, server: &http.Server{
		Handler:           handler(&o),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          stdlog.New(debugWriter{o.Log}, "", 0),
		// No WriteTimeout: a profile takes as long as it is asked to.
	}}
	go func() {
		if err := l.server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			o.Log.WithError(err).Error("the admin listener ended")
		}
	}()
	return l, nil
}

func handler(o *Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /-/live", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, r *http.Request) {
		ok, report := o.Ready(r.Context())
		data, err := json.Marshal(report)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		switch {
		case err != nil:
			w.WriteHeader(http.StatusInternalServerError)
		case !ok:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write(data) // who has gone away needs no answer
	})
	if o.Metrics != nil {
		mux.Handle("GET /metrics", o.Metrics)
	}
	if o.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// debugWriter takes in what net/http has to say of its clients' connections.
type debugWriter struct{ log *logrus.Entry }

func (w debugWriter) Write(p []byte) (int, error) {
	w.log.Debug(strings.TrimSpace(string(p)))
	return len(p), nil
}

// Address is where the listener listens, with the real port.
func (l *Listener) Address() string { return l.socket.Addr().String() }

// Stop takes no new connections and waits for the running answers until ctx is over.
func (l *Listener) Stop(ctx context.Context) error {
	if err := l.server.Shutdown(ctx); err != nil {
		return errors.Join(err, l.server.Close())
	}
	return nil
}
