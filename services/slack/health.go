package slack

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/integration"
)

// identity is the answer of "auth.test".
type identity struct {
	URL    string `json:"url"`
	Team   string `json:"team"`
	TeamID string `json:"team_id"`
	User   string `json:"user"`
	UserID string `json:"user_id"`
	BotID  string `json:"bot_id"`
}

// scopes are those that a token should have, "Scopes", and what each is needed for.
var scopes = []struct{ name, use string }{
	{"chat:write", "sending"},
	{"files:read", "fetching attachments"},
	{"files:write", "sending files"},
	{"reactions:write", "reactions"},
	{"reactions:read", "taking reactions away"},
}

// CheckHealth asks Slack who the app is and what it may do. Slack has no way to ask whether its events arrive here.
func (p *platform) CheckHealth(ctx context.Context, ch *integration.Channel) (*integration.Health, error) {
	me, answer, err := ask[identity](ctx, p.api(ch.Credentials, ch.Settings), "auth.test", url.Values{})
	if err != nil {
		return nil, err
	}
	health := integration.Healthy("@"+me.User+" can send in "+me.Team, map[string]any{
		"team": me.Team, "teamId": me.TeamID, "user": me.User, "userId": me.UserID, "botId": me.BotID, "url": me.URL,
	})
	var missing, uses []string
	if header := answer.Header.Get("X-Oauth-Scopes"); header != "" {
		granted := strings.Split(strings.ReplaceAll(header, " ", ""), ",")
		health.Details["scopes"] = granted
		for _, s := range scopes {
			if !slices.Contains(granted, s.name) {
				missing, uses = append(missing, s.name), append(uses, s.use)
			}
		}
	}
	if len(missing) > 0 {
		health.Details["missingScopes"] = missing
		health.Message += "; for " + strings.Join(uses, ", ") + " add the scopes " + strings.Join(missing, ", ") +
			` on the app's page "OAuth & Permissions" and install it again`
	}
	switch {
	case overSocket(ch.Settings) && ch.Credentials[fieldAppToken] == "":
		health.Degrade(noAppToken().Message)
	case slices.Contains(missing, "chat:write"):
		health.Degrade(strings.Replace(health.Message, "can send in", "cannot send in", 1))
	case me.BotID == "":
		health.Degrade("the token is a user's, so messages would be sent in the user's name: " +
			"use the Bot User OAuth Token, which begins with xoxb-")
	}
	return health, nil
}

// ValidateCredentials asks Slack whose the token is. The signing secret is checked by webhooks only.
func (p *platform) ValidateCredentials(ctx context.Context, credentials, settings map[string]string) (bool, error) {
	if !botTokenPattern.MatchString(credentials[fieldBotToken]) {
		return false, nil // such a text could break the header
	}
	_, _, err := ask[identity](ctx, p.api(credentials, settings), "auth.test", url.Values{})
	return err == nil, err
}
