package channelstore

import (
	"context"
	"errors"

	"github.com/hiliosai/switchboard/integration"
)

// Notify returns store with changed called after every write, with the ids of the channels that it
// concerned, so that the rest of the cluster can be told. It is called after a failure of which nobody
// knows how far it came, too: to read a channel once more does no harm.
func Notify(store Store, changed func(ids ...string)) Store { return &notifying{store, changed} }

type notifying struct {
	Store
	changed func(ids ...string)
}

func (n *notifying) tell(err error, ids ...string) {
	if _, unknown := errors.AsType[*UnavailableError](err); (err == nil || unknown) && len(ids) > 0 {
		n.changed(ids...)
	}
}

// Apply implements [Store].
func (n *notifying) Apply(ctx context.Context, channels []*integration.Channel) error {
	err := n.Store.Apply(ctx, channels)
	ids := make([]string, len(channels))
	for i, ch := range channels {
		ids[i] = ch.ID
	}
	n.tell(err, ids...)
	return err
}

// Create implements [Store].
func (n *notifying) Create(ctx context.Context, ch *integration.Channel) error {
	err := n.Store.Create(ctx, ch)
	n.tell(err, ch.ID)
	return err
}

// Update implements [Store].
func (n *notifying) Update(ctx context.Context, id string, change func(*integration.Channel) error) (*integration.Channel, error) {
	ch, err := n.Store.Update(ctx, id, change)
	n.tell(err, id)
	return ch, err
}

// Remove implements [Store].
func (n *notifying) Remove(ctx context.Context, id string) error {
	err := n.Store.Remove(ctx, id)
	n.tell(err, id)
	return err
}
