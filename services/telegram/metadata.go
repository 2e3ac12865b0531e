package telegram

// Keys of a message's metadata that a sender hands back: what came in with them is answered with them.
const (
	metaBusinessConnection = "businessConnectionId" // the connected account in whose name is spoken
	metaDirectTopic        = "directMessagesTopicId"
	metaCallbackQuery      = "callbackQueryId" // good once, for seconds
	metaGuestQuery         = "guestQueryId"    // good once, for seconds

	// What a video is: a round one of the camera, or one without sound that repeats.
	metaVideoNote = "videoNote"
	metaAnimation = "animation"

	metaAnonymous = "anonymous" // of a poll: who voted for what is told to nobody
)

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
