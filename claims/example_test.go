package claims_test

import (
	"context"
	"fmt"
	"time"

	"github.com/hiliosai/switchboard/claims"
)

// Two nodes get the same webhook. One of them does the work.
func Example() {
	ctx, terms := context.Background(), claims.Terms{Lease: time.Minute, TTL: time.Hour}
	store := claims.NewMemory(claims.MemoryOptions{})
	receive := func(node, key string) []claims.Claim {
		list, err := store.Claim(ctx, terms, key)
		fmt.Println(node, list[0].State, string(list[0].Result), err)
		return list
	}
	mine := receive("first", "telegram:bot:update-7")
	receive("second", "telegram:bot:update-7")
	fmt.Println(store.Done(ctx, []byte("published"), mine...))
	receive("second", "telegram:bot:update-7")
	fmt.Println(store.Close())
	// Output:
	// first mine  <nil>
	// second held  <nil>
	// <nil>
	// second done published <nil>
	// <nil>
}
