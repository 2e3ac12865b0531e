package app

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/channels"
)

// reportsWait is how long the nodes may take to tell of their channels.
const reportsWait = time.Second

// reports asks every node that hosts one of these platforms which channels it has suspended, and which connections it
// knows of.
func reports(ctx context.Context, link *cluster.Link, platforms []string) *channels.Reports {
	ctx, cancel := context.WithTimeout(ctx, reportsWait)
	defer cancel()
	var (
		mu    sync.Mutex
		found = &channels.Reports{}
		asked sync.WaitGroup
	)
	for _, s := range link.Services() {
		if !slices.Contains(platforms, s.FullName) {
			continue
		}
		asked.Go(func() {
			answer, err := link.Call(
				ctx, s.FullName+"."+integration.ActionHealthCheck, nil,
				action.CallOptions{NodeID: s.NodeID, Timeout: reportsWait},
			)
			if err != nil {
				return // a node that is ill is for others to tell
			}
			mu.Lock()
			defer mu.Unlock()
			found.Add(s.NodeID, answer.Data)
		})
	}
	asked.Wait()
	return found
}

// reports asks the nodes, where there is a cluster.
func (l *lazyClient) reports(ctx context.Context, platforms []string) *channels.Reports {
	found := &channels.Reports{}
	_ = l.tell(ctx, func(a announcer) error {
		found = reports(ctx, a.link, platforms)
		return nil
	})
	return found
}
