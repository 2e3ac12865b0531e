// Package integration is what a platform is written against. A platform has two methods: Normalize makes messages of a
// webhook, and Send sends one message. The factory does everything that is the same for all platforms: the standard
// actions, the checks and their order, retries, limits, errors, reliable events. The package knows no transport: calls
// arrive as [action.Request], and [Runtime] holds the interfaces to channels, events and secrets.
//
// # To write a platform
//
//  1. Write a type with the two methods of [Platform], and a function that returns its [Definition]. Give that to
//     node.Platform.
//  2. Set Definition.Fields: the credentials and settings of a channel, beside [CommonFields]. [Secret], [Setting] and
//     [APIBase] make most of them.
//  3. Set Definition.Signature to a scheme of package sign. Write a method ValidateSignature only if none fits.
//  4. Set Definition.Errors: what the codes and statuses of the API mean. Package httpapi applies it to calls.
//  5. Set Definition.Support: [Basic] for what messages can hold, then single rows by [Support.With].
//  6. Run the conformance suite of package integrationtest. It says what is missing.
//
// # What the factory does with a message to be sent
//
//   - It refuses what Support calls impossible, and writes as text what Support has [Support.AsText], marked up as
//     Definition.Style says. Send sees neither.
//   - It checks attachments against Definition.Media, and splits texts that are longer than Definition.Text allows.
//   - It makes several messages of one if the platform is a [Splitter]; [Message.Separate] does most of that.
//   - It calls Send once for each part and attempt. Send makes one attempt and returns a [SendResult], or an [Error].
//
// [Message.ReplyContext] carries what an answer needs, such as a reply token: Normalize sets it, mostly by
// [Message.PutReplyValue] or [Message.PutReplyToken], and Send reads it. [Invalid], [UnsupportedContent], [Refused],
// [Within], [Content.MediaList] and [Content.TypeOf] help Send with its own checks, [Losses] with what is lost,
// [PutText] and [TextIn] with metadata.
//
// # More than messages
//
// A platform that implements more interfaces of this package can do more: [Responder] answers webhooks in the way that
// the platform wants, [Reactor], [Editor] and others are actions on messages, [MediaFetcher] fetches attachments,
// [HealthChecker] and [CredentialsValidator] ask the platform, [Installer] sets a channel up there. [Receiver] receives
// over connections of the node's own. [Define] finds them.
package integration
