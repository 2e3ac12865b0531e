package whatsapptest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// rule checks a value of JSON.
type rule func(path string, v any) *Answer

// shape is an object of the documentation: its members by name, those that are required with an exclamation mark.
type shape map[string]rule

func (s shape) check(path string, v any) *Answer {
	object, ok := v.(map[string]any)
	if !ok {
		return invalid(path, "it must be an object")
	}
	for name, rule := range s {
		name, required := strings.CutSuffix(name, "!")
		value, there := object[name]
		at := strings.TrimPrefix(path+"."+name, ".")
		switch {
		case !there && required:
			return require(at)
		case there:
			if fault := rule(at, value); fault != nil {
				return fault
			}
		}
	}
	for name := range object {
		if s[name] == nil && s[name+"!"] == nil {
			a := Error(http.StatusBadRequest, 100, 0, fmt.Sprintf("(#100) Unexpected key %q on param %q.", name, path), "")
			return &a
		}
	}
	return nil
}

func text(limit int) rule {
	return func(path string, v any) *Answer {
		s, ok := v.(string)
		switch {
		case !ok || strings.TrimSpace(s) == "":
			return invalid(path, "it must be a text")
		case utf8.RuneCountInString(s) > limit:
			return invalid(path, fmt.Sprintf("it has more than %d characters", limit))
		}
		return nil
	}
}

func empty(rule rule) rule {
	return func(path string, v any) *Answer {
		if v == "" {
			return nil
		}
		return rule(path, v)
	}
}

func oneOf(values ...string) rule {
	return func(path string, v any) *Answer {
		if s, ok := v.(string); !ok || !slices.Contains(values, s) {
			return invalid(path, "it must be one of "+strings.Join(values, ", "))
		}
		return nil
	}
}

func boolean(path string, v any) *Answer {
	if _, ok := v.(bool); !ok {
		return invalid(path, "it must be true or false")
	}
	return nil
}

func degrees(limit float64) rule {
	return func(path string, v any) *Answer {
		n, ok := v.(json.Number)
		if f, err := n.Float64(); !ok || err != nil || f < -limit || f > limit {
			return invalid(path, "it must be a number of degrees")
		}
		return nil
	}
}

func list(limit int, of rule) rule {
	return func(path string, v any) *Answer {
		items, ok := v.([]any)
		if !ok || len(items) == 0 || len(items) > limit {
			return invalid(path, fmt.Sprintf("it must be a list of 1 to %d", limit))
		}
		for _, item := range items {
			if fault := of(path, item); fault != nil {
				return fault
			}
		}
		return nil
	}
}

func anything(string, any) *Answer { return nil }

// component is a part of a template. One for a button says for which.
func component(path string, v any) *Answer {
	fault := componentShape.check(path, v)
	if fault == nil && v.(map[string]any)["type"] == "button" {
		for _, name := range []string{"sub_type", "index"} {
			if v.(map[string]any)[name] == nil {
				return require(path + "." + name)
			}
		}
	}
	return fault
}

// parameter is a value of a component, in the member that is called as its type.
func parameter(path string, v any) *Answer {
	fault := parameterShape.check(path, v)
	if fault == nil {
		if of := v.(map[string]any)["type"].(string); v.(map[string]any)[of] == nil {
			return require(path + "." + of)
		}
	}
	return fault
}

// The pages of "Messages" and "Templates".
var (
	messageTypes = []string{"text", "image", "video", "audio", "document", "sticker", "location", "contacts", "reaction", "interactive", "template"}

	userID = text(134)
	media  = shape{"id": text(64), "link": text(2048), "caption": text(1024)}

	messageShape = shape{
		"messaging_product!": oneOf("whatsapp"), "recipient_type": oneOf("individual", "group"), "to": text(256), "recipient": userID,
		"context": shape{"message_id!": text(256)}.check, "biz_opaque_callback_data": text(512), "type!": oneOf(messageTypes...),
		"text":     shape{"body!": text(4096), "preview_url": boolean}.check,
		"image":    media.check,
		"video":    media.check,
		"audio":    shape{"id": text(64), "link": text(2048), "voice": boolean}.check,
		"document": shape{"id": text(64), "link": text(2048), "caption": text(1024), "filename": text(240)}.check,
		"sticker":  shape{"id": text(64), "link": text(2048)}.check,
		"location": shape{"latitude!": degrees(90), "longitude!": degrees(180), "name": text(1000), "address": text(1000)}.check,
		"contacts": list(257, cardShape.check),
		"reaction": shape{"message_id!": text(256), "emoji!": empty(text(16))}.check,
		"interactive": shape{
			"type!": oneOf("button", "list", "cta_url", "flow"), "body!": shape{"text!": text(4096)}.check,
			"footer": shape{"text!": text(60)}.check, "action!": anything,
			"header": shape{
				"type!": oneOf("text", "image", "video", "document"), "text": text(60), "image": media.check, "video": media.check,
				"document": shape{"id": text(64), "link": text(2048), "filename": text(240)}.check,
			}.check,
		}.check,
		"template": shape{"name!": text(512), "language!": shape{"code!": text(16)}.check, "components": list(10, component)}.check,
	}
	cardShape = shape{
		"name!": func(path string, v any) *Answer {
			fault := shape{"formatted_name!": text(1000), "first_name": text(1000), "last_name": text(1000)}.check(path, v)
			if fault == nil && len(v.(map[string]any)) < 2 {
				return require(path + ".first_name")
			}
			return fault
		},
		"phones": list(100, shape{"phone!": text(100), "type": text(100), "wa_id": text(20)}.check),
		"emails": list(100, shape{"email!": text(200), "type": text(100)}.check),
		"org":    shape{"company!": text(200), "department": text(200), "title": text(200)}.check,
	}
	componentShape = shape{
		"type!": oneOf("header", "body", "button", "carousel", "limited_time_offer"), "sub_type": oneOf("quick_reply", "url", "copy_code", "flow", "catalog"), "index": text(2),
		"parameters!": list(100, parameter),
	}
	parameterShape = shape{
		"type!": oneOf("text", "currency", "date_time", "image", "video", "document", "location", "payload", "action", "coupon_code"),
		"text":  text(32768), "parameter_name": text(200), "payload": text(256), "image": media.check, "video": media.check, "document": anything,
		"currency": anything, "date_time": anything, "location": anything, "action": anything, "coupon_code": text(20),
	}
	readShape = shape{
		"messaging_product!": oneOf("whatsapp"), "status!": oneOf("read"), "message_id!": text(256), "typing_indicator": shape{"type!": oneOf("text")}.check,
	}
	actionShapes = map[string]shape{
		"button": {"buttons!": list(3, shape{"type!": oneOf("reply"), "reply!": shape{"id!": text(256), "title!": text(20)}.check}.check)},
		"list": {
			"button!": text(20),
			"sections!": list(10, shape{
				"title": text(24), "rows!": list(10, shape{"id!": text(200), "title!": text(24), "description": text(72)}.check),
			}.check),
		},
		"cta_url": {"name!": oneOf("cta_url"), "parameters!": shape{"display_text!": text(20), "url!": text(2000)}.check},
		"flow": {"name!": oneOf("flow"), "parameters!": shape{
			"flow_message_version!": oneOf("3"), "flow_id!": text(64), "flow_cta!": text(20), "flow_token": text(200), "flow_action": oneOf("navigate", "data_exchange"),
			"flow_action_payload": anything, "mode": oneOf("draft", "published"),
		}.check},
	}
)
