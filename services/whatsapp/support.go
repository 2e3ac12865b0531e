package whatsapp

import "github.com/hiliosai/switchboard/integration"

// Pages of the documentation that list what exists. The first two are the sources for what messages do not have, in
// each direction.
const (
	docs = "https://developers.facebook.com/documentation/business-messaging/whatsapp"

	messagesPage    = docs + "/webhooks/reference/messages"
	messageAPI      = docs + "/reference/whatsapp-business-phone-number/message-api"
	webhookOfImages = docs + "/webhooks/reference/messages/image"
	unsupportedPage = docs + "/webhooks/reference/messages/unsupported"
)

// support says how WhatsApp supports each feature.
func support() integration.Support {
	full, degraded := integration.Full(), integration.Degraded
	missing := func(why string) integration.Cell { return integration.Impossible(why, messageAPI) }
	captionless := degraded("a text beside it becomes a message of its own")
	coexistence := degraded("only for numbers that the WhatsApp Business app uses, too (coexistence)")
	return integration.Basic(messageAPI).Full(
		integration.FeatureText, integration.FeatureImage, integration.FeatureVideo, integration.FeatureFile,
		integration.FeatureButtons, integration.FeatureList, integration.FeatureForm, integration.FeatureReply,
		integration.FeatureReaction,
	).With(integration.Support{
		integration.FeatureAudio: {In: full, Out: captionless},
		integration.FeatureVoice: {In: full, Out: captionless},
		integration.FeatureAlbum: {
			In:  integration.Impossible("each picture of an album comes as a message of its own", webhookOfImages),
			Out: degraded("each attachment becomes a message of its own"),
		},
		integration.FeatureSticker: {In: full, Out: captionless},
		integration.FeatureLocation: {
			In:  full,
			Out: degraded("a live location stays where it is; a text beside it becomes a message of its own"),
		},
		integration.FeatureContact:  {In: full, Out: captionless},
		integration.FeatureTemplate: {Out: full},
		integration.FeatureCommand:  {In: degraded("a text that begins with / counts as one")},
		integration.FeatureOrder:    {In: full},
		integration.FeaturePoll: {
			In:  integration.Impossible("polls come as unsupported messages, without their content", unsupportedPage),
			Out: missing("the Cloud API has no polls"),
		},

		integration.FeatureThread: {
			In: integration.Impossible("chats have no threads", messagesPage), Out: missing("chats have no threads"),
		},
		integration.FeatureEdit:       {In: coexistence, Out: missing("the Cloud API cannot change a message that was sent")},
		integration.FeatureDelete:     {In: coexistence, Out: missing("the Cloud API cannot delete a message that was sent")},
		integration.FeatureStatus:     {In: full},
		integration.FeatureMembership: {In: degraded("of groups that were made by the Groups API")},
		integration.FeatureEcho:       {In: coexistence},

		integration.FeatureTyping:   {Out: degraded("it answers a message of the user, which is shown as read, too")},
		integration.FeatureMarkRead: {Out: full},
		integration.FeatureMedia:    {In: full},
	})
}
