package node

import (
	"context"

	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/services/channels"
)

// Channels manages the channels in a store without a running node, as the command's subcommand channels does. Running
// nodes of the same cluster hear of changes. It is for one goroutine at a time.
type Channels struct {
	*channels.Manager
	opened *app.Channels
}

// OpenChannels opens the channel store that the configuration names. The options are those of [Start]. Channels must be
// closed.
func OpenChannels(ctx context.Context, options ...Option) (*Channels, error) {
	o := collect(options)
	c, log, secrets, err := o.load()
	if err != nil {
		return nil, err
	}
	opened, err := app.OpenChannels(ctx, c, o.extensions, log, secrets)
	if err != nil {
		return nil, err
	}
	return &Channels{opened.Manager, opened}, nil
}

// Close closes the store.
func (c *Channels) Close() error { return c.opened.Close() }
