package cluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster/wire"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

// Node's defaults.
const (
	heartbeatTimeout = 30 * time.Second // a node that is silent for longer is not called any more
	offlineTimeout   = 10 * time.Minute // a node that is gone for longer is forgotten
)

// Bounds on what the INFOs of others can make this node remember.
const (
	maxServicesPerNode = 10_000
	maxNodes           = 10_000
)

// registry knows the other nodes of the cluster and what they serve (docs/design/moleculer-wire.md §3 and §6).
// Safe for concurrent use.
type registry struct {
	silence time.Duration // after which a node is dropped; 0 means never

	mu      sync.RWMutex
	nodes   map[string]*remoteNode
	actions map[string]*endpoints // by full action name
	events  []*eventList
	changed chan struct{} // closed, and replaced, when services may have been added
}

type remoteNode struct {
	id         string
	instanceID string
	seq        int64
	available  bool
	lastSeen   time.Time // of the last heartbeat, or of the INFO that made it available
	offline    time.Time // when it was dropped
	cpu        *int      // percent, of the last heartbeat
	hostname   string
	ipList     []string
	client     wire.Client
	metadata   json.RawMessage
	visitor    bool
	registered []registered
}

// registered is a service of another node. Its definitions stay JSON, which takes a third of the memory of maps; only
// the names are needed often.
type registered struct {
	fullName string
	actions  []string        // full names, sorted
	info     json.RawMessage // a wire.ServiceInfo
}

// services returns the node's services as they were in its INFO.
func (n *remoteNode) services() []wire.ServiceInfo {
	list := make([]wire.ServiceInfo, len(n.registered))
	for i, s := range n.registered {
		_ = json.Unmarshal(s.info, &list[i]) // encoded by register
	}
	return list
}

// endpoints is the list of the nodes that serve an action. They are called in turn.
type endpoints struct {
	nodes  []string
	next   int
	policy callPolicy // of the first node that registered the action, as in Node
}

// callPolicy is the part of an action's definition in INFO that callers follow.
type callPolicy struct {
	Timeout     float64 `json:"timeout"` // ms
	RetryPolicy struct {
		Enabled  bool    `json:"enabled"`
		Retries  *int    `json:"retries"`
		Delay    float64 `json:"delay"`    // ms
		MaxDelay float64 `json:"maxDelay"` // ms
		Factor   float64 `json:"factor"`
	} `json:"retryPolicy"`
}

// eventList is the list of the nodes that listen to a pattern in a group. Balanced events go to them in turn.
type eventList struct {
	pattern, group string
	nodes          []string
	next           int
}

func newRegistry(silence time.Duration) *registry {
	return &registry{
		silence: silence, nodes: map[string]*remoteNode{}, actions: map[string]*endpoints{}, changed: make(chan struct{}),
	}
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

// isVisitor says whether a node has the [Visitor] mark.
func (r *registry) isVisitor(nodeID string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n, ok := r.nodes[nodeID]
	return ok && n.visitor
}

// Visitor is the member of a node's metadata that marks a short-lived node, such as a command that calls one action.
// Other nodes of Switchboard log at debug level that it joins and leaves.
const Visitor = "visitor"

func isVisitor(metadata json.RawMessage) bool {
	var m struct {
		Visitor bool `json:"visitor"`
	}
	_ = rawjson.UnmarshalParts(metadata, &m) // values of the wrong type count as absent
	return m.Visitor
}

// present returns the ids of the available nodes.
func (r *registry) present() map[string]bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	ids := map[string]bool{}
	for id, n := range r.nodes {
		if n.available {
			ids[id] = true
		}
	}
	return ids
}

func (r *registry) knows(name string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.actions[name]
	return ok
}

// infoNews says what an INFO changed.
type infoNews struct {
	joined      bool // the node was not available before
	reconnected bool // it joined, and had been known before
	replaced    bool // another instance of the node took its place without a DISCONNECT
	changed     bool // anything at all
}

