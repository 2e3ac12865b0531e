package integration_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func TestRawPayloadIsMaskedByTheNamesOfItsMembers(t *testing.T) {
	for name, test := range map[string]struct{ raw, want string }{
		"a text": {`{"token":"T","id":1}`, `{"token":"[redacted]","id":1}`},
		"what is deep": {
			`{"a":[{"b":{"token" : "T"}},{"token":"U"}], "z": 1.50}`,
			`{"a":[{"b":{"token" : "[redacted]"}},{"token":"[redacted]"}], "z": 1.50}`,
		},
		"another case":       {`{"Token":"T","TOKEN":"U"}`, `{"Token":"[redacted]","TOKEN":"[redacted]"}`},
		"an escaped name":    {`{"tok\u0065n":"T"}`, `{"tok\u0065n":"[redacted]"}`},
		"twice":              {`{"token":"T","token":"U"}`, `{"token":"[redacted]","token":"[redacted]"}`},
		"a number":           {`{"token":123456789012345678901234567890}`, `{"token":"[redacted]"}`},
		"a list":             {`{"token":["T",{"token":"U"}],"id":1}`, `{"token":"[redacted]","id":1}`},
		"an object":          {`{"token":{"value":"T","token":"U"}}`, `{"token":{"value":"T","token":"[redacted]"}}`},
		"null":               {`{"token":null}`, `{"token":null}`},
		"other names":        {`{"tokens":{"oauth":["U1"]},"my_token":"x"}`, `{"tokens":{"oauth":["U1"]},"my_token":"x"}`},
		"a text of the sort": {`{"text":"\"token\":\"T\""}`, `{"text":"\"token\":\"T\""}`},
		"another name":       {`{"response_url":"https://h/x"}`, `{"response_url":"[redacted]"}`},
		"no object":          {`["token","T"]`, `["token","T"]`},
		"no JSON":            {`{"token":"T"`, `{"token":"T"`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, string(integration.MaskRaw(json.RawMessage(test.raw), "token", "response_url")))
		})
	}
}
