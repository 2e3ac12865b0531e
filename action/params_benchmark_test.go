package action_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

// webhookParams are the rules of the busiest action, i_receiveWebhook.
var webhookParams = action.Params{
	{Name: "channelId", Type: action.String},
	{Name: "payload", Type: action.Object},
	{Name: "headers", Type: action.Object},
	{Name: "timestamp", Type: action.Number},
	{Name: "rawBody", Type: action.String, Optional: true},
	{Name: "rawBodyEncoding", Type: action.String, Optional: true},
}

// BenchmarkDecode is the check on the hot path.
func BenchmarkDecode(b *testing.B) {
	req := &action.Request{Action: "telegram.i_receiveWebhook", Params: json.RawMessage(`{"channelId":"support",` +
		`"payload":{"update_id":10000,` +
		`"message":{"message_id":1365,"date":1441645532,"text":"hello","chat":{"id":1111111,"type":"private"}}},` +
		`"headers":{"content-type":"application/json","x-telegram-bot-api-secret-token":"s3cret"},` +
		`"timestamp":1441645532123,"rawBody":"{\"update_id\":10000,\"message\":{\"message_id\":1365}}","query":{}}`)}
	b.ReportAllocs()
	for b.Loop() {
		_, err := webhookParams.Decode(req)
		require.NoError(b, err)
	}
}

// BenchmarkCheck is the check of a struct's rules where nothing has to be changed.
func BenchmarkCheck(b *testing.B) {
	rules := paramsOf[order](b)
	req := &action.Request{Action: "shop.order", Params: json.RawMessage(`{"limit":5,"id":"10ba038e-48da-487b-96e8-8d3` +
		`b99b6d18a","kind":"bulk",` +
		`"pin":"1234","small":1,"count":2,"ratio":1.5,"gift":true,"due":"2024-02-29T12:00:00Z","address":{"city":"Bern"},` +
		`"tags":["ab","cd"],` +
		`"parts":[{"city":"Bern"},{"city":"Chur"}],"labels":{"a":"b"},"raw":{"x":[1,2]},"mixed":[1],"from":"::1",` +
		`"exact":1.50}`)}
	b.ReportAllocs()
	for b.Loop() {
		_, err := rules.Check(req)
		require.NoError(b, err)
	}
}
