package slacktest

import (
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

var (
	anyChannel   = is.Says("channel_not_found", is.Match(`^([CGDUW][A-Z0-9]{2,}|#[^\s:]+)$`))
	conversation = is.Says("channel_not_found", is.Match(`^[CGD][A-Z0-9]{2,}$`))
	timestamp    = is.Says("message_not_found", is.Text(20))
	threadTS     = is.Says("invalid_thread_ts", is.Match(`^\d{10}\.\d{6}$`))
	item         = is.Says("no_item_specified", is.Text(20))
	fileID       = is.Says("file_not_found", is.Text(100))
	emojiName    = is.Says("invalid_name", is.Match(`^[a-z0-9_+'-]+(::skin-tone-[2-6])?$`))

	metadata = is.Says("invalid_metadata_format", is.Object{
		"event_type!": is.Text(255), "event_payload!": is.All(is.Func(notEmpty), is.Any),
	})
)

// post is the shape of what is posted: text, blocks and metadata, or markdown. more is what the method has beside.
// Slack only advises that blocks have a text.
func post(maxText int, more is.Object) is.Rule {
	conflict := is.Says("markdown_text_conflict", is.Never)
	return is.IfHas("markdown_text",
		more.With(is.Object{
			"markdown_text!": is.Says("no_text", is.Text(12_000)).WhenTooLong("msg_too_long"),
			"text":           conflict, "blocks": conflict, "metadata": metadata,
		}),
		more.With(is.Object{
			"text!":  is.Says("no_text", is.Text(maxText)).WhenTooLong("msg_too_long"),
			"blocks": is.Says("invalid_blocks", blocks), "metadata": metadata,
		}))
}

var (
	postMessage = post(40_000, is.Object{
		"channel!": anyChannel, "thread_ts": threadTS, "mrkdwn": is.Bool, "unfurl_links": is.Bool, "unfurl_media": is.Bool,
	})
	update = post(4000, is.Object{"channel!": conversation, "ts!": timestamp})

	// respond is what is answered at a response_url. Markdown and metadata are not documented for it.
	respond = is.Object{
		"text!":  is.Says("no_text", is.Text(40_000)).WhenTooLong("msg_too_long"),
		"blocks": is.Says("invalid_blocks", blocks), "thread_ts": threadTS, "mrkdwn": is.Bool,
		"unfurl_links": is.Bool, "unfurl_media": is.Bool,
		"response_type": is.OneOf("in_channel", "ephemeral"), "replace_original": is.Bool, "delete_original": is.Bool,
	}

	sharing = is.Object{
		"files!":    is.List(1, 10, is.Object{"id!": fileID, "title": is.Text(255)}),
		"thread_ts": threadTS, "initial_comment": is.Text(40_000),
	}
	// completeUpload wants a recipient: without one, Slack keeps the file to itself.
	completeUpload = is.IfHas("channels",
		sharing.With(is.Object{"channels!": is.Says("channel_not_found", is.Match(`^[CGDUW][A-Z0-9]{2,}$`))}),
		sharing.With(is.Object{"channel_id!": conversation}))
)

// textOf is a "Text object" of one of the types.
func textOf(limit int, types ...string) is.Object {
	return is.Object{"type!": is.OneOf(types...), "text!": is.Text(limit)}
}

func plain(limit int) is.Object { return textOf(limit, "plain_text") }

// The pages of "Blocks" and "Block elements".
var (
	either = []string{"plain_text", "mrkdwn"}
	blocks = is.List(0, 50, is.All(is.Union("type", map[string]is.Object{
		"section":  {"text!": textOf(3000, either...)},
		"header":   {"text!": plain(150)},
		"context":  {"elements!": is.List(1, 10, textOf(3000, either...))},
		"markdown": {"text!": is.Text(12_000)},
		"image": {
			"image_url": is.Link(3000), "slack_file": is.Object{"id!": is.Text(100)},
			"alt_text!": is.Text(2000), "title": plain(2000),
		},
		"actions": {"elements!": is.List(1, 25, element)},
	}), is.Func(onePicture), is.Distinct("elements.action_id")))

	actionID = is.Text(255)
	element  = is.Union("type", map[string]is.Object{
		"button": {
			"action_id!": actionID, "text!": plain(75), "value!": is.Text(2000), "url": is.Link(3000),
			"style": is.OneOf("primary", "danger"),
		},
		"static_select": {
			"action_id!": actionID, "placeholder!": plain(150), "options": options,
			"option_groups": is.List(1, 100, is.Object{"label!": plain(75), "options!": options}),
		},
	})
	options = is.List(1, 100, is.Object{"text!": plain(75), "value!": is.Text(150), "description": plain(75)})
)

// onePicture is for what the shape of a block cannot say: of two members, one must be there.
func onePicture(v any) *is.Fault {
	var fault *is.Fault
	if is.At[string](v, "type") == "image" {
		fault, _ = is.Check(is.Exactly("image_url", "slack_file"), v)
	}
	for _, e := range is.Every(v, "elements") {
		if is.At[string](e, "type") == "static_select" && fault == nil {
			fault, _ = is.Check(is.Exactly("options", "option_groups"), e)
		}
	}
	return fault
}

func notEmpty(v any) *is.Fault {
	if object, ok := v.(map[string]any); !ok || len(object) == 0 {
		return is.Wrong("", "it must have members")
	}
	return nil
}
