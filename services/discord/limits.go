package discord

import (
	"time"

	"github.com/hiliosai/switchboard/integration"
)

// Limits of messages, "Create Message". Characters are Unicode code points.
const (
	maxContent     = 2000     // characters
	maxFiles       = 10       // attachments of a message, error 30015
	maxFile        = 20 << 20 // bytes of one, "Uploading Files": the default. Boosted servers take more
	maxRequest     = 25 << 20 // bytes of all of them
	maxDescription = 1024     // characters of an attachment's alt text, "Attachment Request Structure"
)

// Limits of messages that come in.
const (
	maxEmbeds        = 10       // of a message, "Create Message"
	maxEmbedText     = 6000     // characters of all its embeds, "Embed Limits"
	maxComponentText = 4000     // characters of all its components
	maxEmbedBytes    = 64 << 10 // of the embeds' JSON: that much text, with links
)

// Limits of components, "Component Reference".
const (
	maxRows              = 5   // action rows, "Legacy Message Component Behavior"
	maxButtonsInRow      = 5   // "Action Row"
	maxLabel             = 80  // characters, "Button"
	maxButtonURL         = 512 // characters
	maxCustomID          = 100 // characters, "Custom ID"
	maxOptions           = 25  // "String Select"
	maxOptionLabel       = 100 // characters
	maxOptionValue       = 100 // characters
	maxOptionDescription = 100 // characters
	maxPlaceholder       = 150 // characters
)

// Limits of polls, "Poll Resource".
const (
	maxQuestion = 300 // characters
	maxAnswers  = 10
	maxAnswer   = 55 // characters
)

// Voice messages, "Voice Messages": one point of the waveform for 100 ms, and no more than 256 of them.
const (
	waveformStep = 100 * time.Millisecond
	maxWaveform  = 256
)

// Limits in time.
const (
	// maxSignatureAge is how far the signed timestamp may be from the time at which the gateway took the webhook in.
	// Discord documents no such limit. With it, nobody can send a recorded webhook again later.
	maxSignatureAge = 5 * time.Minute
	// webhookTimeout is how long Discord waits for the response to a webhook, and retryHorizon how long it sends events
	// again, with some time for them to arrive, "Responding to Events".
	webhookTimeout = 3 * time.Second
	retryHorizon   = 15 * time.Minute
	// tokenLifetime is how long an interaction can be answered, "Interaction Callback".
	tokenLifetime = 15 * time.Minute
	// tokenDelay is for how long Discord may not know an interaction's token yet. An answer that is quicker than the
	// response to the webhook comes too early. Later ones were refused for up to ten seconds, too:
	// https://github.com/discord/discord-api-docs/issues/7220.
	tokenDelay      = 10 * time.Second
	tokenRetryPause = 2 * time.Second // between two attempts
	// edgeBan is how long to make no calls after Discord's edge has refused one and does not say for how long. It is the
	// window of "Invalid Request Limit aka Cloudflare bans".
	edgeBan = 10 * time.Minute
	// dmChannelTTL is how long the channel of a user's direct messages is remembered. It never changes.
	dmChannelTTL = 24 * time.Hour
)

// mediaLimits are the same for all attachments: Discord takes files of every type.
func mediaLimits() map[integration.ContentType]integration.MediaLimits {
	limits := map[integration.ContentType]integration.MediaLimits{}
	for _, t := range []integration.ContentType{
		integration.TypeImage, integration.TypeVideo, integration.TypeAudio, integration.TypeVoice, integration.TypeFile,
		integration.TypeSticker,
	} {
		limits[t] = integration.MediaLimits{MaxBytes: maxFile, MaxCount: maxFiles}
	}
	return limits
}
