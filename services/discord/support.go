package discord

import "github.com/hiliosai/switchboard/integration"

// Pages of the platform's documentation.
const (
	docs = "https://docs.discord.com/developers/"

	docMessage       = docs + "resources/message"
	docMessageObject = docMessage + "#message-object"
	docEventTypes    = docs + "events/webhook-events#event-types"
	docReceiveEvents = docs + "events/gateway-events#receive-events"
	docResponse      = docs + "interactions/receiving-and-responding#interaction-response-object"
)

// support tells what Discord has. What users write comes over the Gateway; with receive "webhook" only what they write
// in lobbies and direct messages of games, and interactions.
func support() integration.Support {
	degraded, impossible := integration.Degraded, integration.Impossible
	s := integration.Basic(docMessageObject).Full(
		integration.FeatureImage, integration.FeatureVideo, integration.FeatureAudio, integration.FeatureFile,
		integration.FeatureAlbum, integration.FeatureButtons, integration.FeatureList, integration.FeatureForm,
		integration.FeatureCommand, integration.FeaturePoll, integration.FeatureThread, integration.FeatureReaction,
		integration.FeatureEdit, integration.FeatureDelete, integration.FeatureTyping, integration.FeatureMedia,
	).FullIn(
		integration.FeatureVoice, integration.FeatureSticker, integration.FeatureReply, integration.FeatureEcho,
		integration.FeatureMembership,
	)
	return s.AsText(integration.FeatureLocation, integration.FeatureContact).With(integration.Support{
		integration.FeatureVoice: {Out: degraded(
			"with media.durationMs, alone and outside of interactions, and with a level waveform; as an audio file otherwise",
		)},
		integration.FeatureSticker: {
			Out: degraded("by its id, and not in answers to interactions; a picture is sent as an image"),
		},
		integration.FeatureLocation: {In: impossible("Discord has no locations", docMessageObject)},
		integration.FeatureContact:  {In: impossible("Discord has no contacts", docMessageObject)},
		integration.FeatureForm: {
			Out: impossible("a form can only be the immediate response to an interaction", docResponse),
		},
		integration.FeatureTemplate: {Out: impossible("Discord has no templates", docMessage+"#create-message")},
		integration.FeatureOrder: {
			In: impossible("Discord has no orders; what is bought of an app comes as a system event", docEventTypes),
		},
		integration.FeatureReply: {
			Out: degraded("but in answers to interactions, which stand below what they answer"),
		},
		integration.FeatureStatus: {
			In: impossible("Discord does not tell bots who has received or read a message", docReceiveEvents),
		},
		integration.FeatureMarkRead: {Out: impossible("bots cannot mark messages as read", docMessage)},
	})
}
