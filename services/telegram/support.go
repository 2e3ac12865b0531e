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

// support tells what of the content model Telegram has.
func support() integration.Support {
	full := integration.Full()
	return integration.Support{
		integration.FeatureText:  {In: full, Out: full},
		integration.FeatureImage: {In: full, Out: full},
		integration.FeatureVideo: {In: full, Out: full},
		integration.FeatureAudio: {In: full, Out: full},
		integration.FeatureVoice: {In: full, Out: full},
		integration.FeatureFile:  {In: full, Out: full},
		integration.FeatureAlbum: {
			In:  integration.Impossible("each item of an album is an update and a message of its own; metadata.mediaGroupId is the same in all of them", docMessage),
			Out: full,
		},
		integration.FeatureSticker:  {In: full, Out: full},
		integration.FeatureLocation: {In: full, Out: full},
		integration.FeatureContact:  {In: full, Out: full},
		integration.FeatureButtons:  {In: full, Out: full},
		integration.FeatureList: {
			In:  integration.Impossible("Telegram has no lists: the entries of one that was sent are buttons and come back as such", docButton),
			Out: integration.Degraded("each entry is a button; what has no room on buttons is told in the text"),
		},
		integration.FeatureForm: {
			In:  integration.Degraded("what a Web App sends that a button of a reply keyboard opened; it is not checked by Telegram"),
			Out: integration.Impossible("Telegram has no forms; Web Apps are pages of one's own", docWebApps),
		},
		integration.FeatureTemplate: {Out: integration.Impossible("Telegram has no templates: any text may be sent at any time", docMethods)},
		integration.FeatureCommand:  {In: full},
		integration.FeatureOrder:    {In: integration.Degraded("paid invoices, as one item; the questions before a payment are UNSUPPORTED and want an answer of one's own within ten seconds")},
		integration.FeaturePoll:     {In: full, Out: full},

		integration.FeatureReply:  {In: full, Out: full},
		integration.FeatureThread: {In: full, Out: full},
		integration.FeatureReaction: {
			In:  integration.Degraded("in groups for administrators only; of anonymous reactions the counts, as SYSTEM"),
			Out: full,
		},
		integration.FeatureEdit:       {In: full, Out: full},
		integration.FeatureDelete:     {In: integration.Degraded("in chats of connected business accounts only"), Out: full},
		integration.FeatureStatus:     {In: integration.Impossible("Telegram tells bots neither of delivery nor of reading", docUpdate)},
		integration.FeatureMembership: {In: full},
		integration.FeatureEcho:       {In: integration.Degraded("what other bots and connected business accounts write; bots are not sent their own messages")},

		integration.FeatureTyping:   {Out: full},
		integration.FeatureMarkRead: {Out: integration.Impossible("bots cannot; only for connected business accounts there is a method", docMarkRead)},
		integration.FeatureMedia:    {In: integration.Degraded("files of up to 20 MB")},
	}
}
