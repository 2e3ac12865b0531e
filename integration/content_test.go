package integration_test

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

// sdkMessages are messages of the SDK's own form, with nothing that is ours.
var sdkMessages = map[string]string{
	"a text": `{"id":"m1","conversationId":"chat","from":{"id":"u1","name":"Ada"},"to":{"id":"bot"},
		"content":{"type":"TEXT","text":"<hi> & \"there\" 😀"},"timestamp":1700000000000,"platform":"telegram"}`,
	"a picture": `{"id":"m2","conversationId":"chat","from":{"id":"u1"},"to":{"id":"bot"},
		"content":{"type":"IMAGE","text":"look","media":{"url":"https://example.com/a.png?x=1&y=2","mimeType":"image/png"}},"timestamp":1700000000000,"platform":"whatsapp"}`,
	"a file that is an id": `{"id":"m3","conversationId":"chat","from":{"id":"u1"},"to":{"id":"bot"},
		"content":{"type":"FILE","media":{"url":"4711","mimeType":"application/pdf"}},"timestamp":1,"platform":"whatsapp"}`,
	"one with metadata": `{"id":"m4","conversationId":"chat","from":{"id":"u1"},"to":{"id":"bot"},"content":{"type":"TEXT","text":"hi"},"timestamp":0,
		"platform":"slack","metadata":{"messageType":"text","n":1.5,"deep":{"list":[1,null,true,"x"],"empty":{}}}}`,
	"one without a platform": `{"id":"m5","conversationId":"chat","from":{"id":"u1"},"to":{"id":"u2"},` +
		`"content":{"type":"TEXT"},"timestamp":1700000000000}`,
	"one of a type of tomorrow": `{"id":"m6","conversationId":"chat","from":{"id":"u1"},"to":{"id":"bot"},
		"content":{"type":"HOLOGRAM","text":"x"},"timestamp":1700000000000,"platform":"telegram"}`,
}

func TestMessageOfTheSDKsFormStaysAsItIs(t *testing.T) {
	for name, message := range sdkMessages {
		t.Run(name, func(t *testing.T) {
			var m integration.Message
			require.NoError(t, json.Unmarshal([]byte(message), &m))
			require.JSONEq(t, message, toJSON(t, &m))
		})
	}
}

func TestMessageOfTheSDKsFormPassesBothWaysUnchanged(t *testing.T) {
	for name, message := range sdkMessages {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.platform.sending = func(_ context.Context, _ int, m *integration.Message) (*integration.SendResult, error) {
				require.JSONEq(t, message, toJSON(t, m))
				return nil, trouble(integration.FaultPermanent, 0)
			}
			_, err := b.call(integration.ActionSendMessage, object{"channelId": "c1", "message": json.RawMessage(message)})
			require.NoError(t, err)
			require.Equal(t, []string{"send"}, b.platform.steps)
			var event struct{ Message json.RawMessage }
			require.NoError(t, json.Unmarshal(b.events.one(t).Payload, &event))
			require.JSONEq(t, message, string(event.Message))
		})
	}
}

// whole is a message with every field that there is, under the names that consumers know.
const whole = `{
	"id":"m1","conversationId":"chat","from":{"id":"u1","name":"Ada"},"to":{"id":"bot"},
	"replyTo":{"messageId":"m0","quote":"hi","participantId":"u2"},"threadId":"t1","kind":"edit","direction":"echo",
	"timestamp":1700000000000,"editedAt":1700000000001,"platform":"parrot","dedupKey":"k1","replyContext":"r=1","metadata":{"raw":{"a":[1]}},
	"content":{
		"type":"INTERACTIVE","text":"t","format":"markdown",
		"entities":[{"type":"mention","offset":1,"length":2,"url":"https://example.com","userId":"u3"}],
		"media":{"url":"u","mimeType":"image/png","id":"f1","size":9007199254740993,"sha256":"ab","filename":"a.png","caption":"c","durationMs":1,"width":2,"height":3,"expiresAt":4,"data":"AAE=","datasource":"files"},
		"attachments":[{"url":"a"},{"url":"b","caption":"second"}],
		"sticker":{"id":"s1","packageId":"p1","emoji":"😀","animated":true},
		"location":{"latitude":52.5,"longitude":-13.25,"name":"n","address":"a","url":"u","live":true},
		"contacts":[{"name":{"formatted":"Ada L.","first":"Ada","last":"L.","middle":"M.","prefix":"Dr","suffix":"Jr"},"phones":[{"phone":"+1","type":"CELL","waId":"1"}],"emails":["a@example.com"],"org":"o","vcard":"v","userId":"u4","department":"d","title":"t","addresses":[{"street":"s","city":"c","state":"st","zip":"z","country":"co","countryCode":"GB","type":"HOME"}],"urls":["https://example.com"],"birthday":"1815-12-10"}],
		"reaction":{"messageId":"m0","emoji":"👍","action":"add"},
		"interactive":{"kind":"list","header":"h","body":"b","footer":"f","buttonLabel":"l",
			"buttons":[{"id":"b1","title":"Yes","type":"url","url":"https://example.com","style":"primary"}],
			"sections":[{"title":"s","rows":[{"id":"r1","title":"Row","description":"d"}]}],
			"reply":{"id":"r1","title":"Row","description":"d","values":["x"],"formValues":{"age":7},"actionId":"a1","blockId":"k1","sourceMessageId":"m0"}},
		"command":{"name":"start","args":"ref42","options":{"n":1},"targetId":"u5"},
		"template":{"name":"hello","language":"en_US","components":[{"type":"body","n":9007199254740993}]},
		"order":{"catalogId":"c1","items":[{"productId":"p1","quantity":2,"price":9.95,"currency":"EUR"}]},
		"poll":{"id":"p1","question":"q","options":["a","b"],"multiple":true,"chosen":[0,1],"closed":true},
		"status":{"messageId":"m0","status":"failed","watermark":5,"late":true,"error":{"code":"131","title":"t","detail":"d"}},
		"system":{"event":"member_joined","body":"b","members":[{"id":"u6","name":"Bob"}],"oldId":"o","newId":"n"},
		"unsupported":{"platformType":"hologram","reason":"r"}
	}
}`

