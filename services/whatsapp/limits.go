package whatsapp

import "time"

// Limits of messages, in characters where nothing else is said. The pages named are those of "Messages".
const (
	maxText         = 4096 // "Text messages"
	maxCaption      = 1024 // "Image messages", "Video messages", "Document messages"
	maxCallbackData = 512  // biz_opaque_callback_data
	maxContacts     = 257  // "Contacts messages"

	maxBody     = 1024 // "Interactive reply buttons messages", "Interactive CTA URL button messages", "Sending a Flow"
	maxListBody = 4096 // "Interactive list messages", as is all of a list
	maxHeader   = 60
	maxFooter   = 60

	maxButtons     = 3
	maxButtonID    = 256
	maxButtonTitle = 20 // also of a list's button, of the one that opens a URL and of a Flow's

	maxSections       = 10
	maxSectionTitle   = 24
	maxRows           = 10 // of all sections together
	maxRowID          = 200
	maxRowTitle       = 24
	maxRowDescription = 72

	maxTemplateName = 512 // "Templates"
)

// Sizes of media in bytes, "Media". What is sent as a link is fetched, and judged, by WhatsApp.
const (
	maxImage           = 5 << 20
	maxAudio           = 16 << 20
	maxVideo           = 16 << 20
	maxDocument        = 100 << 20
	maxStaticSticker   = 100 << 10
	maxAnimatedSticker = 500 << 10
	maxDownload        = maxDocument // more is not delivered either
)

// Rates, "Throughput" and "Error codes". The platform names no time to wait in its answers.
const (
	pairWait   = 6 * time.Second // one message in six seconds to the same user, once a burst of 45 is used up
	numberWait = time.Second     // 80 messages a second of one number
	spamWait   = time.Hour       // until quality ratings have moved
)
