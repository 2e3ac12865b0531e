package channels

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/moleculer-go/moleculer"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
)

// The permissions of the service's actions. A user sees and changes the channels of the user's own tenant, or those of
// all tenants with AllTenants.
const (
	PermissionRead  = "channels.read"
	PermissionWrite = "channels.write"
	AllTenants      = "tenants.all"
)

// Definition defines the service that manages channels: channels.get, list, create, update, remove, test
// and setup.
func Definition(m *Manager) integration.ServiceDefinition {
	s := &service{m}
	read, write := []string{PermissionRead, PermissionWrite}, []string{PermissionWrite}
	return integration.ServiceDefinition{
		Name: "channels",
		Actions: []moleculer.Action{
			integration.NewAction("get", s.get, action.Spec{
				Description: "Shows a channel, its secrets masked.", Rest: "GET /:id", Permissions: read,
			}),
			integration.NewAction("list", s.list, action.Spec{
				Description: "Shows channels in the order of their ids, their secrets masked.", Rest: "GET /", Permissions: read,
			}),
			integration.NewAction("create", s.create, action.Spec{
				Description: "Adds a channel.", Rest: "POST /", Permissions: write,
			}),
			integration.NewAction("update", s.update, action.Spec{
				Description: "Changes what is given of a channel.", Rest: "PATCH /:id", Permissions: write,
			}),
			integration.NewAction("remove", s.remove, action.Spec{
				Description: "Removes a channel.", Rest: "DELETE /:id", Permissions: write,
			}),
			integration.NewAction("test", s.test, action.Spec{
				Description: "Asks the platform whether a channel can work, and says what to fix.", Rest: "POST /:id/test",
				Permissions: read, Timeout: 30 * time.Second,
			}),
			integration.NewAction("setup", s.setUp, action.Spec{
				Description: "Sets a channel up at its platform, or says what would change.", Rest: "POST /:id/setup",
				Permissions: write, Timeout: time.Minute,
			}),
		},
	}
}

type service struct{ manager *Manager }

// managerFor returns the manager for the caller.
func (s *service) managerFor(ctx *integration.Context) *Manager {
	if ctx.HasPermission(AllTenants) {
		return s.manager
	}
	return s.manager.ForTenant()
}

// ByID selects one channel.
type ByID struct {
	ID string `json:"id" params:"min:1"`
}

// own returns a function that refuses channels of other tenants as not found: callers must not learn of them.
func own(ctx *integration.Context) func(*integration.Channel) error {
	return func(ch *integration.Channel) error {
		if ctx.HasPermission(AllTenants) || ch.TenantID != "" && ctx.TenantID() == ch.TenantID {
			return nil
		}
		return action.Client(http.StatusNotFound, codes.ChannelNotFound, "there is no channel %q", ch.ID)
	}
}

func (s *service) get(ctx *integration.Context, in ByID) (*View, error) {
	view, err := s.manager.Get(ctx, in.ID)
	if err != nil {
		return nil, s.hidden(ctx, in.ID, err)
	}
	return view, own(ctx)(view.Channel)
}

// hidden returns the error that the caller may see. ErrSealed would reveal that a channel of another tenant exists.
func (s *service) hidden(ctx *integration.Context, id string, err error) error {
	if !errors.Is(err, channelstore.ErrSealed) {
		return err
	}
	ch, unknown := s.manager.sealed(ctx, id)
	if unknown == nil {
		unknown = own(ctx)(ch)
	}
	if unknown != nil {
		return s.manager.notFound(id, unknown)
	}
	return err
}

// ListParams select channels.
type ListParams struct {
	TenantID string `json:"tenantId" params:"optional"`
	Platform string `json:"platform" params:"optional"`
	After    string `json:"after" params:"optional"` // the last id of the page before
	Limit    int    `json:"limit" params:"integer|min:1|max:1000|default:100|convert"`
}

func (s *service) list(ctx *integration.Context, in ListParams) ([]*View, error) {
	if !ctx.HasPermission(AllTenants) {
		tenant, err := ctx.RequireTenant()
		if err != nil {
			return nil, err
		}
		in.TenantID = tenant
	}
	return s.manager.List(
		ctx, channelstore.Query{TenantID: in.TenantID, Platform: in.Platform, After: in.After, Limit: in.Limit},
	)
}

// CreateParams are a new channel.
type CreateParams struct {
	ID          string            `json:"id" params:"min:1"`
	TenantID    string            `json:"tenantId" params:"optional"` // "" means the caller's
	Platform    string            `json:"platform" params:"min:1"`
	Name        string            `json:"name" params:"optional"`
	Status      string            `json:"status" params:"optional"`
	Credentials map[string]string `json:"credentials" params:"secret"`
	Settings    map[string]string `json:"settings" params:"optional|secret"`
}

func (s *service) create(ctx *integration.Context, in CreateParams) (*View, error) {
	ch := &integration.Channel{
		ID: in.ID, TenantID: in.TenantID, Platform: in.Platform, Name: in.Name, Status: in.Status,
		Credentials: in.Credentials, Settings: in.Settings,
	}
	if ch.TenantID == "" {
		ch.TenantID = ctx.TenantID()
	}
	if err := tenant(ctx, ch.TenantID); err != nil {
		return nil, err
	}
	return s.managerFor(ctx).Create(ctx, ch)
}

// tenant refuses another tenant than the caller's.
func tenant(ctx *integration.Context, id string) error {
	if ctx.HasPermission(AllTenants) {
		return nil
	}
	_, err := ctx.RequireTenant(id)
	return err
}

// UpdateParams select a channel and say what to change.
type UpdateParams struct {
	ID string `json:"id" params:"min:1"`
	Change
}

func (s *service) update(ctx *integration.Context, in UpdateParams) (*View, error) {
	if in.TenantID != nil {
		if err := tenant(ctx, *in.TenantID); err != nil {
			return nil, err
		}
	}
	view, err := s.managerFor(ctx).Update(ctx, in.ID, in.Change, own(ctx))
	if err != nil {
		return nil, s.hidden(ctx, in.ID, err)
	}
	return view, nil
}

// Removed is the answer of channels.remove.
type Removed struct {
	Removed bool `json:"removed"`
}

func (s *service) remove(ctx *integration.Context, in ByID) (Removed, error) {
	err := s.manager.Remove(ctx, in.ID, own(ctx))
	return Removed{err == nil}, err
}

func (s *service) test(ctx *integration.Context, in ByID) (*integration.Diagnosis, error) {
	if _, err := s.get(ctx, in); err != nil {
		return nil, err
	}
	return s.manager.Test(ctx, in.ID)
}

// SetupParams select a channel and say what is wanted of its platform.
type SetupParams struct {
	ID       string          `json:"id" params:"min:1"`
	URL      string          `json:"url" params:"optional|max:2048"` // "" means the channel's publicUrl
	DryRun   bool            `json:"dryRun" params:"optional"`
	Force    bool            `json:"force" params:"optional"`
	Commands json.RawMessage `json:"commands" params:"optional"` // an array
	AppID    string          `json:"appId" params:"optional|max:256"`
	AppToken string          `json:"appToken" params:"optional|secret|max:4096"`
}

func (s *service) setUp(ctx *integration.Context, in SetupParams) (*integration.SetupResult, error) {
	if _, err := s.get(ctx, ByID{in.ID}); err != nil {
		return nil, err
	}
	return s.manager.SetUp(ctx, in.ID, integration.Setup{
		URL: in.URL, Commands: in.Commands, AppID: in.AppID, AppToken: in.AppToken, Force: in.Force,
	}, in.DryRun)
}
