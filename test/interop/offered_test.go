package interop_test

import (
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/node"
)

// offered offers a platform that needs no client of the node's.
func offered(def integration.Definition) node.Option {
	return node.Platform(func(*httpapi.Client) integration.Definition { return def })
}
