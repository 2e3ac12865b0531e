package payload_test

import (
	"fmt"

	"github.com/hiliosai/switchboard/integration/payload"
)

// A webhook with two messages, the second of an unexpected form.
const webhook = `{"messages": [{"id": "m1", "text": "hello"}, {"id": "m2", "text": 5}]}`

// item is a message that is good or bad by itself.
type item struct {
	Message struct {
		ID   string `json:"id"`
		Text string `json:"text"`
	}
	start, end int
	odd        bool
}

// SetSpan implements [payload.Part].
func (i *item) SetSpan(start, end int, odd bool) { i.start, i.end, i.odd = start, end, odd }

func ExampleUnmarshalParts() {
	var batch struct {
		Messages []*item `json:"messages"`
	}
	fmt.Println(payload.UnmarshalParts([]byte(webhook), &batch))
	for _, i := range batch.Messages {
		if i.odd {
			fmt.Println("not understood:", webhook[i.start:i.end])
			continue
		}
		fmt.Println(i.Message.ID, i.Message.Text)
	}
	// Output:
	// <nil>
	// m1 hello
	// not understood: {"id": "m2", "text": 5}
}

func ExampleMembers() {
	err := payload.Members([]byte(`{"id": "m1", "text": "caf\u00e9"}`), func(name, value []byte) {
		fmt.Println(string(name), payload.Text(value))
	})
	fmt.Println(err)
	// Output:
	// id m1
	// text café
	// <nil>
}
