package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/cache"
)

// Context is what the handlers, hooks and lifecycle functions of a service get: the context of the call, which ends at
// the caller's deadline, with all that the SDK's ctx has. datasource.Get finds datasources in it, cache.Memoize
// memoised values. Do not keep it after the handler has returned.
type Context struct {
	context.Context

	// Request is the call or event. In a lifecycle function it has no id. Its Meta goes along with calls; changes to it go
	// back to the caller.
	Request *action.Request

	service *Service // nil in a service that was not made by DefineService
}

// FromContext returns the [Context] of the call that ctx belongs to. A platform's methods get a plain context.Context;
// they find their datasources, cache and meta this way.
func FromContext(ctx context.Context) *Context {
	if c, ok := ctx.(*Context); ok {
		return c
	}
	req := action.RequestFrom(ctx)
	if req == nil {
		req = &action.Request{Meta: action.NewMeta(nil)}
	}
	return newContext(ctx, req)
}

// newContext makes the Context of a request.
func newContext(ctx context.Context, req *action.Request) *Context {
	if action.RequestFrom(ctx) != req {
		ctx = action.WithRequest(ctx, req)
	}
	service, _ := ctx.Value(serviceKey{}).(*Service)
	return &Context{Context: ctx, Request: req, service: service}
}

// User is the user that the call is made for, nil if nobody is logged in.
func (c *Context) User() *action.User { return c.Request.User() }

// TenantID is ctx.meta.tenantId, or else the user's tenant. It may be "".
func (c *Context) TenantID() string {
	if id := c.id("tenantId"); id != "" {
		return id
	}
	if u := c.User(); u != nil {
		return u.TenantID
	}
	return ""
}

// TenantName is ctx.meta.tenantName.
func (c *Context) TenantName() string { return c.Request.Meta.String("tenantName") }

// UserID is ctx.meta.userId, or else the user's id. It may be "".
func (c *Context) UserID() string {
	if id := c.id("userId"); id != "" {
		return id
	}
	if u := c.User(); u != nil {
		return u.ID
	}
	return ""
}

// ChannelID is ctx.meta.channelId.
func (c *Context) ChannelID() string { return c.id("channelId") }

func (c *Context) id(key string) string { return idOf(c.Request, key) }

// idOf reads an id of ctx.meta. Some applications use numbers.
func idOf(req *action.Request, key string) string {
	var id ID // decodes numbers, too
	if raw := req.Meta.Raw(key); raw == nil || id.UnmarshalJSON(raw) != nil {
		return ""
	}
	return string(id)
}

// RequestID is the correlation id: ctx.meta.requestId if a gateway set one, or else the id of the trace.
func (c *Context) RequestID() string {
	if id := c.Request.Meta.String("requestId"); id != "" {
		return id
	}
	return c.Request.RequestID
}

// UserAgent is ctx.meta.userAgent.
func (c *Context) UserAgent() string { return c.Request.Meta.String("userAgent") }

// ClientIP is ctx.meta.clientIP.
func (c *Context) ClientIP() string { return c.Request.Meta.String("clientIP") }

// Meta decodes any other value of ctx.meta into target. It returns false if the value is missing or does not fit.
func (c *Context) Meta(key string, target any) bool { return c.Request.Meta.Get(key, target) }

// SetMeta adds a value to ctx.meta, for later calls and for the caller.
func (c *Context) SetMeta(key string, value any) { c.Request.Meta.Set(key, value) }

// Settings are the settings of the service.
func (c *Context) Settings() map[string]any {
	if c.service == nil {
		return nil
	}
	return c.service.definition.Settings
}

// Log returns a logger whose lines have the service, action, request, tenant, channel and user, as far as the call has
// them.
func (c *Context) Log() *logrus.Entry {
	log := logrus.NewEntry(logrus.StandardLogger())
	if c.service != nil {
		log = c.service.log
	}
	fields := logrus.Fields{}
	for key, value := range map[string]string{
		"requestID": c.RequestID(), "tenant": c.TenantID(), "channel": c.ChannelID(), "user": c.UserID(),
	} {
		if value != "" {
			fields[key] = value
		}
	}
	if name := ownName(c.Request.Service, c.Request.Action); name != "" {
		fields["action"] = name
	}
	if d := c.Delivery(); d != nil {
		fields["event"] = d.Name
	}
	return log.WithFields(fields)
}

// Cache is the service's cache. It is never nil; without a cache it keeps nothing.
func (c *Context) Cache() *cache.Cache { return cache.From(c) }

// Call runs an action on any node, as part of this call. It decodes the answer into result, unless result is nil.
// Errors are *action.Error.
func (c *Context) Call(name string, params, result any, opts ...action.CallOptions) error {
	var o action.CallOptions
	if len(opts) > 0 {
		o = opts[0]
	}
	answer, err := c.Request.Call(c, name, params, o)
	if err != nil || result == nil || len(answer.Data) == 0 {
		return err
	}
	if err := json.Unmarshal(answer.Data, result); err != nil {
		return action.Internal(fmt.Errorf("decode the answer of %s: %w", name, err))
	}
	return nil
}

// Emit sends an event to one listener in each group, or in each of the given groups.
func (c *Context) Emit(name string, data any, groups ...string) error {
	return c.Request.Emit(c, name, data, groups...)
}

// Broadcast sends an event to all listeners.
func (c *Context) Broadcast(name string, data any, groups ...string) error {
	return c.Request.Broadcast(c, name, data, groups...)
}

// SendOptions are the options of a reliable event.
type SendOptions struct {
	// MessageID identifies the event. A second event with the same id within the stream's duplicate window is not stored.
	// If it is empty, each event gets an id of its own.
	MessageID string
	Header    map[string]string // added to those of the trace
}

// SendToChannel stores a reliable event and returns when it is durable. Consumers of @moleculer/channels read it as a
// channel of that name. The error is retryable unless the event itself is faulty; a retry with the same MessageID is
// safe.
func (c *Context) SendToChannel(name string, payload any, opts ...SendOptions) error {
	if c.service == nil || c.service.runtime.Events == nil {
		return action.Internal(errors.New("this service has no reliable events"))
	}
	var o SendOptions
	if len(opts) > 0 {
		o = opts[0]
	}
	return c.service.sendToChannel(c, name, payload, o)
}

// HasPermission says whether the call's user has a permission.
func (c *Context) HasPermission(permission string) bool { return c.User().HasPermission(permission) }

// HasRole says whether the call's user has a role.
func (c *Context) HasRole(role string) bool { return c.User().HasRole(role) }

// RequirePermission fails with 401 without a user, and with 403 if the user has none of the permissions.
func (c *Context) RequirePermission(anyOf ...string) error { return c.Request.Require(anyOf...) }

// RequireRole fails with 401 without a user, and with 403 if the user has none of the roles.
func (c *Context) RequireRole(anyOf ...string) error {
	wanted := make([]string, len(anyOf))
	for i, role := range anyOf {
		wanted[i] = action.RolePrefix + role
	}
	return c.Request.Require(wanted...)
}

// RequireUser returns the call's user, or fails with 401.
func (c *Context) RequireUser() (*action.User, error) {
	if u := c.User(); u != nil {
		return u, nil
	}
	return nil, action.Unauthorized()
}

// RequireTenant returns the call's tenant. It fails with 403 if the call has no tenant, or another one than the given.
func (c *Context) RequireTenant(id ...string) (string, error) {
	tenant := c.TenantID()
	if tenant == "" || len(id) > 0 && tenant != id[0] {
		return "", action.Client(403, codes.TenantMismatch, "this belongs to another tenant than the call")
	}
	return tenant, nil
}
