package textlimit_test

import (
	"fmt"

	"github.com/hiliosai/switchboard/integration/textlimit"
)

// A platform takes 16 characters in a message and does not count tags. The bold text continues in the second part.
func ExampleSplit() {
	parts, err := textlimit.Split("It is <b>open from nine</b> to five.", textlimit.Rules{
		First: 16, Limit: 16, Unit: textlimit.Characters, Markup: textlimit.HTML,
	})
	for _, part := range parts {
		fmt.Println(part)
	}
	fmt.Println(err)
	// Output:
	// It is <b>open from</b>
	// <b>nine</b> to five.
	// <nil>
}

func ExampleUTF16() {
	fmt.Println(textlimit.UTF16("👍"), textlimit.Characters("👍"), textlimit.Bytes("👍"))
	// Output: 2 1 4
}
