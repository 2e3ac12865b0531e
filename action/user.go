package action

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

// User is who a call is made for, as the gateway's authentication put it into ctx.meta.user.
type User struct {
	ID          string   `json:"id"`
	Email       string   `json:"email,omitempty"`
	Name        string   `json:"name,omitempty"`
	TenantID    string   `json:"tenantId,omitempty"`
	Roles       []string `json:"roles,omitempty"`
	Permissions []string `json:"permissions,omitempty"`
}

// UnmarshalJSON takes users as applications send them: numbers as ids, one role instead of a list. Names count as they
// are written, as for Node: what a client can add to its token must not pass for what the gateway put there.
func (u *User) UnmarshalJSON(data []byte) error {
	var raw struct {
		ID          json.RawMessage `json:"id"`
		Email       string          `json:"email"`
		Name        string          `json:"name"`
		TenantID    json.RawMessage `json:"tenantId"`
		Role        string          `json:"role"`
		Roles       []string        `json:"roles"`
		Permissions []string        `json:"permissions"`
	}
	if err := rawjson.UnmarshalParts(bytes.Clone(data), &raw); err != nil { // the user outlives data
		return err
	}
	*u = User{
		ID: id(raw.ID), Email: raw.Email, Name: raw.Name, TenantID: id(raw.TenantID), Roles: raw.Roles,
		Permissions: raw.Permissions,
	}
	if raw.Role != "" && !slices.Contains(u.Roles, raw.Role) {
		u.Roles = append(u.Roles, raw.Role)
	}
	return nil
}

// id reads a string or a number, "" for anything else.
func id(raw json.RawMessage) string {
	if len(raw) > 0 && (raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9') {
		return string(raw)
	}
	return rawjson.Text(raw)
}

// HasRole says whether the user has a role.
func (u *User) HasRole(role string) bool { return u != nil && slices.Contains(u.Roles, role) }

// HasPermission says whether one of the user's permissions covers the one asked for: "channels.*" covers
// all that begins with "channels.", and "*" covers everything.
func (u *User) HasPermission(permission string) bool {
	return u != nil && slices.ContainsFunc(u.Permissions, func(granted string) bool { return covers(granted, permission) })
}

func covers(granted, wanted string) bool {
	if granted == wanted || granted == "*" || granted == "**" {
		return true
	}
	prefix, ok := strings.CutSuffix(granted, ".*")
	return ok && strings.HasPrefix(wanted, prefix+".")
}

// User returns who the call is made for, nil when nobody is logged in.
func (r *Request) User() *User {
	var u User
	if !r.Meta.Get("user", &u) || u.ID == "" && len(u.Roles) == 0 && len(u.Permissions) == 0 {
		return nil
	}
	return &u
}

// Names with a meaning of their own among the permissions that an action asks for.
const (
	// PermissionAuthenticated is had by every user.
	PermissionAuthenticated = "authenticated"
	// RolePrefix before a name asks for a role, as in "role:admin".
	RolePrefix = "role:"
)

// Require checks that the call's user has one of the permissions, and that there is a user. The error
// says which is missing: 401 UNAUTHORIZED or 403 FORBIDDEN. Without permissions nobody is turned away.
func (r *Request) Require(anyOf ...string) error {
	if len(anyOf) == 0 {
		return nil
	}
	user := r.User()
	if user == nil {
		return Unauthorized()
	}
	for _, p := range anyOf {
		role, isRole := strings.CutPrefix(p, RolePrefix)
		switch {
		case p == PermissionAuthenticated, isRole && user.HasRole(role), !isRole && user.HasPermission(p):
			return nil
		}
	}
	return Forbidden(anyOf...)
}

// Unauthorized is the error for a call that nobody is logged in for.
func Unauthorized() *Error {
	return Client(
		http.StatusUnauthorized, codes.Unauthorized, "this action asks for a user, and the call has none (ctx.meta.user)",
	)
}

// Forbidden is the error for a user who has none of the permissions.
func Forbidden(anyOf ...string) *Error {
	return Client(http.StatusForbidden, codes.Forbidden, "this action asks for a permission that the user does not have").
		With(map[string]any{"permissions": anyOf})
}
