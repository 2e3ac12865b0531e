package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/moleculer-go/moleculer"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/internal/egress"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/config"
	"github.com/hiliosai/switchboard/node/internal/strictyaml"
	"github.com/hiliosai/switchboard/services/channels"
)

// openChannels opens the store that the configuration names. caller is the cluster, for the store that
// is another service's action.
func openChannels(ctx context.Context, c *config.Config, caller action.Cluster) (channelstore.Store, error) {
	dsn := string(c.Channels.DSN)
	if c.Channels.Store == "action" {
		return channelstore.NewAction(caller, c.Channels.Action), nil
	}
	keys, err := channelKeys(c)
	if err != nil {
		return nil, err
	}
	var store *channelstore.Database
	if c.Channels.Store == "postgres" {
		store, err = channelstore.OpenPostgres(ctx, dsn, keys)
	} else {
		store, err = channelstore.OpenSQLite(ctx, dsn, keys)
	}
	if err != nil {
		return nil, err
	}
	return store, nil
}

// channelKeys are those of the configuration, nil where it has none: SQLite then makes one of its own, and an
// action needs none.
func channelKeys(c *config.Config) (*channelstore.Keyring, error) {
	if c.Channels.Store == "action" {
		return nil, nil
	}
	texts := revealed(c.Channels.Keys)
	if len(texts) == 0 {
		if c.Channels.Store == "postgres" {
			return nil, c.Fault(
				"channels.keys",
				"the store postgres needs a key that all nodes share: switchboard channels keys generate makes one",
			)
		}
		return nil, nil
	}
	keys, err := channelstore.ParseKeys(texts)
	if err != nil {
		return nil, c.Fault("channels.keys", "%v", err)
	}
	return keys, nil
}

func revealed(secrets []strictyaml.Secret) []string {
	texts := make([]string, len(secrets))
	for i, s := range secrets {
		texts[i] = s.Reveal()
	}
	return texts
}

// changedEvent tells every node which channels to read anew.
const changedEvent = "channels.changed"

// changedChannels is its data.
type changedChannels struct {
	IDs []string `json:"ids"`
}

// forget makes a memo follow changes of channels, as an internal service of the node.
func forget(memo *channelstore.Cache) moleculer.ServiceSchema {
	return moleculer.ServiceSchema{
		Name: "$channels", Settings: map[string]any{}, Metadata: map[string]any{},
		Events: []moleculer.Event{action.NewEvent(changedEvent, "", func(_ context.Context, event *action.Event) error {
			var changed changedChannels
			if err := json.Unmarshal(event.Params, &changed); err != nil || len(changed.IDs) == 0 {
				memo.InvalidateAll() // some have changed, we are not told which
				return err
			}
			for _, id := range changed.IDs {
				memo.Invalidate(id)
			}
			return nil
		})},
	}
}

// announcer makes changes of channels known through the cluster and as reliable events.
type announcer struct {
	link      *cluster.Link
	events    *events.Publisher
	namespace string
}

func (a announcer) Changed(ctx context.Context, ids ...string) error {
	return a.link.Emit(ctx, changedEvent, changedChannels{ids}, action.EmitOptions{Broadcast: true})
}

func (a announcer) Registered(ctx context.Context, event channels.RegisteredEvent) error {
	return a.publish(ctx, integration.RegisteredEvent(a.namespace), event)
}

func (a announcer) Unregistered(ctx context.Context, event channels.UnregisteredEvent) error {
	return a.publish(ctx, integration.UnregisteredEvent(a.namespace), event)
}

func (a announcer) publish(ctx context.Context, name string, event any) error {
	payload, err := json.Marshal(event)
	if err != nil {
		return err
	}
	return a.events.Store(ctx, order.Event{Name: name, MsgID: uuid.NewString(), Payload: payload})
}

func newManager(
	store channelstore.Store, guard *egress.Guard, catalog *catalog, a channels.Announcer, secrets *redact.Secrets,
	log *logrus.Entry,
) *channels.Manager {
	return &channels.Manager{
		Store: store, Guard: guard, Platform: catalog.byPlatform, Platforms: catalog.platformNames(), Announcer: a,
		Secrets: secrets, Log: log, Now: time.Now,
	}
}

// Channels manages the channel store outside of a running node. It tells running nodes of changes.
type Channels struct {
	*channels.Manager
	catalog *catalog
	client  *httpapi.Client
	cluster *lazyClient
}

