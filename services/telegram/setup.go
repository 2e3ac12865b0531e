package telegram

import (
	"context"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/integration"
)

var _ integration.Installer = (*platform)(nil)

// PlanSetup compares the bot's webhook with the one that the channel wants, "getWebhookInfo". A channel that polls
// wants none.
func (p *platform) PlanSetup(
	ctx context.Context, ch *integration.Channel, wanted integration.Setup,
) (*integration.SetupPlan, error) {
	if wanted.Commands != nil {
		return nil, integration.SetupInvalid("commands", "Telegram's commands are not set from here")
	}
	if wanted.URL != "" && receiveField.Of(ch) == byPolling {
		return nil, integration.SetupInvalid("url", "the channel polls; leave the URL out")
	}
	a := p.api(ch.Credentials, ch.Settings)
	info, err := ask[webhookInfo](ctx, a, "getWebhookInfo", struct{}{})
	if err != nil {
		return nil, err
	}
	plan := &integration.SetupPlan{URL: info.URL}
	if receiveField.Of(ch) == byPolling {
		plan.Change("url", info.URL, "", false)
		plan.Install = func(ctx context.Context) ([]string, error) {
			_, err := change[bool](ctx, a, "deleteWebhook", struct{}{})
			return nil, err
		}
		return plan, nil
	}
	kinds, notes := allowedUpdates(ch)
	plan.Notes = notes
	plan.Change("url", info.URL, wanted.URL, false)
	plan.Change("allowed_updates", listed(info.AllowedUpdates), listed(kinds), false)
	if info.CustomCertificate {
		plan.Change("has_custom_certificate", "true", "false", false)
	}
	if len(plan.Changes) > 0 || wanted.Force { // Telegram does not tell which it has
		plan.Change("secret_token", integration.SetupUnknown, "the channel's secretToken", true)
	}
	params := setWebhook{wanted.URL, ch.Credentials[fieldSecretToken], kinds, info.MaxConnections}
	plan.Install = func(ctx context.Context) ([]string, error) {
		_, err := change[bool](ctx, a, "setWebhook", params)
		return nil, err
	}
	return plan, nil
}

// listed returns kinds of updates as a text that is the same for the same kinds.
func listed(kinds []string) string {
	if len(kinds) == 0 {
		return "Telegram's default"
	}
	return strings.Join(slices.Sorted(slices.Values(kinds)), ", ")
}
