package channelstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
)

func ExampleOpenSQLite() {
	folder, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	ctx := context.Background()
	store, err := channelstore.OpenSQLite(ctx, filepath.Join(folder, "channels.db"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = store.Close() }()
	channel := &integration.Channel{
		ID: "support", TenantID: "acme", Platform: "telegram", Status: integration.ChannelActive,
		Credentials: map[string]string{"botToken": "made-up"}, // sealed in the file
	}
	fmt.Println(store.Create(ctx, channel))
	fmt.Println(errors.Is(store.Create(ctx, channel), channelstore.ErrChannelExists))
	list, err := store.List(ctx, channelstore.Query{TenantID: "acme"})
	fmt.Println(len(list), list[0].Channel.Credentials["botToken"], err)
	// Output:
	// <nil>
	// true
	// 1 made-up <nil>
}
