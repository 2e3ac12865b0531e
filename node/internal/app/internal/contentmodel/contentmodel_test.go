package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/node/internal/app"
)

const root = "../../../../../"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPageIsUpToDate(t *testing.T) {
	file, err := os.ReadFile(root + "docs/content-model.md")
	require.NoError(t, err)
	page, err := render(root)
	require.NoError(t, err)
	if string(file) != page { // not require.Equal, which would print both as a whole
		require.Fail(t, "docs/content-model.md is stale; write it anew with: go generate ./node/internal/app")
	}
}

func TestPlatformsHaveATableOfSupport(t *testing.T) {
	client := httpapi.New(httpapi.Options{})
	t.Cleanup(client.Close)
	for _, def := range app.Platforms(client) {
		require.NotNil(t, def.Support, "%s has no table of support", def.Title)
	}
}

func TestPageListsTypesValuesAndCells(t *testing.T) {
	m, err := readModel(root+"integration/message.go", root+"integration/content.go")
	require.NoError(t, err)
	parrot := integration.Definition{Title: "Parrot", Support: integration.Support{
		integration.FeatureText:   {In: integration.Full(), Out: integration.Degraded("a | loud")},
		integration.FeatureTyping: {Out: integration.Impossible("it does not type", "https://parrot.example/typing")},
	}}
	page := markdown(m, []integration.Definition{parrot})
	for _, line := range []string{
		"| `STICKER` |  |",
		"| `VOICE` | recorded in the chat, unlike an audio file |",
		"| `edit` | the message with this ID has this content now |",
		"| `type` | a [type of content](#types-of-content) |  |",
		"| `kind` | a [kind](#kinds-of-messages) | empty means KindMessage |",
		"| `attachments` | list of [Media](#media) | all attachments if there are several |",
		"| `direction` | `echo` | empty: a user wrote it to the channel, or the channel to a user |",
		"| `action` | `add`, `remove` | \"add\" or \"remove\" |",
		"| text | full |",
		"| text | degraded |",
		"| text | outbound | degraded | a \\| loud |",
		"| typing | outbound | – | it does not type ([source](https://parrot.example/typing)) |",
	} {
		require.Contains(t, page, line+"\n")
	}
	require.NotContains(t, page, "| typing | inbound |")
}

func TestContentModelDescribesAllTypesOfAMessage(t *testing.T) {
	m, err := readModel(root+"integration/message.go", root+"integration/content.go")
	require.NoError(t, err)
	var names []string
	for _, s := range m.reachable("Message") {
		names = append(names, s.name)
		require.NotEmpty(t, s.doc, s.name)
		require.NotEmpty(t, s.fields, s.name)
	}
	for name := range m.structs {
		require.Contains(t, names, name)
	}
}
