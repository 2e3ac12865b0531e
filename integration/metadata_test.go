package integration_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func TestMetadataTextsAndFlags(t *testing.T) {
	metadata := map[string]any{"pinned": true, "size": 7}
	integration.PutText(metadata, "name", "Ada")
	integration.PutText(metadata, "title", "")
	require.Equal(t, map[string]any{"pinned": true, "size": 7, "name": "Ada"}, metadata)
	require.Equal(t, "Ada", integration.TextIn(metadata, "name"))
	require.Empty(t, integration.TextIn(metadata, "size"))
	require.Empty(t, integration.TextIn(nil, "name"))
	require.True(t, integration.FlagIn(metadata, "pinned"))
	require.False(t, integration.FlagIn(metadata, "name"))
	require.False(t, integration.FlagIn(nil, "pinned"))
}
