package slack

import "github.com/hiliosai/switchboard/integration"

// docs is where Slack documents what it has.
const docs = "https://docs.slack.dev/"

// support tells what Slack has of each feature.
func support() integration.Support {
	full := integration.Full()
	both, in := integration.Cells{In: full, Out: full}, integration.Cells{In: full}
	noOut := func(why, page string) integration.Cells {
		return integration.Cells{Out: integration.Impossible(why, docs+page)}
	}
	const blocks = "reference/block-kit/blocks/"
	noIn := integration.Cells{In: integration.Impossible("Slack has no such thing", docs+blocks)}
	noStickers := integration.Impossible(
		"there are no stickers; custom emoji stand in the text by their names", docs+blocks,
	)
	return integration.Basic(docs+blocks).With(integration.Support{
		integration.FeatureImage:    both,
		integration.FeatureVideo:    both,
		integration.FeatureAudio:    both,
		integration.FeatureVoice:    {In: full, Out: integration.Degraded("arrives as an audio file")},
		integration.FeatureFile:     both,
		integration.FeatureAlbum:    both,
		integration.FeatureSticker:  {In: noStickers, Out: noStickers},
		integration.FeatureLocation: noIn,
		integration.FeatureContact:  noIn,
		integration.FeatureButtons:  both,
		integration.FeatureList:     both,
		integration.FeatureForm: {In: full, Out: integration.Impossible(
			"a modal is no message: it opens only within three seconds of an interaction", docs+"surfaces/modals",
		)},
		integration.FeatureTemplate: noOut("there are no templates: any text may be sent at any time", "messaging/"),
		integration.FeatureCommand:  in,
		integration.FeatureOrder:    noIn,
		integration.FeaturePoll: {In: noIn.In, Out: integration.Impossible(
			"there are no polls; a list can be chosen from", docs+blocks,
		)},

		integration.FeatureReply:    both,
		integration.FeatureThread:   both,
		integration.FeatureReaction: both,
		integration.FeatureEdit:     both,
		integration.FeatureDelete:   both,
		integration.FeatureStatus: {
			In: integration.Impossible("Slack tells apps neither of delivery nor of reading", docs+"apis/events-api/"),
		},
		integration.FeatureMembership: in,
		integration.FeatureEcho:       in,

		integration.FeatureTyping: {Out: integration.Degraded("only in the threads of assistants, as a status")},
		integration.FeatureMarkRead: noOut(
			"conversations.mark moves the caller's own place in a channel, which nobody else sees",
			"reference/methods/conversations.mark",
		),
		integration.FeatureMedia: in,
	}).AsText(integration.FeatureLocation, integration.FeatureContact)
}
