// Package metrics counts what a node does. A [Registry] belongs to one node and is read in two forms: that of
// Prometheus ([Registry.Handler]) and that of Moleculer's $node.metrics ([Registry.List]). Families and labels that
// Node brokers have, too, have the same names, so that one dashboard shows both.
//
// What counts belongs to the rooms: each gets its own part of the registry, such as [Cluster], with methods for what
// happens there. A nil part counts nothing.
package metrics

//go:generate go run ./internal/page ../docs/metrics.md

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options describe the node.
type Options struct {
	Namespace string // of the Moleculer cluster
	NodeID    string
	// Channels is how many channels get a label value of their own in the families of platforms; 0 has no label for them.
	Channels int
}

// Registry holds the metrics of a node. Safe for concurrent use. A nil Registry counts nothing.
type Registry struct {
	opts     Options
	prom     *prometheus.Registry
	register prometheus.Registerer // with the node's labels
	families map[string]*Family    // by their names in Prometheus
	cluster  *Cluster
	events   *Events
	calls    *series[platformCall, prometheus.Observer]
	platform func(name string) *Platform
}

// The labels of all metrics in Prometheus, as Moleculer's reporter has them.
const (
	labelNamespace = "namespace"
	labelNodeID    = "nodeID"
)

// New returns a registry of its own for a node.
func New(o Options) *Registry {
	r := &Registry{opts: o, prom: prometheus.NewRegistry(), families: map[string]*Family{}}
	r.register = prometheus.WrapRegistererWith(
		prometheus.Labels{labelNamespace: o.Namespace, labelNodeID: o.NodeID}, r.prom,
	)
	for _, f := range all {
		r.families[f.PrometheusName()] = f
	}
	if o.Channels > 0 {
		for _, f := range []*Family{webhooks, messages, sends, throttled} {
			more := *f // a registry of another node may go without
			more.Labels = append(slices.Clone(f.Labels), "channel")
			r.families[f.PrometheusName()] = &more
		}
	}
	r.register.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	r.cluster, r.events, r.calls, r.platform = newCluster(r), newEvents(r), newCalls(r), newPlatforms(r)
	r.Read(newMachine())
	return r
}

// Handler answers Prometheus.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.prom, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// Cluster counts what the link to the cluster does.
func (r *Registry) Cluster() *Cluster {
	if r == nil {
		return nil
	}
	return r.cluster
}

// Source sets metrics when they are asked for. labels are the values of the family's labels. No two calls of one
// source may have the same family and labels.
type Source func(set func(f *Family, value float64, labels ...string))

// Read has a source read at each scrape, for what need not be counted.
func (r *Registry) Read(source Source) {
	if r != nil {
		r.register.MustRegister(reader(source))
	}
}

// reader makes a prometheus.Collector of a source. It describes nothing beforehand, which Prometheus allows.
type reader Source

// Describe implements prometheus.Collector.
func (reader) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (r reader) Collect(to chan<- prometheus.Metric) {
	r(func(f *Family, value float64, labels ...string) {
		kind, names := prometheus.GaugeValue, f.Labels
		switch f.Kind {
		case Counter:
			kind = prometheus.CounterValue
		case Info:
			names = append(slices.Clone(names), "value")
		case Gauge, Histogram:
		}
		desc := prometheus.NewDesc(f.PrometheusName(), f.Description, names, nil)
		m, err := prometheus.NewConstMetric(desc, kind, value, labels...)
		if err != nil {
			m = prometheus.NewInvalidMetric(desc, err)
		}
		to <- m
	})
}

func (r *Registry) counter(f *Family) *prometheus.CounterVec {
	f = r.families[f.PrometheusName()]
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: f.PrometheusName(), Help: f.Description}, f.Labels)
	r.register.MustRegister(v)
	return v
}

func (r *Registry) gauge(f *Family) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: f.PrometheusName(), Help: f.Description}, f.Labels)
	r.register.MustRegister(v)
	return v
}

func (r *Registry) histogram(f *Family) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(
		prometheus.HistogramOpts{Name: f.PrometheusName(), Help: f.Description, Buckets: f.buckets}, f.Labels,
	)
	r.register.MustRegister(v)
	return v
}

// orNull is a label value that may be missing, as Moleculer's reporter writes it.
func orNull(text string) string { return cmp.Or(text, null) }

const null = "null"
