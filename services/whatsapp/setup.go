package whatsapp

import (
	"cmp"
	"context"
	"net/url"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

var _ integration.Installer = (*platform)(nil)

// callbacks are the URLs that Meta knows for a number, "Webhook overrides". The first one that is there gets the
// webhooks.
type callbacks struct {
	Configuration struct {
		Number      string `json:"phone_number"`
		Account     string `json:"whatsapp_business_account"`
		Application string `json:"application"`
	} `json:"webhook_configuration"`
}

// url returns the URL that gets the number's webhooks.
func (c *callbacks) url() string {
	return cmp.Or(c.Configuration.Number, c.Configuration.Account, c.Configuration.Application)
}

// maxCallback is how many characters Meta takes.
const maxCallback = 200

// PlanSetup compares where the number's webhooks go with what is wanted, and with a wabaId whether an app gets those of
// the account.
func (p *platform) PlanSetup(
	ctx context.Context, ch *integration.Channel, wanted integration.Setup,
) (*integration.SetupPlan, error) {
	switch {
	case wanted.Commands != nil:
		return nil, integration.SetupInvalid("commands", "WhatsApp's commands are not set from here")
	case len(wanted.URL) > maxCallback:
		return nil, integration.SetupInvalid("url", "must not be longer than %d characters for WhatsApp", maxCallback)
	}
	a := p.api(ch.Credentials, ch.Settings)
	var there callbacks
	query := url.Values{"fields": {"webhook_configuration"}}
	if err := a.Get(ctx, "phone number", a.phoneNumberID, query, &there); err != nil {
		return nil, err
	}
	plan := &integration.SetupPlan{URL: there.url()}
	wabaID, subscribe := ch.Settings[fieldWABAID], false
	if wabaID == "" {
		plan.Notes = append(plan.Notes, "without the channel's wabaId it is not known whether an app gets the account's "+
			"webhooks at all")
	} else {
		apps, err := a.subscribedApps(ctx, wabaID)
		if err != nil {
			return nil, err
		}
		if subscribe = len(apps) == 0; subscribe {
			plan.Change("subscribed_apps", "", "the app of the accessToken", true)
		}
	}
	plan.Change("override_callback_uri", plan.URL, wanted.URL, wanted.Force)
	override := len(plan.Changes) > 1 || !subscribe
	plan.Install = func(ctx context.Context) ([]string, error) {
		if subscribe {
			if err := a.subscribe(ctx, wabaID); err != nil {
				return nil, err
			}
		}
		if !override {
			return nil, nil
		}
		return a.override(ctx, wanted.URL, ch.Credentials[fieldVerifyToken])
	}
	return plan, nil
}

// subscribe has the account send its webhooks to the app of the token, "Create a webhook endpoint".
func (a api) subscribe(ctx context.Context, wabaID string) error {
	return httpapi.Idempotent(a.Post(ctx, "subscribe app", wabaID+"/subscribed_apps", httpapi.Body{}, nil))
}

// override has Meta send the number's webhooks to a URL. Meta asks there at once, with the verify token.
func (a api) override(ctx context.Context, link, verifyToken string) ([]string, error) {
	body, err := httpapi.JSON("whatsapp set callback", map[string]any{
		"webhook_configuration": map[string]string{"override_callback_uri": link, "verify_token": verifyToken},
	})
	if err != nil {
		return nil, err
	}
	err = httpapi.Idempotent(a.Post(ctx, "set callback", a.phoneNumberID, body, nil))
	return []string{"which fields are sent, such as messages, is chosen in the app's dashboard: WhatsApp > " +
		"Configuration; what concerns templates and the account goes to the app's own URL"}, err
}
