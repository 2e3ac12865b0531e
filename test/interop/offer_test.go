package interop_test

import (
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// offered makes platforms of definitions that need no client of the node's.
func offered(definitions ...integration.Definition) (platforms []func(*httpapi.Client) integration.Definition) {
	for _, def := range definitions {
		platforms = append(platforms, func(*httpapi.Client) integration.Definition { return def })
	}
	return platforms
}
