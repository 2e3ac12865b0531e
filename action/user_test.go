package action_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

func TestUserIsReadAsApplicationsSendIt(t *testing.T) {
	cases := map[string]struct {
		meta string
		want *action.User
	}{
		"all fields": {
			`{"user":{"id":"u1","email":"a@b","name":"A","tenantId":"t","roles":["r"],"permissions":["p"]}}`,
			&action.User{ID: "u1", Email: "a@b", Name: "A", TenantID: "t", Roles: []string{"r"}, Permissions: []string{"p"}},
		},
		"a number as id": {`{"user":{"id":7}}`, &action.User{ID: "7"}},
		"one role":       {`{"user":{"id":"u","role":"admin"}}`, &action.User{ID: "u", Roles: []string{"admin"}}},
		"a role twice": {`{"user":{"id":"u","role":"admin","roles":["admin","x"]}}`, &action.User{
			ID: "u", Roles: []string{"admin", "x"},
		}},
		"no user":        {`{}`, nil},
		"null":           {`{"user":null}`, nil},
		"nobody in it":   {`{"user":{}}`, nil},
		"something else": {`{"user":"root"}`, nil},
		"unusable role":  {`{"user":{"id":"u","roles":"admin"}}`, nil},
		"names in capitals": {
			`{"user":{"ID":"u","Id":"u","Roles":["admin"],"ROLE":"admin","Permissions":["*"],"TenantId":"t"}}`, nil,
		},
		"names twice": {`{"user":{"id":"u","ID":"root","tenantId":"t","TenantID":"other","tenantid":"other",` +
			`"roles":["r"],"Roles":["admin"]}}`, &action.User{ID: "u", TenantID: "t", Roles: []string{"r"}}},
		"a long s":          {`{"user":{"id":"u","role\u017f":["admin"],"permi\u017fsions":["*"]}}`, &action.User{ID: "u"}},
		"a User":            {`{"User":{"id":"root"},"USER":{"id":"root"}}`, nil},
		"an object as id":   {`{"user":{"id":{"a":1}}}`, nil},
		"a list as tenant":  {`{"user":{"id":"u","tenantId":["t"]}}`, &action.User{ID: "u"}},
		"no id, but a role": {`{"user":{"id":null,"roles":["r"]}}`, &action.User{Roles: []string{"r"}}},
		"names of another case": {
			`{"user":{"id":"u","ID":"v","tenantID":"t2","TENANTID":"t3","Permissions":["*"],"ROLE":"admin"}}`,
			&action.User{ID: "u"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			req := &action.Request{Meta: action.NewMeta(json.RawMessage(c.meta))}
			require.Equal(t, c.want, req.User())
		})
	}
}

func TestNamesInTheValuesOfMetaCountAsTheyAreWritten(t *testing.T) {
	meta := action.NewMeta(json.RawMessage(`{"trace":{"ID":"a","id":"b","Level":5,"parent":{"Id":"c"}},"none":null}`))
	type trace struct {
		ID     string `json:"id"`
		Level  int    `json:"level"`
		Parent *trace `json:"parent"`
	}
	got := trace{ID: "kept", Level: 1}
	require.True(t, meta.Get("none", &got))
	require.Equal(t, trace{ID: "kept", Level: 1}, got)
	var number int
	require.False(t, meta.Get("trace", &number))
	require.False(t, meta.Get("Trace", &got))
	require.True(t, meta.Get("trace", &got))
	require.Equal(t, trace{ID: "b", Parent: &trace{}}, got)
}

func TestPermissionsCoverWhatTheyName(t *testing.T) {
	cases := []struct {
		granted, wanted string
		want            bool
	}{
		{"channels.read", "channels.read", true},
		{"channels.read", "channels.write", false},
		{"channels.*", "channels.write", true},
		{"channels.*", "channels.a.b", true},
		{"channels.*", "channels", false},
		{"channels.*", "channelsx.write", false},
		{"*", "anything.at.all", true},
		{"", "channels.read", false},
		{"channels.read", "channels.*", false},
	}
	for _, c := range cases {
		u := &action.User{Permissions: []string{c.granted}}
		require.Equal(t, c.want, u.HasPermission(c.wanted), "%q for %q", c.granted, c.wanted)
	}
	require.False(t, (*action.User)(nil).HasPermission("x"))
	require.False(t, (*action.User)(nil).HasRole("x"))
}

func TestRequireNamesTheMissingUserOrPermission(t *testing.T) {
	request := func(meta string) *action.Request {
		return &action.Request{Meta: action.NewMeta(json.RawMessage(meta))}
	}
	user := `{"user":{"id":"u","roles":["editor"],"permissions":["posts.write"]}}`
	cases := map[string]struct {
		meta  string
		anyOf []string
		want  string // type of the error
		code  int
	}{
		"nothing asked for":         {`{}`, nil, "", 0},
		"nobody logged in":          {`{}`, []string{"posts.write"}, "UNAUTHORIZED", 401},
		"anybody will do":           {user, []string{action.PermissionAuthenticated}, "", 0},
		"anybody, but nobody there": {`{}`, []string{action.PermissionAuthenticated}, "UNAUTHORIZED", 401},
		"the permission":            {user, []string{"posts.write"}, "", 0},
		"one of two":                {user, []string{"posts.read", "posts.write"}, "", 0},
		"another permission":        {user, []string{"posts.delete"}, "FORBIDDEN", 403},
		"the role":                  {user, []string{"role:editor"}, "", 0},
		"another role":              {user, []string{"role:admin"}, "FORBIDDEN", 403},
		"a role is no permission":   {user, []string{"editor"}, "FORBIDDEN", 403},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := request(c.meta).Require(c.anyOf...)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			var e *action.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, []any{c.want, c.code, false}, []any{e.Type, e.Code, e.Retryable})
		})
	}
	var e *action.Error
	require.ErrorAs(t, request(user).Require("posts.delete"), &e)
	require.Equal(t, map[string]any{"permissions": []string{"posts.delete"}}, e.Data)
}
