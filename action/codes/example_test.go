package codes_test

import (
	"context"
	"fmt"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
)

// A caller of an action decides by the code.
func Example() {
	send := func(context.Context) error {
		return action.Retryable(503, codes.RateLimited, "the platform wants a pause")
	}
	switch e := action.AsError(send(context.Background()), "telegram.i_sendMessage", "node-1"); e.Type {
	case codes.RateLimited, codes.ChannelBusy:
		fmt.Println("later:", e.Retryable)
	case codes.MessageTooLong:
		fmt.Println("shorten it")
	}
	// Output: later: true
}
