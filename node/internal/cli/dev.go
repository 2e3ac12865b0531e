package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/oneline"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/app"
)

type devCommand struct {
	Platform    string   `arg:"" optional:"" help:"One that receives without webhooks: telegram, discord or slack."`
	Credentials []string `arg:"" name:"credential" optional:"" help:"Its credentials, in the order of the questions."`

	Set map[string]string `help:"Fields; secrets as file:PATH or env:NAME." placeholder:"FIELD=VALUE" mapsep:"none"`

	File    string `short:"f" help:"Take channels from a channels.yaml instead." placeholder:"FILE"`
	APIBase string `name:"api-base" help:"Root of the platform's API, if it is another one." placeholder:"URL"`
	NoEcho  bool   `help:"Send no texts back."`
	outputFlag
}

// Help is the end of --help.
func (*devCommand) Help() string {
	return `Runs a node with a NATS server and a channel store of its own, in a temporary folder that is
removed at the end. Nothing else has to run, and no public URL is needed. Ctrl-C ends it.

Credentials that are not arguments are taken from --set, then from the environment. What is missing is asked for.
Variables: TELEGRAM_TOKEN, DISCORD_BOT_TOKEN, DISCORD_APPLICATION_ID, SLACK_BOT_TOKEN, SLACK_APP_TOKEN.

Examples:
  switchboard dev telegram 123456:AA…          the token of @BotFather
  switchboard dev discord TOKEN APPLICATION    both from Discord's developer portal
  switchboard dev slack xoxb-… xapp-…          a bot token, and an app-level token for Socket Mode
  switchboard dev telegram --output json       asks for the token; prints events as consumers get them
  switchboard dev -f channels.yaml --no-echo   several channels`
}

// Run runs the channels until ctx ends.
func (d *devCommand) Run(
	ctx context.Context, log *logrus.Logger, secrets *redact.Secrets, extensions app.Extensions,
) error {
	platforms, err := app.NewPlatformList(extensions)
	if err != nil {
		return err
	}
	channels, err := d.channels(platforms)
	platforms.Close()
	if err != nil {
		return err
	}
	for _, ch := range channels {
		for _, value := range ch.Credentials {
			secrets.Keep(value)
		}
	}
	p := &printer{out: os.Stdout, json: d.Output == "json", named: len(channels) > 1}
	return plain(app.Dev(ctx, app.DevOptions{
		Channels: channels, Echo: !d.NoEcho, Received: p.received, Echoed: p.echoed, Note: p.note,
	}, extensions, log, secrets))
}

// channels are those of the file, or the one of the command line.
func (d *devCommand) channels(platforms *app.PlatformList) ([]*integration.Channel, error) {
	switch {
	case d.File != "" && (d.Platform != "" || len(d.Set) > 0 || d.APIBase != ""):
		return nil, errors.New("give a file or a platform with its fields, not both")
	case d.File != "":
		return platforms.ReadFile(d.File)
	}
	way, ok := platforms.ConnectingWay(d.Platform)
	if !ok {
		connecting := strings.Join(platforms.Connecting(), ", ")
		if slices.Contains(platforms.Names(), d.Platform) {
			return nil, fmt.Errorf("%s receives by webhook only; without webhooks there are: %s", d.Platform, connecting)
		}
		// It is not quoted: it may be a token.
		return nil, fmt.Errorf("name a platform first, one of: %s; or give a file with -f", connecting)
	}
	fields, err := platforms.Fields(d.Platform)
	if err != nil {
		return nil, err
	}
	given, err := d.fields(fields, way)
	if err != nil {
		return nil, err
	}
	ch := &integration.Channel{
		ID: "dev", TenantID: "dev", Platform: d.Platform, Status: integration.ChannelActive,
		Credentials: given.of(integration.InCredentials), Settings: given.of(integration.InSettings),
	}
	return []*integration.Channel{ch}, plain(integration.ValidateChannel(ch, fields))
}

