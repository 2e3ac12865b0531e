// Package channels manages channels, the tenants' accounts on platforms. It is the service channels of the cluster, and
// serves the command line. Both use a [Manager].
//
// It knows platforms only by their declared fields, and stores only by the interface of package channelstore.
package channels

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/egress"
)

// Manager reads and changes channels. It stores only valid channels, announces changes and shows secrets masked. Safe
// for concurrent use.
type Manager struct {
	Store channelstore.Store
	// Platform returns the definition of a platform by its name. Platforms are the names.
	Platform  func(name string) (integration.Definition, bool)
	Platforms []string
	Announcer Announcer
	Secrets   integration.Secrets
	// Reports asks the nodes what they tell of channels. It leaves out nodes that do not answer soon. It may
	// be nil.
	Reports func(ctx context.Context) *Reports
	Log     *logrus.Entry
	Now     func() time.Time
	// Guard checks the addresses that users of a tenant set; nil allows all public ones. Resolver looks up names; nil
	// means the resolver of the system.
	Guard    *egress.Guard
	Resolver egress.Resolver

	forTenant bool
}

// ForTenant returns the manager for users of one tenant. It refuses addresses that the guard refuses, and marks
// channels with addresses of a tenant, so that the guard checks them again at each call.
func (m *Manager) ForTenant() *Manager {
	theirs := *m
	theirs.forTenant = true
	return &theirs
}

// Announcer announces changes of channels that have been made. Its errors are logged.
type Announcer interface {
	// Changed makes every node read the channels again.
	Changed(ctx context.Context, ids ...string) error
	// Registered and Unregistered store the reliable events with these names.
	Registered(ctx context.Context, event RegisteredEvent) error
	Unregistered(ctx context.Context, event UnregisteredEvent) error
}

// RegisteredEvent is the payload of …integration.registered: a channel was created or changed.
type RegisteredEvent struct {
	TenantID  string         `json:"tenantId"`
	ChannelID string         `json:"channelId"`
	Platform  string         `json:"platform"`
	Config    map[string]any `json:"config"`    // the channel, with its secrets masked
	Timestamp int64          `json:"timestamp"` // ms
}

// UnregisteredEvent is the payload of …integration.unregistered: a channel was removed.
type UnregisteredEvent struct {
	TenantID  string `json:"tenantId"`
	ChannelID string `json:"channelId"`
	Platform  string `json:"platform"`
	Timestamp int64  `json:"timestamp"` // ms
}

// View is a channel as users see it: masked, or with the reason why it cannot be opened.
type View struct {
	*integration.Channel
	Error string `json:"error,omitempty"`
	// Suspended has the nodes that have suspended the channel. It is set only in lists.
	Suspended []Suspended `json:"suspended,omitempty"`
	// Connections are those that nodes keep for the channel. They are set only in lists.
	Connections []integration.Connection `json:"connections,omitempty"`
	// Conditions are what nodes have found wrong with the channel. They are set only in lists.
	Conditions []Condition `json:"conditions,omitempty"`
}

// Get returns one channel, masked.
func (m *Manager) Get(ctx context.Context, id string) (*View, error) {
	ch, err := m.load(ctx, id)
	if err != nil {
		return nil, err
	}
	return m.view(ch), nil
}

// List returns channels in the order of their ids, masked.
func (m *Manager) List(ctx context.Context, q channelstore.Query) ([]*View, error) {
	entries, err := m.Store.List(ctx, q)
	if err != nil {
		return nil, err
	}
	reports := &Reports{}
	if len(entries) > 0 {
		reports = m.reports(ctx)
	}
	views := make([]*View, len(entries))
	for i, e := range entries {
		views[i] = m.view(e.Channel)
		views[i].Suspended, views[i].Connections = reports.Suspended[e.Channel.ID], reports.Connections[e.Channel.ID]
		views[i].Conditions = reports.Conditions[e.Channel.ID]
		if e.Err != nil {
			views[i].Error = m.Secrets.Redact(e.Err.Error())
		}
	}
	return views, nil
}

// Create adds a channel. An empty status means ACTIVE.
func (m *Manager) Create(ctx context.Context, ch *integration.Channel) (*View, error) {
	ch.Status = strings.ToUpper(ch.Status)
	if ch.Status == "" {
		ch.Status = integration.ChannelActive
	}
	if err := m.Validate(ch); err != nil {
		return nil, err
	}
	if err := m.markAddresses(ctx, &integration.Channel{}, ch); err != nil {
		return nil, err
	}
	if err := m.Store.Create(ctx, ch); err != nil {
		return nil, err
	}
	m.registered(ctx, ch)
	return m.view(ch), nil
}

