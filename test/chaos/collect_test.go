//go:build slow || chaos

package chaos_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/test/chaos"
)

const (
	receivedStream = "hios_hios_processing_message_received"
	sentStream     = "hios_hios_processing_message_sent"
	failedStream   = "hios_hios_processing_message_failed"
	deadStream     = "hios_FAILED_MESSAGES"

	headerSpooledAt = "x-spooled-at" // of events that a node kept on its disk meanwhile
)

// event is what is read of an event.
type event struct {
	Message struct {
		Content struct {
			Text string `json:"text"`
		} `json:"content"`
	} `json:"message"`
	MessageID string `json:"messageId"`
}

// collect reads all that is stored, straight from the streams.
func (w *world) collect(ctx context.Context) (*chaos.Stored, error) {
	js, err := jetstream.New(w.nc)
	if err != nil {
		return nil, err
	}
	s := &chaos.Stored{
		Seen: map[string][]string{}, Dead: map[string][]string{}, Spooled: map[string]bool{}, Platform: w.bot.took(),
	}
	var faults []error
	faults = append(faults,
		read(ctx, js, receivedStream, func(e event, header nats.Header) {
			s.Received = append(s.Received, e.Message.Content.Text)
			if len(header[headerSpooledAt]) > 0 {
				s.Spooled[e.Message.Content.Text] = true
			}
		}),
		read(ctx, js, sentStream, func(e event, _ nats.Header) { s.Sent = append(s.Sent, e.MessageID) }),
		read(ctx, js, failedStream, func(e event, _ nats.Header) { s.Failed = append(s.Failed, e.Message.Content.Text) }),
		read(ctx, js, deadStream, func(e event, header nats.Header) {
			group := ""
			for name, values := range header { // Node's adapter and ours write it in their own case
				if strings.EqualFold(name, "x-original-group") {
					group = values[0]
				}
			}
			s.Dead[group] = append(s.Dead[group], e.Message.Content.Text)
		}))
	for group, path := range w.seen {
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			faults = append(faults, err)
		}
		s.Seen[group] = slices.Collect(strings.FieldsFuncSeq(string(text), func(r rune) bool { return r == '\n' }))
	}
	return s, errors.Join(faults...)
}

// read hands over all events of a stream, in their order.
func read(ctx context.Context, js jetstream.JetStream, name string, each func(event, nats.Header)) error {
	return readMessages(ctx, js, name, func(msg jetstream.Msg) error {
		var e event
		if err := json.Unmarshal(msg.Data(), &e); err != nil {
			return err
		}
		each(e, msg.Headers())
		return nil
	})
}

// readMessages is read for whoever wants to see more than the event.
func readMessages(ctx context.Context, js jetstream.JetStream, name string, each func(jetstream.Msg) error) error {
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return err
	}
	left := stream.CachedInfo().State.Msgs
	if left == 0 {
		return nil
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for ; left > 0; left-- {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		if err := each(msg); err != nil {
			return err
		}
	}
	return nil
}

// judge checks what is stored until all is well, or until nothing more can be expected to come.
func (w *world) judge(t *testing.T, journal *chaos.Journal, grace time.Duration) *chaos.Report {
	t.Helper()
	deadline := time.Now().Add(grace)
	var report *chaos.Report
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		stored, err := w.collect(ctx)
		cancel()
		require.NoError(t, err)
		report = chaos.Check(journal, stored)
		if !pending(report) || time.Now().After(deadline) || !wait(t.Context(), time.Second) {
			return report
		}
	}
}

// pending says whether something is missing that may yet come.
func pending(r *chaos.Report) bool {
	return slices.ContainsFunc([]string{chaos.PromiseSeen, chaos.PromiseDead, chaos.PromiseSent}, r.Violated)
}
