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

// gatewayOnly says where users can write so that it comes in, "Event Types" of "Webhook Events".
const gatewayOnly = "in lobbies and direct messages of games; " +
	"what is said in ordinary channels comes over the Gateway only"

// support tells what Discord has over HTTP.
func support() integration.Support {
	degraded, impossible := integration.Degraded, integration.Impossible
	written := integration.Support{}
	for _, f := range []integration.Feature{
		integration.FeatureText, integration.FeatureImage, integration.FeatureVideo, integration.FeatureAudio,
		integration.FeatureVoice, integration.FeatureFile, integration.FeatureAlbum, integration.FeatureSticker,
		integration.FeatureReply, integration.FeatureEdit, integration.FeatureDelete, integration.FeatureEcho,
	} {
		written[f] = integration.Cells{In: degraded(gatewayOnly)}
	}
	s := integration.Basic(docMessageObject).Full(
		integration.FeatureImage, integration.FeatureVideo, integration.FeatureAudio, integration.FeatureFile,
		integration.FeatureAlbum, integration.FeatureButtons, integration.FeatureList, integration.FeatureForm,
		integration.FeatureCommand, integration.FeaturePoll, integration.FeatureThread, integration.FeatureReaction,
		integration.FeatureEdit, integration.FeatureDelete, integration.FeatureTyping, integration.FeatureMedia,
	).With(written)
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
		integration.FeaturePoll: {In: degraded(gatewayOnly + "; votes, too")},
		integration.FeatureReply: {
			Out: degraded("but in answers to interactions, which stand below what they answer"),
		},
		integration.FeatureThread:   {In: degraded("of interactions; " + gatewayOnly)},
		integration.FeatureReaction: {In: impossible("reactions come over the Gateway only", docEventTypes)},
		integration.FeatureStatus: {
			In: impossible("Discord does not tell bots who has received or read a message", docReceiveEvents),
		},
		integration.FeatureMembership: {
			In: degraded("that the app was added or removed; who joins and leaves comes over the Gateway only"),
		},
		integration.FeatureMarkRead: {Out: impossible("bots cannot mark messages as read", docMessage)},
	})
}
