package slack

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// verdict is what becomes of a call that Slack refused.
type verdict struct {
	kind integration.ErrorKind
	code string
}

var (
	throttled   = verdict{integration.FaultThrottled, codes.RateLimited}
	unavailable = verdict{integration.FaultTransient, codes.PlatformUnavailable}
	uncertain   = verdict{integration.FaultUnknown, codes.PlatformUnavailable}
	refused     = verdict{integration.FaultAuth, codes.CredentialsRefused}
	suspended   = verdict{integration.FaultAuth, codes.WorkspaceUnavailable}
	scope       = verdict{integration.FaultPermanent, codes.ScopeMissing}
	unreachable = verdict{integration.FaultPermanent, codes.RecipientUnavailable}
	forbidden   = verdict{integration.FaultPermanent, codes.ActionForbidden}
	tooLong     = verdict{integration.FaultPermanent, codes.MessageTooLong}
	invalidBody = verdict{integration.FaultPermanent, codes.MessageInvalid}
	noMessage   = verdict{integration.FaultPermanent, codes.MessageNotFound}
	spent       = verdict{integration.FaultPermanent, codes.ResponseURLExpired}
	noFile      = verdict{integration.FaultPermanent, codes.MediaNotFound}
	tooLarge    = verdict{integration.FaultPermanent, codes.MediaTooLarge}
	rejected    = verdict{integration.FaultPermanent, codes.MessageRejected} // of any other error
)

// verdicts are the errors that Slack documents, on the page of each method.
var verdicts = map[string]verdict{
	"ratelimited": throttled, "rate_limited": throttled,

	// The call was not carried out: Slack is away, has not got all of it, or lets nobody in for a while.
	"service_unavailable": unavailable, "request_timeout": unavailable, "team_added_to_org": unavailable,
	"accesslimited": unavailable, "external_channel_migrating": unavailable,
	// Of these Slack says that a part of the call may have succeeded, or does not say how far it came.
	"internal_error": uncertain, "fatal_error": uncertain, "update_failed": uncertain, "file_update_failed": uncertain,

	"invalid_auth": refused, "not_authed": refused, "account_inactive": refused, "token_revoked": refused, "token_expired": refused,
	"two_factor_setup_required": refused, "team_access_not_granted": refused,
	"org_login_required": suspended, "ekm_access_denied": suspended, "enterprise_is_restricted": suspended,

	"missing_scope": scope, "not_allowed_token_type": scope, "no_permission": scope,

	"channel_is_archived": unreachable, "channel_not_found": unreachable, "not_in_channel": unreachable, "is_archived": unreachable, "is_inactive": unreachable,
	"invalid_channel": unreachable, "team_not_found": unreachable, "user_not_found": unreachable, "users_not_found": unreachable,
	"user_disabled": unreachable, "cannot_dm_bot": unreachable, "messages_tab_disabled": unreachable, "channel_is_limited_access": unreachable,

	"restricted_action": forbidden, "restricted_action_read_only_channel": forbidden, "restricted_action_thread_only_channel": forbidden,
	"restricted_action_non_threadable_channel": forbidden, "restricted_action_thread_locked": forbidden, "cannot_reply_to_message": forbidden,
	"thread_locked": forbidden, "access_denied": forbidden, "app_access_restricted": forbidden, "action_prohibited": forbidden,
	"posting_to_channel_denied": forbidden, "posting_to_general_channel_denied": forbidden, "user_is_external_guest": forbidden, "user_is_restricted": forbidden,
	"message_limit_exceeded": forbidden, "cant_update_message": forbidden, "edit_window_closed": forbidden, "cant_delete_message": forbidden,
	"compliance_exports_prevent_deletion": forbidden, "streaming_state_conflict": forbidden, "too_many_emoji": forbidden, "too_many_reactions": forbidden,
	"slack_connect_file_link_sharing_blocked": forbidden, "slack_connect_file_upload_sharing_blocked": forbidden,
	"slack_connect_canvas_sharing_blocked": forbidden, "slack_connect_clip_sharing_blocked": forbidden, "slack_connect_lists_sharing_blocked": forbidden,
	"file_uploads_disabled": forbidden, "file_uploads_except_images_disabled": forbidden, "file_type_not_allowed": forbidden,
	"blocked_file_type": forbidden, "slack_connect_blocked_file_type": forbidden, "storage_limit_reached": forbidden,

	"msg_too_long": tooLong, "msg_blocks_too_long": tooLong, "attachment_payload_limit_exceeded": tooLong, "metadata_too_large": tooLong,

	"no_text": invalidBody, "invalid_blocks": invalidBody, "invalid_blocks_format": invalidBody, "block_mismatch": invalidBody,
	"invalid_attachments": invalidBody, "too_many_attachments": invalidBody, "markdown_text_conflict": invalidBody,
	"invalid_metadata_format": invalidBody, "invalid_metadata_schema": invalidBody, "metadata_must_be_sent_from_app": invalidBody,
	"invalid_payload": invalidBody, "invalid_arguments": invalidBody, "invalid_arg_name": invalidBody, "invalid_array_arg": invalidBody, "invalid_form_data": invalidBody,
	"invalid_json": invalidBody, "json_not_object": invalidBody, "invalid_name": invalidBody, "invalid_thread_ts": invalidBody,

	"message_not_found": noMessage, "bad_timestamp": noMessage, "thread_not_found": noMessage, "no_item_specified": noMessage,
	// Of a response_url that was used five times, or for half an hour.
	"used_url": spent, "expired_url": spent,

	"file_not_found": noFile, "file_deleted": noFile, "file_is_deleted": noFile, "file_not_visible": noFile, "missing_file_data": noFile,
	"file_upload_size_restricted": tooLarge, "alt_txt_too_large": invalidBody,
}

// refusal classifies an answer with ok false, or with HTTP 429.
func refusal(name string, answer *httpapi.Answer, s *status) *integration.Error {
	var code string
	if json.Unmarshal(s.Error, &code) != nil {
		code = string(s.Error) // not a word of Slack's
	}
	v, known := verdicts[code]
	switch {
	case answer.Status == http.StatusTooManyRequests:
		v = throttled
	case !known && answer.Status >= http.StatusMultipleChoices:
		e := httpapi.Foreign(name, answer)
		e.PlatformCode = code
		return e
	case !known:
		v = rejected
	}
	e := &integration.Error{
		Kind: v.kind, Code: v.code, PlatformCode: code, HTTPStatus: answer.Status,
		Message: fmt.Sprintf("%s: %s%s", name, cmp.Or(code, "refused without a reason"), s.details()),
	}
	if v == uncertain {
		e.Message += "; it may have been carried out"
	}
	if v == throttled {
		// Slack limits posts by channel, and other methods each apart: "Rate limits".
		e.Pauses, e.RetryAfter = integration.PausesRecipient, httpapi.RetryAfter(answer.Header, time.Now())
	}
	return e
}

// details is what else an answer says of what is wrong.
func (s *status) details() string {
	var details []string
	if s.Needed != "" {
		details = append(details, fmt.Sprintf("the token needs the scope %s and has %s: add it and install the app again", s.Needed, s.Provided))
	}
	details = append(details, s.Metadata.Messages...)
	if len(details) == 0 {
		return ""
	}
	return " (" + strings.Join(details, "; ") + ")"
}

func mediaError(code, format string, args ...any) error {
	return &integration.Error{Kind: integration.FaultPermanent, Code: code, Message: fmt.Sprintf(format, args...)}
}