// fields takes the values from the command line and the environment, and asks for the rest.
func (d *devCommand) fields(fields []integration.Field, way string) (values, error) {
	given, err := read(fields, d.Set)
	if err != nil {
		return nil, err
	}
	settings := given.of(integration.InSettings)
	if way != "" {
		settings["receive"] = cmp.Or(settings["receive"], way)
	}
	if d.APIBase != "" {
		settings["apiBase"] = d.APIBase
	}
	credentials, rest := given.of(integration.InCredentials), d.Credentials
	for _, f := range fields {
		if f.In != integration.InCredentials || !f.RequiredBy(settings["receive"]) {
			continue
		}
		if len(rest) > 0 {
			credentials[f.Name], rest = rest[0], rest[1:]
		} else if value := os.Getenv(variable(d.Platform, f.Name)); value != "" && credentials[f.Name] == "" {
			credentials[f.Name] = value
		}
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%s takes fewer credentials than %d", d.Platform, len(d.Credentials))
	}
	return given, ask(os.Stdin, os.Stderr, fields, given)
}

var humps = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// variable is the environment variable for a platform's field, such as SLACK_BOT_TOKEN.
func variable(platform, field string) string {
	return strings.ToUpper(platform + "_" + humps.ReplaceAllString(field, "${1}_${2}"))
}

// printer prints messages, each in a line.
type printer struct {
	mu    sync.Mutex
	out   io.Writer
	json  bool
	named bool // lines name the channel
}

// received prints a message that came in, as JSON with all that its event has.
func (p *printer) received(event json.RawMessage) error {
	if p.json {
		var line bytes.Buffer
		if err := json.Compact(&line, event); err != nil {
			return err
		}
		return p.print(line.String())
	}
	var payload integration.MessageReceivedPayload
	if err := json.Unmarshal(event, &payload); err != nil || payload.Message == nil {
		return err
	}
	m := payload.Message
	kind := string(m.Content.Type)
	if m.Kind != "" && m.Kind != integration.KindMessage && !strings.EqualFold(string(m.Kind), kind) {
		kind += " (" + string(m.Kind) + ")"
	}
	return p.line(
		&payload, time.UnixMilli(m.Timestamp), cmp.Or(m.From.Name, string(m.From.ID), "-"), kind, summary(&m.Content),
	)
}

// echoed prints that a text was sent back.
func (p *printer) echoed(event *integration.MessageReceivedPayload) error {
	if p.json {
		return nil
	}
	m := event.Message
	return p.line(event, time.Now(), "(echo)", string(m.Content.Type), m.Content.Text)
}

func (p *printer) line(
	event *integration.MessageReceivedPayload, at time.Time, sender, kind, text string,
) error {
	cells := []string{at.Format(time.DateTime)}
	if p.named {
		cells = append(cells, event.ChannelID)
	}
	cells = append(cells, string(event.Message.ConversationID), sender, kind, text)
	// What users write must not move the cursor of the terminal.
	return p.print(strings.TrimRight(oneline.Of(strings.Join(cells, "  ")), " "))
}

// summary is what a content has for a reader of one line.
func summary(c *integration.Content) string {
	switch media := c.MediaList(); {
	case c.Text != "" && len(media) == 0:
		return c.Text
	case c.Reaction != nil:
		return c.Reaction.Action + " " + c.Reaction.Emoji
	case len(media) > 0:
		names := make([]string, len(media))
		for i, m := range media {
			names[i] = "[" + cmp.Or(m.Filename, m.MimeType, "file") + "]"
		}
		return strings.Join(append(names, c.Text), " ")
	}
	return ""
}

func (p *printer) print(line string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := fmt.Fprintln(p.out, line)
	return err
}

// note prints how the channels are, apart from the messages.
func (*printer) note(line string) { fmt.Fprintln(os.Stderr, oneline.Of(line)) }
