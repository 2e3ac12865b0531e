package integration

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

// withoutData returns the message as it came, without the content of its attachments, which is too large for events.
func withoutData(m *Message, raw json.RawMessage) json.RawMessage {
	held := func(media *Media) bool { return media != nil && len(media.Data) > 0 }
	if !held(m.Content.Media) && !slices.ContainsFunc(m.Content.Attachments, func(a Media) bool { return held(&a) }) {
		return raw
	}
	return rewriteData(raw, func(json.RawMessage) json.RawMessage { return nil })
}

// readMessage reads a message. The content of its attachments may be a Buffer of Node.js in JSON.
func readMessage(raw json.RawMessage, m *Message) error {
	err := rawjson.Unmarshal(raw, m)
	if err == nil {
		return nil
	}
	found := false
	plain := rewriteData(raw, func(data json.RawMessage) json.RawMessage {
		content, ok := rawjson.Buffer(data)
		if !ok {
			return data
		}
		found = true
		return rawjson.AppendQuote(nil, base64.StdEncoding.EncodeToString(content))
	})
	if !found {
		return err
	}
	*m = Message{}
	return rawjson.Unmarshal(plain, m)
}

// rewriteData replaces the data of a message's attachments by the result of change; nil removes it.
func rewriteData(message json.RawMessage, change func(json.RawMessage) json.RawMessage) json.RawMessage {
	media := func(media json.RawMessage) json.RawMessage { return rewrite(media, "data", change) }
	return rewrite(message, "content", func(content json.RawMessage) json.RawMessage {
		content = rewrite(content, "media", media)
		return rewrite(
			content, "attachments", func(list json.RawMessage) json.RawMessage { return rewriteItems(list, media) },
		)
	})
}

// rewrite changes the members of an object that encoding/json takes for the name, in any case; nil removes one. Any
// other JSON stays unchanged.
func rewrite(object json.RawMessage, name string, change func(json.RawMessage) json.RawMessage) json.RawMessage {
	fields, err := rawjson.FieldsOf(object)
	if err != nil {
		return object
	}
	out := []byte{'{'}
	for _, f := range fields {
		value := f.Value
		if strings.EqualFold(f.Name, name) {
			if value = change(value); value == nil {
				continue
			}
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(rawjson.AppendQuote(out, f.Name), ':'), value...)
	}
	return append(out, '}')
}

// rewriteItems changes the items of a list. Any other JSON stays unchanged.
func rewriteItems(list json.RawMessage, change func(json.RawMessage) json.RawMessage) json.RawMessage {
	var items []json.RawMessage
	if json.Unmarshal(list, &items) != nil {
		return list
	}
	out := []byte{'['}
	for i, item := range items {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, change(item)...)
	}
	return append(out, ']')
}
