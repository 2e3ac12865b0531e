// Package config lets the interop tests reach node/internal/config until node.Start serves them.
package config

import "github.com/hiliosai/switchboard/node/internal/config"

type (
	Config = config.Config
	URL    = config.URL
	Log    = config.Log
)

var Default = config.Default
