// Package discord is the platform of Discord's apps over HTTP. Interactions (commands, pressed buttons, chosen entries,
// filled-in forms) and webhook events become messages, and messages become calls of the REST API. One channel is one
// app. It does not connect to the Gateway, from which alone the messages of ordinary channels come.
//
// Comments in quotation marks name sections of https://docs.discord.com/developers.
package discord

import (
	"regexp"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// platformTitle is what people call the platform.
const platformTitle = "Discord"

// Names of a channel's fields.
const (
	fieldBotToken      = "botToken"
	fieldApplicationID = "applicationId"
	fieldPublicKey     = "publicKey"
	fieldCDNBase       = "cdnBase"
	fieldEphemeral     = "ephemeral"
	fieldImageLinks    = "imageLinks"

	yes         = "true"
	embedImages = "embed"
)

var (
	// Without "Bot " before it, and with no character that a header cannot hold.
	botTokenPattern  = regexp.MustCompile(`^[A-Za-z0-9_.-]{3,}$`)
	snowflakePattern = regexp.MustCompile(`^\d{1,20}$`)
)

// Definition defines the platform. Its calls go through client.
func Definition(client *httpapi.Client) integration.Definition {
	return integration.Definition{
		ServiceDefinition: integration.ServiceDefinition{Name: "discord"},
		Title:             platformTitle,
		Fields: []integration.Field{
			integration.Secret(
				fieldBotToken,
				`the bot's token, from the app's page "Bot" of Discord's developer portal, without the word Bot before it`,
			).Matching(botTokenPattern),
			integration.Credential(
				fieldApplicationID, `the app's Application ID, digits, from its page "General Information"`,
			).Matching(snowflakePattern),
			integration.Credential(
				fieldPublicKey, `the app's Public Key, 64 hexadecimal digits, from its page "General Information"`,
			).Matching(regexp.MustCompile(`^[0-9a-fA-F]{64}$`)),
			integration.APIBase("the API, its version included", defaultAPIBase),
			integration.Address(fieldCDNBase, "the http(s) root that attachments are fetched from instead of "+cdnBase),
			integration.Setting(
				fieldEphemeral, `"true" shows answers to interactions only to the user who caused them; "false" is the default`,
			).OneOf(yes, "false"),
			integration.Setting(
				fieldImageLinks, `how an image with a link is sent: "upload", the default, or "embed", which leaves it at its link`,
			).OneOf("upload", embedImages),
		},
		Text:    integration.TextLimits{Text: maxContent, Unit: textlimit.Characters, Markup: textlimit.Markdown},
		Support: support(),
		Media:   mediaLimits(),
		Style:   integration.TextStyle{Bold: func(text string) string { return "**" + text + "**" }},
		// Interactions are never sent again. Webhook events are, for ten minutes, "Responding to Events".
		RetryHorizon: retryHorizon, WebhookTimeout: webhookTimeout, NoRedelivery: true,
		Platform:  &platform{client: client, answerLocks: newAnswerLocks()},
		Signature: signature(),
		Errors:    errorTable,
	}
}

// platform implements the interfaces of package integration.
type platform struct {
	client      *httpapi.Client
	answerLocks answerLocks
}

var _ interface {
	integration.Platform
	integration.Responder
	integration.HealthChecker
	integration.CredentialsValidator
	integration.Editor
	integration.Deleter
	integration.Reactor
	integration.Typer
	integration.MediaFetcher
} = (*platform)(nil)
