package app

import (
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

//go:generate go run ./internal/contentmodel

// Platforms defines the platforms that come with Switchboard. Their calls go through client.
func Platforms(client *httpapi.Client) []integration.Definition { return builtinPlatforms(client) }
