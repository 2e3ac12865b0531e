package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster/wire"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

// nodeService is what every Node broker has: moleculer-repl and dashboards ask it.
const nodeService = "$node"

// listParams are the switches of the $node actions that list something. Callers such as HTTP gateways
// send them as strings, too.
type listParams struct {
	OnlyLocal     flagParam  `json:"onlyLocal"`
	OnlyAvailable flagParam  `json:"onlyAvailable"`
	SkipInternal  flagParam  `json:"skipInternal"`
	WithServices  flagParam  `json:"withServices"`
	WithActions   flagParam  `json:"withActions"`
	WithEvents    flagParam  `json:"withEvents"`
	WithEndpoints flagParam  `json:"withEndpoints"`
	Grouping      *flagParam `json:"grouping"`
}

type flagParam bool

func (f *flagParam) UnmarshalJSON(data []byte) error {
	switch strings.ToLower(strings.Trim(string(data), `"`)) {
	case "true", "1", "on":
		*f = true
	default:
		*f = false
	}
	return nil
}

func (l *Link) addNodeService() {
	list := func(handle func(listParams) any) action.Handler {
		return func(_ context.Context, req *action.Request) (any, error) {
			var p listParams
			if len(req.Params) > 0 {
				_ = rawjson.UnmarshalParts(req.Params, &p) // what does not fit is not asked for
			}
			return handle(p), nil
		}
	}
	actions := []moleculer.Action{
		action.New("list", action.Spec{Handle: list(l.listNodes)}),
		action.New("services", action.Spec{Handle: list(l.listServices)}),
		action.New("actions", action.Spec{Handle: list(l.listActions)}),
		action.New("events", action.Spec{Handle: list(l.listEvents)}),
		action.New(
			"health",
			action.Spec{Handle: func(ctx context.Context, _ *action.Request) (any, error) { return l.health(ctx), nil }},
		),
		action.New(
			"options",
			action.Spec{Handle: func(context.Context, *action.Request) (any, error) { return l.publicOptions(), nil }},
		),
		action.New("metrics", action.Spec{Handle: l.listMetrics}),
	}
	schema := &moleculer.ServiceSchema{
		Name: nodeService, Settings: map[string]any{}, Metadata: map[string]any{}, Actions: actions,
	}
	l.catalog.add(schema, schema.Settings, l.bridgeHandler, l.log)
}

// nodeStatus is a node as $node.list tells of it.
type nodeStatus struct {
	ID                string             `json:"id"`
	Available         bool               `json:"available"`
	Local             bool               `json:"local"`
	LastHeartbeatTime int64              `json:"lastHeartbeatTime"` // ms since 1970
	OfflineSince      *int64             `json:"offlineSince"`      // ms since 1970
	Config            struct{}           `json:"config"`
	Client            wire.Client        `json:"client"`
	Metadata          json.RawMessage    `json:"metadata"`
	IPList            []string           `json:"ipList"`
	Hostname          string             `json:"hostname"`
	Port              *int               `json:"port"`       // of other transporters
	UDPAddress        *string            `json:"udpAddress"` // of other transporters
	CPU               *int               `json:"cpu"`
	CPUSeq            *int               `json:"cpuSeq"` // not counted
	Seq               int64              `json:"seq"`
	InstanceID        string             `json:"instanceID"`
	Services          []wire.ServiceInfo `json:"services,omitzero"`
}

func (l *Link) listNodes(p listParams) any {
	nodes := l.registry.snapshot()
	list := []nodeStatus{l.ownStatus(p)}
	for _, n := range nodes {
		if bool(p.OnlyLocal) || bool(p.OnlyAvailable) && !n.available {
			continue
		}
		s := nodeStatus{
			ID: n.id, Available: n.available, LastHeartbeatTime: n.lastSeen.UnixMilli(), Client: n.client,
			Metadata: orObject(n.metadata),
			IPList:   append([]string{}, n.ipList...), Hostname: n.hostname, CPU: n.cpu, Seq: n.seq, InstanceID: n.instanceID,
		}
		if !n.available {
			since := n.offline.UnixMilli()
			s.OfflineSince = &since
		}
		if p.WithServices {
			s.Services = n.services()
		}
		list = append(list, s)
	}
	return list
}

func (l *Link) ownStatus(p listParams) nodeStatus {
	l.mu.Lock()
	seq, phase := l.seq, l.phase
	l.mu.Unlock()
	metadata, err := wire.Encode(l.opts.Metadata)
	if err != nil {
		metadata = nil
	}
	s := nodeStatus{
		ID: l.opts.NodeID, Available: phase == ready, Local: true, LastHeartbeatTime: time.Now().UnixMilli(),
		Client:   l.client(),
		Metadata: orObject(metadata), IPList: addresses(), Hostname: hostname(), CPU: l.lastCPU.Load(), Seq: seq,
		InstanceID: l.instanceID,
	}
	if p.WithServices {
		s.Services = l.ownServices()
	}
	return s
}

