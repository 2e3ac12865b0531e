package codes

// Codes of everything else. The comment behind each constant has the HTTP status.
const (
	// ValidationError says that the params are wrong; `data` lists each fault.
	ValidationError = "VALIDATION_ERROR" // 422
	// InvalidParams says that the params cannot be read.
	InvalidParams = "INVALID_PARAMS" // 400
	// Unauthorized says that the action asks for a user.
	Unauthorized = "UNAUTHORIZED" // 401
	// Forbidden says that the action asks for a permission that the user does not have.
	Forbidden = "FORBIDDEN" // 403
	// NotSupported says that the platform has nothing of the kind.
	NotSupported = "NOT_SUPPORTED" // 501
	// ServiceNotFound says that no node has the action.
	ServiceNotFound = "SERVICE_NOT_FOUND" // 404
	// ServiceNotAvailable says that no node that has the action is available.
	ServiceNotAvailable = "SERVICE_NOT_AVAILABLE" // 404
	// NotFound says that the listener has no such page or service.
	NotFound = "NOT_FOUND" // 404
	// RequestTimeout says that no answer came in time.
	RequestTimeout = "REQUEST_TIMEOUT" // 504
	// RequestRejected says that the node that had the call has gone.
	RequestRejected = "REQUEST_REJECTED" // 503
	// RequestSkipped says that the caller's time was over before the call.
	RequestSkipped = "REQUEST_SKIPPED" // 514
	// QueueFull says that `limits.queue` or `limits.requestsMB` is reached.
	QueueFull = "QUEUE_FULL" // 429
	// MaxCallLevel says that calls call one another deeper than is allowed.
	MaxCallLevel = "MAX_CALL_LEVEL" // 500
	// BadGateway says that the node has no connection to NATS.
	BadGateway = "BAD_GATEWAY" // 502
	// MaxPayloadExceeded says that a packet is larger than the NATS server's `max_payload`.
	MaxPayloadExceeded = "MAX_PAYLOAD_EXCEEDED" // 500
	// InvalidResponse says that another node's answer is none.
	InvalidResponse = "INVALID_RESPONSE" // 500
	// StreamAborted says that a request that is a stream ended early.
	StreamAborted = "STREAM_ABORTED" // 400
	// StreamNotSupported says that the action does not take a request that is a stream.
	StreamNotSupported = "STREAM_NOT_SUPPORTED" // 400
	// StreamTooLarge says that a request that is a stream is too large.
	StreamTooLarge = "STREAM_TOO_LARGE" // 413
	// InternalError says that the node failed; its log has the details under the requestID.
	InternalError = "INTERNAL_ERROR" // 500
	// MetricsDisabled says that `$node.metrics` has none yet.
	MetricsDisabled = "METRICS_DISABLED" // 400
	// TenantMismatch says that what the call is about belongs to another tenant than the call.
	TenantMismatch = "TENANT_MISMATCH" // 403
	// ChannelExists says that there is a channel with this id.
	ChannelExists = "CHANNEL_EXISTS" // 409
	// ChannelInvalid says that a field of the channel is missing or wrong.
	ChannelInvalid = "CHANNEL_INVALID" // 422
	// PlatformUnknown says that the node has no such platform.
	PlatformUnknown = "PLATFORM_UNKNOWN" // 422
	// ChannelsReadOnly says that the channels come from somewhere that calls cannot change: a file, or a service (405).
	ChannelsReadOnly = "CHANNELS_READ_ONLY" // 409
	// CredentialsUnchecked says that the platform could not be asked whether the credentials are good.
	CredentialsUnchecked = "CREDENTIALS_UNCHECKED" // 503
	// HealthCheckFailed says that the platform could not be asked how the channel is.
	HealthCheckFailed = "HEALTH_CHECK_FAILED" // 503
	// DatasourceUnavailable says that a database or API of a service is away.
	DatasourceUnavailable = "DATASOURCE_UNAVAILABLE" // 503
	// DatasourceRefused says that a database or API of a service refuses.
	DatasourceRefused = "DATASOURCE_REFUSED" // 502
	// DatasourceAnswerTooLarge says that the answer of a service's API is too large.
	DatasourceAnswerTooLarge = "DATASOURCE_ANSWER_TOO_LARGE" // 502
	// DatasourceAnswerInvalid says that the answer of a service's API has not the form that was expected.
	DatasourceAnswerInvalid = "DATASOURCE_ANSWER_INVALID" // 502
	// DatasourceConflict says that a database rolled the transaction back because it met another one; a retry helps.
	DatasourceConflict = "DATASOURCE_CONFLICT" // 503
	// CacheUnavailable says that the cache does not answer; memoised actions work without.
	CacheUnavailable = "CACHE_UNAVAILABLE" // 503
	// EventInvalid says that a reliable event cannot be encoded.
	EventInvalid = "EVENT_INVALID" // 400
	// EventRejected says that the stream of a reliable event will never take it.
	EventRejected = "EVENT_REJECTED" // 413
	// EventNotFound says that there is no such reliable event.
	EventNotFound = "EVENT_NOT_FOUND" // 404
	// GroupNotFound says that there is no such consumer group.
	GroupNotFound = "GROUP_NOT_FOUND" // 404
	// QueueNotFound says that there is no such queue of dead letters.
	QueueNotFound = "QUEUE_NOT_FOUND" // 404
	// EventsNotChosen says that a replay does not say which events.
	EventsNotChosen = "EVENTS_NOT_CHOSEN" // 422
	// DeadLettersNotChosen says that a call does not say which dead letters.
	DeadLettersNotChosen = "DEAD_LETTERS_NOT_CHOSEN" // 422
	// DeadLetterNotFound says that there is no such dead letter.
	DeadLetterNotFound = "DEAD_LETTER_NOT_FOUND" // 404
	// EventsInterrupted says that a replay ended before it was through.
	EventsInterrupted = "EVENTS_INTERRUPTED" // 503
	// HandlerDidNotReturn says that a dead letter: the event ended the process of its consumer.
	HandlerDidNotReturn = "HANDLER_DID_NOT_RETURN" // –
	// InvalidMessageSerialization says that a dead letter: the event cannot be decoded.
	InvalidMessageSerialization = "INVALID_MESSAGE_SERIALIZATION" // –
)
