package fakeapi_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// A platform with one call: its messages have a recipient, one to five lines and perhaps a mood.
func Example() {
	api := fakeapi.Start(fakeapi.API{
		Refuse: func(_ *fakeapi.Request, f *is.Fault) fakeapi.Answer {
			return fakeapi.JSON(http.StatusBadRequest, map[string]string{"error": f.String()})
		},
		Routes: fakeapi.Routes{"POST /v1/messages": {
			Body: is.Object{"to!": is.Text(50), "lines!": is.List(1, 5, is.Text(100)), "mood": is.OneOf("merry", "grave")},
			Answer: func(*fakeapi.Request) fakeapi.Answer {
				return fakeapi.JSON(http.StatusOK, map[string]string{"id": "m-1"})
			},
		}},
	})
	defer api.Close()

	for _, body := range []string{
		`{"to":"ada","lines":["hello"]}`, `{"to":"ada"}`, `{"to":"ada","lines":[],"moods":"merry"}`,
	} {
		answer, err := http.Post(api.URL()+"/v1/messages", "application/json", strings.NewReader(body)) //nolint:noctx // short
		if err != nil {
			fmt.Println(err)
			return
		}
		said, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		fmt.Println(answer.StatusCode, string(said))
	}
	fmt.Println(api.Requests()[0].Body["to"])
	// Output:
	// 200 {"id":"m-1"}
	// 400 {"error":"lines: it is required"}
	// 400 {"error":"moods: there is no such parameter as moods"}
	// ada
}
