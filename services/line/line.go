// Package line is the platform of the LINE Messaging API: webhooks of a LINE Official Account become messages, and
// messages become replies and push messages. One channel is one account.
//
// Comments in quotation marks name sections of https://developers.line.biz/en/reference/messaging-api/.
package line

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
	"github.com/hiliosai/switchboard/integration/sign"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// Definition defines the platform. Its calls go through client.
func Definition(client *httpapi.Client) integration.Definition {
	return integration.Definition{
		ServiceDefinition: integration.ServiceDefinition{Name: "line"}, Title: "LINE", Platform: &platform{client},
		Fields: []integration.Field{
			{
				In: integration.InCredentials, Name: "channelAccessToken", Required: true, Secret: true,
				Pattern: regexp.MustCompile(`^\S+$`), Help: "a long-lived access token, from LINE's console: Messaging API",
			},
			{
				In: integration.InCredentials, Name: "channelSecret", Required: true, Secret: true,
				Help: "the channel secret, which signs the webhooks, from LINE's console: Basic settings",
			},
			{
				In: integration.InSettings, Name: "botUserId", Account: true, Pattern: regexp.MustCompile(`^U[0-9a-f]{32}$`),
				Help: "the account's own user id, as i_healthCheck tells it; with it webhooks of other accounts are ignored",
			},
			{In: integration.InSettings, Name: "apiBase", Address: true, Help: "the http(s) root of another Messaging API"},
		},
		AccountPath: "destination",
		Signature:   sign.HMAC{Header: "X-Line-Signature", Encoding: sign.Base64, Secret: "channelSecret"},
		Errors:      &refusals, MaxAttachments: 4, // with a text they are the five messages of one call
		Text:    integration.TextLimits{Text: 5000, Unit: textlimit.UTF16},
		Support: support(),
		Media: map[integration.ContentType]integration.MediaLimits{ // LINE fetches attachments itself
			integration.TypeImage: {ByLink: true}, integration.TypeVideo: {ByLink: true},
			integration.TypeAudio: {ByLink: true}, integration.TypeVoice: {ByLink: true},
		},
		// "Redelivered webhooks" does not say for how long LINE sends a webhook again.
		RetryHorizon: 3 * 24 * time.Hour, WebhookTimeout: 2 * time.Second,
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
		{Says: "invalid reply token", ErrorRow: integration.Permanent(codes.InteractionExpired)},
		{
			Says:     "monthly limit",
			ErrorRow: integration.Permanent(codes.QuotaExceeded, "take a larger plan, or answer with replyContext"),
		},
		{
			Says:     "failed to send messages",
			ErrorRow: integration.Permanent(codes.RecipientUnavailable, "the user blocked the account"),
		},
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
		Client: p.client.For(ch.Settings), Name: "line", Base: cmp.Or(ch.Settings["apiBase"], "https://api.line.me"),
		Header: http.Header{"Authorization": {"Bearer " + ch.Credentials["channelAccessToken"]}}, Errors: &refusals,
		Read: httpapi.ErrorShape{Text: "message", Details: "details", Detail: []string{"property", "message"}}.Read,
	}
}

// CheckHealth asks who the account is, whether its webhook is in use, and for the month's quota.
func (p *platform) CheckHealth(ctx context.Context, ch *integration.Channel) (*integration.Health, error) {
	var asked [4]payload.Tree
	for i, what := range []string{"info", "channel/webhook/endpoint", "message/quota", "message/quota/consumption"} {
		_, err := p.api(ch).Ask(ctx, httpapi.Call{Name: what, Method: http.MethodGet, Path: "/v2/bot/" + what}, &asked[i])
		if e, ok := errors.AsType[*integration.Error](err); ok && e.HTTPStatus != http.StatusNotFound { // there is no webhook
			return nil, err
		}
	}
	bot, hook, quota, used := asked[0], asked[1], asked[2], asked[3]
	h := &integration.Health{Status: integration.HealthHealthy, Message: bot.Text("displayName") + " can send and receive"}
	h.Details = object{
		"userId": bot["userId"], "webhook": hook["endpoint"], "quota": quota["value"], "used": used["totalUsage"],
	}
	if limit := quota.Int("value"); !hook.Bool("active") {
		h.Status, h.Message = integration.HealthDegraded, "no webhooks come: switch Use webhook on in LINE's console"
	} else if limit > 0 && used.Int("totalUsage") >= limit {
		h.Status, h.Message = integration.HealthDegraded, "the month's quota is used up: only replies go out"
	}
	return h, nil
}

// ShowTyping shows the loading animation, "Display a loading indicator".
func (p *platform) ShowTyping(ctx context.Context, t integration.Target, ch *integration.Channel) error {
	if !strings.HasPrefix(string(t.ConversationID), "U") {
		return integration.UnsupportedContent("LINE shows the loading animation in chats with one user only")
	}
	return p.again(ctx, ch, "chat/loading/start", object{"chatId": t.ConversationID, "loadingSeconds": 20})
}

// MarkRead marks a message and those before it as read, by its token, "Mark messages as read".
func (p *platform) MarkRead(ctx context.Context, t integration.Target, ch *integration.Channel) error {
	return p.again(ctx, ch, "chat/markAsRead", object{"markAsReadToken": t.MessageID})
}

// again makes a call that may be made twice.
func (p *platform) again(ctx context.Context, ch *integration.Channel, path string, in object) error {
	call := httpapi.Call{Name: path, Path: "/v2/bot/" + path, JSON: in, Again: httpapi.Idempotent}
	_, err := p.api(ch).Do(ctx, call, nil)
	return err
}

// FetchMedia downloads what a user sent, "Get content". LINE prepares long videos and audios first.
func (p *platform) FetchMedia(ctx context.Context, id string, ch *integration.Channel) (*integration.MediaFile, error) {
	api, limit := p.api(ch), integration.MediaLimit(ctx, 200<<20)
	api.Base = cmp.Or(ch.Settings["apiBase"], "https://api-data.line.me")
	path := "/v2/bot/message/" + url.PathEscape(id) + "/content"
	file, err := api.Client.Download(ctx, "line content", api.Base+path, api.Header, limit)
	if e, ok := errors.AsType[*integration.Error](err); !ok || e.HTTPStatus != http.StatusAccepted {
		return file, err
	}
	// "Verify the preparation status of a video or audio". Without an answer it may still succeed.
	var prepared payload.Tree
	call := httpapi.Call{Name: "transcoding", Method: http.MethodGet, Path: path + "/transcoding"}
	if _, err = api.Ask(ctx, call, &prepared); err == nil && prepared.Text("status") == "failed" {
		return nil, &integration.Error{
			Kind: integration.FaultPermanent, Code: codes.MediaUnavailable, Message: "LINE could not prepare it",
		}
	}
	return nil, &integration.Error{
		Kind: integration.FaultTransient, Code: codes.MediaNotReady, Message: "not prepared yet",
	}
}
