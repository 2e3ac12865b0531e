package integration

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

// Permissions that let a user work with the channels of every tenant; "*" does too.
const (
	permissionAllChannels = "channels.*"
	permissionAllTenants  = "tenants.all"
)

// claimedTenants are the tenants that a call says it is made for: that of ctx.meta.tenantId and that of
// ctx.meta.user. "" is none.
func claimedTenants(req *action.Request) (meta, user string) {
	if raw := req.Meta.Raw("user"); raw != nil {
		if fields, err := rawjson.FieldsOf(raw); err == nil { // by the exact name: "tenantid" is another one
			user = tenantText(fields.Get("tenantId"))
		}
	}
	return tenantText(req.Meta.Raw("tenantId")), user
}

// tenantText reads a tenant's id, which some applications number. What cannot be an id stays as it is: it equals no
// channel's tenant, so that the caller does not pass for one without a tenant.
func tenantText(raw json.RawMessage) string {
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return ""
	case raw[0] == '"':
		return rawjson.Text(raw)
	default:
		return string(raw)
	}
}

// isForeign says whether a tenant is another one than a caller's. Of a caller that names two tenants each counts.
// Callers without a tenant are the cluster's own services, to which nothing is foreign.
func (s *platformService) isForeign(req *action.Request, tenant string) bool {
	if s.runtime.AnyTenant {
		return false
	}
	meta, user := claimedTenants(req)
	if (meta == "" || meta == tenant) && (user == "" || user == tenant) {
		return false
	}
	u := req.User()
	return !u.HasPermission(permissionAllChannels) && !u.HasPermission(permissionAllTenants)
}

// ofCaller gives a channel without a tenant that of the caller.
func ofCaller(req *action.Request, ch *Channel) *Channel {
	if ch.TenantID != "" {
		return ch
	}
	_, user := claimedTenants(req)
	theirs := *ch // the store's own stays as it is
	theirs.TenantID = cmp.Or(idOf(req, "tenantId"), user)
	return &theirs
}

// hidden is the error about a channel that cannot be read as a caller may see it. Whose the channel is cannot be told
// then, and that there is one is nobody else's business.
func (s *platformService) hidden(req *action.Request, id string, err error) error {
	m, told := errors.AsType[action.Moleculer](err)
	if !told || m.MoleculerError().Retryable || !s.isForeign(req, "") {
		return err
	}
	s.logFor(req, nil).WithError(err).WithField("channel", id).
		Warn("a channel cannot be read; its caller is told that there is none")
	return s.unknown(id)
}

func (s *platformService) unknown(id string) *Error {
	return &Error{
		Kind: FaultNotFound, Code: codes.ChannelNotFound, Message: fmt.Sprintf("there is no %s channel %q", s.def.Name, id),
	}
}
