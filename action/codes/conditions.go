package codes

// Codes of a channel's conditions. The comment behind each constant says when the condition ends.
const (
	// ConditionSendingSuspended says that a node holds the channel's calls back, because ten in a row have failed.
	ConditionSendingSuspended = "SENDING_SUSPENDED" // a call succeeds, or the channel is changed
	// ConditionCredentialsRefused says that the platform refuses the channel's credentials.
	ConditionCredentialsRefused = "CREDENTIALS_REFUSED" // a call succeeds, or the channel is changed
	// ConditionSendsFailing says that 50, 70, 90 or 100 % of at least ten sends within five minutes have failed; `level`
	// is the percentage.
	ConditionSendsFailing = "SENDS_FAILING" // fewer than half fail, or the channel is changed
	// ConditionReceivingStopped says that a connection over which the channel receives is away.
	ConditionReceivingStopped = "RECEIVING_STOPPED" // all connections are ready
	// ConditionDeadLetters says that a received message of the channel could not be stored and went to the dead letters.
	ConditionDeadLetters = "DEAD_LETTERS" // ten minutes without another one
)
