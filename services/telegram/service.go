// Package telegram is the platform of Telegram's bots: updates of the Bot API become messages, and
// messages become calls of its methods. One channel is one bot. Updates come by webhook or, where the channel's setting
// receive says so, by long polls.
//
// Words in quotation marks in comments are sections of https://core.telegram.org/bots/api.
package telegram

import (
	"regexp"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// Names of a channel's fields.
const (
	fieldToken       = "token"
	fieldSecretToken = "secretToken"
)

var tokenPattern = regexp.MustCompile(`^\d+:[A-Za-z0-9_-]{3,}$`)

// Definition defines the platform. Its calls go through client.
func Definition(client *httpapi.Client) integration.Definition {
	return integration.Definition{
		ServiceDefinition: integration.ServiceDefinition{Name: "telegram"},
		Title:             "Telegram",
		Fields: []integration.Field{
			integration.Secret(fieldToken, "the bot's token, as @BotFather shows it: digits, a colon, letters").
				Matching(tokenPattern),
			secretTokenField(),
			integration.APIBase("a Bot API server of your own", defaultAPIBase),
			receiveField,
			allowedUpdatesField,
		},
		Text:         textLimits,
		Support:      support(),
		Media:        mediaLimits,
		RetryHorizon: 25 * time.Hour, // updates are kept for 24
		Platform:     &platform{client, newQuick()},
		Signature:    signature,
		Errors:       errorTable,
	}
}

// secretTokenField is for webhooks only.
func secretTokenField() integration.Field {
	f := integration.Secret(
		fieldSecretToken, "the secret_token that setWebhook was given: 1 to 256 of A-Z, a-z, 0-9, _ and -",
	).Matching(regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`))
	f.OptionalWith = byPolling
	return f
}

// platform implements the interfaces of package integration.
type platform struct {
	client *httpapi.Client
	quick  quick
}
