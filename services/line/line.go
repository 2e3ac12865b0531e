// Package line is the platform of the LINE Messaging API: webhooks of a LINE Official Account become messages, and
// messages become replies and push messages. One channel is one account.
//
// Comments in quotation marks name sections of https://developers.line.biz/en/reference/messaging-api/.
package line

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/sign"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// Roots of the API, "Domain name".
const apiBase, contentBase = "https://api.line.me", "https://api-data.line.me"

// Definition defines the platform. Its calls go through client.
func Definition(client *httpapi.Client) integration.Definition {
	return integration.Definition{
		ServiceDefinition: integration.ServiceDefinition{Name: "line"}, Title: "LINE", Platform: &platform{client},
		Fields: []integration.Field{
			integration.Secret("channelAccessToken", "a long-lived access token, from LINE's console: Messaging API").
				Matching(regexp.MustCompile(`^\S+$`)),
			integration.Secret("channelSecret", "the channel secret, which signs webhooks, from LINE's console: Basic settings"),
			integration.Setting("botUserId", "the account's user id, see i_healthCheck; with it webhooks of others are ignored").
				Matching(regexp.MustCompile(`^U[0-9a-f]{32}$`)).ForAccount(),
			integration.APIBase("another Messaging API", apiBase+" and, for attachments, "+contentBase),
		},
		AccountPath: "destination",
		Signature:   sign.HMAC{Header: "X-Line-Signature", Encoding: sign.Base64, Secret: "channelSecret"},
		Errors:      &refusals, MaxAttachments: 4, // with a text they are the five messages of one call
		Text:    integration.TextLimits{Text: 5000, Unit: textlimit.UTF16},
		Support: support(),
		// "Redelivered webhooks" does not say for how long LINE sends a webhook again.
		RetryHorizon: 3 * 24 * time.Hour, WebhookTimeout: 2 * time.Second,
		Media: integration.ByLink(integration.TypeImage, integration.TypeVideo, integration.TypeAudio, integration.TypeVoice),
	}
}

// support tells what LINE has beside texts, by "Webhook event objects" and "Message objects".
func support() integration.Support {
	losing, reference := integration.Degraded, "https://developers.line.biz/en/reference/messaging-api/"
	return integration.Basic(reference).AsText().Full(
		integration.FeatureImage, integration.FeatureSticker, integration.FeatureLocation,
	).FullIn(
		integration.FeatureVideo, integration.FeatureAudio, integration.FeatureFile, integration.FeatureButtons,
		integration.FeatureReply, integration.FeatureDelete, integration.FeatureMembership, integration.FeatureMedia,
	).With(integration.Support{
		integration.FeatureVideo:    {Out: losing("without metadata.previewImageUrl as a link")},
		integration.FeatureAudio:    {Out: losing("without durationMs it is shown as one second")},
		integration.FeatureVoice:    {Out: losing("as an audio")},
		integration.FeatureAlbum:    {Out: losing("each attachment is a message of its own")},
		integration.FeatureButtons:  {Out: losing("labels of more than 20 characters (Flex messages: 40) are shortened")},
		integration.FeatureList:     {Out: losing("as a carousel, or as the buttons of a Flex message")},
		integration.FeatureReply:    {Out: losing("needs a quote token, from replyContext or metadata.quoteToken")},
		integration.FeatureEdit:     {In: losing("not in LINE's list of events")},
		integration.FeatureTyping:   {Out: losing("in chats with one user only")},
		integration.FeatureMarkRead: {Out: losing("messageId is metadata.markAsReadToken of the message")},
	})
}

// refusals says what LINE's refusals mean, "Error responses". LINE has no codes.
var refusals = integration.ErrorTable{
	Texts: []integration.ErrorText{
		integration.Says("invalid reply token", codes.InteractionExpired),
		integration.Says("monthly limit", codes.QuotaExceeded, "take a larger plan, or answer with replyContext"),
		integration.Says("failed to send messages", codes.RecipientUnavailable, "the user blocked the account"),
	},
	Statuses: map[int]integration.ErrorRow{
		http.StatusBadRequest:   integration.Permanent(codes.MessageInvalid),
		http.StatusNotFound:     integration.Permanent(codes.RecipientUnknown),
		http.StatusUnauthorized: {Kind: integration.FaultAuth, Code: codes.CredentialsRefused, Fix: "issue a new token"},
		http.StatusForbidden:    {Kind: integration.FaultAuth, Code: codes.PermissionMissing, Fix: "the plan lacks it"},
	},
}

// platform implements the interfaces of package integration.
type platform struct{ client *httpapi.Client }

func (p *platform) api(ch *integration.Channel) *httpapi.API {
	return &httpapi.API{
		Client: p.client.For(ch.Settings), Name: "line", Base: integration.APIBaseOf(ch.Settings, apiBase) + "/v2/bot/",
		Header: httpapi.Bearer(ch.Credentials["channelAccessToken"]), Errors: &refusals, KeyHeader: "X-Line-Retry-Key",
		Read: httpapi.ErrorShape{
			Text: "message", Details: "details", Detail: []string{"property", "message"}, Repeated: "X-Line-Accepted-Request-Id",
		}.Read,
	}
}

// CheckHealth asks who the account is, whether its webhook is in use, and for the month's quota.
func (p *platform) CheckHealth(ctx context.Context, ch *integration.Channel) (*integration.Health, error) {
	asked, err := p.api(ch).AskAll(ctx, "info", endpointPath, "message/quota", "message/quota/consumption")
	if err != nil {
		return nil, err
	}
	bot, hook, quota, used := asked[0], asked[1], asked[2], asked[3]
	health := integration.Healthy(bot.Text("displayName")+" can send and receive", object{
		"userId": bot["userId"], "webhook": hook["endpoint"], "quota": quota["value"], "used": used["totalUsage"],
	})
	if limit := quota.Int("value"); !hook.Bool("active") {
		health.Degrade(useWebhook)
	} else if limit > 0 && used.Int("totalUsage") >= limit {
		health.Degrade("the month's quota is used up: only replies go out")
	}
	return health, nil
}

// ShowTyping shows the loading animation, "Display a loading indicator".
func (p *platform) ShowTyping(ctx context.Context, t integration.Target, ch *integration.Channel) error {
	if !strings.HasPrefix(string(t.ConversationID), "U") {
		return integration.UnsupportedContent("LINE shows the loading animation in chats with one user only")
	}
	in := object{"chatId": t.ConversationID, "loadingSeconds": 20}
	return p.api(ch).Change(ctx, httpapi.Call{Name: "chat/loading/start", JSON: in})
}

// MarkRead marks a message and those before it as read, by its token, "Mark messages as read".
func (p *platform) MarkRead(ctx context.Context, t integration.Target, ch *integration.Channel) error {
	return p.api(ch).Change(ctx, httpapi.Call{Name: "chat/markAsRead", JSON: object{"markAsReadToken": t.MessageID}})
}

// FetchMedia downloads what a user sent, "Get content". LINE prepares long videos and audios first, "Verify the
// preparation status of a video or audio".
func (p *platform) FetchMedia(ctx context.Context, id string, ch *integration.Channel) (*integration.MediaFile, error) {
	api, path := p.api(ch), "message/"+url.PathEscape(id)+"/content"
	api.Base = integration.APIBaseOf(ch.Settings, contentBase) + "/v2/bot/"
	return api.Fetch(ctx, httpapi.Get("content", path), integration.MediaLimit(ctx, 200<<20), httpapi.Preparation{
		Call: httpapi.Get("transcoding", path+"/transcoding"), Status: "status", Failed: "failed",
	})
}