// Change is what an update sets. nil leaves a value unchanged. In a map, nil removes the key, and the masked value that
// reading the channel returns leaves it unchanged.
type Change struct {
	TenantID    *string            `json:"tenantId" params:"optional"`
	Name        *string            `json:"name" params:"optional"`
	Status      *string            `json:"status" params:"optional"`
	Credentials map[string]*string `json:"credentials" params:"optional|secret"`
	Settings    map[string]*string `json:"settings" params:"optional|secret"`
}

// Update changes a channel. allowed may refuse the channel as it is, before anything is changed.
func (m *Manager) Update(
	ctx context.Context, id string, change Change, allowed func(*integration.Channel) error,
) (*View, error) {
	ch, err := m.Store.Update(ctx, id, func(ch *integration.Channel) error {
		if err := allowed(ch); err != nil {
			return err
		}
		def, _ := m.Platform(ch.Platform)
		before, masked := *ch, ch.Masked(def.Fields) // patched does not change the maps of before
		set(&ch.TenantID, change.TenantID)
		set(&ch.Name, change.Name)
		set(&ch.Status, change.Status)
		ch.Status = strings.ToUpper(ch.Status)
		ch.Credentials = patched(ch.Credentials, masked.Credentials, change.Credentials)
		ch.Settings = patched(ch.Settings, masked.Settings, change.Settings)
		if err := m.Validate(ch); err != nil {
			return err
		}
		return m.markAddresses(ctx, &before, ch)
	})
	if err != nil {
		return nil, m.notFound(id, err)
	}
	m.registered(ctx, ch)
	return m.view(ch), nil
}

func set(target, value *string) {
	if value != nil {
		*target = *value
	}
}

func patched(values, masked map[string]string, change map[string]*string) map[string]string {
	values = maps.Clone(values)
	if values == nil {
		values = map[string]string{}
	}
	for k, v := range change {
		switch {
		case v == nil:
			delete(values, k)
		case *v != masked[k]:
			values[k] = *v
		}
	}
	return values
}

// Apply creates or replaces channels, all or none of them. They must be valid.
func (m *Manager) Apply(ctx context.Context, list []*integration.Channel) error {
	if err := m.Store.Apply(ctx, list); err != nil {
		return err
	}
	m.registered(ctx, list...)
	return nil
}

// Remove deletes a channel. allowed may refuse it.
func (m *Manager) Remove(ctx context.Context, id string, allowed func(*integration.Channel) error) error {
	ch, err := m.Store.Channel(ctx, id)
	if errors.Is(err, channelstore.ErrSealed) { // a channel that cannot be opened can still be removed
		ch, err = m.sealed(ctx, id)
	}
	if err == nil {
		err = allowed(ch)
	}
	if err == nil {
		err = m.Store.Remove(ctx, id)
	}
	if err != nil {
		return m.notFound(id, err)
	}
	m.announce(m.Announcer.Changed(ctx, id), id)
	m.announce(m.Announcer.Unregistered(ctx, UnregisteredEvent{
		TenantID: ch.TenantID, ChannelID: id, Platform: ch.Platform, Timestamp: m.Now().UnixMilli(),
	}), id)
	return nil
}

// sealed returns what a list has of a channel whose record cannot be opened.
func (m *Manager) sealed(ctx context.Context, id string) (*integration.Channel, error) {
	entries, err := m.Store.List(ctx, channelstore.Query{})
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Channel.ID == id {
			return e.Channel, nil
		}
	}
	return nil, integration.ErrChannelNotFound
}

// Test asks the platform whether a channel works and says what to fix.
func (m *Manager) Test(ctx context.Context, id string) (*integration.Diagnosis, error) {
	if _, err := m.load(ctx, id); err != nil {
		return nil, err // before the nodes are asked
	}
	reports := m.reports(ctx)
	return m.test(ctx, id, &View{
		Suspended: reports.Suspended[id], Connections: reports.Connections[id], Conditions: reports.Conditions[id],
	})
}

// TestListed is Test for a channel of [Manager.List], which has asked the nodes already.
func (m *Manager) TestListed(ctx context.Context, v *View) (*integration.Diagnosis, error) {
	return m.test(ctx, v.ID, v)
}

