package whatsapp

import "time"

// Limits of messages, in characters unless the name says a count. The pages are those of "Messages".
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
	maxButtonTitle = 20 // also for the button of a list, a URL or a Flow

	maxSections       = 10
	maxSectionTitle   = 24
	maxRows           = 10 // of all sections together
	maxRowID          = 200
	maxRowTitle       = 24
	maxRowDescription = 72

	maxTemplateName = 512 // "Templates"
)

// Sizes of media in bytes, "Media". WhatsApp itself fetches and checks what is sent as a link.
const (
	maxImage           = 5 << 20
	maxAudio           = 16 << 20
	maxVideo           = 16 << 20
	maxDocument        = 100 << 20
	maxStaticSticker   = 100 << 10
	maxAnimatedSticker = 500 << 10
	maxDownload        = maxDocument // WhatsApp delivers nothing larger
)

// Waits after errors of rate, "Throughput" and "Error codes". WhatsApp's answers name no time.
const (
	pairWait   = 6 * time.Second // a user may get one message in six seconds after a burst of 45
	numberWait = time.Second     // a number may send 80 messages a second
	spamWait   = time.Hour       // until the quality rating may have changed
)