func TestMessageKeepsAllItsFieldsAsTheyAre(t *testing.T) {
	var m integration.Message
	decoder := json.NewDecoder(strings.NewReader(whole))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&m))
	requireFilled(t, "message", reflect.ValueOf(m))
	require.JSONEq(t, whole, toJSON(t, &m))
	require.Contains(t, toJSON(t, &m), "9007199254740993}]", "a template's components keep their digits")
	require.Equal(t, []byte{0, 1}, m.Content.Media.Data)

	var again integration.Message
	decode(t, &m, &again)
	require.Equal(t, m, again)
}

// requireFilled sees to it that a field which is new gets into the test above.
func requireFilled(t *testing.T, name string, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		require.False(t, v.IsNil(), name)
		requireFilled(t, name, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			field := name + "." + v.Type().Field(i).Name
			if field == "message.To.Name" ||
				v.Type() == reflect.TypeFor[integration.Media]() && v.Field(i).IsZero() && name != "message.Content.Media" {
				continue
			}
			requireFilled(t, field, v.Field(i))
		}
	case reflect.Slice:
		require.NotZero(t, v.Len(), name)
		if v.Type().Elem().Kind() != reflect.Uint8 && v.Type().Elem().Kind() != reflect.Int {
			requireFilled(t, name, v.Index(0))
		}
	default:
		require.False(t, v.IsZero(), name)
	}
}

func TestEmptyFieldsAreNotWritten(t *testing.T) {
	for name, test := range map[string]struct {
		value any
		want  string
	}{
		"a message": {
			integration.Message{},
			`{"id":"","conversationId":"","from":{"id":""},"to":{"id":""},"content":{"type":""},"timestamp":0}`,
		},
		"media":    {integration.Media{}, `{"url":""}`},
		"a place":  {integration.Location{}, `{"latitude":0,"longitude":0}`},
		"a person": {integration.Contact{}, `{"name":{"formatted":""}}`},
		"an order": {integration.OrderItem{}, `{"productId":"","quantity":0}`},
		"a poll":   {integration.Poll{}, `{}`},
		"a choice": {integration.Interactive{Reply: &integration.InteractiveReply{}}, `{"reply":{"id":""}}`},
		"a status": {integration.Status{}, `{"status":""}`},
	} {
		t.Run(name, func(t *testing.T) {
			require.JSONEq(t, test.want, toJSON(t, test.value))
		})
	}
}

func TestIDsWithinTheContentMayBeNumbers(t *testing.T) {
	var c integration.Content
	require.NoError(t, json.Unmarshal([]byte(`{"type":"X","sticker":{"id":1,"packageId":2},"reaction":{"messageId":9007199254740993,"action":"add"},
		"entities":[{"type":"mention","offset":0,"length":1,"userId":3}],"poll":{"id":4},"status":{"messageId":5,"status":"read"},
		"contacts":[{"name":{"formatted":"A"},"phones":[{"phone":"1","waId":6}],"userId":7}],"command":{"name":"a","targetId":8},
		"order":{"catalogId":9,"items":[{"productId":10,"quantity":1}]},"system":{"event":"e","members":[{"id":11}],"oldId":12,"newId":13},
		"interactive":{"reply":{"id":"r","sourceMessageId":14}}}`), &c))
	require.JSONEq(t, `{"type":"X","sticker":{"id":"1","packageId":"2"},"reaction":{"messageId":"9007199254740993","action":"add"},
		"entities":[{"type":"mention","offset":0,"length":1,"userId":"3"}],"poll":{"id":"4"},"status":{"messageId":"5","status":"read"},
		"contacts":[{"name":{"formatted":"A"},"phones":[{"phone":"1","waId":"6"}],"userId":"7"}],"command":{"name":"a","targetId":"8"},
		"order":{"catalogId":"9","items":[{"productId":"10","quantity":1}]},"system":{"event":"e","members":[{"id":"11"}],"oldId":"12","newId":"13"},
		"interactive":{"reply":{"id":"r","sourceMessageId":"14"}}}`, toJSON(t, c))
}
