package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/config"
)

// The levels of a [Finding].
const (
	LevelOK      = "ok"
	LevelWarning = "warning" // it works; somebody should look at it
	LevelFault   = "fault"   // something does not work
)

// Finding is the outcome of one check of [Examine].
type Finding struct {
	Level   string `json:"level"`
	Check   string `json:"check"` // such as "nats", "streams" or "webhook"
	Channel string `json:"channel,omitempty"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"` // what to do
}

// Findings are the outcome of [Examine].
type Findings struct {
	Findings []Finding `json:"findings"`
	OK       int       `json:"ok"` // how many findings have this level
	Warnings int       `json:"warnings"`
	Faults   int       `json:"faults"`
}

// Examined says what [Examine] looks at.
type Examined struct {
	Channel string // its id; "" means all channels
	URL     string // of the webhooks; "" means the publicUrl of each channel
	// Now is the clock of this machine; nil means time.Now.
	Now func() time.Time
}

// examineWait bounds each check of a server.
const examineWait = 5 * time.Second

// Examine looks for what is wrong with a node's configuration, its NATS, its stores and its channels. It changes
// nothing. load reads the configuration. Findings have no secrets.
func Examine(
	ctx context.Context, load func() (*config.Config, error), extensions Extensions, examined Examined,
	log *logrus.Logger, secrets *redact.Secrets,
) *Findings {
	if examined.Now == nil {
		examined.Now = time.Now
	}
	e := &examiner{Examined: examined, extensions: extensions, log: log, secrets: secrets}
	c, err := load()
	if err != nil {
		e.fault("config", err.Error(), "mend the configuration; docs/configuration.md has all keys")
		return &e.found
	}
	secrets.Keep(configSecrets(c)...)
	e.config = c
	if e.configured() {
		e.examineNATS(ctx)
		e.examineStores(ctx)
		e.examineChannels(ctx)
	}
	return &e.found
}

// examiner collects findings.
type examiner struct {
	Examined
	config     *config.Config
	extensions Extensions
	log        *logrus.Logger
	secrets    *redact.Secrets
	found      Findings
}

// maxFinding bounds a text of a finding, in bytes.
const maxFinding = 1024

func (e *examiner) add(f Finding) {
	f.Message, f.Fix = e.shown(f.Message), e.shown(f.Fix)
	e.found.Findings = append(e.found.Findings, f)
	switch f.Level {
	case LevelOK:
		e.found.OK++
	case LevelWarning:
		e.found.Warnings++
	default:
		e.found.Faults++
	}
}

// shown is a text without secrets, on one line.
func (e *examiner) shown(text string) string {
	isEnd := func(c rune) bool { return c == '\n' || c == '\r' }
	text = strings.Join(strings.FieldsFunc(e.secrets.Redact(text), isEnd), "; ")
	if len(text) > maxFinding {
		text = strings.ToValidUTF8(text[:maxFinding], "") + "…"
	}
	return text
}

func (e *examiner) ok(check, format string, args ...any) {
	e.add(Finding{Level: LevelOK, Check: check, Message: fmt.Sprintf(format, args...)})
}

func (e *examiner) warn(check, message, fix string) {
	e.add(Finding{Level: LevelWarning, Check: check, Message: message, Fix: fix})
}

func (e *examiner) fault(check, message, fix string) {
	e.add(Finding{Level: LevelFault, Check: check, Message: message, Fix: fix})
}

// configured checks what the configuration means, and its keys. It says whether the rest can be examined.
func (e *examiner) configured() bool {
	c := e.config
	client := newClient(nil, nil)
	defer client.Close()
	catalog, err := newCatalog(e.extensions, client)
	if err == nil {
		err = catalog.checkServices(c)
	}
	if _, guard := newGuard(c); err == nil {
		err = guard
	}
	if err != nil {
		e.fault("config", err.Error(), "mend the configuration; docs/configuration.md has all keys")
		return false
	}
	e.ok("config", "%s is valid; its node hosts %s", c.Path(), strings.Join(c.Services, ", "))
	keys, err := channelKeys(c)
	switch {
	case err != nil:
		e.fault("keys", err.Error(), "switchboard channels keys generate makes a key; docs/channels.md tells more")
		return false
	case keys != nil:
		e.ok("keys", "%d key(s), new records are sealed with %q", len(keys.IDs()), keys.IDs()[0])
	}
	return true
}

// examineStores checks whether the cache and the claims in Redis can be reached. The channel store is checked with the
// channels.
func (e *examiner) examineStores(ctx context.Context) {
	c := e.config
	if c.Cache.Driver == "redis" {
		e.try(ctx, "cache", "see that the Redis of cache.url runs and takes the login", func(ctx context.Context) error {
			store, err := openCache(c, logrus.NewEntry(e.log))
			if err != nil {
				return err
			}
			return errors.Join(store.Check(ctx), store.Close())
		})
	}
	if c.Claims.Driver == "redis" {
		e.try(ctx, "claims", "see that the Redis of claims.url runs and takes the login", func(ctx context.Context) error {
			store, err := newClaims(c, nil)
			if err != nil {
				return err
			}
			return errors.Join(store.Check(ctx), store.Close())
		})
	}
}

// try adds what came of reaching a store.
func (e *examiner) try(ctx context.Context, check, fix string, do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, examineWait)
	defer cancel()
	if err := do(ctx); err != nil {
		e.fault(check, "the store cannot be reached: "+plainText(err), fix)
		return
	}
	e.ok(check, "the store answers")
}

// plainText is what an error says to people.
func plainText(err error) string {
	if m, ok := errors.AsType[action.Moleculer](err); ok {
		return m.MoleculerError().Message
	}
	return err.Error()
}

// openForExamination opens the channel store. It makes no new file.
func (e *examiner) openForExamination(ctx context.Context) *Channels {
	c := e.config
	fix := "see that the database of channels.dsn runs and takes the login"
	switch c.Channels.Store {
	case "sqlite":
		fix = "see that the file of channels.dsn and its .key are there and may be read"
		if _, err := os.Stat(string(c.Channels.DSN)); errors.Is(err, os.ErrNotExist) {
			e.warn("store", "there is no channel store yet at "+string(c.Channels.DSN),
				"create a channel, or run this where the node runs: the path begins at the working directory")
			return nil
		}
	case "action":
		fix = "see that a node of the cluster serves " + c.Channels.Action
	}
	ctx, cancel := context.WithTimeout(ctx, 2*examineWait)
	defer cancel()
	list, err := OpenChannels(ctx, c, e.extensions, e.log, e.secrets)
	if err == nil {
		if err = list.Store.Check(ctx); err != nil {
			err = errors.Join(err, list.Close())
		}
	}
	switch {
	case errors.Is(err, channelstore.ErrAllSealed):
		e.fault("keys", "no channel can be read: "+plainText(err),
			"put the key that the channels are sealed with into channels.keys")
	case err != nil:
		e.fault("store", "the channel store cannot be used: "+plainText(err), fix)
	default:
		e.ok("store", "the channel store (%s) answers", c.Channels.Store)
		return list
	}
	return nil
}
