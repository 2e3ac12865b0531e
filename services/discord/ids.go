package discord

import (
	"strconv"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/integration"
)

// discordEpoch is the first second of 2015, in ms since 1970. Snowflakes count from it.
const discordEpoch = 1_420_070_400_000

// milliseconds is the time in ms since 1970 at which the object with that id was made, "Snowflake ID Format Structure".
// It is zero for a text that is no id.
func (s snowflake) milliseconds() int64 {
	n, err := strconv.ParseUint(string(s), 10, 64)
	if err != nil {
		return 0
	}
	return int64(n>>22) + discordEpoch
}

func (s snowflake) id() integration.ID { return integration.ID(s) }

// parseTime reads a time of the API, "ISO8601 Date/Time", which events write without a zone. It returns ms since 1970,
// and zero for a text that is no time.
func parseTime(text string) int64 {
	if text == "" {
		return 0
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 2015 {
			return t.UnixMilli()
		}
	}
	return 0
}

// userPrefix stands before a user's id where the id of a conversation is expected. It means the user's direct messages.
// Discord is asked for their channel when it is needed.
const userPrefix = "user:"

func directMessages(id snowflake) integration.ID {
	if id == "" {
		return ""
	}
	return userPrefix + id.id()
}

// isSnowflake says whether an id can be one of Discord's. It becomes a part of a path.
func isSnowflake(id string) bool { return snowflakePattern.MatchString(id) }

// messageIDOf checks an id that a caller gives.
func messageIDOf(id integration.ID, field string) (string, error) {
	if isSnowflake(string(id)) {
		return string(id), nil
	}
	return "", integration.Invalid("%s must be the id of a Discord message, digits, and not %q", field, id)
}

// address returns the first id that is there. It is the id of a channel or of a thread, which is a channel too, or
// user: and the id of a user.
func address(threadID integration.ID, others ...integration.ID) (string, error) {
	for _, id := range append([]integration.ID{threadID}, others...) {
		if id == "" {
			continue
		}
		if isSnowflake(strings.TrimPrefix(string(id), userPrefix)) {
			return string(id), nil
		}
		return "", integration.Invalid("%q is neither a channel's id nor user: and a user's id", id)
	}
	return "", integration.Invalid("to.id or conversationId must be a channel's id, or user: and a user's id")
}
