package app

import (
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/services/telegram"
)

// platforms lists every platform that a node can host, by service name. A new one is added here.
func platforms(client *httpapi.Client) map[string]integration.Definition {
	all := map[string]integration.Definition{}
	for _, def := range []integration.Definition{
		telegram.Definition(client),
	} {
		all[def.Name] = def
	}
	return all
}
