package integration

import (
	"context"
	"slices"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

var receiveParams = action.Params{
	{Name: "channelId", Type: action.String},
	{Name: "payload", Type: action.Object},
	{Name: "headers", Type: action.Object},
	{Name: "timestamp", Type: action.Number},
	{Name: "rawBody", Type: action.String, Optional: true, Buffer: true},
	{Name: "rawBodyEncoding", Type: action.String, Optional: true},
	{Name: "method", Type: action.String, Optional: true},
	{Name: "url", Type: action.String, Optional: true}, // path and query, or absolute
}

// receiveParamsOf returns the params of i_receiveWebhook. The channel is optional if the platform's webhooks name their
// accounts.
func receiveParamsOf(def *Definition) action.Params {
	if !def.NamesAccounts() {
		return receiveParams
	}
	params := slices.Clone(receiveParams)
	params[0].Optional = true
	return params
}

// receiveResult is the answer of i_receiveWebhook.
type receiveResult struct {
	Success  bool `json:"success"`
	Messages int  `json:"messages"` // durable
	Failed   int  `json:"failed"`   // can never be published; logged and dead-lettered
	// Duplicates is how many of Messages were stored before. Ignored counts messages of the channel itself, see the
	// setting ownMessages.
	Duplicates int `json:"duplicates,omitempty"`
	Ignored    int `json:"ignored,omitempty"`
}

// add adds the counts of another run of the same webhook.
func (r *receiveResult) add(other *receiveResult) {
	r.Messages += other.Messages
	r.Failed += other.Failed
	r.Duplicates += other.Duplicates
	r.Ignored += other.Ignored
}

// receiveWebhook is i_receiveWebhook. The order of its checks is part of the SDK's contract.
func (s *platformService) receiveWebhook(ctx context.Context, req *action.Request) (any, error) {
	fields, err := s.receiveParams.Decode(req)
	if err != nil {
		s.refused("", nil, err)
		s.metrics.Channel("").Webhook(s.now(), outcomeOf(err))
		return nil, err
	}
	id := rawjson.Text(fields.Get("channelId"))
	if id == "" && s.def.NamesAccounts() {
		return s.receiveByAccount(ctx, req, fields)
	}
	r := &webhookRun{s: s, ctx: ctx, req: req}
	if err := r.accept(id, fields); err != nil {
		return nil, err
	}
	return &r.answer, nil
}
