package whatsapp

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// number is a node of "Business phone numbers".
type number struct {
	ID            integration.ID         `json:"id"`
	Display       string                 `json:"display_phone_number"`
	VerifiedName  string                 `json:"verified_name"`
	QualityRating string                 `json:"quality_rating"`
	Status        string                 `json:"status"`
	PlatformType  string                 `json:"platform_type"`
	NameStatus    string                 `json:"name_status"`
	Throughput    struct{ Level string } `json:"throughput"`
}

const numberFields = "id,display_phone_number,verified_name,quality_rating,status,throughput,platform_type,name_status"

// CheckHealth implements [integration.HealthChecker]. It gets the business phone number and, if the channel has the
// account's id, the apps that get its webhooks.
func (p *platform) CheckHealth(ctx context.Context, ch *integration.Channel) (*integration.Health, error) {
	a := p.api(ch.Credentials, ch.Settings)
	n, err := a.number(ctx, numberFields)
	if err != nil {
		return nil, err
	}
	health := integration.Healthy(n.VerifiedName+" ("+n.Display+") can send", map[string]any{})
	for key, value := range map[string]string{
		"phoneNumberId": string(n.ID), "displayPhoneNumber": n.Display, "verifiedName": n.VerifiedName,
		"qualityRating": n.QualityRating, "status": n.Status, "platformType": n.PlatformType,
		"nameStatus": n.NameStatus, "throughput": n.Throughput.Level,
	} {
		integration.PutText(health.Details, key, value)
	}
	if wabaID := ch.Settings[fieldWABAID]; wabaID != "" {
		apps, err := a.subscribedApps(ctx, wabaID)
		if err != nil {
			return nil, err
		}
		health.Details["subscribedApps"] = apps
		if health.Message += " and receive"; len(apps) == 0 {
			health.Degrade("no app gets the webhooks of the account: call POST /" + wabaID + "/subscribed_apps with the token")
		}
	}
	n.judge(health)
	return health, nil
}

// judge lowers the health for a bad status or quality, as "Business phone numbers" and "Messaging limits" explain them.
func (n *number) judge(health *integration.Health) {
	switch {
	case n.PlatformType != "" && n.PlatformType != "CLOUD_API":
		health.Fail("the number is not registered with the Cloud API but is of type " + n.PlatformType + ": call " +
			"POST /PHONE_NUMBER_ID/register")
	case slices.Contains([]string{"BANNED", "RESTRICTED", "DISCONNECTED", "DELETED", "OFFLINE", "UNVERIFIED"}, n.Status):
		health.Fail("the number's status is " + n.Status + ": look at it in WhatsApp Manager > Phone numbers")
	case n.Status != "" && n.Status != "CONNECTED":
		health.Degrade("the number's status is " + n.Status + ": look at it in WhatsApp Manager > Phone numbers")
	case n.QualityRating == "RED":
		health.Degrade("the number's quality rating is low, because users block or report it: send less of what they " +
			"did not ask for")
	}
}

// number gets fields of the channel's number.
func (a api) number(ctx context.Context, fields string) (*number, error) {
	var n number
	if err := a.Get(ctx, "phone number", a.phoneNumberID, url.Values{"fields": {fields}}, &n); err != nil {
		return nil, err
	}
	if n.ID == "" {
		return nil, httpapi.Repeatable(httpapi.Unreadable("whatsapp phone number", http.StatusOK, nil))
	}
	return &n, nil
}

// subscribedApps returns the names of the apps that get an account's webhooks, "Create a webhook endpoint".
func (a api) subscribedApps(ctx context.Context, wabaID string) ([]string, error) {
	var answer struct {
		Data []struct {
			App struct {
				Name string `json:"name"`
			} `json:"whatsapp_business_api_data"`
		} `json:"data"`
	}
	if err := a.Get(ctx, "subscribed apps", wabaID+"/subscribed_apps", nil, &answer); err != nil {
		return nil, err
	}
	names := make([]string, len(answer.Data))
	for i, d := range answer.Data {
		names[i] = d.App.Name
	}
	return names, nil
}

var (
	_ integration.HealthChecker        = (*platform)(nil)
	_ integration.CredentialsValidator = (*platform)(nil)
)

// ValidateCredentials implements [integration.CredentialsValidator]: the token must be allowed to use the number.
func (p *platform) ValidateCredentials(ctx context.Context, credentials, settings map[string]string) (bool, error) {
	if !idPattern.MatchString(credentials[fieldPhoneNumberID]) ||
		!tokenPattern.MatchString(credentials[fieldAccessToken]) {
		return false, nil // they become parts of a request
	}
	_, err := p.api(credentials, settings).number(ctx, "id")
	return err == nil, err
}
