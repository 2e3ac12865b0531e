package line

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
)

var _ integration.Installer = (*platform)(nil)

// Paths of the calls about the webhook's URL.
const endpointPath, testPath = "channel/webhook/endpoint", "channel/webhook/test"

// PlanSetup compares the account's webhook with the wanted one, "Get webhook endpoint information".
func (p *platform) PlanSetup(
	ctx context.Context, ch *integration.Channel, wanted integration.Setup,
) (*integration.SetupPlan, error) {
	if wanted.Commands != nil {
		return nil, integration.SetupInvalid("commands", "LINE has no commands")
	}
	api := p.api(ch)
	asked, err := api.AskAll(ctx, endpointPath) // 404 where there is none
	if err != nil {
		return nil, err
	}
	plan := &integration.SetupPlan{URL: asked[0].Text("endpoint")}
	plan.Change("endpoint", plan.URL, wanted.URL, wanted.Force)
	if plan.URL != "" && !asked[0].Bool("active") {
		plan.Notes = append(plan.Notes, useWebhook)
	}
	plan.Install = func(ctx context.Context) ([]string, error) {
		in := object{"endpoint": wanted.URL}
		err := api.Change(ctx, httpapi.Call{Name: "set webhook", Method: http.MethodPut, Path: endpointPath, JSON: in})
		if err != nil {
			return nil, err
		}
		return tried(ctx, api, in)
	}
	return plan, nil
}

const useWebhook = "no webhooks come: switch Use webhook on in LINE's console"

// tried has LINE call the webhook, "Test webhook endpoint", and says what came of it.
func tried(ctx context.Context, api *httpapi.API, in object) ([]string, error) {
	var result payload.Tree
	if _, err := api.Ask(ctx, httpapi.Call{Name: "test webhook", Path: testPath, JSON: in}, &result); err != nil {
		return nil, err
	}
	if result.Bool("success") {
		return []string{"LINE has called the URL, and was answered with 200"}, nil
	}
	return []string{fmt.Sprintf("LINE has called the URL in vain: %s %d, %s; see that the gateway is reachable and that "+
		"the channel's channelSecret is right", result.Text("reason"), result.Int("statusCode"), result.Text("detail"))}, nil
}
