package whatsapptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// message answers POST /PHONE_NUMBER_ID/messages.
func (a *API) message(contentType string, body []byte) Answer {
	if !strings.HasPrefix(contentType, "application/json") {
		return missing("messaging_product")
	}
	var m map[string]any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if decoder.Decode(&m) != nil || decoder.More() {
		return invalidParameter("the body is no JSON object")
	}
	if _, read := m["status"]; read {
		if fault := readShape.check("", m); fault != nil {
			return *fault
		}
		return answer(http.StatusOK, map[string]any{"success": true})
	}
	if fault := checkMessage(m); fault != nil {
		return *fault
	}
	contact := map[string]any{}
	if to, ok := m["to"].(string); ok {
		contact["input"], contact["wa_id"] = to, to
	} else {
		contact["input"], contact["user_id"] = m["recipient"], m["recipient"]
	}
	return answer(http.StatusOK, map[string]any{
		"messaging_product": "whatsapp", "contacts": []any{contact},
		"messages": []any{map[string]any{"id": fmt.Sprintf("wamid.HBgLMTY1MDU1NTEyMzQVAgARGBI%04d", a.nextID())}},
	})
}

// checkMessage looks at what goes beyond the shape of each part.
func checkMessage(m map[string]any) *Answer {
	if fault := messageShape.check("", m); fault != nil {
		return fault
	}
	kind := m["type"].(string)
	for _, other := range messageTypes {
		if _, there := m[other]; there != (other == kind) {
			if there {
				return invalid(other, "it does not go with type "+kind)
			}
			return require(kind)
		}
	}
	_, to := m["to"]
	_, recipient := m["recipient"]
	switch {
	case to == recipient:
		return require("to")
	case recipient && m["recipient_type"] == "group":
		return invalid("recipient", "groups are named by to")
	case m["recipient_type"] == "group" && !slices.Contains([]string{"text", "image", "video", "audio", "document", "sticker", "template", "reaction"}, kind):
		return invalid("type", "groups take texts, media and templates")
	case m["recipient_type"] != "group" && to && !digits(m["to"].(string)):
		return invalid("to", "it is no phone number")
	case kind == "reaction" && m["context"] != nil:
		return invalid("context", "a reaction answers nothing")
	}
	switch kind {
	case "image", "video", "audio", "document", "sticker":
		return checkMedia(kind, m[kind].(map[string]any))
	case "interactive":
		return checkInteractive(m[kind].(map[string]any))
	}
	return nil
}

func checkMedia(path string, m map[string]any) *Answer {
	_, id := m["id"]
	_, link := m["link"]
	switch {
	case id == link:
		return require(path + ".id")
	case id && !digits(m["id"].(string)):
		return invalid(path+".id", "it is no media id")
	}
	return nil
}

func checkInteractive(i map[string]any) *Answer {
	kind := i["type"].(string)
	action := i["action"].(map[string]any)
	if fault := actionShapes[kind].check("interactive.action", action); fault != nil {
		return fault
	}
	limit := 1024
	if kind == "list" {
		limit = 4096
	}
	if fault := text(limit)("interactive.body.text", i["body"].(map[string]any)["text"]); fault != nil {
		return fault
	}
	if fault := checkHeader(kind, i["header"]); fault != nil {
		return fault
	}
	switch kind {
	case "button":
		return unique("interactive.action.buttons", action["buttons"].([]any), func(b any) []string {
			reply := b.(map[string]any)["reply"].(map[string]any)
			return []string{"id " + reply["id"].(string), "title " + reply["title"].(string)}
		})
	case "list":
		var rows []any
		sections := action["sections"].([]any)
		for _, s := range sections {
			section := s.(map[string]any)
			if len(sections) > 1 && section["title"] == nil {
				return require("interactive.action.sections.title")
			}
			rows = append(rows, section["rows"].([]any)...)
		}
		if len(rows) > 10 {
			return invalid("interactive.action.sections", "there are more than 10 rows")
		}
		return unique("interactive.action.sections.rows", rows, func(r any) []string { return []string{r.(map[string]any)["id"].(string)} })
	case "cta_url":
		if url := action["parameters"].(map[string]any)["url"].(string); !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
			return invalid("interactive.action.parameters.url", "it is no URL")
		}
	}
	return nil
}

func checkHeader(kind string, header any) *Answer {
	h, ok := header.(map[string]any)
	if !ok {
		return nil
	}
	of := h["type"].(string)
	for _, other := range []string{"text", "image", "video", "document"} {
		if _, there := h[other]; there != (other == of) {
			return require("interactive.header." + of)
		}
	}
	switch {
	case of == "text":
		return nil
	case kind == "list":
		return invalid("interactive.header", "that of a list is a text")
	}
	return checkMedia("interactive.header."+of, h[of].(map[string]any))
}

func unique(path string, list []any, keys func(any) []string) *Answer {
	seen := map[string]bool{}
	for _, item := range list {
		for _, key := range keys(item) {
			if seen[key] {
				return invalid(path, "there are two of "+key)
			}
			seen[key] = true
		}
	}
	return nil
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func missing(parameter string) Answer {
	return Error(http.StatusBadRequest, 131008, 0, "(#131008) Required parameter is missing", "The parameter "+parameter+" is required.")
}

func invalidParameter(why string) Answer {
	return Error(http.StatusBadRequest, 131009, 0, "(#131009) Parameter value is not valid", why)
}

func require(parameter string) *Answer {
	a := missing(parameter)
	return &a
}

func invalid(parameter, why string) *Answer {
	a := invalidParameter("The parameter " + parameter + " is not valid: " + why)
	return &a
}
