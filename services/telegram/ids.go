package telegram

import (
	"strconv"

	"github.com/hiliosai/switchboard/integration"
)

// messageID is unique among all chats of a bot, as message_id is in its own only.
func messageID(chatID, id int64) integration.ID {
	if chatID == 0 || id == 0 {
		return ""
	}
	return decimalID(chatID) + ":" + decimalID(id)
}

// decimalID is an identifier of the Bot API, where 0 stands for one that did not come.
func decimalID(n int64) integration.ID {
	if n == 0 {
		return ""
	}
	return integration.ID(decimal(n))
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
