// Package discord is the platform of Discord's apps, as far as they work over HTTP: interactions (commands, pressed
// buttons, chosen entries, filled-in forms) and webhook events become messages, and messages become calls of the REST
// API. One channel is one app. It does not connect to the Gateway: what is said in ordinary channels comes from there
// only.
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
	fieldAPIBase       = "apiBase"
	fieldCDNBase       = "cdnBase"
	fieldEphemeral     = "ephemeral"
	fieldImageLinks    = "imageLinks"

	yes         = "true"
	embedImages = "embed"
)

var (
	// No "Bot " before it, and nothing that a header cannot hold.
	botTokenPattern  = regexp.MustCompile(`^[A-Za-z0-9_.-]{3,}$`)
	snowflakePattern = regexp.MustCompile(`^\d{1,20}$`)
	publicKeyPattern = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)
	apiBasePattern   = regexp.MustCompile(`^https?://[^\s?#]+$`)
	boolPattern      = regexp.MustCompile(`^(true|false)$`)
	imagePattern     = regexp.MustCompile(`^(upload|embed)$`)
)

// Definition defines the platform. Its calls go through client.
func Definition(client *httpapi.Client) integration.Definition {
	return integration.Definition{
		ServiceDefinition: integration.ServiceDefinition{Name: "discord"},
		Title:             platformTitle,
		Fields: []integration.Field{
			{
				In: integration.InCredentials, Name: fieldBotToken, Required: true, Secret: true, Pattern: botTokenPattern,
				Help: `the bot's token, from the app's page "Bot" of Discord's developer portal, without the word Bot before it`,
			},
			{
				In: integration.InCredentials, Name: fieldApplicationID, Required: true, Pattern: snowflakePattern,
				Help: `the app's Application ID, digits, from its page "General Information"`,
			},
			{
				In: integration.InCredentials, Name: fieldPublicKey, Required: true, Pattern: publicKeyPattern,
				Help: `the app's Public Key, 64 hexadecimal digits, from its page "General Information"`,
			},
			{
				In: integration.InSettings, Name: fieldAPIBase, Address: true, Pattern: apiBasePattern,
				Help: "the http(s) root of the API, its version included; without it " + defaultAPIBase,
			},
			{
				In: integration.InSettings, Name: fieldCDNBase, Address: true, Pattern: apiBasePattern,
				Help: "the http(s) root that attachments are fetched from instead of " + cdnBase,
			},
			{
				In: integration.InSettings, Name: fieldEphemeral, Pattern: boolPattern,
				Help: `"true" shows answers to interactions to who caused them only; "false" is the default`,
			},
			{
				In: integration.InSettings, Name: fieldImageLinks, Pattern: imagePattern,
				Help: `what becomes of an image that is sent by its link: "upload", the default, or "embed", which leaves it at its place`,
			},
		},
		Text:    integration.TextLimits{Text: maxContent, Unit: textlimit.Characters, Markup: textlimit.Markdown},
		Support: support,
		Media:   mediaLimits(),
		Style:   integration.TextStyle{Bold: func(text string) string { return "**" + text + "**" }},
		// Interactions are never sent again; webhook events are for ten minutes, "Responding to Events".
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

var (
	_ integration.Platform             = (*platform)(nil)
	_ integration.Responder            = (*platform)(nil)
	_ integration.HealthChecker        = (*platform)(nil)
	_ integration.CredentialsValidator = (*platform)(nil)
	_ integration.Editor               = (*platform)(nil)
	_ integration.Deleter              = (*platform)(nil)
	_ integration.Reactor              = (*platform)(nil)
	_ integration.Typer                = (*platform)(nil)
	_ integration.MediaFetcher         = (*platform)(nil)
)
