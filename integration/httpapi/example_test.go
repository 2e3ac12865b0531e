package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// The error table says what the platform's error codes mean. The error says whether a retry helps.
func ExampleAPI() {
	fake := fakeapi.Start(fakeapi.API{Routes: fakeapi.Routes{"POST /messages": {}}})
	defer fake.Close()
	fake.Script(
		"", fakeapi.JSON(201, map[string]any{"id": "m-1"}),
		fakeapi.JSON(400, map[string]any{"code": 7, "message": "asleep"}),
	)
	client := httpapi.New(httpapi.Options{AllowPrivate: true}) // the fake has a private address
	defer client.Close()
	api := &httpapi.API{
		Client: client, Name: "parrot", Base: fake.URL(), Header: http.Header{"Authorization": {"Bearer made-up"}},
		Read: httpapi.ErrorShape{Text: "message", Code: "code"}.Read,
		Errors: &integration.ErrorTable{Codes: map[string]integration.ErrorRow{
			"7": {Kind: integration.FaultTransient, Code: codes.RecipientUnavailable, Fix: "wait for the morning"},
		}},
	}
	say := httpapi.Call{Name: "say", Path: "/messages", JSON: map[string]any{"text": "hello"}}
	var sent struct{ ID integration.ID }
	_, err := api.Do(context.Background(), say, &sent)
	fmt.Println(sent.ID, err)
	_, err = api.Do(context.Background(), say, &sent)
	if e, ok := errors.AsType[*integration.Error](err); ok {
		fmt.Println(e.Kind, e)
	}
	// Output:
	// m-1 <nil>
	// transient parrot say: asleep; wait for the morning (RECIPIENT_UNAVAILABLE)
}
