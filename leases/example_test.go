package leases_test

import (
	"context"
	"fmt"

	"github.com/hiliosai/switchboard/leases"
)

// Two nodes share a store. The first one owns the connection; when it stops, the second one goes on where it was.
func Example() {
	ctx, store := context.Background(), leases.NewMemory()
	running := make(chan struct{})
	start := func(node string) *leases.Member {
		member := leases.NewMember(store, leases.Options{Node: node})
		group, err := member.Group("telegram", leases.GroupOptions{Run: func(ctx context.Context, lease *leases.Lease) {
			fmt.Printf("%s polls %s, epoch %d, from %q\n", node, lease.Key(), lease.Epoch(), lease.Cursor())
			fmt.Println(lease.Save([]byte(`{"offset":7}`)))
			running <- struct{}{}
			<-ctx.Done()
		}})
		if err != nil {
			fmt.Println(err)
			return member
		}
		group.Want([]leases.Wanted{{Key: "bot"}})
		return member
	}
	first := start("first")
	<-running
	second := start("second")
	fmt.Println(first.Close(ctx))
	<-running
	fmt.Println(second.Close(ctx))
	// Output:
	// first polls bot, epoch 1, from ""
	// <nil>
	// <nil>
	// second polls bot, epoch 2, from "{\"offset\":7}"
	// <nil>
	// <nil>
}
