package integration_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func TestMessageShowsItsFeatures(t *testing.T) {
	of := func(kind integration.ContentType) integration.Content { return integration.Content{Type: kind} }
	reply := func(kind string, r integration.InteractiveReply) integration.Content {
		return integration.Content{
			Type: integration.TypeInteractive, Interactive: &integration.Interactive{Kind: kind, Reply: &r},
		}
	}
	for name, test := range map[string]struct {
		message integration.Message
		shows   []integration.Feature
	}{
		"a text": {integration.Message{
			Content: of(integration.TypeText),
		}, []integration.Feature{integration.FeatureText}},
		"what is not modeled": {integration.Message{Content: of(integration.TypeUnsupported)}, nil},
		"a pressed button": {integration.Message{
			Content: of(integration.TypeButton),
		}, []integration.Feature{integration.FeatureButtons}},
		"a pressed button with its reply": {
			integration.Message{
				Content: integration.Content{
					Type:        integration.TypeButton,
					Interactive: &integration.Interactive{Reply: &integration.InteractiveReply{ID: "a"}},
				},
			},
			[]integration.Feature{integration.FeatureButtons},
		},
		"a chosen entry": {integration.Message{
			Content: reply("", integration.InteractiveReply{ID: "a"}),
		}, []integration.Feature{integration.FeatureList}},
		"a chosen entry by its kind": {
			integration.Message{Content: reply(integration.InteractiveList, integration.InteractiveReply{ID: "a"})},
			[]integration.Feature{integration.FeatureList},
		},
		"a button by its kind": {integration.Message{
			Content: reply(integration.InteractiveButtons, integration.InteractiveReply{ID: "a"}),
		}, []integration.Feature{integration.FeatureButtons}},
		"a form": {integration.Message{
			Content: reply("", integration.InteractiveReply{FormValues: map[string]any{"a": 1}}),
		}, []integration.Feature{integration.FeatureForm}},
		"an empty form by its kind": {integration.Message{
			Content: reply(integration.InteractiveForm, integration.InteractiveReply{}),
		}, []integration.Feature{integration.FeatureForm}},
		"an edited picture in a thread": {
			integration.Message{Kind: integration.KindEdit, ThreadID: "1", Content: of(integration.TypeImage)},
			[]integration.Feature{integration.FeatureImage, integration.FeatureThread, integration.FeatureEdit},
		},
		"an answer of the account itself": {
			integration.Message{
				Direction: integration.DirectionEcho, ReplyTo: &integration.ReplyTo{MessageID: "1"},
				Content: of(integration.TypeText),
			},
			[]integration.Feature{integration.FeatureText, integration.FeatureReply, integration.FeatureEcho},
		},
		"who joined": {integration.Message{
			Kind: integration.KindMembership, Content: of(integration.TypeSystem),
		}, []integration.Feature{integration.FeatureMembership}},
		"another event of the chat": {
			integration.Message{Kind: integration.KindSystem, Content: of(integration.TypeSystem)}, nil,
		},
		"a deletion": {integration.Message{
			Kind: integration.KindDelete, Content: of(integration.TypeDelete),
		}, []integration.Feature{integration.FeatureDelete}},
		"a status": {integration.Message{
			Kind: integration.KindStatus, Content: of(integration.TypeStatus),
		}, []integration.Feature{integration.FeatureStatus}},
		"a reaction": {integration.Message{
			Kind: integration.KindReaction, Content: of(integration.TypeReaction),
		}, []integration.Feature{integration.FeatureReaction}},
		"several files": {
			integration.Message{
				Content: integration.Content{Type: integration.TypeFile, Attachments: make([]integration.Media, 2)},
			},
			[]integration.Feature{integration.FeatureFile, integration.FeatureAlbum},
		},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.shows, test.message.Features()) })
	}
}

func TestSupportIsFullWhereItIsSaidToBe(t *testing.T) {
	s := integration.Basic("https://example.org/messages").Full(integration.FeatureImage, integration.FeatureStatus).
		FullIn(integration.FeatureReply)
	require.Equal(t, integration.Cells{In: integration.Full(), Out: integration.Full()}, s[integration.FeatureImage])
	require.Equal(t, integration.Cells{In: integration.Full()}, s[integration.FeatureStatus])
	require.Equal(t, integration.Full(), s[integration.FeatureReply].In)
	require.Equal(t, integration.LevelImpossible, s[integration.FeatureReply].Out.Level)
}
