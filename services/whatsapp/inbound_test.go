package whatsapp_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/integrationtest"
)

// payloads reads the webhooks of the package's own test data by their names.
func payloads(tb testing.TB) map[string][]byte {
	tb.Helper()
	list := map[string][]byte{}
	for _, w := range integrationtest.Files(tb, "testdata/inbound/*.json") {
		list[w.Name] = w.Body
	}
	return list
}

func normalize(tb testing.TB, body []byte) []integration.Message {
	tb.Helper()
	messages, err := newPlatform(tb).Normalize(tb.Context(), webhook(body))
	require.NoError(tb, err)
	return messages
}

func TestWebhookOfAnotherProductIsInvalid(t *testing.T) {
	platform := newPlatform(t)
	for name, payload := range map[string]string{
		"nothing at all":        ``,
		"no JSON":               `{"object":"whatsapp_business_account"`,
		"null":                  `null`,
		"a list":                `[{"object":"whatsapp_business_account"}]`,
		"a page's webhook":      `{"object":"page","entry":[]}`,
		"no object":             `{"entry":[]}`,
		"no entry":              `{"object":"whatsapp_business_account"}`,
		"an entry of null":      `{"object":"whatsapp_business_account","entry":null}`,
		"an entry of an object": `{"object":"whatsapp_business_account","entry":{}}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := platform.Normalize(t.Context(), webhook([]byte(payload)))
			requireError(t, err, integration.FaultInvalid, "WEBHOOK_INVALID")
		})
	}
}

// The samples are kept beside the repository and are not always there.
func TestWebhookSamplesBecomeMessages(t *testing.T) {
	unsupported := map[string]bool{}
	for _, f := range integrationtest.Samples(t, "whatsapp") {
		name := f.Name
		w := webhook(f.Body)
		address(w.Channel, f.Body)
		messages, err := newPlatform(t).Normalize(t.Context(), w)
		require.NoError(t, err)
		require.NotEmpty(t, messages, name)
		for _, m := range messages {
			require.NotEmpty(t, m.ID, name)
			require.NotEmpty(t, m.ConversationID, name)
			require.NotEmpty(t, m.From.ID, name)
			require.NotEmpty(t, m.To.ID, name)
			if m.Kind != integration.KindSystem { // an error of the account has no time
				require.NotEqual(t, receivedAt.UnixMilli(), m.Timestamp, "%s: the platform's time is not read", name)
			}
			if u := m.Content.Unsupported; u != nil {
				unsupported[name+" "+u.PlatformType] = true
			}
		}
	}
	require.Equal(t, []string{
		"message__interactive_message_with_err interactive", "message__unsupported unsupported",
	}, slices.Sorted(maps.Keys(unsupported)))
}

func TestMessageWithoutSenderIsUnsupported(t *testing.T) {
	change := func(field, list, contacts string) []byte {
		return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"` + field + `",` +
			`"value":{"metadata":{"phone_number_id":"106540352242922"},` +
			contacts + `"` + list + `":[{"id":"wamid.1","timestamp":"1790000016","type":"text","text":{"body":"hi"}}]}}]}]}`)
	}
	for name, body := range map[string][]byte{
		"without a sender":    change("messages", "messages", ""),
		"with other contacts": change("messages", "messages", `"contacts":[{"wa_id":"1"},{"wa_id":"2"}],`),
		"an echo to nobody":   change("smb_message_echoes", "message_echoes", ""),
	} {
		m := normalize(t, body)[0]
		require.Equal(t, integration.TypeUnsupported, m.Content.Type, name)
		require.Equal(t, "text", m.Content.Unsupported.PlatformType, name)
		require.NotEmpty(t, m.Content.Unsupported.Reason, name)
		require.Equal(t, integration.ID("wamid.1"), m.ID, name)
		require.Contains(t, m.Metadata, "raw", name)
	}
	m := normalize(t, change("messages", "messages", `"contacts":[{"wa_id":"16505551234"}],`))[0]
	require.Equal(t, integration.TypeText, m.Content.Type, "the only contact is who sent it")
	require.Equal(t, integration.ID("16505551234"), m.From.ID)
}

func TestWaIDIsAlwaysAPhoneNumber(t *testing.T) {
	m := normalize(t, []byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages",`+
		`"value":{"metadata":{"phone_number_id":"106540352242922"},`+
		`"contacts":[{"wa_id":"US.13491208655302741918"}],"messages":[{"from":"US.13491208655302741918","id":"wamid.1",`+
		`"timestamp":"1790000016","type":"contacts",`+
		`"contacts":[{"name":{"formatted_name":"A"},"phones":[{"phone":"+1"},{"phone":"+2","wa_id":"2"}],`+
		`"emails":[{"email":"a"},{"email":"b"}],`+
		`"addresses":[{"street":"s","city":"c","state":"st","zip":"z","country":"US","country_code":"us","type":"HOME"},`+
		`{"city":"d"}],`+
		`"urls":[{"url":"https://example.org"}],"org":{"company":"o","department":"d","title":"t"},`+
		`"birthday":"1999-01-23"}]}]}}]}]}`))[0]
	require.NotContains(t, m.Metadata, "waId")
	require.Equal(t, "US.13491208655302741918", m.Metadata["userId"])
	require.Equal(t, []integration.Contact{{
		Name:   integration.ContactName{Formatted: "A"},
		Phones: []integration.ContactPhone{{Phone: "+1"}, {Phone: "+2", WaID: "2"}}, UserID: "2",
		Emails: []string{"a", "b"}, Org: "o", Department: "d", Title: "t", URLs: []string{"https://example.org"},
		Birthday: "1999-01-23",
		Addresses: []integration.ContactAddress{
			{Street: "s", City: "c", State: "st", Zip: "z", Country: "US", CountryCode: "us", Type: "HOME"}, {City: "d"},
		},
	}}, m.Content.Contacts)
}

