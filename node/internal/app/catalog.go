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

// builtinPlatforms come with Switchboard. A new one is added here.
func builtinPlatforms(client *httpapi.Client) []integration.Definition {
	return []integration.Definition{
		discord.Definition(client),
		line.Definition(client),
		slack.Definition(client),
		telegram.Definition(client),
		whatsapp.Definition(client),
	}
}

// Extensions are the platforms and services of a build beside those that come with Switchboard.
type Extensions struct {
	Platforms []func(*httpapi.Client) integration.Definition
	Services  []integration.ServiceDefinition
}

// catalog is everything that a build can host, by name.
type catalog struct {
	platforms map[string]integration.Definition
	services  map[string]integration.ServiceDefinition
}

// The services of Switchboard's own: channelsService manages channels, see channels.go, eventsService
// reliable events and dead letters, see events.go.
const (
	channelsService = "channels"
	eventsService   = "events"
)

// builtins are what they work with.
type builtins struct {
	channels *channels.Manager
	events   *events.Admin
}

func newCatalog(extensions Extensions, client *httpapi.Client) (*catalog, error) {
	c := &catalog{map[string]integration.Definition{}, map[string]integration.ServiceDefinition{}}
	var faults []error
	taken := func(name string) bool {
		_, platform := c.platforms[name]
		_, service := c.services[name]
		if platform || service || name == channelsService || name == eventsService {
			faults = append(faults, fmt.Errorf("there are two services called %q", name))
			return true
		}
		return false
	}
	platforms := builtinPlatforms(client)
	for _, define := range extensions.Platforms {
		platforms = append(platforms, define(client))
	}
	for _, def := range platforms {
		if !taken(def.Name) {
			c.platforms[def.Name] = def
		}
	}
	for _, def := range extensions.Services {
		if !taken(def.Name) {
			c.services[def.Name] = def
		}
	}
	return c, errors.Join(faults...)
}

// names lists what may stand in the configuration's services.
func (c *catalog) names() []string {
	return slices.Sorted(
		slices.Values(append(append(sortedKeys(c.platforms), sortedKeys(c.services)...), channelsService, eventsService)),
	)
}

// check refuses a configuration that asks for what is not there, or whose keys cannot be used. It asks no server.
func (c *catalog) check(conf *config.Config) error {
	_, err := channelKeys(conf)
	return errors.Join(c.checkServices(conf), err)
}

// checkServices refuses a configuration that asks for what is not there.
func (c *catalog) checkServices(conf *config.Config) error {
	var faults []error
	for i, name := range conf.Services {
		if !slices.Contains(c.names(), name) {
			faults = append(
				faults,
				conf.Fault(
					fmt.Sprintf("services[%d]", i), "no such service %q; there are: %s", name, strings.Join(c.names(), ", "),
				),
			)
		}
	}
	if service, _, _ := strings.Cut(conf.Channels.Action, "."); conf.Channels.Store == "action" &&
		service == channelsService && slices.Contains(conf.Services, channelsService) {
		faults = append(
			faults,
			conf.Fault(
				"channels.action", "%s would be asked of this node's own service %s, which has no channels of its own",
				conf.Channels.Action, channelsService,
			),
		)
	}
	return errors.Join(faults...)
}

// define makes a service of what is offered under a name.
func (c *catalog) define(name string, builtins *builtins, runtime integration.Runtime) (*integration.Service, error) {
	if def, ok := c.platforms[name]; ok {
		return integration.Define(def, runtime)
	}
	switch name {
	case channelsService:
		return integration.DefineService(channels.Definition(builtins.channels), runtime)
	case eventsService:
		return integration.DefineService(events.Definition(builtins.events), runtime)
	}
	return integration.DefineService(c.services[name], runtime)
}

// byPlatform finds the definition of a platform.
func (c *catalog) byPlatform(platform string) (integration.Definition, bool) {
	for _, def := range c.platforms {
		if def.Name == platform {
			return def, true
		}
	}
	return integration.Definition{}, false
}

// platformNames lists the platforms that channels may belong to.
func (c *catalog) platformNames() []string {
	var names []string
	for _, def := range c.platforms {
		names = append(names, def.Name)
	}
	slices.Sort(names)
	return names
}

// fields are what a platform's channels have, those included that all platforms' have.
func (c *catalog) fields(platform string) ([]integration.Field, error) {
	def, ok := c.byPlatform(platform)
	if !ok {
		return nil, fmt.Errorf("no such platform %q; there are: %s", platform, strings.Join(c.platformNames(), ", "))
	}
	return slices.Concat(def.Fields, integration.CommonFields()), nil
}
