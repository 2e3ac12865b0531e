package channelstore

import (
	"context"
	"errors"
	"net/http"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
)

var _ integration.ChannelLister = (*Cache)(nil)

// listPage is how many channels are read at once.
const listPage = 1000

// lister is a store that can list its channels.
type lister interface {
	List(ctx context.Context, q Query) ([]Entry, error)
}

var errNoList = action.Client(
	http.StatusNotImplemented, codes.NotSupported, "this channel store cannot list its channels",
)

// OfPlatform implements [integration.ChannelLister]. It reads the store.
func (c *Cache) OfPlatform(
	ctx context.Context, platform string, wanted func(*integration.Channel) bool,
) ([]*integration.Channel, error) {
	var list []*integration.Channel
	err := c.eachOf(ctx, platform, func(entry Entry) {
		if entry.Err == nil && wanted(entry.Channel) {
			list = append(list, entry.Channel)
		}
	})
	return list, err
}

// eachOf calls f for each of a platform's channels, page by page.
func (c *Cache) eachOf(ctx context.Context, platform string, f func(Entry)) error {
	store, ok := c.store.(lister)
	if !ok {
		return errNoList
	}
	for q := (Query{Platform: platform, Limit: listPage}); ; {
		page, err := store.List(ctx, q)
		switch {
		case errors.Is(err, ErrReadOnly): // such a store cannot list either
			return errNoList
		case err != nil:
			return err
		}
		for _, entry := range page {
			q.After = entry.Channel.ID
			f(entry)
		}
		if len(page) < listPage {
			return nil
		}
	}
}

// OnChange implements [integration.ChannelLister]: f is called by [Cache.Invalidate] and [Cache.InvalidateAll].
func (c *Cache) OnChange(f func(id string)) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners[&f] = struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.listeners, &f)
	}
}

// tell calls the listeners after a change. c.mu is held.
func (c *Cache) tell(id string) {
	for f := range c.listeners {
		(*f)(id)
	}
}
