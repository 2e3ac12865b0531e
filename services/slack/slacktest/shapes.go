package slacktest

import (
	_ "embed" // of the shapes

	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

//go:embed shapes.json
var shapesFile []byte

// shapes are those of the methods, and of the pages "Blocks" and "Block elements". Slack only advises that blocks have
// a text.
var shapes = is.Parse(shapesFile, is.Shapes{
	"not empty": is.All(is.Func(func(v any) *is.Fault {
		if object, ok := v.(map[string]any); !ok || len(object) == 0 {
			return is.Wrong("", "it must have members")
		}
		return nil
	}), is.Any),
	"one picture, one list of options": is.Func(func(v any) *is.Fault {
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
	}),
})