func orObject(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || string(raw) == "null" {
		return json.RawMessage("{}")
	}
	return raw
}

// hosted is a service on one node.
type hosted struct {
	wire.ServiceInfo
	nodeID string
}

// reachable are the actions that may be called from this node.
func (h *hosted) reachable(local bool) map[string]json.RawMessage {
	actions := map[string]json.RawMessage{}
	for name, definition := range h.Actions {
		if local || callable(definition) {
			actions[name] = definition
		}
	}
	return actions
}

// ownServices are this node's services as other nodes know them.
func (l *Link) ownServices() []wire.ServiceInfo {
	raw, err := wire.Encode(l.catalog.announcement())
	var list []wire.ServiceInfo
	if err != nil || json.Unmarshal(raw, &list) != nil {
		return nil
	}
	return list
}

func (l *Link) hostedServices(p listParams) []hosted {
	var list []hosted
	add := func(nodeID string, services []wire.ServiceInfo) {
		for _, s := range services {
			if !bool(p.SkipInternal) || !strings.HasPrefix(s.Name, "$") {
				list = append(list, hosted{s, nodeID})
			}
		}
	}
	add(l.opts.NodeID, l.ownServices())
	if !p.OnlyLocal {
		for _, n := range l.registry.snapshot() {
			add(n.id, n.services())
		}
	}
	return list
}

type serviceStatus struct {
	Name      string                     `json:"name"`
	Version   json.RawMessage            `json:"version,omitempty"`
	FullName  string                     `json:"fullName"`
	Settings  json.RawMessage            `json:"settings"`
	Metadata  json.RawMessage            `json:"metadata"`
	Local     bool                       `json:"local"`
	Available bool                       `json:"available"`
	NodeID    string                     `json:"nodeID,omitempty"`
	Nodes     []string                   `json:"nodes,omitempty"`
	Actions   map[string]json.RawMessage `json:"actions,omitzero"`
	Events    map[string]json.RawMessage `json:"events,omitzero"`
}

func (l *Link) listServices(p listParams) any {
	list := []*serviceStatus{}
	for _, h := range l.hostedServices(p) {
		s := &serviceStatus{
			Name: h.Name, Version: h.Version, FullName: h.FullName, Settings: orObject(h.Settings),
			Metadata: orObject(h.Metadata),
			Local:    h.nodeID == l.opts.NodeID, Available: true,
		}
		if p.WithActions {
			s.Actions = h.reachable(s.Local)
		}
		if p.WithEvents {
			s.Events = map[string]json.RawMessage{}
			for name, definition := range h.Events {
				if !strings.HasPrefix(name, "$") {
					s.Events[name] = definition
				}
			}
		}
		if p.Grouping != nil && !*p.Grouping {
			s.NodeID = h.nodeID
			list = append(list, s)
			continue
		}
		if i := slices.IndexFunc(list, func(o *serviceStatus) bool { return o.FullName == s.FullName }); i >= 0 {
			list[i].Nodes = append(list[i].Nodes, h.nodeID)
			list[i].Local = list[i].Local || s.Local
			continue
		}
		s.Nodes = []string{h.nodeID}
		list = append(list, s)
	}
	return list
}

type endpointStatus struct {
	NodeID    string `json:"nodeID"`
	State     bool   `json:"state"`
	Available bool   `json:"available"`
}

type actionStatus struct {
	Name      string           `json:"name"`
	Count     int              `json:"count"`
	HasLocal  bool             `json:"hasLocal"`
	Available bool             `json:"available"`
	Action    json.RawMessage  `json:"action,omitempty"`
	Endpoints []endpointStatus `json:"endpoints,omitempty"`
}

