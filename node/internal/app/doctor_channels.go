package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/channels"
)

const (
	// channelWait bounds what one channel's platform may take.
	channelWait = 20 * time.Second
	// channelsAtOnce is how many channels are examined side by side.
	channelsAtOnce = 8
)

// examineChannels checks the channels of the store: fields, status, credentials, health, webhook and connections.
func (e *examiner) examineChannels(ctx context.Context) {
	list := e.openForExamination(ctx)
	if list == nil {
		return
	}
	defer func() {
		if err := list.Close(); err != nil {
			e.log.WithError(err).Debug("the channel store did not close cleanly")
		}
	}()
	views, err := list.List(ctx, channelstore.Query{})
	if err != nil {
		e.fault("store", "the channels cannot be listed: "+plainText(err), "see docs/channels.md")
		return
	}
	if e.Channel != "" {
		views = slices.DeleteFunc(views, func(v *channels.View) bool { return v.ID != e.Channel })
		if len(views) == 0 {
			e.fault("store", fmt.Sprintf("there is no channel %q", e.Channel), "switchboard channels list shows those there are")
			return
		}
	}
	if len(views) == 0 {
		e.warn("store", "there are no channels", "switchboard channels create makes one; docs/channels.md tells more")
		return
	}
	e.hosted(views)
	found := make([][]Finding, len(views))
	var group errgroup.Group
	group.SetLimit(channelsAtOnce)
	for i, view := range views {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, channelWait)
			defer cancel()
			found[i] = e.examineChannel(ctx, list, view)
			return nil
		})
	}
	_ = group.Wait() // none fails
	for i, findings := range found {
		for _, f := range findings {
			f.Channel = views[i].ID
			e.add(f)
		}
	}
}

// hosted warns of platforms that have channels and that this configuration does not host.
func (e *examiner) hosted(views []*channels.View) {
	var missing []string
	for _, v := range views {
		if v.Status == integration.ChannelActive && !slices.Contains(e.config.Services, v.Platform) {
			missing = append(missing, v.Platform)
		}
	}
	slices.Sort(missing)
	for _, platform := range slices.Compact(missing) {
		e.warn("config", "there are channels of "+platform+", and this node does not host it",
			"add "+platform+" to services, unless another node hosts it")
	}
}

// examineChannel returns what is found of one channel.
func (e *examiner) examineChannel(ctx context.Context, list *Channels, view *channels.View) []Finding {
	def, known := list.Platform(view.Platform)
	switch {
	case view.Error != "":
		return []Finding{{
			Level: LevelFault, Check: "keys", Message: view.Error,
			Fix: "put the key that the channel is sealed with into channels.keys, or create the channel anew",
		}}
	case !known:
		return []Finding{{
			Level: LevelFault, Check: "platform", Message: fmt.Sprintf("there is no platform %q", view.Platform),
			Fix: "remove the channel, or run a build that has the platform",
		}}
	case view.Status != integration.ChannelActive:
		return []Finding{{
			Level: LevelWarning, Check: "status", Message: "the channel is switched off",
			Fix: "switchboard channels update " + view.ID + " --status ACTIVE, if that is not meant",
		}}
	}
	diagnosis, err := list.TestListed(ctx, view)
	if err != nil {
		return []Finding{{Level: LevelFault, Check: "channel", Message: plainText(err), Fix: "see docs/channels.md"}}
	}
	var findings []Finding
	refused := false // then there is no use in asking about the webhook
	for _, f := range diagnosis.Findings {
		level := LevelOK
		if !f.OK {
			level = LevelFault
			refused = refused || f.Check == "fields" || f.Check == "credentials"
		}
		findings = append(findings, Finding{Level: level, Check: f.Check, Message: f.Message, Fix: f.Fix})
	}
	findings = append(findings, e.connections(def, view)...)
	if !refused {
		findings = append(findings, e.webhook(ctx, list, def, view)...)
	}
	return findings
}

// connections tells of the connections that are well, and of those that nobody keeps. The others are in the diagnosis.
func (e *examiner) connections(def integration.Definition, view *channels.View) []Finding {
	receiver, ok := def.Platform.(integration.Receiver)
	if !ok || receiver.Connections(view.Channel) == 0 {
		return nil
	}
	if len(view.Connections) == 0 {
		return []Finding{{
			Level: LevelFault, Check: "receiving", Message: "no node keeps the channel's connection",
			Fix: "start a node that hosts " + view.Platform + "; see docs/connections.md",
		}}
	}
	var findings []Finding
	for _, c := range view.Connections {
		if c.State == integration.ConnectionReady {
			message := fmt.Sprintf("connection %d of %d is ready on node %s", c.Index+1, c.Of, c.Node)
			findings = append(findings, Finding{Level: LevelOK, Check: "receiving", Message: message})
		}
	}
	return findings
}

// webhook compares what the platform has set with what is wanted, where the platform tells.
func (e *examiner) webhook(
	ctx context.Context, list *Channels, def integration.Definition, view *channels.View,
) []Finding {
	if _, ok := def.Platform.(integration.Installer); !ok {
		return nil
	}
	wanted := integration.Setup{URL: e.URL}
	if receiver, ok := def.Platform.(integration.Receiver); ok && receiver.Connections(view.Channel) > 0 {
		wanted.URL = ""
	} else if _, err := integration.WebhookURL(view.Channel, e.URL); err != nil {
		return []Finding{{
			Level: LevelWarning, Check: "webhook", Message: "it is not known where the webhooks should go: " + plainText(err),
			Fix: "give --url, or set the channel's publicUrl",
		}}
	}
	result, err := list.SetUp(ctx, view.ID, wanted, true)
	if err != nil {
		return []Finding{{
			Level: LevelFault, Check: "webhook", Message: plainText(err), Fix: "see the platform's page in docs/platforms",
		}}
	}
	if len(result.Changes) == 0 {
		if result.Manifest != "" {
			return nil // the platform does not tell
		}
		return []Finding{{Level: LevelOK, Check: "webhook", Message: "the platform has what is wanted"}}
	}
	var findings []Finding
	for _, c := range result.Changes {
		if c.Old != integration.SetupUnknown {
			findings = append(findings, setupFinding(c, result, e.URL))
		}
	}
	return findings
}

// setupFinding is a value that differs. Only one that keeps webhooks away is a fault.
func setupFinding(c integration.SetupChange, result *integration.SetupResult, link string) Finding {
	fix := "switchboard channels setup " + result.ChannelID
	if link != "" {
		fix += " --url " + link
	}
	f := Finding{Level: LevelWarning, Check: "webhook", Fix: fix}
	isURL := c.New == result.URL
	switch {
	case isURL && c.Old == "" && c.New != "":
		f.Level, f.Message = LevelFault, "the platform sends no webhooks: it has no URL for "+c.Name
	case isURL:
		f.Level, f.Message = LevelFault, fmt.Sprintf("%s is %s, and should be %s", c.Name, c.Old, cmp.Or(c.New, "none"))
	default:
		f.Message = fmt.Sprintf("%s is %s, and should be %s", c.Name, cmp.Or(c.Old, "none"), cmp.Or(c.New, "none"))
	}
	return f
}
