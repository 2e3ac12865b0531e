package discord

import (
	"errors"
	"fmt"
	"time"

	"github.com/coder/websocket"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
)

// closeResumable is the code with which the node closes a connection. After 1000 and 1001 Discord would end the
// session, "Initiating a Disconnect".
const closeResumable websocket.StatusCode = 4000

// shardingPause is the pause before the number of shards is asked for again.
const shardingPause = 15 * time.Second

// enterToken is what helps when the bot's token is refused.
const enterToken = `enter the token that the page "Bot" of the developer portal shows after Reset Token`

// closeRow says what a close code means.
type closeRow struct {
	kind  integration.ErrorKind
	code  string
	fresh bool // the session cannot be resumed
	wait  time.Duration
	says  string
}

// closeCodes are those of the Gateway, "Gateway Close Event Codes". All others, and none, mean that the connection is
// opened again and the session resumed.
var closeCodes = map[websocket.StatusCode]closeRow{
	4000: lost("an unknown error at Discord"),
	4001: lost("Discord did not know an opcode"),
	4002: lost("Discord could not read a payload"),
	4003: anew("the session is not authenticated any more"),
	4004: {
		kind: integration.FaultAuth, code: codes.CredentialsRefused, fresh: true,
		says: "Discord refuses the botToken: " + enterToken,
	},
	4005: lost("the session was authenticated already"),
	4007: anew("Discord does not have the session's events any more"),
	4008: {
		kind: integration.FaultThrottled, code: codes.RateLimited, wait: time.Minute,
		says: "the connection sent too much in a short time",
	},
	4009: anew("the session timed out"),
	4010: sharding("the number of this shard is not valid"),
	4011: sharding("the bot is in too many servers for this number of shards"),
	4012: {
		kind: integration.FaultPermanent, code: codes.GatewayRefused, fresh: true,
		says: "Discord does not take version " + gatewayVersion + " of the Gateway any more: update Switchboard",
	},
	4013: {
		kind: integration.FaultInvalid, code: codes.IntentsRefused, fresh: true,
		says: "Discord does not know an intent: look at settings.intents, or update Switchboard",
	},
	4014: {kind: integration.FaultForbidden, code: codes.IntentsRefused, fresh: true},
}

func lost(says string) closeRow {
	return closeRow{kind: integration.FaultTransient, code: codes.ConnectionLost, says: says}
}

func anew(says string) closeRow {
	row := lost(says + "; a new one begins, and what Discord told in between is lost")
	row.fresh = true
	return row
}

func sharding(says string) closeRow {
	return closeRow{
		kind: integration.FaultTransient, code: codes.GatewayRefused, fresh: true, wait: shardingPause,
		says: says + "; Discord is asked for the number of shards again",
	}
}

// errTooLarge is for a payload that is longer than maxFrame.
var errTooLarge = errors.New("a payload of more than 10 MB")

// closed is the error for a connection that ended, and whether its session cannot be resumed. asked are the intents
// that it was identified with.
func closed(err error, asked intents) (e *integration.Error, fresh bool) {
	status := websocket.CloseStatus(err)
	row, known := closeCodes[status]
	switch {
	case known && status == 4014:
		return refusedIntents(asked), true
	case !known && status >= 0:
		row = lost("Discord closed the connection")
	case !known:
		row = lost("the connection broke off: " + reason(err))
	}
	message := "Gateway: " + row.says
	if status >= 0 {
		message += fmt.Sprintf(" (close code %d)", status)
	}
	return &integration.Error{Kind: row.kind, Code: row.code, Message: message, RetryAfter: row.wait, Err: err}, row.fresh
}

func isTooLarge(err error) bool {
	return errors.Is(err, errTooLarge) || errors.Is(err, websocket.ErrMessageTooBig)
}

// reason says shortly why reading failed.
func reason(err error) string {
	if isTooLarge(err) {
		return errTooLarge.Error()
	}
	return err.Error()
}