// OpenChannels opens the store that the configuration names.
func OpenChannels(
	ctx context.Context, c *config.Config, extensions Extensions, log *logrus.Logger, secrets *redact.Secrets,
) (*Channels, error) {
	secrets.Keep(configSecrets(c)...)
	guard, err := newGuard(c)
	if err != nil {
		return nil, err
	}
	ch := &Channels{client: newClient(guard, nil), cluster: &lazyClient{config: c, log: log, secrets: secrets}}
	if ch.catalog, err = newCatalog(extensions, ch.client); err != nil {
		return nil, err
	}
	var caller action.Cluster
	if c.Channels.Store == "action" {
		client, err := ch.cluster.dial(ctx)
		if err != nil {
			return nil, err
		}
		caller = client.link.Caller()
	}
	store, err := openChannels(ctx, c, caller)
	if err != nil {
		ch.cluster.close()
		return nil, err
	}
	ch.Manager = newManager(store, guard, ch.catalog, ch.cluster, secrets, logrus.NewEntry(log))
	ch.Reports = func(ctx context.Context) *channels.Reports {
		return ch.cluster.reports(ctx, sortedKeys(ch.catalog.platforms))
	}
	return ch, nil
}

// Close closes the store and leaves the cluster.
func (c *Channels) Close() error {
	c.cluster.close()
	c.client.Close()
	return c.Store.Close()
}

// lazyClient joins the cluster when there is something to tell it. Where none can be reached there is nobody to
// tell: no node is running, or those that are read their channels anew after a while.
type lazyClient struct {
	config  *config.Config
	log     *logrus.Logger
	secrets *redact.Secrets

	tried  bool
	client *Client // nil where there is no cluster
	told   announcer
}

// reach is how long a change of channels waits for a cluster that it can be told to.
const reach = time.Second

func (l *lazyClient) dial(ctx context.Context) (*Client, error) {
	quick := *l.config
	quick.NATS.StartTimeout = reach
	client, err := Dial(ctx, &quick, l.log, l.secrets)
	l.client, l.tried = client, true
	if err != nil {
		return nil, err
	}
	publisher, err := newPublisher(client.nc, l.config, nil, client.log)
	if err != nil {
		return nil, err
	}
	client.link.WaitQuiet(ctx, quiet) // an event goes to the nodes that are known
	l.told = announcer{client.link, publisher, l.config.Events.Namespace}
	return client, nil
}

// tell passes a change on, to whom it may concern.
func (l *lazyClient) tell(ctx context.Context, say func(announcer) error) error {
	if !l.tried {
		if _, err := l.dial(ctx); err != nil {
			l.log.WithError(err).Debug("no cluster to tell of changes")
		}
	}
	if l.told.link == nil {
		return nil
	}
	return say(l.told)
}

func (l *lazyClient) close() {
	if l.client != nil {
		l.client.Close()
	}
}

func (l *lazyClient) Changed(ctx context.Context, ids ...string) error {
	return l.tell(ctx, func(a announcer) error { return a.Changed(ctx, ids...) })
}

func (l *lazyClient) Registered(ctx context.Context, event channels.RegisteredEvent) error {
	return l.tell(ctx, func(a announcer) error { return a.Registered(ctx, event) })
}

func (l *lazyClient) Unregistered(ctx context.Context, event channels.UnregisteredEvent) error {
	return l.tell(ctx, func(a announcer) error { return a.Unregistered(ctx, event) })
}

// Fields are what a platform's channels have, those included that all platforms' have.
func (c *Channels) Fields(platform string) ([]integration.Field, error) {
	return c.catalog.fields(platform)
}

// channelsFile is the form of channels.yaml.
type channelsFile struct {
	Channels []struct {
		ID          string                       `yaml:"id"`
		TenantID    string                       `yaml:"tenantId"`
		Platform    string                       `yaml:"platform"`
		Name        string                       `yaml:"name"`
		Status      string                       `yaml:"status"`
		Credentials map[string]strictyaml.Secret `yaml:"credentials"`
		Settings    map[string]string            `yaml:"settings"`
	} `yaml:"channels"`
}

// ApplyFile creates or replaces the channels of a file, all or none, and returns how many there are.
func (c *Channels) ApplyFile(ctx context.Context, path string) (int, error) {
	list, err := c.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return len(list), c.Apply(ctx, list)
}

// ReadFile reads the channels of a file, of standard input where path is "-". Faults name file, line and key.
func (c *Channels) ReadFile(path string) ([]*integration.Channel, error) {
	return c.catalog.readChannels(path)
}

