package telegram

import (
	"strconv"

	"github.com/hiliosai/switchboard/integration"
)

// messageID makes an id that is unique for the bot. A message_id is unique in its chat only.
func messageID(chatID, id int64) integration.ID {
	if chatID == 0 || id == 0 {
		return ""
	}
	return decimalID(chatID) + ":" + decimalID(id)
}

// decimalID writes a number of the Bot API as an ID. It is empty for 0, which stands for a number that did not come.
func decimalID(n int64) integration.ID {
	if n == 0 {
		return ""
	}
	return integration.ID(decimal(n))
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
