package telegram

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// Some of the codes below.
const (
	codeRejected   = "MESSAGE_REJECTED"
	codeTooLong    = "MESSAGE_TOO_LONG"
	codeInvalid    = "MESSAGE_INVALID"
	codeNoMessage  = "MESSAGE_NOT_FOUND"
	codeMedia      = "MEDIA_REJECTED"
	codeMediaSize  = "MEDIA_TOO_LARGE"
	codeNoChat     = "RECIPIENT_UNKNOWN"
	codeNoWay      = "RECIPIENT_UNAVAILABLE"
	codePermission = "PERMISSION_MISSING"
	codeThread     = "THREAD_CLOSED"
	codeExpired    = "INTERACTION_EXPIRED"
)

// descriptions are what refusals with 400 and 403 say, in lower case, and what they mean; the first that is found counts.
// The Bot API has no codes of its own, and documents no descriptions: these are those of its server and, in capitals
// there, of Telegram's own API, https://core.telegram.org/api/errors.
var descriptions = []struct{ says, code string }{
	{"can't parse", codeInvalid}, // which quotes the message

	{"message is too long", codeTooLong},
	{"caption is too long", codeTooLong},
	{"message_too_long", codeTooLong},
	{"caption_too_long", codeTooLong},
	{"entities_too_long", codeTooLong},

	{"thread not found", codeThread},
	{"topic_closed", codeThread},
	{"topic_deleted", codeThread},
	{"topic_id_invalid", codeThread},

	{"message to edit not found", codeNoMessage},
	{"message to delete not found", codeNoMessage},
	{"message to react not found", codeNoMessage},
	{"message to be replied not found", codeNoMessage},
	{"replied message not found", codeNoMessage},
	{"message not found", codeNoMessage},
	{"message_id_invalid", codeNoMessage},

	{"chat not found", codeNoChat},
	{"user not found", codeNoChat},
	{"chat_id is empty", codeNoChat},
	{"chat_id_invalid", codeNoChat},
	{"peer_id_invalid", codeNoChat},
	{"user_id_invalid", codeNoChat},
	{"username_invalid", codeNoChat},
	{"username_not_occupied", codeNoChat},

	{"voice_messages_forbidden", codeNoWay},
	{"not enough rights", codePermission},
	{"have no rights", codePermission},
	{"need administrator rights", codePermission},
	{"admin_required", codePermission},
	{"write_forbidden", codePermission},
	{"_forbidden", codePermission}, // CHAT_SEND_PHOTOS_FORBIDDEN and the like
	{"can't be edited", codePermission},
	{"can't be deleted", codePermission},
	{"business_connection", codePermission},

	{"group chat was deactivated", codeNoWay},
	{"user is deactivated", codeNoWay},
	{"user_is_blocked", codeNoWay},
	{"user_is_bot", codeNoWay},
	{"channel_private", codeNoWay},

	{"file is too big", codeMediaSize},
	{"too large", codeMediaSize},
	{"file identifier", codeMedia},
	{"http url content", codeMedia},
	{"web page content", codeMedia},
	{"wrong file_id", codeMedia},
	{"wrong type of", codeMedia},
	{"type of file mismatch", codeMedia},
	{"can't use file of type", codeMedia},
	{"file must be non-empty", codeMedia},
	{"webpage_", codeMedia},
	{"media_", codeMedia},
	{"photo_", codeMedia},
	{"image_process_failed", codeMedia},
	{"sticker_", codeMedia},
	{"file_", codeMedia},
	{"external_url_invalid", codeMedia},

	{"query is too old", codeExpired},
	{"query_id_invalid", codeExpired},

	{"must be non-empty", codeInvalid},
	{"text is empty", codeInvalid},
	{"message_empty", codeInvalid},
	{"button_", codeInvalid},
	{"entity ", codeInvalid},
	{"entity_", codeInvalid},
	{"reply_markup", codeInvalid},
	{"reply markup", codeInvalid},
	{"quote_", codeInvalid},
	{"reaction_", codeInvalid},
	{"reactions_", codeInvalid},
	{"poll ", codeInvalid},
	{"poll_", codeInvalid},
	{"media group must", codeInvalid},
	{"parse_mode", codeInvalid},
	{"latitude or longitude", codeInvalid},
	{"inline keyboard button", codeInvalid},
}

// meaning is the code for a description, or otherwise.
func meaning(description, otherwise string) string {
	description = strings.ToLower(description)
	for _, d := range descriptions {
		if strings.Contains(description, d.says) {
			return d.code
		}
	}
	return otherwise
}

// refusal classifies an answer of the Bot API with ok false, "Making requests".
func refusal(method string, answer *httpapi.Answer, r *response) *integration.Error {
	code := cmp.Or(r.ErrorCode, answer.Status)
	e := &integration.Error{
		Kind: integration.ErrPermanent, Code: codeRejected,
		Message:      fmt.Sprintf("telegram %s: %d %s", method, code, r.Description),
		PlatformCode: strconv.Itoa(code), HTTPStatus: answer.Status,
	}
	switch {
	case code == http.StatusTooManyRequests: // "Broadcasting to Users": of one chat mostly, and Telegram does not say of which
		e.Kind, e.Code, e.Pauses = integration.ErrThrottled, "RATE_LIMITED", integration.PausesRecipient
		if e.RetryAfter = seconds(r.Parameters.RetryAfter); e.RetryAfter == 0 {
			e.RetryAfter = httpapi.RetryAfter(answer.Header, time.Now())
		}
	case code == http.StatusNotFound && strings.Contains(r.Description, "method not found"): // by a server of one's own
		e.Code = "METHOD_UNKNOWN"
		e.Message += "; the Bot API server is too old for it"
	case code == http.StatusUnauthorized, code == http.StatusNotFound: // a revoked token and a malformed one
		e.Kind, e.Code = integration.ErrAuth, "CREDENTIALS_REFUSED"
	case code == http.StatusForbidden: // blocked by the user, removed from the chat, …
		e.Code = meaning(r.Description, codeNoWay)
	case r.Parameters.MigrateToChatID != 0:
		e.Code = "CHAT_MIGRATED"
		e.Message += fmt.Sprintf("; its id is %d now", r.Parameters.MigrateToChatID)
	case code == http.StatusBadRequest:
		e.Code = meaning(r.Description, codeRejected)
	case code == http.StatusConflict:
		e.Code = "TELEGRAM_CONFLICT"
	case code == http.StatusRequestEntityTooLarge:
		e.Code = codeMediaSize
	case code >= http.StatusInternalServerError:
		// A Bot API server that closes answers so all calls under way, "Internal Server Error: restart", also those whose
		// message is on its way.
		httpapi.Fail(e, code)
	}
	return e
}

// seconds keeps a nonsensical number from becoming a nonsensical duration.
func seconds(n int64) time.Duration { return time.Duration(min(max(n, 0), 1e6)) * time.Second }
