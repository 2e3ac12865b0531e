package integration_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func TestValidateChannelNamesWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*integration.Channel)
		fault  string // none when empty
	}{
		"a good channel":          {func(*integration.Channel) {}, ""},
		"an inactive one":         {func(ch *integration.Channel) { ch.Status = integration.ChannelInactive }, ""},
		"the longest id":          {func(ch *integration.Channel) { ch.ID = strings.Repeat("x", 128) }, ""},
		"no id":                   {func(ch *integration.Channel) { ch.ID = "" }, "id: is required"},
		"an id too long":          {func(ch *integration.Channel) { ch.ID = strings.Repeat("x", 129) }, "id: may hold"},
		"an id with a slash":      {func(ch *integration.Channel) { ch.ID = "a/b" }, "id: may hold"},
		"an id with a line break": {func(ch *integration.Channel) { ch.ID = "a\n" }, "id: may hold"},
		"no tenant":               {func(ch *integration.Channel) { ch.TenantID = "" }, "tenantId: is required"},
		"an unknown status": {
			func(ch *integration.Channel) { ch.Status = "active" },
			"status: must be ACTIVE or INACTIVE",
		},
		"no token": {
			func(ch *integration.Channel) { ch.Credentials = nil },
			"credentials.token: is required: The token of the bot.",
		},
		"a token of another form": {
			func(ch *integration.Channel) { ch.Credentials["token"] = "CANARY" }, "credentials.token: does not look right",
		},
		"a credential of no field": {
			func(ch *integration.Channel) { ch.Credentials["tokn"] = "CANARY" },
			"credentials.tokn: platform parrot has no such field; it has [token]",
		},
		"a setting of no field": {
			func(ch *integration.Channel) { ch.Settings = map[string]string{"token": "CANARY"} },
			"settings.token: platform parrot",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ch := newChannel()
			test.change(ch)
			err := integration.ValidateChannel(ch, fields)
			if test.fault == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.fault)
			require.NotContains(t, err.Error(), "\n", "one fault, one line")
			require.NotContains(t, err.Error(), "CANARY")
		})
	}
}

func TestValidateChannelJoinsItsFaultsInOrder(t *testing.T) {
	err := integration.ValidateChannel(&integration.Channel{Platform: "parrot"}, fields)
	var keys []string
	for line := range strings.Lines(err.Error()) {
		key, _, _ := strings.Cut(line, ":")
		keys = append(keys, key)
	}
	require.Equal(t, []string{"credentials.token", "id", "status", "tenantId"}, keys)
	var fault *integration.FieldError
	require.ErrorAs(t, err, &fault)
}

func TestMaskedShowsNoSecret(t *testing.T) {
	ch := newChannel()
	ch.Credentials["undeclared"] = "short"
	ch.Credentials["eleven"], ch.Credentials["twelve"] = "0123456789A", "0123456789AB"
	ch.Credentials["umlauts"] = strings.Repeat("ü", 12)
	ch.Settings = map[string]string{"apiBase": "http://localhost", "pin": "0123456789AB"}

	masked := ch.Masked(fields)
	require.Equal(
		t,
		map[string]string{"token": "****en", "undeclared": "****", "umlauts": "****üü", "eleven": "****", "twelve": "****AB"},
		masked.Credentials,
	)
	require.Equal(t, map[string]string{"apiBase": "http://localhost", "pin": "****AB"}, masked.Settings)
	require.Equal(t, ch.ID, masked.ID)
	require.Equal(t, token, ch.Credentials["token"], "the channel itself keeps it")
}

func TestEqualSecrets(t *testing.T) {
	for name, test := range map[string]struct {
		got, want string
		equal     bool
	}{
		"the same":       {"secret", "secret", true},
		"another":        {"secreT", "secret", false},
		"a beginning":    {"sec", "secret", false},
		"none given":     {"", "secret", false},
		"none to expect": {"secret", "", false},
		"both empty":     {"", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.equal, integration.EqualSecrets(test.got, test.want))
		})
	}
}

func TestValidHMACSHA256(t *testing.T) {
	// RFC 4231, test case 2.
	const secret, body, signature = "Jefe", "what do ya want for nothing?",
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
	const emptySecret = "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" // of "" under ""
	for name, test := range map[string]struct {
		secret, body, signature string
		valid                   bool
	}{
		"the right one":     {secret, body, signature, true},
		"in upper case":     {secret, body, strings.ToUpper(signature), true},
		"of another body":   {secret, body + " ", signature, false},
		"of another secret": {"jefe", body, signature, false},
		"cut off":           {secret, body, signature[:32], false},
		"not hex":           {secret, body, "zz", false},
		"none":              {secret, body, "", false},
		"an empty secret":   {"", "", emptySecret, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.valid, integration.ValidHMACSHA256(test.secret, []byte(test.body), test.signature))
		})
	}
}
