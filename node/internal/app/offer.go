package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/node/internal/config"
	"github.com/hiliosai/switchboard/services/channels"
	"github.com/hiliosai/switchboard/services/discord"
	"github.com/hiliosai/switchboard/services/events"
	"github.com/hiliosai/switchboard/services/line"
	"github.com/hiliosai/switchboard/services/slack"
	"github.com/hiliosai/switchboard/services/telegram"
	"github.com/hiliosai/switchboard/services/whatsapp"
)

// builtin lists the platforms that come with Switchboard. A new one is added here.
func builtin(client *httpapi.Client) []integration.Definition {
	return []integration.Definition{
		discord.Definition(client),
		line.Definition(client),
		slack.Definition(client),
		telegram.Definition(client),
		whatsapp.Definition(client),
	}
}

// Offer is what a build can host beside what comes with Switchboard.
type Offer struct {
	Platforms []func(*httpapi.Client) integration.Definition
	Services  []integration.ServiceDefinition
}

// offer is everything that a build can host, by name.
type offer struct {
	platforms map[string]integration.Definition
	services  map[string]integration.ServiceDefinition
}

// The services of Switchboard's own: channelsService manages channels, see channels.go, eventsService
// reliable events and dead letters, see events.go.
const (
	channelsService = "channels"
	eventsService   = "events"
)

// own is what they work with.
type own struct {
	channels *channels.Manager
	events   *events.Admin
}

func newOffer(extra Offer, client *httpapi.Client) (*offer, error) {
	o := &offer{map[string]integration.Definition{}, map[string]integration.ServiceDefinition{}}
	var faults []error
	taken := func(name string) bool {
		_, platform := o.platforms[name]
		_, service := o.services[name]
		if platform || service || name == channelsService || name == eventsService {
			faults = append(faults, fmt.Errorf("there are two services called %q", name))
			return true
		}
		return false
	}
	platforms := builtin(client)
	for _, define := range extra.Platforms {
		platforms = append(platforms, define(client))
	}
	for _, def := range platforms {
		if !taken(def.Name) {
			o.platforms[def.Name] = def
		}
	}
	for _, def := range extra.Services {
		if !taken(def.Name) {
			o.services[def.Name] = def
		}
	}
	return o, errors.Join(faults...)
}

// names lists what may stand in the configuration's services.
func (o *offer) names() []string {
	return slices.Sorted(slices.Values(append(append(sortedKeys(o.platforms), sortedKeys(o.services)...), channelsService, eventsService)))
}

// check refuses a configuration that asks for what is not there.
func (o *offer) check(c *config.Config) error {
	var faults []error
	for i, name := range c.Services {
		if !slices.Contains(o.names(), name) {
			faults = append(faults, c.Fault(fmt.Sprintf("services[%d]", i), "no such service %q; there are: %s", name, strings.Join(o.names(), ", ")))
		}
	}
	if service, _, _ := strings.Cut(c.Channels.Action, "."); c.Channels.Store == "action" && service == channelsService && slices.Contains(c.Services, channelsService) {
		faults = append(faults, c.Fault("channels.action", "%s would be asked of this node's own service %s, which has no channels of its own", c.Channels.Action, channelsService))
	}
	return errors.Join(faults...)
}

// define makes a service of what is offered under a name.
func (o *offer) define(name string, own *own, runtime integration.Runtime) (*integration.Service, error) {
	if def, ok := o.platforms[name]; ok {
		return integration.Define(def, runtime)
	}
	switch name {
	case channelsService:
		return integration.DefineService(channels.Definition(own.channels), runtime)
	case eventsService:
		return integration.DefineService(events.Definition(own.events), runtime)
	}
	return integration.DefineService(o.services[name], runtime)
}

// byPlatform finds the definition of a platform.
func (o *offer) byPlatform(platform string) (integration.Definition, bool) {
	for _, def := range o.platforms {
		if def.Name == platform {
			return def, true
		}
	}
	return integration.Definition{}, false
}

// platformNames lists the platforms that channels may belong to.
func (o *offer) platformNames() []string {
	var names []string
	for _, def := range o.platforms {
		names = append(names, def.Name)
	}
	slices.Sort(names)
	return names
}