// info updates the registry from an INFO. Services are registered again if the packet is newer than the last one, if
// the node was not available, or if it is another instance; otherwise they stay unchanged.
func (r *registry) info(p *wire.InfoPacket, now time.Time) (news infoNews) {
	defer r.notify()
	r.mu.Lock()
	defer r.mu.Unlock()
	n, known := r.nodes[p.Sender]
	if !known {
		if len(r.nodes) >= maxNodes {
			return infoNews{}
		}
		n = &remoteNode{id: p.Sender}
		r.nodes[p.Sender] = n
	}
	seq := max(p.Seq, 1)
	if seq <= n.seq && n.available && n.instanceID == p.InstanceID {
		return infoNews{} // repeated, or older than the last one
	}
	news = infoNews{
		joined: !n.available, reconnected: !n.available && known, replaced: n.available && n.instanceID != p.InstanceID,
		changed: true,
	}
	if news.joined {
		n.available, n.lastSeen = true, now
	}
	n.instanceID, n.seq = p.InstanceID, seq
	n.hostname, n.ipList, n.client, n.metadata = p.Hostname, p.IPList, p.Client, slices.Clone(p.Metadata)
	n.visitor = isVisitor(n.metadata)
	if p.Services != nil {
		r.unregister(n)
		r.register(n, p.Services)
	}
	return news
}

func (r *registry) register(n *remoteNode, services []wire.ServiceInfo) {
	for _, s := range services[:min(len(services), maxServicesPerNode)] {
		if s.Name == "" {
			continue
		}
		if s.FullName == "" {
			s.FullName = fullName(s.Name, s.Version)
		}
		// so that they do not keep the whole packet in memory
		s.Name, s.FullName = strings.Clone(s.Name), strings.Clone(s.FullName)
		info, err := wire.Encode(s)
		if err != nil { // cannot happen
			continue
		}
		// without room to grow
		n.registered = append(n.registered, registered{s.FullName, slices.Sorted(maps.Keys(s.Actions)), slices.Clone(info)})
		for name, definition := range s.Actions {
			if !callable(definition) {
				continue
			}
			e, ok := r.actions[name]
			if !ok {
				e = &endpoints{}
				_ = rawjson.UnmarshalParts(definition, &e.policy) // values of the wrong type count as absent
				r.actions[name] = e
			}
			if !slices.Contains(e.nodes, n.id) {
				e.nodes = append(e.nodes, n.id)
			}
		}
		for pattern, definition := range s.Events {
			r.listen(n.id, pattern, groupOf(definition, s.Name))
		}
	}
}

// groupOf is the group of a listener, its service's name unless its definition says otherwise.
func groupOf(definition json.RawMessage, service string) string {
	var d struct {
		Group string `json:"group"`
	}
	_ = rawjson.UnmarshalParts(definition, &d)
	return cmp.Or(strings.Clone(d.Group), service)
}

func (r *registry) listen(nodeID, pattern, group string) {
	i := slices.IndexFunc(r.events, func(l *eventList) bool { return l.pattern == pattern && l.group == group })
	if i < 0 {
		r.events = append(r.events, &eventList{pattern: pattern, group: group, nodes: []string{nodeID}})
	} else if !slices.Contains(r.events[i].nodes, nodeID) {
		r.events[i].nodes = append(r.events[i].nodes, nodeID)
	}
}

// listeners lists the nodes that listen to an event in one of the groups. Empty groups mean all.
func (r *registry) listeners(name string, groups []string, m *matcher) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var nodes []string
	for _, l := range r.events {
		if len(groups) > 0 && !slices.Contains(groups, l.group) || !m.match(name, l.pattern) {
			continue
		}
		for _, id := range l.nodes {
			if !slices.Contains(nodes, id) {
				nodes = append(nodes, id)
			}
		}
	}
	return nodes
}

// balance chooses one node, in turn, for each group that listens to an event. It returns the groups by node. It leaves
// out the groups of served, which have a listener already. (Node balances once for each pattern, so that a group with
// two matching patterns may run its handlers twice.)
func (r *registry) balance(name string, groups, served []string, m *matcher) map[string][]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	type group struct {
		first *eventList // its patterns take their turns together
		nodes []string
	}
	found := map[string]*group{}
	for _, l := range r.events {
		if slices.Contains(served, l.group) || len(groups) > 0 && !slices.Contains(groups, l.group) ||
			!m.match(name, l.pattern) {
			continue
		}
		g, ok := found[l.group]
		if !ok {
			g = &group{first: l}
			found[l.group] = g
		}
		for _, id := range l.nodes {
			if !slices.Contains(g.nodes, id) {
				g.nodes = append(g.nodes, id)
			}
		}
	}
	chosen := map[string][]string{}
	for name, g := range found {
		g.first.next = (g.first.next + 1) % len(g.nodes)
		id := g.nodes[g.first.next]
		chosen[id] = append(chosen[id], name)
	}
	return chosen
}

