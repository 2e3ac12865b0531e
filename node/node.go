// Package node makes a node's command, with platforms and services of one's own beside those that come
// with Switchboard:
//
//	func main() {
//		node.Main(node.Platform(parrot.Definition()), node.Service(users.Definition()))
//	}
//
// The configuration's services list says which of all of them a node hosts.
package node

import (
	"os"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/cli"
)

// Extra is something that a node can host beside what comes with Switchboard.
type Extra func(*app.Offer)

// Platform offers a platform.
func Platform(def integration.Definition) Extra {
	return func(o *app.Offer) { o.Platforms = append(o.Platforms, def) }
}

// Service offers a service.
func Service(def integration.ServiceDefinition) Extra {
	return func(o *app.Offer) { o.Services = append(o.Services, def) }
}

// Main runs the command that the process's arguments name, and exits. Faults of the extras' definitions
// are reported when a node starts that hosts them.
func Main(extras ...Extra) {
	var offer app.Offer
	for _, add := range extras {
		add(&offer)
	}
	os.Exit(cli.Main(offer))
}