// readChannels is [Channels.ReadFile].
func (c *catalog) readChannels(path string) ([]*integration.Channel, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the channels: %w", err)
	}
	var file channelsFile
	source, err := strictyaml.Decode(path, data, &file)
	if err != nil {
		return nil, err
	}
	var faults []error
	seen := map[string]bool{}
	list := make([]*integration.Channel, len(file.Channels))
	for i, entry := range file.Channels {
		key := fmt.Sprintf("channels[%d]", i)
		ch := &integration.Channel{
			ID: entry.ID, TenantID: entry.TenantID, Platform: entry.Platform, Name: entry.Name,
			Status: strings.ToUpper(entry.Status), Credentials: map[string]string{}, Settings: entry.Settings,
		}
		if ch.Status == "" {
			ch.Status = integration.ChannelActive
		}
		for name, secret := range entry.Credentials {
			ch.Credentials[name] = secret.Reveal()
		}
		if seen[ch.ID] && ch.ID != "" {
			faults = append(faults, source.Fault(key+".id", "there is another channel %q in this file", ch.ID))
		}
		seen[ch.ID] = true
		faults = append(faults, c.faults(source, key, ch)...)
		list[i] = ch
	}
	if len(list) == 0 {
		faults = append(faults, source.Fault("channels", "is missing or empty"))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return list, nil
}

func readFile(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(path) // #nosec G304 -- the operator names the file
}

// Difference is what applying a channel changes.
type Difference struct {
	ID       string
	New      bool
	Platform string   // that of the channel as it is, where the new one's is another
	Changes  []string // such as "status ACTIVE -> INACTIVE"; of a secret only that it changes
}

// String shows the difference in a line.
func (d Difference) String() string {
	switch {
	case d.New:
		return d.ID + ": new"
	case len(d.Changes) == 0:
		return d.ID + ": unchanged"
	}
	return d.ID + ": " + strings.Join(d.Changes, ", ")
}

// Differences compares channels with those of the same ids in the store.
func (c *Channels) Differences(ctx context.Context, list []*integration.Channel) ([]Difference, error) {
	differences := make([]Difference, len(list))
	for i, ch := range list {
		d := &differences[i]
		d.ID = ch.ID
		now, err := c.Store.Channel(ctx, ch.ID)
		switch {
		case errors.Is(err, integration.ErrChannelNotFound):
			d.New = true
		case errors.Is(err, channelstore.ErrSealed):
			d.Changes = []string{"replaces a channel that cannot be read"}
		case err != nil:
			return nil, err
		default:
			c.compare(d, now, ch)
		}
	}
	return differences, nil
}

func (c *Channels) compare(d *Difference, now, then *integration.Channel) {
	changed := func(name, from, to string) {
		if from != to {
			d.Changes = append(d.Changes, fmt.Sprintf("%s %s -> %s", name, cmp.Or(from, `""`), cmp.Or(to, `""`)))
		}
	}
	if now.Platform != then.Platform {
		d.Platform = now.Platform
	}
	changed("platform", now.Platform, then.Platform)
	changed("tenantId", now.TenantID, then.TenantID)
	changed("name", now.Name, then.Name)
	changed("status", now.Status, then.Status)
	before, after := c.view(now), c.view(then)
	values := func(part string, now, then, before, after map[string]string) {
		names := map[string]string{}
		maps.Copy(names, now)
		maps.Copy(names, then)
		for _, name := range sortedKeys(names) {
			secret := now[name] != before[name] || then[name] != after[name]
			switch {
			case !secret:
				changed(part+"."+name, now[name], then[name])
			case now[name] != then[name]:
				d.Changes = append(d.Changes, part+"."+name+" changed")
			}
		}
	}
	values("credentials", now.Credentials, then.Credentials, before.Credentials, after.Credentials)
	values("settings", now.Settings, then.Settings, before.Settings, after.Settings)
}

func (c *Channels) view(ch *integration.Channel) *integration.Channel {
	def, _ := c.Platform(ch.Platform)
	return ch.Masked(def.Fields)
}

// faults places what is wrong with a channel in its file.
func (c *catalog) faults(source strictyaml.Source, key string, ch *integration.Channel) []error {
	fields, err := c.fields(ch.Platform)
	if err != nil {
		return []error{source.Fault(key+".platform", "%v", err)}
	}
	var faults []error
	for _, f := range integration.FieldErrors(integration.ValidateChannel(ch, fields)) {
		faults = append(faults, source.Fault(key+"."+f.Key, "%s", f.Msg))
	}
	return faults
}

// Pairs shows a channel's values in one line.
func Pairs(m map[string]string) string {
	pairs := make([]string, 0, len(m))
	for _, k := range sortedKeys(m) {
		pairs = append(pairs, k+"="+m[k])
	}
	return strings.Join(pairs, " ")
}
