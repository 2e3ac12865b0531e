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

// accountPage is how many channels are read at once for an index of accounts.
const accountPage = 1000

var _ integration.AccountStore = (*Memo)(nil)

// accountIndex has the ids of a platform's channels by the account in one of their fields. It is never changed, so that
// everybody may read it. An account that is not in it has no channel: unknown ones cost neither a reading nor memory.
type accountIndex struct {
	ids     map[string][]string
	read    time.Time // when the reading began
	changes uint64    // of channels, when the reading began
}

// lister is a store that can list its channels.
type lister interface {
	List(ctx context.Context, q Query) ([]Entry, error)
}

// ByAccount implements [integration.AccountStore]. All channels of the platform are read when it is first asked for, and
// again after any channel has changed, by one caller at a time. While the store cannot be read it answers from what it
// knows, for as long as with channels.
func (m *Memo) ByAccount(ctx context.Context, platform string, field integration.Field, account string) ([]string, error) {
	if x := m.accountsOf(platform); m.isFresh(x) {
		return x.ids[account], nil
	}
	select {
	case m.indexing <- struct{}{}:
	case <-ctx.Done():
		return nil, &UnavailableError{"wait for the channels of " + platform, ctx.Err()}
	}
	defer func() { <-m.indexing }()
	old := m.accountsOf(platform)
	if m.isFresh(old) { // another caller has read it
		return old.ids[account], nil
	}
	x, err := m.readAccounts(ctx, platform, field)
	switch {
	case err == nil:
		m.mu.Lock()
		m.accounts[platform] = x
		m.mu.Unlock()
	case old == nil || !isTrouble(err) || time.Since(old.read) >= lastResort:
		return nil, err
	default:
		x = old
	}
	return x.ids[account], nil
}

func (m *Memo) accountsOf(platform string) *accountIndex {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.accounts[platform]
}

// isFresh says whether an index is there, young enough, and no channel has changed since.
func (m *Memo) isFresh(x *accountIndex) bool {
	return x != nil && x.changes == m.changes.Load() && time.Since(x.read) < freshFor
}

func (m *Memo) readAccounts(ctx context.Context, platform string, field integration.Field) (*accountIndex, error) {
	store, ok := m.store.(lister)
	if !ok {
		return nil, errNoAccounts
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)()
	x := &accountIndex{ids: map[string][]string{}, read: time.Now(), changes: m.changes.Load()}
	for q := (Query{Platform: platform, Limit: accountPage}); ; {
		page, err := store.List(ctx, q)
		switch {
		case errors.Is(err, ErrReadOnly): // which cannot list either
			return nil, errNoAccounts
		case err != nil:
			return nil, err
		}
		for _, entry := range page {
			q.After = entry.Channel.ID
			if account := field.Of(entry.Channel); entry.Err == nil && account != "" {
				x.ids[account] = append(x.ids[account], entry.Channel.ID)
			}
		}
		if len(page) < accountPage {
			return x, nil
		}
	}
}

var errNoAccounts = action.Client(http.StatusNotImplemented, codes.NotSupported,
	"this channel store finds no channels by their accounts: put the channel into the webhook's URL")
