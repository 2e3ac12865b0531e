// Command parrotnode is a node that can host the platform Parrot beside those that come with Switchboard.
package main

import (
	"github.com/hiliosai/switchboard/examples/parrot"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/node"
)

func main() {
	node.Main(node.Platform(parrot.Definition(httpapi.New(httpapi.Options{}))))
}
