package discord

import "github.com/hiliosai/switchboard/integration"

const docs = "https://docs.discord.com/developers/"

// gatewayOnly is what is lost of all that users write: see "Event Types" of "Webhook Events".
const gatewayOnly = "in lobbies and direct messages of games; what is said in ordinary channels comes over the Gateway only"

// support tells what Discord has over HTTP.
var support = func() integration.Support {
	full, written := integration.Full(), integration.Degraded(gatewayOnly)
	no := integration.Impossible
	events := docs + "events/webhook-events#event-types"
	return integration.Support{
		integration.FeatureText:    {In: written, Out: full},
		integration.FeatureImage:   {In: written, Out: full},
		integration.FeatureVideo:   {In: written, Out: full},
		integration.FeatureAudio:   {In: written, Out: full},
		integration.FeatureVoice:   {In: written, Out: integration.Degraded("with media.durationMs, alone and outside of interactions, and with a level waveform; as an audio file otherwise")},
		integration.FeatureFile:    {In: written, Out: full},
		integration.FeatureAlbum:   {In: written, Out: full},
		integration.FeatureSticker: {In: written, Out: integration.Degraded("by its id, and not in answers to interactions; a picture is sent as an image")},
		integration.FeatureLocation: {
			In:  no("Discord has no locations", docs+"resources/message#message-object"),
			Out: integration.AsText(),
		},
		integration.FeatureContact: {
			In:  no("Discord has no contacts", docs+"resources/message#message-object"),
			Out: integration.AsText(),
		},
		integration.FeatureButtons: {In: full, Out: full},
		integration.FeatureList:    {In: full, Out: full},
		integration.FeatureForm: {
			In:  full,
			Out: no("a form can only be the immediate response to an interaction", docs+"interactions/receiving-and-responding#interaction-response-object"),
		},
		integration.FeatureTemplate: {Out: no("Discord has no templates", docs+"resources/message#create-message")},
		integration.FeatureCommand:  {In: full},
		integration.FeatureOrder:    {In: no("Discord has no orders; what is bought of an app comes as a system event", events)},
		integration.FeaturePoll:     {In: integration.Degraded(gatewayOnly + "; votes, too"), Out: full},

		integration.FeatureReply:    {In: written, Out: integration.Degraded("but in answers to interactions, which stand below what they answer")},
		integration.FeatureThread:   {In: integration.Degraded("of interactions; " + gatewayOnly), Out: full},
		integration.FeatureReaction: {In: no("reactions come over the Gateway only", events), Out: full},
		integration.FeatureEdit:     {In: written, Out: full},
		integration.FeatureDelete:   {In: written, Out: full},
		integration.FeatureStatus:   {In: no("Discord does not tell bots who has received or read a message", docs+"events/gateway-events#receive-events")},
		integration.FeatureMembership: {
			In: integration.Degraded("that the app was added or removed; who joins and leaves comes over the Gateway only"),
		},
		integration.FeatureEcho: {In: written},

		integration.FeatureTyping:   {Out: full},
		integration.FeatureMarkRead: {Out: no("bots cannot mark messages as read", docs+"resources/message")},
		integration.FeatureMedia:    {In: full},
	}
}()
