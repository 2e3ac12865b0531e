package whatsapp

import "github.com/hiliosai/switchboard/integration"

// Pages of the documentation that say what there is not.
const (
	docs = "https://developers.facebook.com/documentation/business-messaging/whatsapp"

	messageAPI      = docs + "/reference/whatsapp-business-phone-number/message-api"
	webhookOfImages = docs + "/webhooks/reference/messages/image"
	unsupportedPage = docs + "/webhooks/reference/messages/unsupported"
	messagesPage    = docs + "/webhooks/reference/messages"
)

// support tells what WhatsApp has of what messages can be.
func support() integration.Support {
	full, partial, impossible := integration.Full, integration.Degraded, integration.Impossible
	captionless := partial("a text beside it becomes a message of its own")
	coexistence := partial("only for numbers that the WhatsApp Business app uses, too (coexistence)")
	return integration.Support{
		integration.FeatureText:  {In: full(), Out: full()},
		integration.FeatureImage: {In: full(), Out: full()},
		integration.FeatureVideo: {In: full(), Out: full()},
		integration.FeatureAudio: {In: full(), Out: captionless},
		integration.FeatureVoice: {In: full(), Out: captionless},
		integration.FeatureFile:  {In: full(), Out: full()},
		integration.FeatureAlbum: {
			In:  impossible("each picture of an album comes as a message of its own", webhookOfImages),
			Out: partial("each attachment becomes a message of its own"),
		},
		integration.FeatureSticker: {In: full(), Out: captionless},
		integration.FeatureLocation: {In: full(), Out: partial(
			"a live location stays where it is; a text beside it becomes a message of its own",
		)},
		integration.FeatureContact:  {In: full(), Out: captionless},
		integration.FeatureButtons:  {In: full(), Out: full()},
		integration.FeatureList:     {In: full(), Out: full()},
		integration.FeatureForm:     {In: full(), Out: full()},
		integration.FeatureTemplate: {Out: full()},
		integration.FeatureCommand:  {In: partial("a text that begins with / counts as one")},
		integration.FeatureOrder:    {In: full()},
		integration.FeaturePoll: {
			In:  impossible("polls come as unsupported messages, without their content", unsupportedPage),
			Out: impossible("the Cloud API has no polls", messageAPI),
		},

		integration.FeatureReply: {In: full(), Out: full()},
		integration.FeatureThread: {
			In:  impossible("chats have no threads", messagesPage),
			Out: impossible("chats have no threads", messageAPI),
		},
		integration.FeatureReaction: {In: full(), Out: full()},
		integration.FeatureEdit: {In: coexistence, Out: impossible(
			"the Cloud API cannot change a message that was sent", messageAPI,
		)},
		integration.FeatureDelete: {In: coexistence, Out: impossible(
			"the Cloud API cannot delete a message that was sent", messageAPI,
		)},
		integration.FeatureStatus:     {In: full()},
		integration.FeatureMembership: {In: partial("of groups that were made by the Groups API")},
		integration.FeatureEcho:       {In: coexistence},

		integration.FeatureTyping:   {Out: partial("it answers a message of the user, which is shown as read, too")},
		integration.FeatureMarkRead: {Out: full()},
		integration.FeatureMedia:    {In: full()},
	}
}
