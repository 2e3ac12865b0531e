package integration

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
)

// respond returns the answer that the platform wants to read, or result if it wants none of its own.
func (r *webhookRun) respond(result *receiveResult) (any, error) {
	responder, ok := r.s.def.Platform.(Responder)
	if !ok {
		return result, nil
	}
	response, err := responder.Respond(r.ctx, r.webhook)
	switch {
	case err != nil:
		return nil, asError(err, FaultInvalid, codes.WebhookInvalid)
	case response == nil:
		return result, nil
	case r.webhook.Connection:
		r.response = response
		return result, nil
	}
	return answerHTTP(r.req, response), nil
}

// answerHTTP makes an answer of the cluster that a gateway turns into the response. An object or a list is handed
// on as a value, which moleculer-web encodes itself; it sends any other text as it is, JSON's own texts too.
func answerHTTP(req *action.Request, r *Response) any {
	req.Meta.Set("$statusCode", cmp.Or(r.Status, http.StatusOK))
	if r.ContentType != "" {
		req.Meta.Set("$responseType", r.ContentType)
		// The body may hold a caller's own text, so no browser may take it for a page.
		headers := map[string]string{"X-Content-Type-Options": "nosniff"}
		if r.Body == "" {
			headers["Content-Type"] = r.ContentType // moleculer-web leaves the type of an empty body out
		}
		req.Meta.Set("$responseHeaders", headers)
	}
	switch {
	case r.Body == "":
		return nil
	case strings.HasPrefix(r.ContentType, "application/json") && (r.Body[0] == '{' || r.Body[0] == '['):
		return json.RawMessage(r.Body)
	default:
		return r.Body
	}
}
