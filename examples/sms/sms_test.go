package sms_test

import (
	"fmt"
	"net/http"
	"testing"

	"example.com/sms"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
)

const authToken = "8c1f40d7b2e65a93"

func channel(api, publicURL string) *integration.Channel {
	return &integration.Channel{
		ID: "line", TenantID: "acme", Platform: "sms", Status: integration.ChannelActive,
		Credentials: map[string]string{"accountSid": "AC42", "authToken": authToken, "from": "+15550100"},
		Settings:    map[string]string{"apiBase": api, "publicUrl": publicURL},
	}
}

func api(testing.TB) http.Handler {
	number := is.Match(`^\+[0-9]{5,15}$`)
	return fakeapi.New(fakeapi.API{
		Admit: func(r *fakeapi.Request) *fakeapi.Answer {
			if user, password, _ := (&http.Request{Header: r.Header}).BasicAuth(); user == "AC42" && password == authToken {
				return nil
			}
			return new(fakeapi.JSON(http.StatusUnauthorized, map[string]any{"code": 20003, "message": "who are you?"}))
		},
		Routes: fakeapi.Routes{"POST /Accounts/AC42/Messages.json": {
			Takes: fakeapi.FormatForm, Body: is.Object{"From!": number, "To!": number, "Body!": is.Text(1600)},
			Answer: func(*fakeapi.Request) fakeapi.Answer { return fakeapi.JSON(201, map[string]any{"sid": "SM9"}) },
		}},
	})
}

func TestSMSIsAPlatform(t *testing.T) {
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	t.Cleanup(client.Close)
	text := integration.Content{Type: integration.TypeText, Text: "hello 👍"}
	message := integration.Message{To: integration.Party{ID: "+15550123"}, Content: text}
	integrationtest.Run(t, integrationtest.Platform{
		Definition: sms.Definition(client), API: api,
		Channel:  func(url string) *integration.Channel { return channel(url, "https://hooks.example/") },
		Webhooks: integrationtest.Files(t, "testdata/webhooks/*.form"),
		Sends:    []integrationtest.Send{{Name: "text", Message: message}},
		Refusal: func(r integration.Refusal) integrationtest.Answer {
			return integrationtest.Answer{Status: r.Status, Body: fmt.Sprintf(`{"code":%s,"message":%q}`, r.Code, r.Text)}
		},
	})
}
