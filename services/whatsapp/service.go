// Package whatsapp is the platform WhatsApp Business Cloud API: webhooks of a WhatsApp Business Account become
// messages, and messages become calls of the Graph API. One channel is one business phone number.
//
// Quoted names in comments are pages below https://developers.facebook.com/documentation/business-messaging/whatsapp.
package whatsapp

import (
	"context"
	"regexp"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/textlimit"
	"github.com/hiliosai/switchboard/services/meta"
)

// platformTitle is the name of the platform for people.
const platformTitle = "WhatsApp"

// Names of the fields of a channel.
const (
	fieldAccessToken   = "accessToken"
	fieldPhoneNumberID = "phoneNumberId"
	fieldAppSecret     = "appSecret"
	fieldVerifyToken   = "verifyToken"
	fieldAPIVersion    = "apiVersion"
	fieldWABAID        = "wabaId"
	fieldLinkPreviews  = "linkPreviews"
	fieldCallProof     = "callProof"

	on = "on"
)

var (
	idPattern    = regexp.MustCompile(`^\d{1,32}$`)
	tokenPattern = regexp.MustCompile(`^[^\s"]+$`) // it becomes a header
)

// Definition defines the platform. Its calls go through client.
func Definition(client *httpapi.Client) integration.Definition {
	return integration.Definition{
		ServiceDefinition: integration.ServiceDefinition{Name: "whatsapp"},
		Title:             platformTitle,
		Fields:            fields(),
		// WhatsApp shows text between ``` as code, whatever else the text has.
		Text: integration.TextLimits{
			Text: maxText, Caption: maxCaption, Unit: textlimit.Characters, Markup: textlimit.Mrkdwn,
		},
		Support: support(),
		Media:   mediaLimits,
		// WhatsApp repeats a webhook without a good answer for up to seven days.
		RetryHorizon: 8 * 24 * time.Hour, WebhookTimeout: 5 * time.Second,
		Platform:  &platform{client},
		Signature: meta.Signature(fieldAppSecret),
		Errors:    errorTable,
	}
}

func fields() []integration.Field {
	return []integration.Field{
		integration.Secret(
			fieldAccessToken, "a token of a system user with whatsapp_business_messaging, from Business settings > System "+
				"users; those of the API Setup page last a day",
		).Matching(tokenPattern),
		integration.Credential(
			fieldPhoneNumberID,
			"the id of the business phone number, not the number itself: digits, from the app's WhatsApp > API Setup page",
		).Matching(idPattern).ForAccount(),
		integration.Secret(
			fieldAppSecret, "the app secret, which signs the webhooks, from the app's dashboard: App settings > Basic",
		),
		integration.Secret(
			fieldVerifyToken,
			"a word of your own, given to the app's dashboard with the webhook's URL: WhatsApp > Configuration",
		),
		integration.APIBase("another Graph API, such as a proxy of your own", meta.DefaultBase),
		integration.Setting(
			fieldAPIVersion, "the version of the Graph API, such as v24.0; without it "+meta.DefaultVersion,
		).Matching(regexp.MustCompile(`^v\d{1,3}\.\d{1,2}$`)),
		integration.Setting(
			fieldWABAID, "the id of the WhatsApp Business Account: with it the health check also sees whether an app gets the "+
				"webhooks, and events of other accounts are ignored",
		).Matching(idPattern),
		integration.Setting(
			fieldLinkPreviews, `whether texts show a preview of their first link: "on" or "off", the default; `+
				"metadata.previewUrl of a message says it for that one",
		).OneOf(on, "off"),
		integration.Setting(
			fieldCallProof, `whether calls carry appsecret_proof: "on" for apps that require it, else "off", the default`,
		).OneOf(on, "off"),
	}
}

// platform implements the interfaces of package integration. Safe for concurrent use.
type platform struct {
	client *httpapi.Client
}

var _ integration.WebhookVerifier = (*platform)(nil)

// VerifyWebhook implements [integration.WebhookVerifier] for the handshake of "Create a webhook endpoint".
func (*platform) VerifyWebhook(_ context.Context, v integration.Verification, ch *integration.Channel) (string, error) {
	return meta.VerifyWebhook(v, ch, fieldVerifyToken)
}

// api calls the Graph API as one business phone number.
type api struct {
	*meta.Graph
	phoneNumberID string
}

func (p *platform) api(credentials, settings map[string]string) api {
	o := meta.Options{
		Client: p.client.For(settings), Product: "whatsapp", Version: settings[fieldAPIVersion],
		Base:  integration.APIBaseOf(settings, meta.DefaultBase),
		Token: credentials[fieldAccessToken], Errors: errorTable,
	}
	if settings[fieldCallProof] == on {
		o.ProofSecret = credentials[fieldAppSecret]
	}
	return api{meta.New(o), credentials[fieldPhoneNumberID]}
}
