package action_test

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/hiliosai/switchboard/action"
)

func ExampleParamsOf() {
	type Search struct {
		Text  string   `json:"text" params:"trim|min:3"`
		Tags  []string `json:"tags" params:"optional|max:5"`
		Limit uint8    `json:"limit" params:"convert|max:100|default:20"`
	}
	params, err := action.ParamsOf(reflect.TypeFor[Search]())
	if err != nil {
		fmt.Println(err)
		return
	}
	announced, err := json.Marshal(params)
	fmt.Println(string(announced), err)
	checked, err := params.Check(&action.Request{Params: json.RawMessage(`{"text":" gopher "}`)})
	fmt.Println(string(checked), err)
	// Output:
	// {"text":{"type":"string","min":3,"trim":true},"tags":{"type":"array","optional":true,"max":5,"items":"string"},"limit":{"type":"number","min":0,"max":100,"integer":true,"convert":true,"default":20}} <nil>
	// {"limit":20,"text":"gopher"} <nil>
}
