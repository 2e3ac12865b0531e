package telegram

import "github.com/hiliosai/switchboard/integration"

// Names of what an answer needs of the message that it answers. All of it comes in replyContext. Until the next
// release it is also written to the metadata and read from there, under the same names.
const (
	metaBusinessConnection = "businessConnectionId" // the connected account that the answer is sent for
	metaDirectTopic        = "directMessagesTopicId"
	metaCallbackQuery      = "callbackQueryId" // good once, for seconds
	metaGuestQuery         = "guestQueryId"    // good once, for seconds
)

// Names of metadata of messages in both directions.
const (
	metaVideoNote = "videoNote" // a round video of the camera
	metaAnimation = "animation" // a video without sound that repeats
	metaAnonymous = "anonymous" // of a poll: nobody learns who voted for what
)

// putContext adds what an answer needs to a message's replyContext and to its metadata.
func putContext(m *integration.Message, name, value string) {
	integration.PutText(m.Metadata, name, value)
	m.PutReplyValue(name, value)
}

// contextOf reads what putContext wrote, from replyContext or else from the metadata. It is empty if neither has it.
func contextOf(m *integration.Message, name string) string {
	if values, err := m.ReplyValues(); err == nil && values.Has(name) {
		return values.Get(name)
	}
	return integration.TextIn(m.Metadata, name)
}
