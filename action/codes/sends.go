package codes

// Codes of sends: of i_sendMessage, of the other message actions and of failed events.
// The comment behind each constant names the platforms.
const (
	// MessageInvalid says that a field of the message is missing or wrong; the text says which.
	MessageInvalid = "MESSAGE_INVALID" // all
	// MessageTooLong says that the text or caption is too long.
	MessageTooLong = "MESSAGE_TOO_LONG" // Telegram, Slack, Discord
	// MessageRejected says that the platform refuses the message and has no better word, or a server on the way
	// refused the request.
	MessageRejected = "MESSAGE_REJECTED" // all
	// MessageBlocked says that AutoMod, or a filter for harmful links, stopped the message.
	MessageBlocked = "MESSAGE_BLOCKED" // Discord
	// MessageNotFound says that the message to edit, to answer or to react to is not there.
	MessageNotFound = "MESSAGE_NOT_FOUND" // Telegram, Slack, Discord
	// UnsupportedContent says that the platform has nothing of this type.
	UnsupportedContent = "UNSUPPORTED_CONTENT" // all
	// RecipientUnknown says that there is no such chat, channel or user.
	RecipientUnknown = "RECIPIENT_UNKNOWN" // Telegram, Discord, LINE
	// RecipientUnavailable says that the recipient cannot be written to: they blocked the bot, never wrote to it, are
	// not at the platform, removed it, or it cannot see them.
	RecipientUnavailable = "RECIPIENT_UNAVAILABLE" // all
	// RecipientLimited says that the user has got as much marketing as is allowed.
	RecipientLimited = "RECIPIENT_LIMITED" // WhatsApp
	// ChatMigrated says that the group has another id now; the text says which.
	ChatMigrated = "CHAT_MIGRATED" // Telegram
	// ThreadClosed says that the thread or topic is closed, archived or gone.
	ThreadClosed = "THREAD_CLOSED" // Telegram, Discord
	// WindowClosed says that the user has not written for 24 hours, so only a template can be sent.
	WindowClosed = "WINDOW_CLOSED" // WhatsApp
	// TemplateRejected says that the platform refuses the template or its parameters.
	TemplateRejected = "TEMPLATE_REJECTED" // WhatsApp
	// InteractionExpired says that the interaction or query can no longer be answered.
	InteractionExpired = "INTERACTION_EXPIRED" // Telegram, Discord, Slack
	// InteractionExhausted says that the interaction or query has had all the answers that it takes.
	InteractionExhausted = "INTERACTION_EXHAUSTED" // Telegram, Discord, Slack
	// InteractionNotReady says that Discord does not know the interaction yet; the node tries again.
	InteractionNotReady = "INTERACTION_NOT_READY" // Discord
	// ResponseURLExpired says that Slack's response_url is older than 30 minutes.
	ResponseURLExpired = "RESPONSE_URL_EXPIRED" // Slack
	// ResponseURLRefused says that Slack does not know the response_url, or does not any more.
	ResponseURLRefused = "RESPONSE_URL_REFUSED" // Slack
	// QuotaExceeded says that the account has sent as many messages this month as its plan has.
	QuotaExceeded = "QUOTA_EXCEEDED" // LINE
	// PermissionMissing says that the bot has no permission for this.
	PermissionMissing = "PERMISSION_MISSING" // all
	// ScopeMissing says that the token lacks an OAuth scope.
	ScopeMissing = "SCOPE_MISSING" // all
	// ActionForbidden says that the rules of the workspace or account forbid this.
	ActionForbidden = "ACTION_FORBIDDEN" // all
	// MediaTooLarge says that the file is larger than the platform, or a server on the way to it, takes.
	MediaTooLarge = "MEDIA_TOO_LARGE" // all
	// MediaRejected says that the platform does not take the file, its id or its link.
	MediaRejected = "MEDIA_REJECTED" // Telegram, Slack
	// MediaEmpty says that the file has no bytes.
	MediaEmpty = "MEDIA_EMPTY" // Telegram, Slack
	// MediaUnavailable says that the file cannot be fetched for the moment, or, where a retry does not help, at all.
	MediaUnavailable = "MEDIA_UNAVAILABLE" // all
	// MediaNotReady says that the platform still prepares the file, such as a long video; ask again.
	MediaNotReady = "MEDIA_NOT_READY" // all
	// MediaNotFound says that the file is not there.
	MediaNotFound = "MEDIA_NOT_FOUND" // all
	// MediaForbidden says that the file's server does not let the node have it.
	MediaForbidden = "MEDIA_FORBIDDEN" // all
	// MediaExternal says that the file is kept by another service, which the platform does not fetch it from.
	MediaExternal = "MEDIA_EXTERNAL" // all
	// MediaLocal says that the file is on the disk of a Bot API server that runs with `--local`.
	MediaLocal = "MEDIA_LOCAL" // Telegram
	// MediaURLInvalid says that the link of an attachment is not one that can be fetched.
	MediaURLInvalid = "MEDIA_URL_INVALID" // all
	// MediaAddressRefused says that the link of an attachment leads to an address that the node does not call, such as
	// a private one.
	MediaAddressRefused = "MEDIA_ADDRESS_REFUSED" // all
	// MediaSourceUnknown says that the datasource of an attachment is not one of the service.
	MediaSourceUnknown = "MEDIA_SOURCE_UNKNOWN" // all
	// AddressRefused says that an address that a channel or caller chose, such as `apiBase`, leads where the node does
	// not call, such as a private network.
	AddressRefused = "ADDRESS_REFUSED" // all
	// RateLimited says that the calls come too fast.
	RateLimited = "RATE_LIMITED" // all
	// SpamLimited says that the platform holds messages back because users reported them.
	SpamLimited = "SPAM_LIMITED" // all
	// CredentialsRefused says that the platform refuses the token.
	CredentialsRefused = "CREDENTIALS_REFUSED" // all
	// WorkspaceUnavailable says that the workspace behind the token is gone or locked.
	WorkspaceUnavailable = "WORKSPACE_UNAVAILABLE" // all
	// AccountRestricted says that the platform has restricted the account.
	AccountRestricted = "ACCOUNT_RESTRICTED" // all
	// NumberNotReady says that the phone number cannot send yet or any more.
	NumberNotReady = "NUMBER_NOT_READY" // all
	// ObjectUnknown says that the account or number behind the channel does not exist, or the token may not see it.
	ObjectUnknown = "OBJECT_UNKNOWN" // all
	// PlatformUnavailable says that the platform is away, overloaded or failed; `outcome` says whether the message may
	// have been sent.
	PlatformUnavailable = "PLATFORM_UNAVAILABLE" // all
	// PlatformUnreachable says that there is no connection to the platform; nothing was sent.
	PlatformUnreachable = "PLATFORM_UNREACHABLE" // all
	// PlatformNoAnswer says that the request was sent, and no answer came.
	PlatformNoAnswer = "PLATFORM_NO_ANSWER" // all
	// AnswerUnreadable says that the request was sent, and the answer cannot be read.
	AnswerUnreadable = "ANSWER_UNREADABLE" // all
	// PlatformBlocked says that a proxy, a firewall or the platform's edge does not let the call through.
	PlatformBlocked = "PLATFORM_BLOCKED" // all
	// APIBaseInvalid says that there is no API where `apiBase` leads.
	APIBaseInvalid = "API_BASE_INVALID" // all
	// MethodUnknown says that the Bot API server is too old.
	MethodUnknown = "METHOD_UNKNOWN" // Telegram
	// TelegramConflict says that another program polls with getUpdates, or that the bot has a webhook while it polls.
	TelegramConflict = "TELEGRAM_CONFLICT" // Telegram
	// PartlySent says that a later one of several messages failed; send only what is missing.
	PartlySent = "PARTLY_SENT" // all
	// ChannelSuspended says that the node holds the channel's calls back because the platform refused many.
	ChannelSuspended = "CHANNEL_SUSPENDED" // all
	// ChannelBusy says that the channel has as many calls under way as it may.
	ChannelBusy = "CHANNEL_BUSY" // all
	// SendFailed says that the platform's code in the node failed without saying how.
	SendFailed = "SEND_FAILED" // all
	// SendInProgress says that another call with the same idempotency key is under way.
	SendInProgress = "SEND_IN_PROGRESS" // all
	// SendAbandoned says that another call with the same idempotency key began and never finished.
	SendAbandoned = "SEND_ABANDONED" // all
	// IdempotencyKeyInvalid says that the idempotency key is empty or longer than 255 bytes.
	IdempotencyKeyInvalid = "IDEMPOTENCY_KEY_INVALID" // all
	// ClaimsUnavailable says that the idempotency key cannot be looked up for the moment; nothing was sent.
	ClaimsUnavailable = "CLAIMS_UNAVAILABLE" // all
	// MediaBusy says that the attachments under way have as many bytes as `media.maxMB` allows.
	MediaBusy = "MEDIA_BUSY" // all
)
