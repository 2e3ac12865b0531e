package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/internal/rawjson"
	"github.com/hiliosai/switchboard/metrics"
)

// countLocal counts a request in whose handler is on this node.
func (l *Link) countLocal(req *action.Request) *metrics.Requests {
	return l.metrics.Begin(metrics.Call{Service: req.Service, Action: req.Action, Caller: req.Caller}, req.Level)
}

// known is the error of a call, nil for none.
func known(err error) *action.Error {
	e, _ := errors.AsType[*action.Error](err)
	return e
}

// packetType is the type of the packets of a subject, as Moleculer counts them: those that NATS balances are no others.
func packetType(prefix, subject string) string {
	kind, _, _ := strings.Cut(strings.TrimPrefix(subject[min(len(prefix), len(subject)):], "."), ".")
	switch kind {
	case "REQB":
		return "REQ"
	case "EVENTB":
		return "EVENT"
	}
	return kind
}

// measure sets what the link knows anyway.
func (l *Link) measure(set func(f *metrics.Family, value float64, labels ...string)) {
	phase := l.currentPhase()
	set(metrics.TransitConnected, oneIf(l.nc.IsConnected()))
	set(metrics.TransitReady, oneIf(phase == ready && l.nc.IsConnected()))
	set(metrics.Started, oneIf(phase == ready || phase == leaving))
	set(metrics.TransitActive, float64(l.pending.count()))
	set(metrics.NodeType, 1, "go")
	set(metrics.NodeProtocol, 1, string(l.opts.Protocol))
	set(metrics.Namespace, 1, l.opts.Namespace)

	nodes, online := l.registry.snapshot(), 1 // with this one
	for _, n := range nodes {
		if n.available {
			online++
		}
	}
	set(metrics.RegistryNodes, float64(1+len(nodes)))
	set(metrics.RegistryOnline, float64(online))
	services, own := map[string]float64{}, 0
	for _, s := range append(l.catalog.list(l.opts.NodeID), l.registry.services()...) {
		services[s.FullName]++
		if s.Local {
			own++
		}
	}
	set(metrics.Services, float64(own))
	setEach(set, metrics.RegistryServices, metrics.RegistryServiceEndpoints, services)
	actions := l.registry.actionEndpoints()
	for _, name := range l.catalog.names() {
		actions[name]++
	}
	setEach(set, metrics.RegistryActions, metrics.RegistryActionEndpoints, actions)
	events := l.registry.eventEndpoints()
	for _, e := range l.catalog.listened() {
		events[e.pattern]++
	}
	setEach(set, metrics.RegistryEvents, metrics.RegistryEventEndpoints, events)
}

// maxEndpoints bounds the names with a count of endpoints of their own, of which other nodes may announce any number.
const maxEndpoints = 2000

// setEach sets how many names there are, and the count of each.
func setEach(set func(*metrics.Family, float64, ...string), total, each *metrics.Family, counts map[string]float64) {
	set(total, float64(len(counts)))
	if len(counts) > maxEndpoints {
		return
	}
	for name, count := range counts {
		set(each, count, name)
	}
}

func oneIf(ok bool) float64 {
	if ok {
		return 1
	}
	return 0
}

// actionEndpoints counts the other nodes that serve each action.
func (r *registry) actionEndpoints() map[string]float64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	counts := make(map[string]float64, len(r.actions))
	for name, e := range r.actions {
		counts[name] = float64(len(e.nodes))
	}
	return counts
}

// eventEndpoints counts the other nodes that listen to each event, by its pattern.
func (r *registry) eventEndpoints() map[string]float64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	counts := map[string]float64{}
	for _, e := range r.events {
		counts[e.pattern] += float64(len(e.nodes))
	}
	return counts
}

// names lists the actions of this node.
func (c *catalog) names() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	list := make([]string, 0, len(c.actions))
	for name := range c.actions {
		list = append(list, name)
	}
	return list
}

func (p *pendingCalls) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.calls)
}

// metricsParams choose metrics. Each is a text or a list; names may be patterns, as those of events.
type metricsParams struct {
	Types    textList `json:"types"`
	Includes textList `json:"includes"`
	Excludes textList `json:"excludes"`
}

// textList is a list of texts that may come as one text.
type textList []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *textList) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var one string
	if json.Unmarshal(data, &one) == nil {
		*t = textList{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(t))
}

// listMetrics is $node.metrics.
func (l *Link) listMetrics(_ context.Context, req *action.Request) (any, error) {
	if l.opts.Metrics == nil {
		return nil, action.Client(http.StatusBadRequest, codes.MetricsDisabled, "Metrics feature is disabled")
	}
	var p metricsParams
	if len(req.Params) > 0 {
		if err := rawjson.UnmarshalParts(req.Params, &p); err != nil {
			return nil, action.Client(
				http.StatusUnprocessableEntity, codes.ValidationError, "types, includes and excludes are texts or lists of texts",
			).Because(err)
		}
	}
	patterns := &matcher{} // its own: it keeps what it has compiled
	matches := func(name string) func(string) bool {
		return func(pattern string) bool { return patterns.match(name, pattern) }
	}
	list, err := l.opts.Metrics.List(func(kind metrics.Kind, name string) bool {
		return (len(p.Types) == 0 || slices.Contains(p.Types, string(kind))) &&
			(len(p.Includes) == 0 || slices.ContainsFunc(p.Includes, matches(name))) &&
			!slices.ContainsFunc(p.Excludes, matches(name))
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}
