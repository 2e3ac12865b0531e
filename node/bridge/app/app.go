// Package app lets the interop tests reach node/internal/app until node.Start serves them.
package app

import "github.com/hiliosai/switchboard/node/internal/app"

type (
	Offer    = app.Offer
	Node     = app.Node
	Channels = app.Channels
)

var (
	Start        = app.Start
	Platforms    = app.Platforms
	ConfigureLog = app.ConfigureLog
	OpenChannels = app.OpenChannels
)
