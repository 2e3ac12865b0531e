// Command chaosnode is a node as a user builds one who has a platform and a consumer of his own.
package main

import (
	"github.com/hiliosai/switchboard/node"
	"github.com/hiliosai/switchboard/test/chaos/batchplatform"
)

func main() { node.Main(node.Platform(batchplatform.Platform), node.Service(batchplatform.Ledger())) }
