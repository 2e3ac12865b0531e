package channelstore

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
)

var _ integration.AccountStore = (*Cache)(nil)

// accountIndex has the ids of a platform's channels by their accounts. It never changes, so that many callers can read
// it. An account that is not in it has no channel: a webhook for it costs neither a read of the store nor memory.
type accountIndex struct {
	ids     map[string][]string
	began   time.Time // when the read began
	changes uint64    // of channels, when the read began
}

// ByAccount implements [integration.AccountStore]. The first lookup reads all channels of the platform; a lookup after
// a change of any channel reads them again. One caller reads, the others wait. While the store cannot be read,
// ByAccount answers from the last index, for as long as [Cache.Channel] does.
func (c *Cache) ByAccount(
	ctx context.Context, platform string, field integration.Field, account string,
) ([]string, error) {
	if x := c.accountsOf(platform); c.isFresh(x) {
		return x.ids[account], nil
	}
	select {
	case c.indexing <- struct{}{}:
	case <-ctx.Done():
		return nil, &UnavailableError{"wait for the channels of " + platform, ctx.Err()}
	}
	defer func() { <-c.indexing }()
	old := c.accountsOf(platform)
	if c.isFresh(old) { // another caller has read it
		return old.ids[account], nil
	}
	x, err := c.readAccounts(ctx, platform, field)
	switch {
	case err == nil:
		c.mu.Lock()
		c.accounts[platform] = x
		c.mu.Unlock()
	case old == nil || !isOutage(err) || time.Since(old.began) >= staleIfError:
		return nil, err
	default:
		x = old
	}
	return x.ids[account], nil
}

func (c *Cache) accountsOf(platform string) *accountIndex {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accounts[platform]
}

// isFresh says whether there is an index that is young enough, and no channel has changed since.
func (c *Cache) isFresh(x *accountIndex) bool {
	return x != nil && x.changes == c.changes.Load() && time.Since(x.began) < softTTL
}

func (c *Cache) readAccounts(
	ctx context.Context, platform string, field integration.Field,
) (*accountIndex, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	x := &accountIndex{ids: map[string][]string{}, began: time.Now(), changes: c.changes.Load()}
	err := c.eachOf(ctx, platform, func(entry Entry) {
		if account := field.Of(entry.Channel); entry.Err == nil && account != "" {
			x.ids[account] = append(x.ids[account], entry.Channel.ID)
		}
	})
	switch {
	case errors.Is(err, errNoList):
		return nil, errNoAccounts
	case err != nil:
		return nil, err
	}
	return x, nil
}

var errNoAccounts = action.Client(http.StatusNotImplemented, codes.NotSupported,
	"this channel store finds no channels by their accounts: put the channel into the webhook's URL")
