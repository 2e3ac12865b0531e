package slack

import "github.com/hiliosai/switchboard/integration"

// docs is where Slack documents what it has.
const docs = "https://docs.slack.dev/"

// support tells what Slack has of each feature.
func support() integration.Support {
	type cells = struct{ In, Out integration.Cell }
	full := integration.Full()
	none := integration.Cell{}
	blocks := func(what string) integration.Cell {
		return integration.Impossible(what, docs+"reference/block-kit/blocks/")
	}
	events := func(what string) integration.Cell { return integration.Impossible(what, docs+"reference/events/") }
	return integration.Support{
		integration.FeatureText:  {full, full},
		integration.FeatureImage: {full, full},
		integration.FeatureVideo: {full, full},
		integration.FeatureAudio: {full, full},
		integration.FeatureVoice: {full, integration.Degraded("arrives as an audio file")},
		integration.FeatureFile:  {full, full},
		integration.FeatureAlbum: {full, full},
		integration.FeatureSticker: cells{
			events("there are no stickers; custom emoji stand in the text by their names"), blocks("there are no stickers"),
		},
		integration.FeatureLocation: {events("messages hold no locations"), integration.AsText()},
		integration.FeatureContact:  {events("messages hold no address book entries"), integration.AsText()},
		integration.FeatureButtons:  {full, full},
		integration.FeatureList:     {full, full},
		integration.FeatureForm: {full, integration.Impossible(
			"a modal is no message: it opens only within three seconds of an interaction", docs+"surfaces/modals",
		)},
		integration.FeatureTemplate: {none, integration.Impossible("there are no templates: any text may be sent at any time", docs+"messaging/")},
		integration.FeatureCommand:  {full, none},
		integration.FeatureOrder:    {events("there are no catalogues"), none},
		integration.FeaturePoll:     {events("there are no polls"), blocks("there are no polls; a list can be chosen from")},

		integration.FeatureReply:    {full, full},
		integration.FeatureThread:   {full, full},
		integration.FeatureReaction: {full, full},
		integration.FeatureEdit:     {full, full},
		integration.FeatureDelete:   {full, full},
		integration.FeatureStatus: {integration.Impossible(
			"neither delivery nor reading of a message is told", docs+"apis/events-api/",
		), none},
		integration.FeatureMembership: {full, none},
		integration.FeatureEcho:       {full, none},

		integration.FeatureTyping: {none, integration.Degraded("only in the threads of assistants, as a status")},
		integration.FeatureMarkRead: {none, integration.Impossible(
			"conversations.mark moves the caller's own place in a channel, which nobody else sees", docs+"reference/methods/conversations.mark",
		)},
		integration.FeatureMedia: {full, none},
	}
}
