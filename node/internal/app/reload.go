package app

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/node/internal/config"
)

// The settings that a running node takes over. docs/deployment.md lists them.
const (
	liveLevel   = "log.level"
	liveFormat  = "log.format"
	liveKeys    = "channels.keys"
	liveAllow   = "egress.allow"
	livePrivate = "media.allowPrivate"
)

// configPause is how long the configuration file must be left alone before it is read: editors write it in steps.
const configPause = 500 * time.Millisecond

// reload reads the configuration anew, and takes over what changes without a restart: all of it or, after an error,
// nothing. asked says that somebody waits for an answer, even where nothing has changed. Only serve calls it.
func (n *Node) reload(ctx context.Context, asked bool) {
	next, err := n.applied.Again()
	if err != nil {
		n.log.WithError(err).Error("the configuration cannot be read again; the node goes on with what it has")
		return
	}
	var live, rest []string
	for _, key := range config.Changes(n.applied, next) {
		if n.isLive(key, next) {
			live = append(live, key)
		} else {
			rest = append(rest, key)
		}
	}
	if len(live) > 0 {
		if err := n.apply(ctx, live, next); err != nil {
			n.log.WithError(err).Error("the new configuration cannot be used; the node goes on with what it has")
			return
		}
		n.log.WithField("changed", strings.Join(live, ", ")).Info("the configuration was read again")
	} else if asked && len(rest) == 0 {
		n.log.Info("the configuration was read again: nothing has changed")
	}
	if len(rest) > 0 && (asked || !slices.Equal(rest, n.waiting)) {
		n.log.WithField("changed", strings.Join(rest, ", ")).
			Warn("a part of the new configuration takes effect when the node is started again")
	}
	n.waiting = rest
}

// isLive says whether the running node can take over a setting. Keys of channels can be replaced, but not be taken away
// or brought in: a store with none has a file with keys of its own.
func (n *Node) isLive(key string, next *config.Config) bool {
	switch key {
	case liveLevel, liveFormat, liveAllow, livePrivate:
		return true
	case liveKeys:
		_, ok := n.store.(keyed)
		return ok && len(n.applied.Channels.Keys) > 0 && len(next.Channels.Keys) > 0
	}
	return false
}

// keyed is a store whose keys can be replaced.
type keyed interface {
	UseKeys(ctx context.Context, keys *channelstore.Keyring) error
}

// apply takes over the settings of these keys. What can fail comes first.
func (n *Node) apply(ctx context.Context, live []string, next *config.Config) error {
	guard, err := newGuard(next)
	if err != nil {
		return err
	}
	n.secrets.Keep(configSecrets(next)...)
	if slices.Contains(live, liveKeys) {
		keys, err := channelKeys(next)
		if err != nil {
			return err
		}
		if err := n.store.(keyed).UseKeys(ctx, keys); err != nil {
			return err
		}
		n.memo.InvalidateAll()
	}
	if slices.Contains(live, liveAllow) || slices.Contains(live, livePrivate) {
		n.guard.Become(guard)
		n.client.Close() // the connections that wait may lead where they may not any more
	}
	setLog(n.log.Logger, next.Log)
	now := *n.applied
	now.Log, now.Egress, now.Media.AllowPrivate = next.Log, next.Egress, next.Media.AllowPrivate
	if slices.Contains(live, liveKeys) {
		now.Channels.Keys = next.Channels.Keys
	}
	n.applied = &now
	return nil
}

// watchConfig returns a channel that has an entry when the configuration file has changed, nil where nothing can be
// watched. It ends with ctx.
func (n *Node) watchConfig(ctx context.Context) <-chan struct{} {
	path := n.config.Path()
	if path == "" {
		return nil
	}
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		err = watcher.Add(filepath.Dir(path)) // the file itself is replaced by editors
	}
	if err != nil {
		n.log.WithError(err).Warn("the configuration file cannot be watched: SIGHUP has it read again")
		if watcher != nil {
			_ = watcher.Close()
		}
		return nil
	}
	changed := make(chan struct{}, 1)
	go func() {
		defer func() { _ = watcher.Close() }()
		pause := time.NewTimer(0)
		<-pause.C
		defer pause.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case event, ok := <-watcher.Events:
				if !ok {
					return
				}
				if concerns(event, path) {
					pause.Reset(configPause)
				}
			case err, ok := <-watcher.Errors:
				if !ok {
					return
				}
				n.log.WithError(err).Debug("the configuration file may have changed unseen; it is read again")
				pause.Reset(configPause)
			case <-pause.C:
				select {
				case changed <- struct{}{}:
				default: // it is to be read already
				}
			}
		}
	}()
	return changed
}

// concerns says whether an event may be about the file at path. Kubernetes replaces the link ..data, through which its
// files lead.
func concerns(event fsnotify.Event, path string) bool {
	name := filepath.Base(event.Name)
	return event.Op != fsnotify.Chmod && (name == filepath.Base(path) || name == "..data")
}
