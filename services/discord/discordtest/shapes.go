package discordtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// Bits of a message's flags.
const (
	flagNoEmbeds  = 1 << 2
	flagEphemeral = 1 << 6
	flagLoading   = 1 << 7
	flagSilent    = 1 << 12
	flagVoice     = 1 << 13
)

var (
	snowflake = is.Says("Value is not snowflake.", is.Match(`^\d{1,20}$`))

	// parts are what each message can have. It has to say whom it notifies: nobody, whatever the text is.
	parts = is.Object{
		"content": is.String(2000), "embeds": embeds, "components": components, "attachments": attachments,
		"allowed_mentions!": is.Object{"parse!": is.Says("nobody may be notified", is.List(0, 0, is.Any))},
	}
	embeds      = is.List(0, 10, is.Object{"image!": is.Object{"url!": is.Link(2048)}})
	attachments = is.List(0, 10, is.Object{
		"id!": is.Integer(0, 9), "filename!": is.Text(255), "description": is.Text(1024),
		"duration_secs": is.Number(0, 1e6), "waveform": is.Text(400),
	})
	poll = is.Object{
		"question!":         is.Object{"text!": is.Text(300)},
		"answers!":          is.List(1, 10, is.Object{"poll_media!": is.Object{"text!": is.Text(55)}}),
		"allow_multiselect": is.Bool,
	}

	newMessage = parts.With(is.Object{
		"flags": flags(flagSilent | flagVoice | flagNoEmbeds), "poll": poll, "sticker_ids": is.List(0, 3, snowflake),
		"message_reference": is.Object{"message_id!": snowflake, "fail_if_not_exists!": is.Bool},
		"nonce":             is.Text(25), "enforce_nonce": is.Bool,
	})
	firstAnswer = parts.With(is.Object{"flags": flags(flagNoEmbeds), "poll": poll})
	laterAnswer = parts.With(is.Object{"flags": flags(flagSilent | flagNoEmbeds | flagEphemeral), "poll": poll})
	// edit has to name everything: what it does not name stays.
	edit = is.Object{
		"content!": is.String(2000), "embeds!": embeds, "components!": components, "attachments!": attachments,
		"allowed_mentions!": parts["allowed_mentions!"], "flags": flags(flagNoEmbeds),
	}

	// components are action rows, "Legacy Message Component Behavior".
	components = is.All(is.List(0, 5, is.Union("type", map[string]is.Object{
		"1": {"components!": is.All(is.List(1, 5, is.All(is.Union("type", map[string]is.Object{
			"2": {
				"label!": is.Text(80), "style!": is.OneOf("1", "2", "3", "4", "5"),
				"custom_id": is.Text(100), "url": is.Link(512, "http", "https", "discord"),
			},
			"3": {"custom_id!": is.Text(100), "placeholder": is.Text(150), "options!": is.All(is.List(1, 25, is.Object{
				"label!": is.Text(100), "value!": is.Text(100), "description": is.Text(100),
			}), is.Distinct("value"))},
		}), is.Func(buttonFault))), is.Func(menuFault))},
	})), is.Says("Component custom id cannot be duplicated", is.Distinct("components.custom_id")))
)

// flags is a rule for the bits that a call allows.
func flags(allowed int64) is.Rule {
	return is.Func(func(v any) *is.Fault {
		n, _ := v.(json.Number)
		if bits, err := n.Int64(); err != nil || bits&^allowed != 0 {
			return is.Wrong("", "flags that cannot be set")
		}
		return nil
	})
}

// buttonFault is for buttons: one that is a link has a URL, the others have an id.
func buttonFault(v any) *is.Fault {
	button, _ := v.(map[string]any)
	link := is.At[json.Number](v, "style") == "5"
	switch {
	case is.At[json.Number](v, "type") != "2":
		return nil
	case (button["url"] != nil) != link, link && button["custom_id"] != nil:
		return is.Wrong("url", "a link, and nothing else, has a URL instead of an id")
	case !link && button["custom_id"] == nil:
		return is.Missed("custom_id")
	}
	return nil
}

func menuFault(v any) *is.Fault {
	types := is.Every(v, "type")
	if len(types) > 1 && types[0] == json.Number("3") {
		return is.Wrong("", "it must have between 1 and 5 items, and a menu stands alone")
	}
	return nil
}

// messageFault is what the shape of a message cannot say.
func messageFault(r *fakeapi.Request) *is.Fault {
	attached, content := is.Every(r.Body, "attachments.id"), is.At[string](r.Body, "content")
	enforced, _ := r.Body["enforce_nonce"].(bool)
	bits, _ := is.At[json.Number](r.Body, "flags").Int64()
	others := len(is.Every(r.Body, "embeds")) + len(is.Every(r.Body, "sticker_ids")) + len(is.Every(r.Body, "poll"))
	switch {
	case enforced != (r.Body["nonce"] != nil):
		return is.Missed("nonce") // and enforce_nonce: neither is of use alone
	case bits&flagVoice != 0:
		if fault := voiceFault(r, content != "" || others+len(is.Every(r.Body, "components")) > 0); fault != nil {
			return fault
		}
	case len(is.Every(r.Body, "attachments.waveform"))+len(is.Every(r.Body, "attachments.duration_secs")) > 0:
		return is.Wrong("flags", "only a voice message has a waveform")
	case strings.TrimSpace(content) == "" && others+len(r.Files) == 0:
		return refusal(http.StatusBadRequest, 50006, "Cannot send an empty message")
	}
	switch {
	case len(r.Files) > 10:
		return refusal(http.StatusBadRequest, 30015, "Maximum number of attachments in a message reached (10)")
	case len(r.Files) != len(attached):
		return is.Wrong("attachments", "there are other attachments than files")
	}
	return filesFault(r)
}

// filesFault is for files that are not those that the attachments name.
func filesFault(r *fakeapi.Request) *is.Fault {
	total := 0
	for _, a := range is.At[[]any](r.Body, "attachments") {
		file := r.Files[fmt.Sprintf("files[%s]", is.At[json.Number](a, "id"))]
		if file.Name != is.At[string](a, "filename") || file.ContentType == "" {
			return is.Wrong("attachments", "an attachment's file is not there")
		}
		if total += len(file.Content); len(file.Content) > 20<<20 || total > 25<<20 {
			return refusal(http.StatusRequestEntityTooLarge, 40005, "Request entity too large")
		}
	}
	return nil
}

func voiceFault(r *fakeapi.Request, more bool) *is.Fault {
	attachments := is.At[[]any](r.Body, "attachments")
	switch {
	case more:
		return refusal(http.StatusBadRequest, 50159, "Voice messages do not support additional content.")
	case len(r.Files) != 1 || len(attachments) != 1:
		return refusal(http.StatusBadRequest, 50160, "Voice messages must have a single audio attachment.")
	}
	points, err := base64.StdEncoding.DecodeString(is.At[string](attachments[0], "waveform"))
	seconds, _ := is.At[json.Number](attachments[0], "duration_secs").Float64()
	if err != nil || len(points) == 0 || len(points) > 256 || seconds <= 0 {
		return refusal(http.StatusBadRequest, 50161, "Voice messages must have supporting metadata.")
	}
	return nil
}

func refusal(status, code int, message string) *is.Fault {
	return fakeapi.Refusal(Failure(status, code, message, nil))
}
