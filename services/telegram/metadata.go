package telegram

import "github.com/hiliosai/switchboard/integration"

// What an answer needs of the message that it answers. All of it comes in replyContext, and until the next release
// in the metadata, too, under these names. Senders hand it back by either way.
const (
	metaBusinessConnection = "businessConnectionId" // the connected account in whose name is spoken
	metaDirectTopic        = "directMessagesTopicId"
	metaCallbackQuery      = "callbackQueryId" // good once, for seconds
	metaGuestQuery         = "guestQueryId"    // good once, for seconds
)

// Keys of a message's metadata.
const (
	// What a video is: a round one of the camera, or one without sound that repeats.
	metaVideoNote = "videoNote"
	metaAnimation = "animation"

	metaAnonymous = "anonymous" // of a poll: who voted for what is told to nobody
)

// putContext adds what an answer needs to a message's replyContext and, until the next release, to its metadata.
func putContext(m *integration.Message, key, value string) {
	putText(m.Metadata, key, value)
	m.PutReplyValue(key, value)
}

// contextOf reads what putContext wrote, from replyContext or else from the metadata; "" where it is not there.
func contextOf(m *integration.Message, key string) string {
	if values, err := m.ReplyValues(); err == nil && values.Has(key) {
		return values.Get(key)
	}
	return textIn(m.Metadata, key)
}

func putText(metadata map[string]any, key, value string) {
	if value != "" {
		metadata[key] = value
	}
}

// textIn reads a text of a message's metadata; anything else is none.
func textIn(metadata map[string]any, key string) string {
	s, _ := metadata[key].(string)
	return s
}

func flagIn(metadata map[string]any, key string) bool {
	is, _ := metadata[key].(bool)
	return is
}