func (r *registry) unregister(n *remoteNode) {
	for _, s := range n.registered {
		for _, name := range s.actions {
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
	for _, l := range r.events {
		l.nodes = slices.DeleteFunc(l.nodes, func(id string) bool { return id == n.id })
	}
	r.events = slices.DeleteFunc(r.events, func(l *eventList) bool { return len(l.nodes) == 0 })
	n.registered = nil
}

// heartbeat updates the sender's lastSeen. It returns false if the sender is not available; then it must be asked for
// its INFO.
func (r *registry) heartbeat(sender string, cpu *int, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.nodes[sender]
	if !ok || !n.available {
		return false
	}
	n.lastSeen, n.cpu = now, cpu
	return true
}

// disconnect removes a node's services. It returns false if the node was not available.
func (r *registry) disconnect(nodeID string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.nodes[nodeID]
	if !ok || !n.available {
		return false
	}
	r.drop(n, now)
	return true
}

func (r *registry) drop(n *remoteNode, now time.Time) {
	n.available, n.offline = false, now
	r.unregister(n)
}

// expire drops the nodes that are silent for too long and returns their ids. It forgets the nodes that have been gone
// for offlineTimeout.
func (r *registry) expire(now time.Time) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var dropped []string
	for id, n := range r.nodes {
		switch {
		case n.available && r.silence > 0 && now.Sub(n.lastSeen) > r.silence:
			r.drop(n, now)
			dropped = append(dropped, id)
		case !n.available && now.Sub(n.offline) > offlineTimeout:
			delete(r.nodes, id)
		}
	}
	return dropped
}

// pick chooses the node to call: the given one if it serves the action, or if none is given the next in turn. The node
// that was tried before is chosen only if there is no other.
func (r *registry) pick(name, nodeID, tried string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.actions[name]
	switch {
	case !ok:
		return "", action.ServiceNotFound(name, nodeID)
	case nodeID == "":
		for range e.nodes {
			if e.next = (e.next + 1) % len(e.nodes); e.nodes[e.next] != tried {
				break
			}
		}
		return e.nodes[e.next], nil
	case slices.Contains(e.nodes, nodeID):
		return nodeID, nil
	default:
		return "", action.ServiceNotFound(name, nodeID)
	}
}

// nodesOf lists the nodes that serve an action.
func (r *registry) nodesOf(name string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if e, ok := r.actions[name]; ok {
		return slices.Clone(e.nodes)
	}
	return nil
}

// policy returns the call policy of an action, the zero value if it has none.
func (r *registry) policy(name string) callPolicy {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if e, ok := r.actions[name]; ok {
		return e.policy
	}
	return callPolicy{}
}

// ServiceStatus is a service on one node, as [Link.Services] lists it.
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
			list = append(list, ServiceStatus{FullName: s.fullName, NodeID: n.id, Actions: slices.Clone(s.actions)})
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
	if rawjson.UnmarshalParts(definition, &d) != nil {
		return false
	}
	return !d.Protected && (d.Visibility == "" || d.Visibility == "published" || d.Visibility == "public")
}

// fullName joins a service's version and name as Node does: 2 gives v2.posts, and "beta" gives beta.posts.
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

// wireVersion turns moleculer-go's version, which is always a string, into JSON: a number if it is one.
func wireVersion(version string) json.RawMessage {
	if version == "" {
		return nil
	}
	if n, err := strconv.Atoi(version); err == nil && strconv.Itoa(n) == version {
		return json.RawMessage(version)
	}
	quoted, err := wire.Encode(version)
	if err != nil { // cannot happen
		return nil
	}
	return quoted
}