func TestRepeatedWebhookHasTheSameKeys(t *testing.T) {
	for name, body := range payloads(t) {
		keys := func() (list []string) {
			for _, m := range normalize(t, body) {
				list = append(list, m.DedupKey)
			}
			return list
		}
		first := keys()
		require.Equal(t, first, keys(), name)
		require.Len(
			t, slices.Compact(slices.Sorted(slices.Values(first))), len(first), "%s: two messages have the same key", name,
		)
	}
}

func TestUserIDIsBusinessScoped(t *testing.T) {
	list := payloads(t)
	for _, name := range []string{
		"text", "image", "button_pressed", "edited_text", "deleted", "echo", "status_sent", "status_delivered", "preference",
	} {
		require.Equal(t, integration.ID("US.13491208655302741918"), normalize(t, list[name])[0].ConversationID, name)
	}
	require.Equal(t, integration.ID("16505559876"), normalize(t, list["text_without_user_ids"])[0].ConversationID)
}

func TestWebhookOfAnotherNumberIsIgnored(t *testing.T) {
	messages := normalize(t, payloads(t)["two_accounts_in_one"])
	require.Len(t, messages, 3, "the fourth is for another number")
	for _, m := range messages {
		require.Equal(t, integration.ID(phoneNumberID), m.To.ID)
	}
	require.Equal(t, "Ada Lovelace", messages[0].From.Name, "a contact is found by its id, not by its place")
	require.Equal(t, "Alan", messages[1].From.Name)

	const account = `{"object":"whatsapp_business_account","entry":[{"id":"%s","time":1800000000,` +
		`"changes":[{"field":%q,"value":%s}]}]}`
	const echo = `{"metadata":{"phone_number_id":"%s"},"message_echoes":[{"id":"wamid.1","to":"1","type":"text",` +
		`"text":{"body":"x"}}]}`
	for name, test := range map[string]struct {
		body   string
		wabaID string
		want   int
	}{
		"an echo of the number": {fmt.Sprintf(
			account, "1", "smb_message_echoes", fmt.Sprintf(echo, phoneNumberID),
		), "", 1},
		"an echo of another number": {fmt.Sprintf(
			account, "1", "smb_message_echoes", fmt.Sprintf(echo, "2"),
		), "", 0},
		"an odd change of another number": {fmt.Sprintf(
			account, "1", "messages", `{"metadata":{"phone_number_id":"2"},"messages":[5]}`,
		), "", 0},
		"a change of a new kind, of another": {fmt.Sprintf(
			account, "1", "news", `{"metadata":{"phone_number_id":"2"}}`,
		), "", 0},
		"of no number":                     {fmt.Sprintf(account, "1", "account_update", `{"event":"X"}`), "", 1},
		"of no number, of the account":     {fmt.Sprintf(account, "1", "account_update", `{"event":"X"}`), "1", 1},
		"of no number, of another account": {fmt.Sprintf(account, "2", "account_update", `{"event":"X"}`), "1", 0},
		"of the number, whatever the account is": {
			fmt.Sprintf(account, "2", "smb_message_echoes", fmt.Sprintf(echo, phoneNumberID)), "1", 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := webhook([]byte(test.body))
			if test.wabaID != "" {
				w.Channel.Settings["wabaId"] = test.wabaID
			}
			messages, err := newPlatform(t).Normalize(t.Context(), w)
			require.NoError(t, err)
			require.Len(t, messages, test.want)
		})
	}
}

// What the tolerant reading reads is what the strict one does: one odd message changes no other.
func TestMalformedItemDoesNotChangeOthers(t *testing.T) {
	for name, body := range payloads(t) {
		var hook struct {
			Object string            `json:"object"`
			Entry  []json.RawMessage `json:"entry"`
		}
		require.NoError(t, json.Unmarshal(body, &hook))
		alone := normalize(t, body)
		hook.Entry = append(
			hook.Entry, json.RawMessage(`{"id":"1","changes":[{"field":"messages","value":{"messages":[{"id":5}]}}]}`),
		)
		together, err := json.Marshal(hook)
		require.NoError(t, err)
		messages := normalize(t, together)
		require.Len(t, messages, len(alone)+1, name)
		require.Equal(t, integration.TypeUnsupported, messages[len(alone)].Content.Type, name)
		for i := range alone { // what stands in metadata.raw is compacted here
			delete(alone[i].Metadata, "raw")
			delete(messages[i].Metadata, "raw")
			if !strings.HasPrefix(string(alone[i].ID), "wamid") {
				alone[i].ID, alone[i].DedupKey = messages[i].ID, messages[i].DedupKey
			}
		}
		want, err := json.Marshal(alone)
		require.NoError(t, err)
		got, err := json.Marshal(messages[:len(alone)])
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(got), name)
	}
}

func TestAccountsArePhoneNumbers(t *testing.T) {
	const change = `{"field":"messages","value":{"metadata":{"phone_number_id":"%s"}}}`
	body := fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[`+change+`,`+change+`]},`+
		`{"id":"2","changes":[`+change+`]}]}`, "1", "2", "3")
	accounts := newPlatform(t).(integration.Accounts)
	for payload, want := range map[string][]string{
		body: {"1", "2", "3"}, `{}`: nil, `[]`: nil, `{"entry":[{"changes":7}]}`: nil,
	} {
		numbers, err := accounts.Accounts(t.Context(), &integration.Webhook{Payload: []byte(payload)})
		require.NoError(t, err)
		require.Equal(t, want, numbers, payload)
	}
}
