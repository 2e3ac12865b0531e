package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/moleculer-go/moleculer"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
)

// quiet is a runtime without a node. On a node the runtime comes from it: see package node.
func quiet() integration.Runtime {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return integration.Runtime{Log: logrus.NewEntry(log), Secrets: &redact.Secrets{}}
}

func ExampleDefineService() {
	type GreetParams struct {
		Name string `json:"name" params:"trim|min:2"`
	}
	type Greeting struct {
		Text string `json:"text"`
	}
	service, err := integration.DefineService(integration.ServiceDefinition{
		Name: "greeter",
		Actions: []moleculer.Action{
			integration.NewAction("greet", func(ctx *integration.Context, in GreetParams) (Greeting, error) {
				return Greeting{fmt.Sprintf("Hello %s of %s", in.Name, ctx.TenantID())}, nil
			}, action.Spec{Rest: "GET /greet"}),
		},
	}, quiet())
	if err != nil {
		fmt.Println(err)
		return
	}

	// On a node the call comes from the cluster: broker.call("greeter.greet", {name: " Ada "}, {meta: {tenantId: "acme"}})
	req := &action.Request{
		Params: json.RawMessage(`{"name":" Ada "}`), Meta: action.NewMeta(json.RawMessage(`{"tenantId":"acme"}`)),
	}
	fmt.Println(service.Call(context.Background(), "greet", req))

	_, err = service.Call(context.Background(), "greet", &action.Request{Params: json.RawMessage(`{"name":"A"}`)})
	e := action.AsError(err, "greeter.greet", "")
	fmt.Println(e.Code, e.Name, e.Data.([]action.Fault)[0].Message)
	// Output:
	// {Hello Ada of acme} <nil>
	// 422 ValidationError The 'name' field length must be greater than or equal to 2 characters long.
}

func ExampleNewAction_wrong() {
	_, err := integration.DefineService(integration.ServiceDefinition{
		Name: "greeter",
		Actions: []moleculer.Action{integration.NewAction("greet", func(*integration.Context, struct {
			Age int `json:"age" params:"email"`
		},
		) (integration.None, error) {
			return integration.None{}, nil
		}, action.Spec{})},
		Hooks: []integration.Hook{{Actions: "greeet"}},
	}, quiet())
	fmt.Println(err)
	// Output:
	// service "greeter": action greet: params.Age: rule "email": does not fit the type number
	// service "greeter": hook 1: does nothing
}
