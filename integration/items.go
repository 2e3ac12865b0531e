package integration

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hiliosai/switchboard/integration/payload"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

// Item is one item of a webhook: an object that is read by paths, and the JSON that it was read from.
type Item struct {
	payload.Tree
	Raw json.RawMessage
}

// ID is the id at a path, a string or a number.
func (i Item) ID(path string) ID { return ID(i.Text(path)) }

// Items returns a message for each item of the list at path in the payload, such as "events". A payload without the
// list has no messages. The error is for a payload that is no object, and for a list that is none. Use it in Normalize.
//
// read fills in the message of one item. The message comes with what holds for all items: To, From and ConversationID
// are the account, Timestamp is that of the webhook, Metadata is empty and not nil. Where read sets no ID or no
// DedupKey, it is a digest of the item.
//
// An item that is no object becomes a [TypeUnsupported] message with the item in metadata.raw. So does one for which
// read returns an [Unsupported]: its message keeps what read has set beside the content. No item harms another.
func (w *Webhook) Items(path string, read func(m *Message, item Item) *Unsupported) ([]Message, error) {
	list, err := memberAt(w.Payload, path)
	var items []json.RawMessage
	if err == nil && list != nil {
		err = json.Unmarshal(list, &items)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of the webhook: %w", path, err)
	}
	messages := make([]Message, len(items))
	for i, raw := range items {
		m, item := &messages[i], Item{Raw: raw}
		m.To.ID, m.From.ID, m.ConversationID = ID(w.Account), ID(w.Account), ID(w.Account)
		m.Timestamp, m.Metadata = w.Timestamp.UnixMilli(), map[string]any{}
		unsupported := &Unsupported{PlatformType: path, Reason: "it is not an object"}
		if json.Unmarshal(raw, &item.Tree) == nil {
			unsupported = read(m, item)
		}
		if unsupported != nil {
			m.Content = Content{Type: TypeUnsupported, Unsupported: unsupported}
			m.Metadata["raw"] = raw
		}
		if m.DedupKey == "" || m.ID == "" {
			digest := fmt.Sprintf("%x", sha256.Sum256(raw))
			m.DedupKey, m.ID = cmp.Or(m.DedupKey, digest), cmp.Or(m.ID, ID(digest))
		}
	}
	return messages, nil
}

// memberAt returns the value at a path of names in a JSON object, nil where there is none.
func memberAt(data json.RawMessage, path string) (json.RawMessage, error) {
	for name := range strings.SplitSeq(path, ".") {
		if data == nil {
			return nil, nil
		}
		fields, err := rawjson.FieldsOf(data)
		if err != nil {
			return nil, err
		}
		data = fields.Get(name)
	}
	return data, nil
}
