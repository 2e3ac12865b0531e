package cluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster/wire"
)

// How long a node may be silent before its services are no longer called, and how long a silent
// node is remembered. Both are Node's defaults.
const (
	heartbeatTimeout = 30 * time.Second
	offlineTimeout   = 10 * time.Minute
)

// Bounds on what one INFO can make this node remember.
const (
	maxServicesPerNode = 10_000
	maxNodes           = 10_000
)

// registry knows the other nodes of the cluster and what they serve (wire note §3 and §6).
// Safe for concurrent use.
type registry struct {
	mu      sync.RWMutex
	nodes   map[string]*remoteNode
	actions map[string]*endpoints // by full action name
	changed chan struct{}         // closed, and replaced, when services may have been added
}

type remoteNode struct {
	id         string
	instanceID string
	seq        int64
	available  bool
	lastSeen   time.Time // of the last heartbeat, or of the INFO that made it available
	registered []wire.ServiceInfo
}

// endpoints are the nodes that serve an action, called in turn.
type endpoints struct {
	nodes []string
	next  int
}

func newRegistry() *registry {
	return &registry{nodes: map[string]*remoteNode{}, actions: map[string]*endpoints{}, changed: make(chan struct{})}
}

// news is closed when services may have been added, here or by the next INFO.
func (r *registry) news() <-chan struct{} {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.changed
}

func (r *registry) notify() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *registry) available(nodeID string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n, ok := r.nodes[nodeID]
	return ok && n.available
}

func (r *registry) knows(name string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.actions[name]
	return ok
}

// info takes an INFO in. Services are registered anew when the packet is newer than the last one,
// when the node was away, or when it is another instance; otherwise they are unchanged. joined says
// that the node was not there before.
func (r *registry) info(p *wire.InfoPacket, now time.Time) (joined bool) {
	defer r.notify()
	r.mu.Lock()
	defer r.mu.Unlock()
	n, known := r.nodes[p.Sender]
	if !known {
		if len(r.nodes) >= maxNodes {
			return false
		}
		n = &remoteNode{id: p.Sender}
		r.nodes[p.Sender] = n
	}
	seq := max(p.Seq, 1)
	if seq <= n.seq && n.available && n.instanceID == p.InstanceID {
		return false // a repetition, or one that newer ones have overtaken
	}
	if joined = !n.available; joined {
		n.available, n.lastSeen = true, now
	}
	n.instanceID, n.seq = p.InstanceID, seq
	if p.Services != nil {
		r.unregister(n)
		r.register(n, p.Services)
	}
	return joined
}

func (r *registry) register(n *remoteNode, services []wire.ServiceInfo) {
	for _, s := range services[:min(len(services), maxServicesPerNode)] {
		if s.Name == "" {
			continue
		}
		if s.FullName == "" {
			s.FullName = fullName(s.Name, s.Version)
		}
		n.registered = append(n.registered, s)
		for name, definition := range s.Actions {
			if !callable(definition) {
				continue
			}
			e, ok := r.actions[name]
			if !ok {
				e = &endpoints{}
				r.actions[name] = e
			}
			if !slices.Contains(e.nodes, n.id) {
				e.nodes = append(e.nodes, n.id)
			}
		}
	}
}

func (r *registry) unregister(n *remoteNode) {
	for _, s := range n.registered {
		for name := range s.Actions {
			e, ok := r.actions[name]
			if !ok {
				continue
			}
			if i := slices.Index(e.nodes, n.id); i >= 0 {
				e.nodes = slices.Delete(slices.Clone(e.nodes), i, i+1)
			}
			if len(e.nodes) == 0 {
				delete(r.actions, name)
			}
		}
	}
	n.registered = nil
}

// heartbeat says whether the sender is known and available; if not, it must be asked who it is.
func (r *registry) heartbeat(sender string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.nodes[sender]
	if !ok || !n.available {
		return false
	}
	n.lastSeen = now
	return true
}

// disconnect takes a node's services away and says whether there was such a node.
func (r *registry) disconnect(nodeID string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.nodes[nodeID]
	if !ok || !n.available {
		return false
	}
	r.drop(n)
	return true
}

func (r *registry) drop(n *remoteNode) {
	n.available = false
	n.seq++ // as Node does: the next INFO counts as news in any case
	r.unregister(n)
}

// expire drops the nodes that are silent for too long, forgets those that are long gone, and
// returns the ids of the former.
func (r *registry) expire(now time.Time) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var dropped []string
	for id, n := range r.nodes {
		silent := now.Sub(n.lastSeen)
		switch {
		case n.available && silent > heartbeatTimeout:
			r.drop(n)
			dropped = append(dropped, id)
		case !n.available && silent > offlineTimeout:
			delete(r.nodes, id)
		}
	}
	return dropped
}

// pick chooses the node to call: the given one if it serves the action, else the next in turn.
func (r *registry) pick(name, nodeID string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.actions[name]
	switch {
	case !ok:
		return "", action.ServiceNotFound(name, nodeID)
	case nodeID == "":
		e.next = (e.next + 1) % len(e.nodes)
		return e.nodes[e.next], nil
	case slices.Contains(e.nodes, nodeID):
		return nodeID, nil
	default:
		return "", action.ServiceNotFound(name, nodeID)
	}
}

// ServiceStatus is one service on one node, as [Link.Services] lists it.
type ServiceStatus struct {
	FullName string   `json:"fullName"`
	NodeID   string   `json:"nodeID"`
	Local    bool     `json:"local"`
	Actions  []string `json:"actions"`
}

func (r *registry) services() []ServiceStatus {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var list []ServiceStatus
	for _, n := range r.nodes {
		for _, s := range n.registered {
			status := ServiceStatus{FullName: s.FullName, NodeID: n.id}
			for name := range s.Actions {
				status.Actions = append(status.Actions, name)
			}
			slices.Sort(status.Actions)
			list = append(list, status)
		}
	}
	slices.SortFunc(list, func(a, b ServiceStatus) int {
		return cmp.Or(cmp.Compare(a.FullName, b.FullName), cmp.Compare(a.NodeID, b.NodeID))
	})
	return list
}

// callable says whether a definition in another node's INFO may be called from here.
func callable(definition json.RawMessage) bool {
	var d struct {
		Visibility string `json:"visibility"`
		Protected  bool   `json:"protected"`
	}
	if json.Unmarshal(definition, &d) != nil {
		return false
	}
	return !d.Protected && (d.Visibility == "" || d.Visibility == "published" || d.Visibility == "public")
}

// fullName joins a service's version and name as Node does: 2 gives v2.posts, "beta" gives beta.posts.
func fullName(name string, version json.RawMessage) string {
	var s string
	switch {
	case len(version) == 0 || string(version) == "null":
		return name
	case json.Unmarshal(version, &s) == nil:
		if s == "" {
			return name
		}
		return s + "." + name
	default:
		return fmt.Sprintf("v%s.%s", version, name)
	}
}

// wireVersion turns moleculer-go's version, always a string, into what a Node author would have
// written: a number where it is one.
func wireVersion(version string) json.RawMessage {
	if version == "" {
		return nil
	}
	if n, err := strconv.Atoi(version); err == nil && strconv.Itoa(n) == version {
		return json.RawMessage(version)
	}
	quoted, err := wire.Encode(version)
	if err != nil { // no string fails to encode
		return nil
	}
	return quoted
}
