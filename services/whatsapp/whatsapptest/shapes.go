package whatsapptest

import (
	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// The pages of "Messages" and "Templates".
var (
	product = is.OneOf("whatsapp")
	mediaID = is.Match(`^\d{1,64}$`)
	url     = is.Text(2048)

	document = is.Object{"id": mediaID, "link": url, "caption": is.Text(1024), "filename": is.Text(240)}
	picture  = is.All(is.Object{"id": mediaID, "link": url, "caption": is.Text(1024)}, is.Exactly("id", "link"))

	// groupTypes can be sent to groups too, the others only to people.
	groupTypes = map[string]is.Object{
		"text":     {"text!": is.Object{"body!": is.Text(4096), "preview_url": is.Bool}},
		"image":    {"image!": picture},
		"video":    {"video!": picture},
		"audio":    {"audio!": is.All(is.Object{"id": mediaID, "link": url, "voice": is.Bool}, is.Exactly("id", "link"))},
		"document": {"document!": is.All(document, is.Exactly("id", "link"))},
		"sticker":  {"sticker!": is.All(is.Object{"id": mediaID, "link": url}, is.Exactly("id", "link"))},
		"reaction": {"reaction!": is.Object{"message_id!": is.Text(256), "emoji!": is.Empty(is.Text(16))}},
		"template": {"template!": is.Object{
			"name!": is.Text(512), "language!": is.Object{"code!": is.Text(16)}, "components": is.List(1, 10, component),
		}},
	}
	otherTypes = map[string]is.Object{
		"location": {"location!": is.Object{
			"latitude!": is.Number(-90, 90), "longitude!": is.Number(-180, 180), "name": is.Text(1000), "address": is.Text(1000),
		}},
		"contacts":    {"contacts!": is.List(1, 257, card)},
		"interactive": {"interactive!": interactive},
	}

	message = is.IfHas("status", is.Object{
		"messaging_product!": product, "status!": is.OneOf("read"), "message_id!": is.Text(256),
		"typing_indicator": is.Object{"type!": is.OneOf("text")},
	}, is.All(is.Union("type", addressed()), is.Exactly("to", "recipient")))

	card = is.Object{
		"name!": is.All(is.Object{"formatted_name!": is.Text(1000), "first_name": is.Text(1000), "last_name": is.Text(1000)},
			is.Func(func(v any) *is.Fault {
				if len(v.(map[string]any)) < 2 {
					return is.Missed("first_name")
				}
				return nil
			})),
		"phones": is.List(1, 100, is.Object{"phone!": is.Text(100), "type": is.Text(100), "wa_id": is.Text(20)}),
		"emails": is.List(1, 100, is.Object{"email!": is.Text(200), "type": is.Text(100)}),
		"org":    is.Object{"company!": is.Text(200), "department": is.Text(200), "title": is.Text(200)},
	}

	parameters = is.Object{"parameters!": is.List(1, 100, is.Union("type", map[string]is.Object{
		"text": {"text!": is.Text(32768), "parameter_name": is.Text(200)}, "coupon_code": {"coupon_code!": is.Text(20)},
		"image": {"image!": picture}, "video": {"video!": picture},
		"document": {"document!": is.All(document, is.Exactly("id", "link"))},
		"payload":  {"payload!": is.Text(256)}, "currency": {"currency!": is.Any}, "date_time": {"date_time!": is.Any},
		"location": {"location!": is.Any}, "action": {"action!": is.Any},
	}))}
	component = is.Union("type", map[string]is.Object{
		"header": parameters, "body": parameters, "carousel": parameters, "limited_time_offer": parameters,
		"button": parameters.With(is.Object{
			"sub_type!": is.OneOf("quick_reply", "url", "copy_code", "flow", "catalog"), "index!": is.Text(2),
		}),
	})

	textHeader = is.Object{"text!": is.Text(60)}
	header     = is.Union("type", map[string]is.Object{
		"text": textHeader, "image": {"image!": picture}, "video": {"video!": picture},
		"document": {"document!": is.All(
			is.Object{"id": mediaID, "link": url, "filename": is.Text(240)}, is.Exactly("id", "link"),
		)},
	})
	interactive = is.Union("type", map[string]is.Object{
		"button": over(1024, header, is.Object{"buttons!": is.All(
			is.List(1, 3, is.Object{
				"type!": is.OneOf("reply"), "reply!": is.Object{"id!": is.Text(256), "title!": is.Text(20)},
			}),
			is.Distinct("reply.id"), is.Distinct("reply.title"),
		)}),
		"list": over(4096, is.Union("type", map[string]is.Object{"text": textHeader}), is.All(is.Object{
			"button!": is.Text(20), "sections!": is.List(1, 10, is.Object{"title": is.Text(24), "rows!": is.List(1, 10, is.Object{
				"id!": is.Text(200), "title!": is.Text(24), "description": is.Text(72),
			})}),
		}, is.Distinct("sections.rows.id"), is.Func(sectionsFault))),
		"cta_url": over(1024, header, is.Object{
			"name!": is.OneOf("cta_url"), "parameters!": is.Object{"display_text!": is.Text(20), "url!": is.Link(2000)},
		}),
		"flow": over(1024, header, is.Object{"name!": is.OneOf("flow"), "parameters!": is.Object{
			"flow_message_version!": is.OneOf("3"), "flow_id!": is.Text(64), "flow_cta!": is.Text(20),
			"flow_token": is.Text(200), "mode": is.OneOf("draft", "published"),
			"flow_action": is.OneOf("navigate", "data_exchange"), "flow_action_payload": is.Any,
		}}),
	})
)

// over is an interactive message with an action.
func over(limit int, header, action is.Rule) is.Object {
	return is.Object{
		"body!": is.Object{"text!": is.Text(limit)}, "footer": is.Object{"text!": is.Text(60)}, "header": header, "action!": action,
	}
}

// addressed adds to each type what all messages have. A reaction answers nothing.
func addressed() map[string]is.Object {
	all := map[string]is.Object{}
	for _, types := range []map[string]is.Object{groupTypes, otherTypes} {
		for name, shape := range types {
			all[name] = shape.With(is.Object{
				"messaging_product!": product, "recipient_type": is.OneOf("individual", "group"),
				"to": is.Text(256), "recipient": is.Text(134), "biz_opaque_callback_data": is.Text(512),
			})
			if name != "reaction" {
				all[name]["context"] = is.Object{"message_id!": is.Text(256)}
			}
		}
	}
	return all
}

// sectionsFault looks at the sections of a list together.
func sectionsFault(v any) *is.Fault {
	sections := is.At[[]any](v, "sections")
	switch {
	case len(sections) > 1 && len(is.Every(sections, "title")) < len(sections):
		return is.Missed("sections.title")
	case rowCount(sections) > 10:
		return is.Wrong("sections", "there are more than 10 rows")
	}
	return nil
}

func rowCount(sections []any) int { return len(is.Every(sections, "rows.id")) }

// recipientFault looks at whom a message is for.
func recipientFault(r *fakeapi.Request) *is.Fault {
	to, toOne := r.Body["to"].(string)
	kind := is.At[string](r.Body, "type")
	switch group := r.Body["recipient_type"] == "group"; {
	case r.Body["status"] != nil:
		return nil
	case group && !toOne:
		return is.Wrong("recipient", "groups are named by to")
	case group && groupTypes[kind] == nil:
		return is.Wrong("type", "groups take texts, media and templates")
	case !group && toOne && !digits.MatchString(to):
		return is.Wrong("to", "it is no phone number")
	}
	return nil
}