// test asks the platform, and adds what the nodes have told of the channel.
func (m *Manager) test(ctx context.Context, id string, told *View) (*integration.Diagnosis, error) {
	ch, err := m.load(ctx, id)
	if err != nil {
		return nil, err
	}
	def, ok := m.Platform(ch.Platform)
	if !ok {
		return nil, m.noPlatform(ch.Platform)
	}
	diagnosis := integration.Diagnose(ctx, def, ch, m.Secrets)
	var findings []integration.Finding
	for _, s := range told.Suspended {
		findings = append(findings, s.finding())
	}
	for _, c := range told.Connections {
		if c.State != integration.ConnectionReady {
			findings = append(findings, connectionFinding(&c))
		}
	}
	for _, c := range told.Conditions {
		if !c.IsToldElsewhere() {
			findings = append(findings, c.finding())
		}
	}
	for _, finding := range findings {
		finding.Message = m.Secrets.Redact(finding.Message)
		diagnosis.Findings, diagnosis.OK = append(diagnosis.Findings, finding), false
	}
	return diagnosis, nil
}

// SetUp sets a channel up at its platform: where its webhooks go, and what belongs to that. With dryRun it only says
// what would change.
func (m *Manager) SetUp(
	ctx context.Context, id string, wanted integration.Setup, dryRun bool,
) (*integration.SetupResult, error) {
	ch, err := m.load(ctx, id)
	if err != nil {
		return nil, err
	}
	def, ok := m.Platform(ch.Platform)
	if !ok {
		return nil, m.noPlatform(ch.Platform)
	}
	return integration.SetUp(ctx, def, ch, wanted, dryRun, m.Secrets)
}

// Validate checks a channel by the fields of its platform. Its error is a ValidationError with one entry for each
// fault; integration.FieldErrors returns the field errors in it.
func (m *Manager) Validate(ch *integration.Channel) error {
	def, ok := m.Platform(ch.Platform)
	if !ok {
		return m.noPlatform(ch.Platform)
	}
	err := integration.ValidateChannel(ch, def.Fields)
	if err == nil {
		return nil
	}
	var faults []action.Fault
	for _, f := range integration.FieldErrors(err) {
		faults = append(faults, action.Fault{Type: "field", Field: f.Key, Message: f.Error()})
	}
	return action.Validation(faults...).Because(err)
}

func (m *Manager) noPlatform(name string) error {
	return action.Client(
		http.StatusUnprocessableEntity, codes.PlatformUnknown, "no such platform %q; there are: %s", name,
		strings.Join(m.Platforms, ", "),
	)
}

func (m *Manager) load(ctx context.Context, id string) (*integration.Channel, error) {
	ch, err := m.Store.Channel(ctx, id)
	if err != nil {
		return nil, m.notFound(id, err)
	}
	return ch, nil
}

// notFound returns the error for the cluster for an error of the store.
func (m *Manager) notFound(id string, err error) error {
	if errors.Is(err, integration.ErrChannelNotFound) {
		return action.Client(http.StatusNotFound, codes.ChannelNotFound, "there is no channel %q", id).Because(err)
	}
	if errors.Is(err, channelstore.ErrReadOnly) {
		return action.Client(http.StatusConflict, codes.ChannelsReadOnly, "%s", err.Error()).Because(err)
	}
	return err
}

func (m *Manager) view(ch *integration.Channel) *View {
	def, _ := m.Platform(ch.Platform) // all credentials of an unknown platform are masked
	return &View{Channel: ch.Masked(def.Fields)}
}

func (m *Manager) registered(ctx context.Context, list ...*integration.Channel) {
	ids := make([]string, len(list))
	for i, ch := range list {
		ids[i] = ch.ID
	}
	m.announce(m.Announcer.Changed(ctx, ids...), ids...)
	for _, ch := range list {
		v := m.view(ch)
		m.announce(m.Announcer.Registered(ctx, RegisteredEvent{
			TenantID: ch.TenantID, ChannelID: ch.ID, Platform: ch.Platform, Timestamp: m.Now().UnixMilli(),
			Config: map[string]any{"name": v.Name, "status": v.Status, "credentials": v.Credentials, "settings": v.Settings},
		}), ch.ID)
	}
}

func (m *Manager) announce(err error, ids ...string) {
	if err != nil {
		m.Log.WithError(err).WithField("channels", strings.Join(ids, ",")).
			Warn("a change of channels was stored but could not be made known")
	}
}

// String returns the id and the platform of the channel.
func (v *View) String() string { return fmt.Sprintf("%s (%s)", v.ID, v.Platform) }
