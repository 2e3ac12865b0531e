package discord

import (
	"context"
	"net/http"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// application is the "Application Object".
type application struct {
	ID                      snowflake `json:"id"`
	Name                    string    `json:"name"`
	VerifyKey               string    `json:"verify_key"`
	InteractionsEndpointURL string    `json:"interactions_endpoint_url"`
	EventWebhooksURL        string    `json:"event_webhooks_url"`
	EventWebhooksStatus     int       `json:"event_webhooks_status"`
	Flags                   int64     `json:"flags"`
}

// eventsStopped is the status of an app whose events Discord has switched off, "Application Event Webhook Status".
const eventsStopped = 3

// self asks which app has the token.
func (a *api) self(ctx context.Context) (*application, error) {
	var app application
	_, err := a.Ask(ctx, httpapi.Get("get application", "/applications/@me"), &app)
	if err == nil && app.ID == "" {
		err = httpapi.Repeatable(httpapi.Unreadable("discord get application", http.StatusOK, nil))
	}
	return &app, err
}

// CheckHealth asks who the bot is, whether the channel's fields are those of its app, and whether the app has an
// endpoint for webhooks.
func (p *platform) CheckHealth(ctx context.Context, ch *integration.Channel) (*integration.Health, error) {
	a := p.api(ch.Credentials, ch.Settings)
	app, err := a.self(ctx)
	if err != nil {
		return nil, err
	}
	var bot user
	if _, err := a.Ask(ctx, httpapi.Get("get current user", "/users/@me"), &bot); err != nil {
		return nil, err
	}
	health := integration.Healthy("@"+bot.Username+" can send and receive", map[string]any{
		"applicationId": string(app.ID), "application": app.Name, "botId": string(bot.ID), "username": bot.Username,
	})
	// Only the host of a webhook's URL is shown, since the rest is often kept secret.
	integration.PutText(health.Details, "interactionsHost", httpapi.LinkHost(app.InteractionsEndpointURL))
	integration.PutText(health.Details, "eventsHost", httpapi.LinkHost(app.EventWebhooksURL))
	app.judge(ch, health)
	return health, nil
}

// judge lowers the health for what is wrong with the app or with the channel's fields.
func (app *application) judge(ch *integration.Channel, health *integration.Health) {
	switch {
	case string(app.ID) != ch.Credentials[fieldApplicationID]:
		health.Fail("the botToken is that of application " + string(app.ID) +
			", the channel's applicationId is another: take both from the same app of the developer portal")
	case !app.hasKey(ch.Credentials, ch.Settings):
		health.Fail("the channel's publicKey is not the app's, so that every webhook is refused: " +
			`copy it from the page "General Information" of the developer portal`)
	case overGateway(ch.Settings) && intentsOf(ch).refusedTo(app)&^intentContent != 0:
		health.Fail(refusedIntents(intentsOf(ch).refusedTo(app)).Message)
	case overGateway(ch.Settings) && intentsOf(ch).refusedTo(app) != 0:
		health.Degrade(contentNote)
	case !overGateway(ch.Settings) && app.InteractionsEndpointURL == "":
		health.Degrade("the app has no Interactions Endpoint URL, so that no command or button " +
			`arrives: enter the gateway's URL of this channel on the page "General Information" of the developer portal`)
	case app.EventWebhooksStatus == eventsStopped:
		health.Degrade("Discord has switched the app's webhook events off because too many were not " +
			`answered: see to the gateway, then switch them on again on the page "Webhooks" of the developer portal`)
	}
}

// hasKey says whether the channel's public key is the app's. A channel that receives over the Gateway needs none.
func (app *application) hasKey(credentials, settings map[string]string) bool {
	key := credentials[fieldPublicKey]
	return key == "" && overGateway(settings) || strings.EqualFold(app.VerifyKey, key)
}

// overGateway says whether a channel with these settings receives over the Gateway.
func overGateway(settings map[string]string) bool {
	return receiveField.Of(&integration.Channel{Settings: settings}) == receiveGateway
}

// ValidateCredentials asks Discord for the app of the token, and compares it with the other fields.
func (p *platform) ValidateCredentials(ctx context.Context, credentials, settings map[string]string) (bool, error) {
	if !botTokenPattern.MatchString(credentials[fieldBotToken]) {
		return false, nil // it becomes a header
	}
	a := p.api(credentials, settings)
	app, err := a.self(ctx)
	if err != nil {
		return false, err
	}
	return string(app.ID) == credentials[fieldApplicationID] && app.hasKey(credentials, settings), nil
}
