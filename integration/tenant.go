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

// claimedTenants are the tenants that a call claims to be for: those of ctx.meta.tenantId and of ctx.meta.user. "" is
// none.
func claimedTenants(req *action.Request) (meta, user string) {
	if raw := req.Meta.Raw("user"); raw != nil {
		if fields, err := rawjson.FieldsOf(raw); err == nil { // by the exact name: "tenantid" is another member
			user = tenantText(fields.Get("tenantId"))
		}
	}
	return tenantText(req.Meta.Raw("tenantId")), user
}

// tenantText reads a tenant's id. Some applications use numbers. Any other JSON is returned unchanged: it equals no
// channel's tenant, so the caller does not count as one without a tenant.
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

// isForeign says whether a tenant differs from a caller's. If a caller names two tenants, both must match. Callers
// without a tenant are the cluster's own services; for them no tenant is foreign.
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

// ofCaller gives a channel without a tenant the caller's tenant.
func ofCaller(req *action.Request, ch *Channel) *Channel {
	if ch.TenantID != "" {
		return ch
	}
	_, user := claimedTenants(req)
	theirs := *ch // the store's channel must not change
	theirs.TenantID = cmp.Or(idOf(req, "tenantId"), user)
	return &theirs
}

// hidden returns the error that a caller may see for a channel that cannot be read. The tenant of such a channel is
// unknown, so callers with a tenant must not learn that it exists.
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
