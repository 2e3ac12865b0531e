package codes

// Codes of webhooks. The comment behind each constant has the HTTP status, and whether platforms send the webhook
// again.
const (
	// ChannelNotFound says that there is no such channel of this platform, or it is another tenant's.
	ChannelNotFound = "CHANNEL_NOT_FOUND" // 404; no
	// ChannelInactive says that the channel is switched off.
	ChannelInactive = "CHANNEL_INACTIVE" // 403; no
	// ChannelSealed says that the channel is sealed with a key that the node does not have.
	ChannelSealed = "CHANNEL_SEALED" // 500; yes
	// ChannelsUnavailable says that the channel store is away.
	ChannelsUnavailable = "CHANNELS_UNAVAILABLE" // 503; yes
	// ChannelsFileLost says that the file of the channel store has gone.
	ChannelsFileLost = "CHANNELS_FILE_LOST" // 503; yes
	// ChannelsSealed says that all channels are sealed with other keys.
	ChannelsSealed = "CHANNELS_SEALED" // 500; yes
	// RawBodyMissing says that the gateway does not hand over the bytes that were signed
	// ([gateway](../examples/gateway/README.md)).
	RawBodyMissing = "RAW_BODY_MISSING" // 400; no
	// RawBodyInvalid says that the gateway hands the raw body over in a form that cannot be read
	// ([gateway](../examples/gateway/README.md)).
	RawBodyInvalid = "RAW_BODY_INVALID" // 400; no
	// PublicURLMissing says that the signature covers the URL, which is not known: set the channel's `publicUrl`, or
	// `webhooks.trustForwarded` of the node, and let the gateway pass `url` ([gateway](../examples/gateway/README.md)).
	PublicURLMissing = "PUBLIC_URL_MISSING" // 400; no
	// HeadersInvalid says that the headers are no object of strings.
	HeadersInvalid = "HEADERS_INVALID" // 400; no
	// TimestampInvalid says that the timestamp is not a number of milliseconds.
	TimestampInvalid = "TIMESTAMP_INVALID" // 400; no
	// BodyInvalid says that the body cannot be read as its content type says.
	BodyInvalid = "BODY_INVALID" // 400; no
	// BodyIncomplete says that the body ended early.
	BodyIncomplete = "BODY_INCOMPLETE" // 400; no
	// BodyTooLarge says that the body is larger than 3 MB.
	BodyTooLarge = "BODY_TOO_LARGE" // 413; no
	// WebhookTooLarge says that the webhook holds more than 10,000 messages, its form more than 1,000 values, or its URL
	// more than 8 KB.
	WebhookTooLarge = "WEBHOOK_TOO_LARGE" // 400; no
	// WebhookTooOld says that the webhook was recorded, or the clocks of gateway and node differ by more than five
	// minutes.
	WebhookTooOld = "WEBHOOK_TOO_OLD" // 400; no
	// WebhookFromFuture says that the webhook is more than a minute ahead of the node's clock.
	WebhookFromFuture = "WEBHOOK_FROM_FUTURE" // 400; no
	// SignatureInvalid says that the webhook was signed with another secret than the channel's.
	SignatureInvalid = "SIGNATURE_INVALID" // 401; no
	// SignatureExpired says that the signature is of another time.
	SignatureExpired = "SIGNATURE_EXPIRED" // 401; no
	// SignatureKeysUnavailable says that the platform's keys, which the signature is checked with, cannot be fetched now.
	SignatureKeysUnavailable = "SIGNATURE_KEYS_UNAVAILABLE" // 503; yes
	// WebhookInvalid says that the webhook has not the platform's structure.
	WebhookInvalid = "WEBHOOK_INVALID" // 400; no
	// VerificationFailed says that a handshake came with another token, mode or channel.
	VerificationFailed = "VERIFICATION_FAILED" // 403; –
	// WebhookLate says that an earlier webhook of the channel held this one up until its time was over.
	WebhookLate = "WEBHOOK_LATE" // 503; yes
	// TooManyBodies says that the bodies under way have as many bytes as `http.maxBodiesMB` allows.
	TooManyBodies = "TOO_MANY_BODIES" // 503; yes
	// EventsUnavailable says that not all messages could be stored.
	EventsUnavailable = "EVENTS_UNAVAILABLE" // 503; yes
	// ConnectionLost says that a connection to a platform ended or could not be opened. It is opened again.
	ConnectionLost = "CONNECTION_LOST" // 503; yes
	// IntentsRefused says that Discord's Gateway does not give the app an intent of the setting `intents`.
	IntentsRefused = "INTENTS_REFUSED" // 403; no
	// GatewayRefused says that Discord's Gateway takes no session as the channel asks for it.
	GatewayRefused = "GATEWAY_REFUSED" // 502; no
)
