package slack

import (
	"net/http"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
)

// Rows of the error table that several of Slack's words share.
var (
	// Slack limits posts by channel, and each other method apart: "Rate limits".
	throttled = integration.ErrorRow{
		Kind: integration.FaultThrottled, Code: codes.RateLimited, Pauses: integration.PausesRecipient,
	}
	// The call was not carried out: Slack is away, has not got all of it, or lets nobody in for a while.
	unavailable = integration.ErrorRow{Kind: integration.FaultTransient, Code: codes.PlatformUnavailable}
	// Slack says that a part of the call may have succeeded, or does not say how far it came.
	uncertain = integration.ErrorRow{Kind: integration.FaultUnknown, Code: codes.PlatformUnavailable}

	tokenRefused = integration.ErrorRow{
		Kind: integration.FaultAuth, Code: codes.CredentialsRefused,
		Fix: "install the app again and store its new Bot User OAuth Token", // #nosec G101 -- no token is in it
	}
	workspaceClosed = integration.ErrorRow{Kind: integration.FaultAuth, Code: codes.WorkspaceUnavailable}
	noScope         = integration.Permanent(codes.ScopeMissing)
	unavailableTo   = integration.Permanent(codes.RecipientUnavailable)
	notMember       = integration.ErrorRow{
		Kind: integration.FaultPermanent, Code: codes.RecipientUnavailable,
		Fix: "check the id, and /invite the app into the channel",
	}
	forbidden   = integration.Permanent(codes.ActionForbidden)
	tooLong     = integration.Permanent(codes.MessageTooLong)
	invalidBody = integration.Permanent(codes.MessageInvalid)
	noMessage   = integration.Permanent(codes.MessageNotFound)
	noFile      = integration.Permanent(codes.MediaNotFound)
	fileTooBig  = integration.Permanent(codes.MediaTooLarge)
	// A response_url was used five times, or is older than half an hour.
	responseURLExpired = integration.ErrorRow{
		Kind: integration.FaultPermanent, Code: codes.ResponseURLExpired,
		Fix: "send without replyContext and without metadata.responseUrl, to the conversation",
	}
)

// errorTable has the errors that Slack documents on the page of each method. Any other is MESSAGE_REJECTED, unless it
// comes with one of the HTTP statuses below.
var errorTable = &integration.ErrorTable{
	Codes: map[string]integration.ErrorRow{
		"ratelimited": throttled, "rate_limited": throttled,

		"service_unavailable": unavailable, "request_timeout": unavailable, "team_added_to_org": unavailable,
		"accesslimited": unavailable, "external_channel_migrating": unavailable,

		"internal_error": uncertain, "fatal_error": uncertain, "update_failed": uncertain, "file_update_failed": uncertain,

		"invalid_auth": tokenRefused, "not_authed": tokenRefused, "account_inactive": tokenRefused,
		"token_revoked": tokenRefused, "token_expired": tokenRefused, "two_factor_setup_required": tokenRefused,
		"team_access_not_granted": tokenRefused,

		"org_login_required": workspaceClosed, "ekm_access_denied": workspaceClosed,
		"enterprise_is_restricted": workspaceClosed,

		"missing_scope": noScope, "not_allowed_token_type": noScope, "no_permission": noScope,

		"channel_not_found": notMember, "not_in_channel": notMember,
		"channel_is_archived": unavailableTo, "is_archived": unavailableTo, "is_inactive": unavailableTo,
		"invalid_channel": unavailableTo, "team_not_found": unavailableTo, "user_not_found": unavailableTo,
		"users_not_found": unavailableTo, "user_disabled": unavailableTo, "cannot_dm_bot": unavailableTo,
		"messages_tab_disabled": unavailableTo, "channel_is_limited_access": unavailableTo,

		"restricted_action": forbidden, "restricted_action_read_only_channel": forbidden,
		"restricted_action_thread_only_channel": forbidden, "restricted_action_non_threadable_channel": forbidden,
		"restricted_action_thread_locked": forbidden, "cannot_reply_to_message": forbidden, "thread_locked": forbidden,
		"access_denied": forbidden, "app_access_restricted": forbidden, "action_prohibited": forbidden,
		"posting_to_channel_denied": forbidden, "posting_to_general_channel_denied": forbidden,
		"user_is_external_guest": forbidden, "user_is_restricted": forbidden, "message_limit_exceeded": forbidden,
		"cant_update_message": forbidden, "edit_window_closed": forbidden, "cant_delete_message": forbidden,
		"compliance_exports_prevent_deletion": forbidden, "streaming_state_conflict": forbidden,
		"too_many_emoji": forbidden, "too_many_reactions": forbidden,
		"slack_connect_file_link_sharing_blocked": forbidden, "slack_connect_file_upload_sharing_blocked": forbidden,
		"slack_connect_canvas_sharing_blocked": forbidden, "slack_connect_clip_sharing_blocked": forbidden,
		"slack_connect_lists_sharing_blocked": forbidden, "slack_connect_blocked_file_type": forbidden,
		"file_uploads_disabled": forbidden, "file_uploads_except_images_disabled": forbidden,
		"file_type_not_allowed": forbidden, "blocked_file_type": forbidden, "storage_limit_reached": forbidden,

		"msg_too_long": tooLong, "msg_blocks_too_long": tooLong, "attachment_payload_limit_exceeded": tooLong,
		"metadata_too_large": tooLong,

		"no_text": invalidBody, "invalid_blocks": invalidBody, "invalid_blocks_format": invalidBody,
		"block_mismatch": invalidBody, "invalid_attachments": invalidBody, "too_many_attachments": invalidBody,
		"markdown_text_conflict": invalidBody, "invalid_metadata_format": invalidBody,
		"invalid_metadata_schema": invalidBody, "metadata_must_be_sent_from_app": invalidBody,
		"invalid_payload": invalidBody, "invalid_arguments": invalidBody, "invalid_manifest": invalidBody,
		"invalid_arg_name":  invalidBody,
		"invalid_array_arg": invalidBody, "invalid_form_data": invalidBody, "invalid_json": invalidBody,
		"json_not_object": invalidBody, "invalid_name": invalidBody, "invalid_thread_ts": invalidBody,
		"alt_txt_too_large": invalidBody,

		"message_not_found": noMessage, "bad_timestamp": noMessage, "thread_not_found": noMessage,
		"no_item_specified": noMessage,

		"used_url": responseURLExpired, "expired_url": responseURLExpired,

		"file_not_found": noFile, "file_deleted": noFile, "file_is_deleted": noFile, "file_not_visible": noFile,
		"missing_file_data": noFile, "file_upload_size_restricted": fileTooBig,
	},
	Statuses: map[int]integration.ErrorRow{
		http.StatusUnauthorized:          tokenRefused,
		http.StatusForbidden:             forbidden,
		http.StatusRequestTimeout:        unavailable,
		http.StatusRequestEntityTooLarge: fileTooBig,
		http.StatusTooManyRequests:       throttled,
	},
}

// responseErrors is errorTable for response URLs, where a link that Slack does not know gets a page without JSON.
var responseErrors = func() *integration.ErrorTable {
	table, unknown := *errorTable, integration.Permanent(codes.ResponseURLRefused)
	unknown.Fix = "it is not, or no longer, a response_url that Slack knows"
	table.Foreign = map[int]integration.ErrorRow{}
	for _, status := range []int{
		http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect,
		http.StatusPermanentRedirect, http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound,
		http.StatusMethodNotAllowed, http.StatusGone,
	} {
		table.Foreign[status] = unknown
	}
	return &table
}()
