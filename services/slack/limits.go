package slack

import (
	"time"

	"github.com/hiliosai/switchboard/integration"
)

// Limits of the Web API and of Block Kit. Texts are counted in characters, as Slack does.
const (
	// "chat.postMessage": 4000 is what Slack advises, and what "chat.update" takes; beyond 40,000 it cuts off.
	maxText       = 4000
	maxPostedText = 40_000
	maxMarkdown   = 12_000 // markdown_text, and all markdown blocks of a message together
	maxBlocks     = 50     // "Blocks", of a message

	maxHeader       = 150  // "Header block"
	maxSectionText  = 3000 // "Text object", hence also of context blocks
	maxActions      = 25   // "Actions block": its elements
	maxButtonTitle  = 75   // "Button element"
	maxButtonValue  = 2000
	maxURL          = 3000 // of buttons and of images
	maxPlaceholder  = 150  // "Select menu element"
	maxOptions      = 100  // "Option group object": options of a menu or of a group of it
	maxOptionGroups = 100
	maxGroupLabel   = 75
	maxOptionText   = 75 // "Option object": its text and its description
	maxOptionValue  = 150
	maxAltText      = 2000 // "Image block": its alternative text and its title

	// maxFiles is how many files a message may have. Slack's own clients put as many into one.
	maxFiles = 10
	// maxUpload is how many bytes a file that is sent may have, since it is in memory. Slack itself takes 1 GB.
	maxUpload = 50 << 20
	// maxDownload is how many bytes a file may have that i_getMedia fetches.
	maxDownload = 20 << 20
)

// maxAge is how far a signature's timestamp may be from the time at which the webhook came, "Verifying requests from
// Slack".
const maxAge = 5 * time.Minute

// responseURLLife is how long a response_url can be used: "Handling user interaction".
const responseURLLife = 30 * time.Minute

// mediaLimits are the same for all attachments: Slack takes files of every type.
func mediaLimits() map[integration.ContentType]integration.MediaLimits {
	limits := map[integration.ContentType]integration.MediaLimits{}
	for _, t := range []integration.ContentType{
		integration.TypeImage, integration.TypeVideo, integration.TypeAudio, integration.TypeVoice, integration.TypeFile,
	} {
		limits[t] = integration.MediaLimits{MaxBytes: maxUpload, MaxCount: maxFiles}
	}
	return limits
}
