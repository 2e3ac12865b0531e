// Package batchplatform is a platform for the chaos suite whose webhooks hold several messages, which Telegram's do
// not, and a service that consumes what is received.
package batchplatform

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// Name is that of the platform and of its service.
const Name = "batch"

// Platform defines the platform. It only receives.
func Platform(*httpapi.Client) integration.Definition {
	return integration.Definition{
		ServiceDefinition: integration.ServiceDefinition{Name: Name},
		Title:             "Batch",
		Fields:            []integration.Field{{In: integration.InCredentials, Name: "key", Required: true, Secret: true}},
		Platform:          platform{},
	}
}

// Webhook is what the platform posts.
type Webhook struct {
	Messages []Message `json:"messages"`
}

// Message is one of a webhook's.
type Message struct {
	ID           string `json:"id"`
	Conversation string `json:"conversation"`
	Text         string `json:"text"`
}

type platform struct{}

func (platform) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	var batch Webhook
	if err := json.Unmarshal(w.Payload, &batch); err != nil {
		return nil, err
	}
	messages := make([]integration.Message, len(batch.Messages))
	for i, m := range batch.Messages {
		messages[i] = integration.Message{
			ID: integration.ID(m.ID), DedupKey: m.ID, ConversationID: integration.ID(m.Conversation),
			Timestamp: w.Timestamp.UnixMilli(),
			Content:   integration.Content{Type: integration.TypeText, Text: m.Text},
		}
	}
	return messages, nil
}

func (platform) Send(context.Context, *integration.Message, *integration.Channel) (*integration.SendResult, error) {
	return nil, &integration.Error{
		Kind: integration.FaultPermanent, Code: "UNSUPPORTED", Message: "this platform only receives",
	}
}

// Poison is in the texts of messages that consumers refuse.
const Poison = "poison"

// SeenFile is the environment variable with the path of the file that Ledger keeps.
const SeenFile = "CHAOS_SEEN"

// received is the part of an event that the consumers read.
type received struct {
	Message struct {
		Content struct {
			Text string `json:"text"`
		} `json:"content"`
	} `json:"message"`
}

// Ledger is a service that writes down each message that it gets to see, a line each, and refuses the poisoned.
func Ledger() integration.ServiceDefinition {
	return integration.ServiceDefinition{
		Name: "ledger",
		ReliableEvents: []integration.ReliableEvent{
			integration.NewReliableEvent("hios.processing.message.received", integration.ConsumeOptions{
				MaxInFlight: 64, MaxRetries: 2, Backoff: []time.Duration{200 * time.Millisecond},
				DeadLettering: integration.DeadLettering{Enabled: true},
			}, note),
		},
	}
}

func note(_ *integration.Context, event received) (err error) {
	text := event.Message.Content.Text
	// #nosec G304 G703 -- the suite names it
	file, err := os.OpenFile(os.Getenv(SeenFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text + "\n")
	if err = errors.Join(err, file.Close()); err == nil && strings.Contains(text, Poison) {
		err = errors.New("this message is poisoned")
	}
	return err
}
