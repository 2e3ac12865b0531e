package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/integration"
)

// The states of a node, for whoever watches over it.
const (
	stateReady       = "ready"       // all is well
	stateDegraded    = "degraded"    // webhooks are received, something else does not work
	stateUnavailable = "unavailable" // webhooks cannot be received
	stateStopping    = "stopping"    // the node was asked to stop
)

const (
	// readyFor is how long a state that was found answers for further questions.
	readyFor = time.Second
	// datasourceWait bounds the wait for checks of datasources: one that hangs counts as unhealthy, and the answer is
	// there before a prober loses patience.
	datasourceWait = 700 * time.Millisecond
	// streamWait bounds the wait for JetStream.
	streamWait = 2 * time.Second
)

// readiness finds out whether the node can receive a webhook now, and remembers it for a moment, so that many probes
// cost no more than one. Safe for concurrent use.
type readiness struct {
	find func(ctx context.Context) finding
	log  *logrus.Entry

	mu   sync.Mutex // held while it is found out: one at a time
	last finding
	at   time.Time
}

// finding is a state with what is behind it, for the log and $node.health.
type finding struct {
	State   string   `json:"state"`
	Reasons []string `json:"reasons,omitempty"`
}

// state is what was found within the last second, else what is found now. A change is logged.
func (r *readiness) state(ctx context.Context) finding {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.at.IsZero() && time.Since(r.at) < readyFor {
		return r.last
	}
	found := r.find(context.WithoutCancel(ctx)) // it answers for others, too
	if found.State != r.last.State && (r.last.State != "" || found.State != stateReady) {
		r.logChange(found)
	}
	r.last, r.at = found, time.Now()
	return found
}

func (r *readiness) logChange(found finding) {
	reasons := strings.Join(found.Reasons, "; ")
	switch found.State {
	case stateReady:
		r.log.Info("the node is ready again")
	case stateDegraded:
		r.log.Warnf("the node is degraded, webhooks are received: %s", reasons)
	default:
		r.log.Errorf("the node is not ready, webhooks cannot be received: %s", reasons)
	}
}

// ready answers GET /-/ready. Anybody may ask, so it tells the state alone.
func (n *Node) ready(ctx context.Context) (bool, any) {
	state := stateStopping
	if !n.stopping.Load() {
		state = n.readiness.state(ctx).State
	}
	ok := state != stateUnavailable && state != stateStopping
	return ok, readyReport{ok, state}
}

// readyReport is the body of GET /-/ready.
type readyReport struct {
	Ready bool   `json:"ready"`
	State string `json:"state"`
}

// health is what $node.health tells beside what every node does: readiness and datasources, with names and reasons, and
// connections, by platform.
func (n *Node) health(ctx context.Context) map[string]any {
	health := map[string]any{"datasources": n.Health(ctx), "readiness": n.readiness.state(ctx)}
	connections := map[string]integration.ConnectionCount{}
	for _, s := range n.services {
		if count := s.Connections(); count.Total > 0 {
			connections[s.FullName()] = count
		}
	}
	if len(connections) > 0 {
		health["connections"] = connections
	}
	return health
}

// findState asks all that a webhook needs, and all else, side by side.
func (n *Node) findState(ctx context.Context) finding {
	if !n.nc.IsConnected() {
		return finding{stateUnavailable, []string{"NATS is not connected: " + n.nc.Status().String()}}
	}
	var parts sync.WaitGroup
	var stream, storage error
	var health []serviceHealth
	parts.Go(func() { stream = n.streamTakes(ctx) })
	parts.Go(func() { storage = n.storageTakes(ctx) })
	parts.Go(func() {
		short, cancel := context.WithTimeout(ctx, datasourceWait)
		defer cancel()
		health = n.Health(short)
	})
	parts.Wait()
	var fatal, other []string
	for _, err := range []error{stream, storage} {
		if err != nil {
			fatal = append(fatal, err.Error())
		}
	}
	for _, h := range health {
		if h.Status == datasource.Healthy {
			continue
		}
		reason := fmt.Sprintf("datasource %s: %s", strings.TrimPrefix(h.Service+"."+h.Name, "."), h.Message)
		if h.Service == "" && h.Name == "channels" && !n.readsChannels(h.Type) {
			fatal = append(fatal, reason)
		} else {
			other = append(other, reason)
		}
	}
	if err := n.leases.Check(); err != nil {
		other = append(other, "connections to platforms: "+err.Error())
	}
	switch {
	case len(fatal) > 0:
		return finding{stateUnavailable, slices.Concat(fatal, other)}
	case len(other) > 0:
		return finding{stateDegraded, other}
	}
	return finding{State: stateReady}
}

// readsChannels says whether webhooks find their channels although the store is unhealthy, for the reason of a type.
func (n *Node) readsChannels(reason string) bool {
	switch reason {
	case codes.ChannelsSealed:
		return false
	case codes.ChannelsFileLost:
		return true
	}
	return n.memo.HasChannels()
}

// streamTakes says why received messages cannot be stored at the moment.
func (n *Node) streamTakes(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, streamWait)
	defer cancel()
	return n.publisher.Takes(ctx, integration.EventNames(n.config.Events.Namespace)[0])
}

// storageTakes says whether JetStream has no room left. Only who writes something finds out; the bucket of claims is
// where that harms nobody. Other trouble with the claims is for their own check.
func (n *Node) storageTakes(ctx context.Context) error {
	if n.config.Claims.Driver != "nats" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, streamWait)
	defer cancel()
	if err := tryClaims(ctx, n.claims, "ready:"+n.config.NodeID()); isStorageFull(err) {
		return fmt.Errorf("JetStream's storage is full: %w", err)
	}
	return nil
}

// isStorageFull says whether JetStream refused a message for want of room, the bucket's own bound aside.
func isStorageFull(err error) bool {
	const insufficientResources, storageExceeded, memoryExceeded = 10023, 10047, 10028 // of nats-server
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok &&
		slices.Contains([]jetstream.ErrorCode{insufficientResources, storageExceeded, memoryExceeded}, api.ErrorCode)
}
