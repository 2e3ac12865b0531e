// Command chaosnode is a node as a user builds one who has a platform and a consumer of his own.
package main

import (
	"github.com/hiliosai/switchboard/node"
	"github.com/hiliosai/switchboard/test/chaos/flock"
)

func main() { node.Main(node.Platform(flock.Platform), node.Service(flock.Ledger())) }
