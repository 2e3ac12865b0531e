package telegram

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// recentError is how long a failed delivery makes a channel degraded. "getWebhookInfo" keeps the last error for ever,
// even if all updates have arrived since.
const recentError = time.Hour

var (
	_ integration.HealthChecker        = (*platform)(nil)
	_ integration.CredentialsValidator = (*platform)(nil)
)

// CheckHealth asks the Bot API who the bot is and whether its updates are delivered.
func (p *platform) CheckHealth(ctx context.Context, ch *integration.Channel) (*integration.Health, error) {
	a := p.api(ch.Credentials, ch.Settings)
	me, err := ask[user](ctx, a, "getMe", struct{}{})
	if err != nil {
		return nil, err
	}
	info, err := ask[webhookInfo](ctx, a, "getWebhookInfo", struct{}{})
	if err != nil {
		return nil, err
	}
	health := integration.Healthy("@"+me.Username+" can send and receive", map[string]any{
		"botId": decimal(me.ID), "username": me.Username, "pendingUpdateCount": info.PendingUpdateCount,
	})
	if len(info.AllowedUpdates) > 0 {
		health.Details["allowedUpdates"] = info.AllowedUpdates
	}
	host := httpapi.LinkHost(info.URL)
	integration.PutText(health.Details, "webhookHost", host)
	failedAt := time.Unix(info.LastErrorDate, 0).UTC()
	if info.LastErrorDate != 0 {
		health.Details["lastErrorDate"] = failedAt.Format(time.RFC3339)
		health.Details["lastErrorMessage"] = info.LastErrorMessage
	}
	switch {
	case receiveField.Of(ch) == byPolling:
		if info.URL != "" {
			health.Degrade(webhookInTheWay(ch, info.URL))
		}
	case info.URL == "":
		health.Degrade("the bot has no webhook, so nothing is received: run switchboard channels setup, " +
			"call setWebhook with the gateway's URL of this channel and its secretToken, or set receive to polling")
	case len(info.AllowedUpdates) > 0 && !slices.Contains(info.AllowedUpdates, "message"):
		health.Degrade("no messages of users are received: setWebhook was given allowed_updates without \"message\"")
	case time.Since(failedAt) < recentError:
		health.Degrade(fmt.Sprintf(
			"at %s Telegram could not deliver an update to %s: %s; "+
				"check that the gateway is reachable and that setWebhook was given the channel's secretToken",
			failedAt.Format(time.RFC3339), host, info.LastErrorMessage))
	}
	return health, nil
}

// ValidateCredentials asks the Bot API who the token's bot is.
func (p *platform) ValidateCredentials(ctx context.Context, credentials, settings map[string]string) (bool, error) {
	if !tokenPattern.MatchString(credentials[fieldToken]) {
		return false, nil // it would become a part of the URL
	}
	_, err := ask[user](ctx, p.api(credentials, settings), "getMe", struct{}{})
	return err == nil, err
}
