// Package slack is the platform of Slack apps: events, interactions and slash commands become messages, and
// messages become calls of the Web API. One channel is one app in one workspace.
//
// Comments in quotation marks name pages of https://docs.slack.dev.
package slack

import (
	"regexp"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// platformTitle is what people call the platform.
const platformTitle = "Slack"

// Names of a channel's fields.
const (
	fieldBotToken      = "botToken"
	fieldSigningSecret = "signingSecret"
	fieldAppToken      = "appToken"
	fieldConversations = "conversations"
	fieldLinkPreviews  = "linkPreviews"
	fieldTeamID        = "teamId"

	conversationPerThread = "thread"
	noLinkPreviews        = "off"
)

var botTokenPattern = regexp.MustCompile(`^xox[a-z]+(\.xox[a-z]+)?-[\w.-]+$`)

// Definition defines the platform. Its calls go through client.
func Definition(client *httpapi.Client) integration.Definition {
	return integration.Definition{
		ServiceDefinition: integration.ServiceDefinition{Name: "slack"},
		Title:             platformTitle,
		Fields: []integration.Field{
			integration.Secret(
				fieldBotToken,
				`the Bot User OAuth Token, which begins with xoxb-: at api.slack.com/apps, the app's page "OAuth & Permissions"`,
			).Matching(botTokenPattern),
			signingSecretField(),
			appTokenField(),
			integration.ReceiveField(
				`how events come: by "webhook", the default, or over a "socket", Socket Mode, which needs no public URL`,
				"webhook", receiveSocket,
			),
			integration.APIBase("another Web API, such as that of GovSlack", defaultAPIBase),
			integration.Setting(
				fieldConversations, `what a conversation is: "channel", the default, or "thread", where conversationId is `+
					`channel:thread_ts and each message outside of a thread begins one`,
			).OneOf("channel", conversationPerThread),
			integration.Setting(
				fieldLinkPreviews,
				`"off" sends messages without previews of the links in them; without it Slack's own rules decide`,
			).OneOf("on", noLinkPreviews),
			integration.Setting(
				fieldTeamID, "the id of the workspace, which begins with T, or of the organization, with E: "+
					"what comes from another one is ignored",
			).Matching(regexp.MustCompile(`^[TE][A-Z0-9]{1,31}$`)).ForAccount(),
		},
		Text:    textLimits,
		Support: support(),
		Media:   mediaLimits(),
		Errors:  errorTable,
		Style:   integration.TextStyle{Format: formatMarkup, Escape: escaper.Replace, Link: linkTo},
		// Slack repeats events for some five minutes, but no commands and no interactions. All must be answered within 3 s.
		RetryHorizon: time.Hour, WebhookTimeout: 3 * time.Second, NoRedelivery: true,
		Platform:  &platform{client},
		Signature: newSignature(),
	}
}

// signingSecretField is needed for webhooks only.
func signingSecretField() integration.Field {
	f := integration.Secret(
		fieldSigningSecret,
		`the Signing Secret: at api.slack.com/apps, the app's page "Basic Information", App Credentials`,
	).Matching(regexp.MustCompile(`^[!-~]+$`))
	f.OptionalWith = receiveSocket
	return f
}

// appTokenField is needed for Socket Mode only.
func appTokenField() integration.Field {
	f := integration.Secret(
		fieldAppToken, `an App-Level Token, which begins with xapp- and has the scope connections:write, for receive `+
			`"socket": at api.slack.com/apps, the app's page "Basic Information", App-Level Tokens`,
	).Matching(regexp.MustCompile(`^xapp-[\w-]+$`))
	f.Required, f.RequiredWith = false, receiveSocket
	return f
}

// platform implements the interfaces of package integration.
type platform struct {
	client *httpapi.Client
}

var _ interface {
	integration.Platform
	integration.Responder
	integration.Accounts
	integration.HealthChecker
	integration.CredentialsValidator
	integration.MediaFetcher
	integration.Editor
	integration.Deleter
	integration.Reactor
	integration.Typer
	integration.Receiver
} = (*platform)(nil)
