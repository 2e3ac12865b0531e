package strictyaml_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/hiliosai/switchboard/node/internal/strictyaml"
)

func TestSecretIsNeverShown(t *testing.T) {
	const canary = strictyaml.Secret("hunter2")
	type holder struct {
		Token strictyaml.Secret            `json:"token" yaml:"token"`
		More  map[string]strictyaml.Secret `json:"more" yaml:"more"`
	}
	held := holder{canary, map[string]strictyaml.Secret{"a": canary}}
	asJSON, err := json.Marshal(held)
	require.NoError(t, err)
	asYAML, err := yaml.Marshal(held)
	require.NoError(t, err)

	cases := map[string]struct{ got, want string }{
		"String":        {canary.String(), "[redacted]"},
		"%v":            {fmt.Sprintf("%v", canary), "[redacted]"},
		"%s":            {fmt.Sprintf("%s", canary), "[redacted]"},
		"%q":            {fmt.Sprintf("%q", canary), "[redacted]"},
		"%x":            {fmt.Sprintf("%x", canary), "[redacted]"},
		"%#v":           {fmt.Sprintf("%#v", canary), "[redacted]"},
		"%d":            {fmt.Sprintf("%d", canary), "[redacted]"},
		"within %+v":    {fmt.Sprintf("%+v", held), "{Token:[redacted] More:map[a:[redacted]]}"},
		"within JSON":   {string(asJSON), `{"token":"[redacted]","more":{"a":"[redacted]"}}`},
		"within YAML":   {string(asYAML), "token: '[redacted]'\nmore:\n    a: '[redacted]'\n"},
		"empty String":  {strictyaml.Secret("").String(), ""},
		"empty %v":      {fmt.Sprint(strictyaml.Secret("")), ""},
		"Reveal itself": {canary.Reveal(), "hunter2"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, c.got) })
	}
}
