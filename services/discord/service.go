// Package discord is the platform of Discord's apps. What people write in servers and to the bot comes over the
// Gateway, Discord's WebSocket; interactions (commands, pressed buttons, chosen entries, filled-in forms) come over it
// or over HTTP; webhook events over HTTP only. All of it becomes messages, and messages become calls of the REST API.
// One channel is one app.
//
// The Gateway's client is our own, over github.com/coder/websocket. Libraries such as disgo keep the session, its
// sequence number and the reading loop to themselves: they count an event as received when their handlers were called,
// log in where they think fit, and hold nothing back. Here the position is saved once the events before it are durable,
// any node goes on from it, logins take turns in the whole cluster, and nothing is read while nothing can be stored.
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
	fieldIntents       = "intents"
	fieldPresence      = "presence"

	yes         = "true"
	embedImages = "embed"
)

var (
	// Without "Bot " before it, and with no character that a header cannot hold.
	botTokenPattern  = regexp.MustCompile(`^[A-Za-z0-9_.-]{3,}$`)
	snowflakePattern = regexp.MustCompile(`^\d{1,20}$`)
)

// Fields that are read where they have defaults.
var (
	receiveField = integration.ReceiveField(
		`"gateway", the default, receives all the bot can see over a connection of the node's own, "webhook" over HTTP only`,
		receiveGateway, receiveWebhook,
	)
	intentsField = intentsWithDefault()
)

func intentsWithDefault() integration.Field {
	f := integration.Setting(fieldIntents, "what the Gateway is asked to tell, Discord's names with commas between them")
	f.Default = defaultIntents
	return f.Matching(intentsPattern)
}

// publicKeyField is only needed for webhooks.
func publicKeyField() integration.Field {
	f := integration.Credential(
		fieldPublicKey,
		`the app's Public Key, 64 hexadecimal digits, from its page "General Information"; webhooks need it`,
	)
	f.OptionalWith = receiveGateway
	return f.Matching(regexp.MustCompile(`^[0-9a-fA-F]{64}$`))
}

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
			publicKeyField(),
			receiveField,
			intentsField,
			integration.Setting(
				fieldPresence, `what the bot shows of itself: online, idle, dnd or invisible, and a text: "idle: back at nine"`,
			).Matching(presencePattern),
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
		Platform:  &platform{client: client, answerLocks: newKeyedLocks(), starts: newStartInfos()},
		Signature: signature(),
		Errors:    errorTable,
	}
}

// platform implements the interfaces of package integration.
type platform struct {
	client      *httpapi.Client
	answerLocks keyedLocks
	starts      *startInfos
}

var _ interface {
	integration.Platform
	integration.Responder
	integration.Receiver
	integration.HealthChecker
	integration.CredentialsValidator
	integration.Editor
	integration.Deleter
	integration.Reactor
	integration.Typer
	integration.MediaFetcher
} = (*platform)(nil)
