package whatsapptest

import (
	_ "embed" // of the shapes
	"slices"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

//go:embed shapes.json
var file []byte

// shapes are the request bodies of the pages "Messages", "Templates" and "Media" of WhatsApp's documentation.
var shapes = is.Parse(file, is.Shapes{
	"a file": fakeapi.FileOf(100 << 20),
	"a part of a name": is.Func(func(v any) *is.Fault {
		if len(v.(map[string]any)) < 2 {
			return is.Missed("first_name")
		}
		return nil
	}),
	"sections": is.Func(func(sections any) *is.Fault {
		count := len(is.Every(sections, ""))
		switch {
		case count > 1 && len(is.Every(sections, "title")) < count:
			return is.Missed("title")
		case len(is.Every(sections, "rows.id")) > 10:
			return is.Wrong("", "there are more than 10 rows")
		}
		return nil
	}),
})

var groupTypes = []string{"text", "image", "video", "audio", "document", "sticker", "template", "reaction"}

// recipientFault checks the recipient of a message, and that a group gets only types that groups take.
func recipientFault(r *fakeapi.Request) *is.Fault {
	to, toOne := r.Body["to"].(string)
	switch group := r.Body["recipient_type"] == "group"; {
	case r.Body["status"] != nil:
		return nil
	case group && !toOne:
		return is.Wrong("recipient", "groups are named by to")
	case group && !slices.Contains(groupTypes, is.At[string](r.Body, "type")):
		return is.Wrong("type", "groups take texts, media and templates")
	case !group && toOne && !digits.MatchString(to):
		return is.Wrong("to", "it is no phone number")
	}
	return nil
}
