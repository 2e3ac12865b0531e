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

// suspensionsWait is how long the nodes may take to tell which channels they hold back.
const suspensionsWait = time.Second

// suspensions asks every node that hosts one of these platforms which of its channels it holds back.
func suspensions(ctx context.Context, link *cluster.Link, platforms []string) channels.Suspensions {
	ctx, cancel := context.WithTimeout(ctx, suspensionsWait)
	defer cancel()
	var (
		mu    sync.Mutex
		found = channels.Suspensions{}
		asked sync.WaitGroup
	)
	for _, s := range link.Services() {
		if !slices.Contains(platforms, s.FullName) {
			continue
		}
		asked.Go(func() {
			answer, err := link.Call(
				ctx, s.FullName+"."+integration.ActionHealthCheck, nil,
				action.CallOptions{NodeID: s.NodeID, Timeout: suspensionsWait},
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

// suspensions asks the nodes, where there is a cluster.
func (l *lazyClient) suspensions(ctx context.Context, platforms []string) channels.Suspensions {
	var found channels.Suspensions
	_ = l.tell(ctx, func(a announcer) error {
		found = suspensions(ctx, a.link, platforms)
		return nil
	})
	return found
}
