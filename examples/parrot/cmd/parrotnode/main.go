// Command parrotnode is a node that can host the platform Parrot beside those that come with Switchboard.
package main

import (
	"example.com/parrot"

	"github.com/hiliosai/switchboard/node"
)

func main() { node.Main(node.Platform(parrot.Definition)) }
