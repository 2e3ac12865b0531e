// Package integration is what a platform is written against. A platform says how its webhooks become
// messages and how a message is sent; everything that is the same for all platforms is done here
// once: the standard actions, the order of checks, retries, the error taxonomy, reliable events.
//
// It knows no wire: calls arrive as action.Request, and channels, events and secrets are reached
// through the small interfaces of [Runtime].
//
// # What a platform declares about sending
//
//  1. Definition.Support: [Basic] with the one page that says what messages can be, then single rows by [Support.With].
//  2. [Support.AsText]: what the factory writes as text. The platform never sees it, and writes no such text itself.
//  3. Definition.Style: how such texts are marked up. The zero value writes plain text.
//  4. Definition.Text: how long texts and captions may be. The factory splits, or refuses, longer ones.
//  5. Definition.Media: types, bytes and count of attachments for each content type; [MediaLimits.Check] for what is fetched.
//  6. [Splitter], mostly by [Message.Separate], where one message becomes several. Send makes one message, with one attempt.
//  7. [SendResult]: MessageID, MessageIDs where one call makes several, Degraded for what Send itself gives up. No metadata for these.
//  8. [Message.ReplyContext]: set in Normalize to what an answer needs, mostly by [Message.PutReplyValue], read in Send.
//  9. [Invalid], [UnsupportedContent], [Within], [Content.MediaList], [TypeOfMedia] are here once: no copies in platforms.
package integration