func (l *Link) listActions(p listParams) any {
	onlyLocal := bool(p.OnlyLocal)
	p.OnlyLocal = false // of the actions, not of their endpoints
	byName := map[string]*actionStatus{}
	list := []*actionStatus{}
	for _, h := range l.hostedServices(p) {
		local := h.nodeID == l.opts.NodeID
		for name, definition := range h.reachable(local) {
			s, ok := byName[name]
			if !ok {
				s = &actionStatus{Name: name, Available: true, Action: definition}
				byName[name], list = s, append(list, s)
			}
			s.Count++
			s.HasLocal = s.HasLocal || local
			if p.WithEndpoints {
				s.Endpoints = append(s.Endpoints, endpointStatus{h.nodeID, true, true})
			}
		}
	}
	list = slices.DeleteFunc(list, func(s *actionStatus) bool { return onlyLocal && !s.HasLocal })
	slices.SortFunc(list, func(a, b *actionStatus) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

type eventStatus struct {
	Name      string           `json:"name"`
	Group     string           `json:"group"`
	Count     int              `json:"count"`
	HasLocal  bool             `json:"hasLocal"`
	Available bool             `json:"available"`
	Event     json.RawMessage  `json:"event,omitempty"`
	Endpoints []endpointStatus `json:"endpoints,omitempty"`
}

func (l *Link) listEvents(p listParams) any {
	onlyLocal := bool(p.OnlyLocal)
	p.OnlyLocal = false // of the events, not of their endpoints
	list := []*eventStatus{}
	for _, h := range l.hostedServices(p) {
		for name, definition := range h.Events {
			if bool(p.SkipInternal) && strings.HasPrefix(name, "$") {
				continue
			}
			group := groupOf(definition, h.Name)
			i := slices.IndexFunc(list, func(o *eventStatus) bool { return o.Name == name && o.Group == group })
			if i < 0 {
				i = len(list)
				list = append(list, &eventStatus{Name: name, Group: group, Available: true, Event: definition})
			}
			s := list[i]
			s.Count++
			s.HasLocal = s.HasLocal || h.nodeID == l.opts.NodeID
			if p.WithEndpoints {
				s.Endpoints = append(s.Endpoints, endpointStatus{h.nodeID, true, true})
			}
		}
	}
	list = slices.DeleteFunc(list, func(s *eventStatus) bool { return onlyLocal && !s.HasLocal })
	slices.SortFunc(list, func(a, b *eventStatus) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Group, b.Group))
	})
	return list
}

// health is $node.health. What the operating system does not tell is zero. The command line is left
// out, unlike in Node: it may hold secrets.
func (l *Link) health(ctx context.Context) any {
	now := time.Now()
	averages, err := load.Avg()
	if err != nil {
		averages = &load.AvgStat{}
	}
	memory, err := mem.VirtualMemory()
	if err != nil {
		memory = &mem.VirtualMemoryStat{}
	}
	cores, err := cpu.Counts(true)
	if err != nil || cores == 0 {
		cores = runtime.NumCPU()
	}
	uptime, _ := host.Uptime()         // zero where it is not known
	release, _ := host.KernelVersion() // empty where it is not known
	percent := 0.0
	if memory.Total > 0 {
		percent = float64(memory.Available) * 100 / float64(memory.Total)
	}
	var rss uint64
	if self, err := process.NewProcess(int32(os.Getpid())); err == nil {
		if info, err := self.MemoryInfo(); err == nil {
			rss = info.RSS
		}
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	name := ""
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	type object = map[string]any
	health := object{
		"cpu": object{
			"load1": averages.Load1, "load5": averages.Load5, "load15": averages.Load15, "cores": cores,
			"utilization": min(math.Floor(averages.Load1*100/float64(cores)), 100),
		},
		"mem": object{"free": memory.Available, "total": memory.Total, "percent": percent},
		"os": object{
			"uptime": uptime, "type": runtime.GOOS, "release": release, "hostname": hostname(), "arch": runtime.GOARCH,
			"platform": runtime.GOOS,
			"user":     object{"username": name},
		},
		"process": object{
			"pid": os.Getpid(), "memory": object{"rss": rss, "heapTotal": stats.HeapSys, "heapUsed": stats.HeapAlloc},
			"uptime": now.Sub(l.born).Seconds(), "argv": []string{},
		},
		"client": l.client(),
		"net":    object{"ip": addresses()},
		"time": object{
			"now": now.UnixMilli(), "iso": now.UTC().Format("2006-01-02T15:04:05.000Z"),
			"utc": now.UTC().Format(http.TimeFormat),
		},
	}
	if l.opts.Health != nil {
		maps.Copy(health, l.opts.Health(ctx))
	}
	return health
}

// publicOptions is $node.options: what an operator may see of how this node is set up.
func (l *Link) publicOptions() any {
	return map[string]any{
		"namespace": l.opts.Namespace, "nodeID": l.opts.NodeID, "metadata": l.opts.Metadata, "transporter": "NATS",
		"heartbeatInterval": l.opts.HeartbeatInterval.Seconds(), "heartbeatTimeout": l.opts.HeartbeatTimeout.Seconds(),
		"maxCallLevel": l.opts.MaxCallLevel,
		"bulkhead":     map[string]any{"concurrency": l.opts.Concurrency, "maxQueueSize": l.opts.Queue},
	}
}

// snapshot copies what is known of the other nodes, ordered by id.
func (r *registry) snapshot() []remoteNode {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := make([]remoteNode, 0, len(r.nodes))
	for _, n := range r.nodes {
		list = append(list, *n)
	}
	slices.SortFunc(list, func(a, b remoteNode) int { return cmp.Compare(a.id, b.id) })
	return list
}
