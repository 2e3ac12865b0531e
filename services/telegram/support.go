package telegram

import "github.com/hiliosai/switchboard/integration"

// Pages of the platform's documentation.
const (
	docUpdate   = "https://core.telegram.org/bots/api#update"
	docMessage  = "https://core.telegram.org/bots/api#message"
	docButton   = "https://core.telegram.org/bots/api#inlinekeyboardbutton"
	docMethods  = "https://core.telegram.org/bots/api#available-methods"
	docMarkRead = "https://core.telegram.org/bots/api#readbusinessmessage"
	docWebApps  = "https://core.telegram.org/bots/webapps"
)

// support tells what Telegram has of the content model.
func support() integration.Support {
	degraded, impossible := integration.Degraded, integration.Impossible
	return integration.Basic(docMessage).Full(
		integration.FeatureImage, integration.FeatureVideo, integration.FeatureAudio, integration.FeatureVoice,
		integration.FeatureFile, integration.FeatureSticker, integration.FeatureLocation, integration.FeatureContact,
		integration.FeatureButtons, integration.FeatureCommand, integration.FeaturePoll, integration.FeatureReply,
		integration.FeatureThread, integration.FeatureEdit, integration.FeatureMembership, integration.FeatureTyping,
	).FullOut(
		integration.FeatureAlbum, integration.FeatureReaction, integration.FeatureDelete,
	).With(integration.Support{
		integration.FeatureAlbum: {In: impossible(
			"each item of an album is an update and a message of its own; metadata.mediaGroupId is the same in all of them",
			docMessage,
		)},
		integration.FeatureList: {
			In: impossible(
				"Telegram has no lists: the entries of one that was sent are buttons and come back as such", docButton,
			),
			Out: degraded("each entry is a button; what has no room on buttons is told in the text"),
		},
		integration.FeatureForm: {
			In:  degraded("what a Web App sends that a button of a reply keyboard opened; it is not checked by Telegram"),
			Out: impossible("Telegram has no forms; Web Apps are pages of one's own", docWebApps),
		},
		integration.FeatureTemplate: {
			Out: impossible("Telegram has no templates: any text may be sent at any time", docMethods),
		},
		integration.FeatureOrder: {In: degraded(
			"paid invoices, as one item; the questions before a payment are UNSUPPORTED " +
				"and want an answer of one's own within ten seconds",
		)},
		integration.FeatureReaction: {
			In: degraded("in groups for administrators only; of anonymous reactions the counts, as SYSTEM"),
		},
		integration.FeatureDelete: {In: degraded("in chats of connected business accounts only")},
		integration.FeatureStatus: {In: impossible("Telegram tells bots neither of delivery nor of reading", docUpdate)},
		integration.FeatureEcho: {
			In: degraded("what other bots and connected business accounts write; bots are not sent their own messages"),
		},
		integration.FeatureMarkRead: {
			Out: impossible("bots cannot; only for connected business accounts there is a method", docMarkRead),
		},
		integration.FeatureMedia: {In: degraded("files of up to 20 MB")},
	})
}
