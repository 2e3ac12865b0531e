package integration_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func TestFieldsAreMadeWithWhatTheyAlwaysHave(t *testing.T) {
	token := integration.Secret("token", "the token").Matching(regexp.MustCompile(`^\S+$`))
	require.Equal(t, integration.Field{
		In: integration.InCredentials, Name: "token", Required: true, Secret: true, Help: "the token", Pattern: token.Pattern,
	}, token)
	require.Equal(t, integration.Field{
		In: integration.InCredentials, Name: "appId", Required: true, Account: true, Help: "the app",
	}, integration.Credential("appId", "the app").ForAccount())

	previews := integration.Setting("previews", "whether links have previews").OneOf("on", "off")
	require.Equal(t, integration.InSettings, previews.In)
	require.False(t, previews.Required)
	require.True(t, previews.Pattern.MatchString("off"))
	require.False(t, previews.Pattern.MatchString("offers"))
}

func TestAPIBaseIsAnAddress(t *testing.T) {
	base := integration.APIBase("another API", "https://api.example.com")
	require.True(t, base.Address)
	require.Equal(t, "the http(s) root of another API; without it https://api.example.com", base.Help)
	for value, is := range map[string]bool{
		"https://proxy.example.com/api": true, "http://10.0.0.1:8080/": true,
		"ftp://example.com": false, "https://example.com?x=1": false, "https://a b": false, "example.com": false,
	} {
		require.Equal(t, is, base.Pattern.MatchString(value), value)
	}
	own := map[string]string{"apiBase": "http://10.0.0.1:8080//"}
	require.Equal(t, "http://10.0.0.1:8080", integration.APIBaseOf(own, "https://api.example.com"))
	require.Equal(t, "https://api.example.com", integration.APIBaseOf(nil, "https://api.example.com/"))
}
