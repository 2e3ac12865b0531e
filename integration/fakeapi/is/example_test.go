package is_test

import (
	"fmt"

	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

func ExampleCheck() {
	message := is.Object{"to!": is.Text(50), "lines!": is.List(1, 5, is.Text(100)), "mood": is.OneOf("merry", "grave")}
	fault, _ := is.Check(message, map[string]any{"to": "ada", "lines": []any{"hello", " "}})
	fmt.Println(fault)
	fault, optional := is.Check(message, map[string]any{"to": "ada", "lines": []any{"hello"}, "mood": "merry"})
	fmt.Println(fault == nil, optional)
	// Output:
	// lines[1]: it must not be empty
	// true [mood]
}

func ExampleParse() {
	shapes := is.Parse([]byte(`{
		"line": "text 100 | says no_text | long too_much_text",
		"message": {"to!": "text 50", "lines!": ["1-5", "line"], "mood": "one of merry grave"}
	}`), nil)
	fault, _ := is.Check(shapes["message"], map[string]any{"to": "ada", "lines": []any{""}})
	fmt.Println(fault.Path, fault.Says)
	// Output: lines[0] no_text
}
