package telegram

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
)

// Some of the codes below.
const (
	codeRejected   = codes.MessageRejected
	codeTooLong    = codes.MessageTooLong
	codeInvalid    = codes.MessageInvalid
	codeNoMessage  = codes.MessageNotFound
	codeMedia      = codes.MediaRejected
	codeMediaSize  = codes.MediaTooLarge
	codeNoChat     = codes.RecipientUnknown
	codeNoWay      = codes.RecipientUnavailable
	codePermission = codes.PermissionMissing
	codeThread     = codes.ThreadClosed
	codeExpired    = codes.InteractionExpired
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

// errorTable says what refusals mean, "Making requests".
var errorTable = &integration.ErrorTable{
	Codes: map[string]integration.ErrorRow{migrated: {Kind: integration.FaultPermanent, Code: codes.ChatMigrated}},
	Texts: texts(),
	Statuses: map[int]integration.ErrorRow{
		http.StatusUnauthorized:          {Kind: integration.FaultAuth, Code: codes.CredentialsRefused}, // a revoked token
		http.StatusForbidden:             permanent(codeNoWay),                                          // blocked by the user, removed from the chat, …
		http.StatusNotFound:              {Kind: integration.FaultAuth, Code: codes.CredentialsRefused}, // a malformed token
		http.StatusConflict:              permanent(codes.TelegramConflict),
		http.StatusRequestEntityTooLarge: permanent(codeMediaSize),
		// "Broadcasting to Users": of one chat mostly, and Telegram does not say of which.
		http.StatusTooManyRequests: {Kind: integration.FaultThrottled, Code: codes.RateLimited, Pauses: integration.PausesRecipient},
	},
}

// migrated stands in the table for a group that has another id now.
const migrated = "migrated"

func permanent(code string) integration.ErrorRow {
	return integration.ErrorRow{Kind: integration.FaultPermanent, Code: code}
}

func texts() []integration.ErrorText {
	tooOld := permanent(codes.MethodUnknown) // of a server of one's own
	tooOld.Fix = "the Bot API server is too old for it"
	list := []integration.ErrorText{{Says: "method not found", ErrorRow: tooOld}}
	for _, d := range descriptions {
		list = append(list, integration.ErrorText{Says: d.says, ErrorRow: permanent(d.code)})
	}
	return list
}

// read takes an answer apart. A Bot API server that closes answers so all calls under way, "Internal Server Error:
// restart", also those whose message is on its way.
func read(answer *httpapi.Answer) ([]byte, *integration.Refusal, error) {
	var r response
	err := payload.Unmarshal(answer.Body, &r)
	switch {
	case r.OK == nil:
		return nil, nil, nil
	case *r.OK:
		return r.Result, nil, err
	}
	code := cmp.Or(r.ErrorCode, answer.Status)
	refusal := &integration.Refusal{
		Status: code, Shown: strconv.Itoa(code), Text: fmt.Sprintf("%d %s", code, r.Description), RetryAfter: seconds(r.Parameters.RetryAfter),
	}
	if id := r.Parameters.MigrateToChatID; id != 0 {
		refusal.Code, refusal.Details = migrated, []string{fmt.Sprintf("its id is %d now", id)}
	}
	return nil, refusal, nil
}

// seconds keeps a nonsensical number from becoming a nonsensical duration.
func seconds(n int64) time.Duration { return time.Duration(min(max(n, 0), 1e6)) * time.Second }
