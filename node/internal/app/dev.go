package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/config"
	"github.com/hiliosai/switchboard/node/internal/strictyaml"
)

// DevOptions say what [Dev] runs, and whom it tells.
type DevOptions struct {
	Channels []*integration.Channel // all receive over a connection of the node's own
	Echo     bool                   // texts of users are sent back
	// Received takes each message that came in, as the payload of its event. Echoed takes each that was sent back. They
	// are called one after the other; an error ends Dev.
	Received func(event json.RawMessage) error
	Echoed   func(event *integration.MessageReceivedPayload) error
	// Note takes a line on how the channels are.
	Note func(line string)
}

// devService is the service that reads and echoes.
const devService = "dev"

// devLook is the pause between two looks at the connections.
const devLook = 200 * time.Millisecond

// Dev runs channels on a node that needs nothing else, until ctx ends, which is no error. What the node stores is in a
// temporary folder, and is gone afterwards. It is an error if a platform does not let a channel in.
func Dev(
	ctx context.Context, o DevOptions, extensions Extensions, log *logrus.Logger, secrets *redact.Secrets,
) (err error) {
	dir, err := os.MkdirTemp("", "switchboard-dev-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c, err := config.LoadWith("", config.Temporary(dir), "log: {level: error}")
	if err != nil {
		return err
	}
	c.NATS.Token = strictyaml.Secret(uuid.NewString()) // other users of this machine can reach the port
	c.Services = []string{devService}
	for _, ch := range o.Channels {
		if !slices.Contains(c.Services, ch.Platform) {
			c.Services = append(c.Services, ch.Platform)
		}
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	d := &dev{DevOptions: o, end: end, said: map[string]string{}}
	extensions.Services = append(slices.Clone(extensions.Services), d.service(c.Events.Namespace))
	ConfigureLog(log, os.Stderr, c.Log, secrets)
	n, err := Start(ctx, c, extensions, log, secrets)
	if err != nil {
		return err
	}
	defer n.Stop()
	if err = d.open(ctx, n); err == nil {
		err = d.watch(ctx, n)
	}
	if ctx.Err() != nil { // the command was asked to end, or a line could not be printed
		err = context.Cause(ctx)
		if errors.Is(err, context.Canceled) {
			err = nil
		}
	}
	return err
}

// dev is what a run of [Dev] knows.
type dev struct {
	DevOptions

	end  context.CancelCauseFunc
	said map[string]string // the last line on each channel's connections
}

// service defines the service that reads the messages as any service of a cluster does.
func (d *dev) service(namespace string) integration.ServiceDefinition {
	return integration.ServiceDefinition{
		Name: devService,
		ReliableEvents: []integration.ReliableEvent{
			integration.NewReliableEvent(integration.MessageReceivedEvent(namespace), integration.ConsumeOptions{}, d.receive),
		},
	}
}

// receive takes one message. It returns no errors: a message that came again would be printed again.
func (d *dev) receive(ctx *integration.Context, raw json.RawMessage) error {
	if err := d.Received(raw); err != nil {
		d.end(err)
		return nil
	}
	var event integration.MessageReceivedPayload
	if err := json.Unmarshal(raw, &event); err != nil || event.Message == nil || !d.Echo || !isText(event.Message) {
		return nil //nolint:nilerr // the node has written the event itself
	}
	if err := echo(ctx, &event); err != nil {
		d.Note(fmt.Sprintf("%s: the text was not sent back: %v", event.ChannelID, err))
	} else if err := d.Echoed(&event); err != nil {
		d.end(err)
	}
	return nil
}

// isText says whether a user wrote a text.
func isText(m *integration.Message) bool {
	return (m.Kind == "" || m.Kind == integration.KindMessage) && m.Direction == "" &&
		m.Content.Type == integration.TypeText && m.Content.Text != ""
}

// echo sends a text back to where it came from.
func echo(ctx *integration.Context, event *integration.MessageReceivedPayload) error {
	m := event.Message
	var answer integration.SendResult
	err := ctx.Call(event.Platform+"."+integration.ActionSendMessage, map[string]any{
		"channelId": event.ChannelID, "idempotencyKey": ctx.Delivery().MessageID,
		"message": &integration.Message{
			ConversationID: m.ConversationID, To: integration.Party{ID: m.ConversationID}, ThreadID: m.ThreadID,
			ReplyContext: m.ReplyContext, Content: integration.Content{Type: integration.TypeText, Text: m.Content.Text},
		},
	}, &answer)
	if err == nil && !answer.Success {
		err = errors.New("the platform did not take it")
		if answer.Error != nil {
			err = errors.New(answer.Error.Message)
		}
	}
	return err
}

// open checks the channels, and begins to receive.
func (d *dev) open(ctx context.Context, n *Node) error {
	var faults []error
	for _, ch := range d.Channels {
		def, _ := n.channels.Platform(ch.Platform) // an unknown one has no connections
		if !connects(def, ch) {
			faults = append(faults, fmt.Errorf("channel %s receives by webhook: %s", ch.ID, howToConnect(def)))
			continue
		}
		for _, finding := range integration.Diagnose(ctx, def, ch, n.channels.Secrets).Findings {
			// What the health check finds is no reason to stop: the connection shows what works.
			if !finding.OK && finding.Check != "health" {
				faults = append(
					faults, fmt.Errorf("channel %s cannot work as it is: %s\n→ %s", ch.ID, finding.Message, finding.Fix),
				)
			}
		}
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	return n.channels.Apply(ctx, d.Channels)
}

// howToConnect says what makes a platform's channels receive over a connection.
func howToConnect(def integration.Definition) string {
	if way, ok := connectingWay(def); ok {
		return "set settings.receive to " + way
	}
	return def.Name + " has no other way"
}

// watch tells how the connections are, until ctx ends, the platform lets a channel in no more, or the node must not go
// on.
func (d *dev) watch(ctx context.Context, n *Node) error {
	look := time.NewTicker(devLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-n.link.Fatal():
			return err
		case err := <-n.lost:
			return err
		case <-look.C:
			views, err := n.channels.List(ctx, channelstore.Query{})
			if err != nil {
				return err
			}
			for _, v := range views {
				if err := d.tell(v.ID, v.Platform, v.Connections); err != nil {
					return err
				}
			}
		}
	}
}

// tell notes what is new about a channel's connections. A refusal is an error.
func (d *dev) tell(id, platform string, connections []integration.Connection) error {
	line := ""
	for _, c := range connections {
		switch c.State {
		case integration.ConnectionReady:
			line = cmp.Or(line, "receiving from "+platform)
		case integration.ConnectionRefused:
			return fmt.Errorf("channel %s cannot receive: %s", id, strings.TrimSpace(c.Message))
		case integration.ConnectionWaiting:
			line = "not receiving at the moment: " + c.Message
		}
	}
	if line != "" && d.said[id] != line {
		d.said[id] = line
		d.Note(id + ": " + line)
	}
	return nil
}
