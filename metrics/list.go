package metrics

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// Metric is a family with its values as $node.metrics of a Node broker tells them.
type Metric struct {
	Type        Kind     `json:"type"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	LabelNames  []string `json:"labelNames"`
	Unit        *string  `json:"unit,omitempty"`
	Values      []Value  `json:"values"`
}

// Value is that of one set of labels. A missing label value is null.
type Value struct {
	Key       string             `json:"key"`
	Labels    map[string]*string `json:"labels"`
	Value     any                `json:"value,omitempty"` // a number, or the text of an Info
	Count     *uint64            `json:"count,omitempty"` // this and the next two are of a Histogram
	Sum       *float64           `json:"sum,omitempty"`
	Buckets   map[string]uint64  `json:"buckets,omitempty"`
	Timestamp int64              `json:"timestamp"` // ms since 1970, when it was read
}

// List reads the families that keep accepts, by type and name.
func (r *Registry) List(keep func(kind Kind, name string) bool) ([]Metric, error) {
	families, err := r.prom.Gather()
	now := time.Now().UnixMilli()
	list := make([]Metric, 0, len(families))
	for _, g := range families {
		m := r.describe(g)
		if m == nil || !keep(m.Type, m.Name) {
			continue
		}
		for _, sample := range g.GetMetric() {
			m.Values = append(m.Values, valueOf(m, sample, now))
		}
		list = append(list, *m)
	}
	if len(list) > 0 { // one family that cannot be read hides no other
		err = nil
	}
	return list, err
}

// describe tells of a family that was read, nil for one of a kind that Moleculer does not have.
func (r *Registry) describe(g *dto.MetricFamily) *Metric {
	if f := r.families[g.GetName()]; f != nil {
		m := &Metric{Type: f.Kind, Name: f.Name, Description: f.Description, LabelNames: append([]string{}, f.Labels...)}
		if f.Unit != "" {
			m.Unit = &f.Unit
		}
		return m
	}
	m := &Metric{Name: g.GetName(), Description: g.GetHelp(), LabelNames: []string{}}
	switch g.GetType() {
	case dto.MetricType_COUNTER:
		m.Type = Counter
	case dto.MetricType_GAUGE:
		m.Type = Gauge
	case dto.MetricType_HISTOGRAM:
		m.Type = Histogram
	default:
		return nil
	}
	for _, l := range g.GetMetric()[0].GetLabel() {
		if name := l.GetName(); name != labelNamespace && name != labelNodeID {
			m.LabelNames = append(m.LabelNames, name)
		}
	}
	return m
}

func valueOf(m *Metric, sample *dto.Metric, now int64) Value {
	v := Value{Labels: map[string]*string{}, Timestamp: now}
	text := ""
	for _, l := range sample.GetLabel() {
		switch name, value := l.GetName(), l.GetValue(); {
		case m.Type == Info && name == "value":
			text = value
		case !slices.Contains(m.LabelNames, name), value == "":
		case value == null:
			v.Labels[name] = nil
		default:
			v.Labels[name] = &value
		}
	}
	parts := make([]string, len(m.LabelNames))
	for i, name := range m.LabelNames {
		if value := v.Labels[name]; value != nil {
			parts[i] = `"` + *value + `"`
		}
	}
	v.Key = strings.Join(parts, "|")
	switch m.Type {
	case Counter:
		v.Value = number(sample.GetCounter().GetValue())
	case Gauge:
		v.Value = number(sample.GetGauge().GetValue())
	case Info:
		v.Value = text
	case Histogram:
		h := sample.GetHistogram()
		count, sum := h.GetSampleCount(), h.GetSampleSum()
		v.Count, v.Sum, v.Buckets = &count, &sum, map[string]uint64{}
		for _, b := range h.GetBucket() {
			v.Buckets[strconv.FormatFloat(b.GetUpperBound(), 'f', -1, 64)] = b.GetCumulativeCount()
		}
	}
	return v
}

// number is a value that JSON can hold; others are null.
func number(v float64) any {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return v
}
