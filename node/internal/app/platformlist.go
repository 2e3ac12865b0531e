package app

import (
	"slices"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/node/internal/config"
)

// settingReceive says how a channel receives, see [integration.ReceiveField].
const settingReceive = "receive"

// PlatformList has the platforms of a build, for commands that need no configuration.
type PlatformList struct {
	catalog *catalog
	client  *httpapi.Client
}

// NewPlatformList lists the platforms. The list must be closed.
func NewPlatformList(extensions Extensions) (*PlatformList, error) {
	client := httpapi.New(httpapi.Options{})
	catalog, err := newCatalog(extensions, client)
	if err != nil {
		client.Close()
		return nil, err
	}
	return &PlatformList{catalog, client}, nil
}

// Close ends the connections.
func (p *PlatformList) Close() { p.client.Close() }

// Names lists all platforms.
func (p *PlatformList) Names() []string { return p.catalog.platformNames() }

// Fields are what a platform's channels have, those included that all platforms' have.
func (p *PlatformList) Fields(platform string) ([]integration.Field, error) {
	return p.catalog.fields(platform)
}

// ReadFile reads the channels of a file, of standard input where path is "-". Faults name file, line and key.
func (p *PlatformList) ReadFile(path string) ([]*integration.Channel, error) {
	return p.catalog.readChannels(path)
}

// CheckConfig reads a configuration, and refuses what a start refuses before it asks any server.
func (p *PlatformList) CheckConfig(path string) error {
	c, err := config.Load(path)
	if err != nil {
		return err
	}
	return p.catalog.check(c)
}

// Connecting lists the platforms that can receive over a connection of the node's own.
func (p *PlatformList) Connecting() []string {
	return slices.DeleteFunc(p.Names(), func(name string) bool {
		_, ok := p.ConnectingWay(name)
		return !ok
	})
}

// ConnectingWay returns the value of the setting receive with which a platform's channels receive over a connection of
// the node's own, empty where they need no setting for it. ok is false where they cannot.
func (p *PlatformList) ConnectingWay(platform string) (way string, ok bool) {
	def, _ := p.catalog.byPlatform(platform)
	return connectingWay(def)
}

func connectingWay(def integration.Definition) (way string, ok bool) {
	var ways []string
	for _, f := range def.Fields {
		if f.In == integration.InSettings && f.Name == settingReceive {
			ways = append(ways, f.Default)
		}
		ways = append(ways, f.OptionalWith, f.RequiredWith)
	}
	// Without a way at last: for platforms that have one only.
	for _, way := range append(slices.DeleteFunc(ways, func(way string) bool { return way == "" }), "") {
		if connects(def, &integration.Channel{Settings: map[string]string{settingReceive: way}}) {
			return way, true
		}
	}
	return "", false
}

// connects says whether a channel receives over a connection of the node's own.
func connects(def integration.Definition, ch *integration.Channel) bool {
	receiver, ok := def.Platform.(integration.Receiver)
	return ok && receiver.Connections(ch) > 0
}
