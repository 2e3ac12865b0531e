package discord

import (
	"context"
	"errors"
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
	_, err := a.Ask(ctx, httpapi.Call{Name: "get application", Method: http.MethodGet, Path: "/applications/@me"}, &app)
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
	getUser := httpapi.Call{Name: "get current user", Method: http.MethodGet, Path: "/users/@me"}
	if _, err := a.Ask(ctx, getUser, &bot); err != nil {
		return nil, err
	}
	health := &integration.Health{
		Status:  integration.HealthHealthy,
		Message: "@" + bot.Username + " can send and receive",
		Details: map[string]any{
			"applicationId": string(app.ID), "application": app.Name, "botId": string(bot.ID), "username": bot.Username,
		},
	}
	// Only the host of a webhook's URL is shown, since the rest is often kept secret.
	integration.PutText(health.Details, "interactionsHost", httpapi.LinkHost(app.InteractionsEndpointURL))
	integration.PutText(health.Details, "eventsHost", httpapi.LinkHost(app.EventWebhooksURL))
	if status, message := app.faults(ch); status != "" {
		health.Status, health.Message = status, message
	}
	return health, nil
}

// faults says what is wrong with the app or with the channel's fields. The status is empty if nothing is.
func (app *application) faults(ch *integration.Channel) (status, message string) {
	switch {
	case string(app.ID) != ch.Credentials[fieldApplicationID]:
		return integration.HealthUnhealthy, "the botToken is that of application " + string(app.ID) +
			", the channel's applicationId is another: take both from the same app of the developer portal"
	case !app.hasKey(ch.Credentials, ch.Settings):
		return integration.HealthUnhealthy, "the channel's publicKey is not the app's, so that every webhook is refused: " +
			`copy it from the page "General Information" of the developer portal`
	case overGateway(ch.Settings) && intentsOf(ch).refusedTo(app)&^intentContent != 0:
		return integration.HealthUnhealthy, refusedIntents(intentsOf(ch).refusedTo(app)).Message
	case overGateway(ch.Settings) && intentsOf(ch).refusedTo(app) != 0:
		return integration.HealthDegraded, contentNote
	case !overGateway(ch.Settings) && app.InteractionsEndpointURL == "":
		return integration.HealthDegraded, "the app has no Interactions Endpoint URL, so that no command or button " +
			`arrives: enter the gateway's URL of this channel on the page "General Information" of the developer portal`
	case app.EventWebhooksStatus == eventsStopped:
		return integration.HealthDegraded, "Discord has switched the app's webhook events off because too many were not " +
			`answered: see to the gateway, then switch them on again on the page "Webhooks" of the developer portal`
	default:
		return "", ""
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
	if e, ok := errors.AsType[*integration.Error](err); ok && e.Kind == integration.FaultAuth {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return string(app.ID) == credentials[fieldApplicationID] && app.hasKey(credentials, settings), nil
}
