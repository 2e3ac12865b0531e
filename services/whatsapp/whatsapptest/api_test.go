package whatsapptest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/services/whatsapp/whatsapptest"
)

func newAPI() *whatsapptest.API {
	return whatsapptest.New(whatsapptest.Account{Token: "TOKEN", PhoneNumberID: "1", WABAID: "2", AppSecret: "SECRET"})
}

// ask makes a call. It returns the status, the code of the error (0 if there is none), and the body of the answer.
func ask(t *testing.T, api http.Handler, method, path, body string, header http.Header) (int, int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://graph.example.com"+path, strings.NewReader(body))
	r.Header = header
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	answer, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	var failure struct {
		Error struct{ Code int }
	}
	_ = json.Unmarshal(answer, &failure) // a download is not JSON
	return w.Code, failure.Error.Code, string(answer)
}

func authorized() http.Header {
	return http.Header{"Authorization": {"Bearer TOKEN"}, "Content-Type": {"application/json"}, "User-Agent": {"test"}}
}

// toOne is the beginning of a message to a phone number.
const toOne = `{"messaging_product":"whatsapp","to":"16505551234",`

// message is the body of a call, and the code of the error that it must get; 0 means that the message is taken.
type message struct {
	body string
	code int
}

func requireChecked(t *testing.T, messages map[string]message) {
	t.Helper()
	for name, test := range messages {
		t.Run(name, func(t *testing.T) {
			status, code, answer := ask(t, newAPI(), "POST", "/v25.0/1/messages", test.body, authorized())
			require.Equal(t, test.code, code, answer)
			require.Equal(t, test.code == 0, status == 200, answer)
		})
	}
}

func TestMessagesAreCheckedAgainstTheDocumentation(t *testing.T) {
	requireChecked(t, map[string]message{
		"a text": {toOne + `"type":"text","text":{"body":"hi"}}`, 0},
		"a text to an id": {`{"messaging_product":"whatsapp","recipient":"US.1","type":"text",` +
			`"text":{"body":"hi"}}`, 0},
		"a text to a group": {`{"messaging_product":"whatsapp","recipient_type":"group","to":"Y2FwaV9ncm91cDox",` +
			`"type":"text","text":{"body":"hi"}}`, 0},
		"a picture":             {toOne + `"type":"image","image":{"link":"https://a.example"}}`, 0},
		"a reaction taken away": {toOne + `"type":"reaction","reaction":{"message_id":"wamid.1","emoji":""}}`, 0},
		"no JSON":               {`{`, 131009},
		"two values":            {toOne + `"type":"text","text":{"body":"hi"}} {}`, 131009},
		"no product":            {`{"to":"1","type":"text","text":{"body":"hi"}}`, 131008},
		"nobody":                {`{"messaging_product":"whatsapp","type":"text","text":{"body":"hi"}}`, 131008},
		"a recipient beside to": {toOne + `"recipient":"US.1","type":"text","text":{"body":"hi"}}`, 131008},
		"a number with a plus": {`{"messaging_product":"whatsapp","to":"+1650","type":"text",` +
			`"text":{"body":"hi"}}`, 131009},
		"an id in to": {`{"messaging_product":"whatsapp","to":"US.1","type":"text",` +
			`"text":{"body":"hi"}}`, 131009},
		"an unknown type":           {toOne + `"type":"poll"}`, 131009},
		"a type without its object": {toOne + `"type":"text"}`, 131008},
		"an object of another type": {toOne + `"type":"text","text":{"body":"hi"},"image":{"id":"1"}}`, 100},
		"an unknown key":            {toOne + `"type":"text","text":{"body":"hi","txet":"hi"}}`, 100},
		"a text of another type":    {toOne + `"type":"text","text":{"body":5}}`, 131009},
		"an empty text":             {toOne + `"type":"text","text":{"body":" "}}`, 131009},
		"a long text":               {toOne + `"type":"text","text":{"body":"` + strings.Repeat("a", 4097) + `"}}`, 131009},
		"an object that is a list":  {toOne + `"type":"text","text":[]}`, 131009},
		"a preview of another type": {toOne + `"type":"text","text":{"body":"hi","preview_url":"yes"}}`, 131009},
		"a picture of nothing":      {toOne + `"type":"image","image":{}}`, 131008},
		"a picture twice":           {toOne + `"type":"image","image":{"id":"1","link":"https://a.example"}}`, 131008},
		"an id that is none":        {toOne + `"type":"image","image":{"id":"x"}}`, 131009},
		"an audio with a caption":   {toOne + `"type":"audio","audio":{"id":"1","caption":"a"}}`, 100},
		"a place of no degrees":     {toOne + `"type":"location","location":{"latitude":91,"longitude":0}}`, 131009},
		"a place in words":          {toOne + `"type":"location","location":{"latitude":"north","longitude":0}}`, 131009},
		"a name without parts":      {toOne + `"type":"contacts","contacts":[{"name":{"formatted_name":"a"}}]}`, 131008},
		"no contacts":               {toOne + `"type":"contacts","contacts":[]}`, 131009},
		"a reaction as an answer": {toOne + `"context":{"message_id":"wamid.2"},"type":"reaction",` +
			`"reaction":{"message_id":"wamid.1","emoji":""}}`, 100},
		"a read message":         {`{"messaging_product":"whatsapp","status":"read","message_id":"wamid.1"}`, 0},
		"a read message of none": {`{"messaging_product":"whatsapp","status":"read"}`, 131008},
	})
}

func TestButtonsListsAndTemplatesAreCheckedAgainstTheDocumentation(t *testing.T) {
	requireChecked(t, map[string]message{
		"buttons to a group": {`{"messaging_product":"whatsapp","recipient_type":"group","to":"Y2FwaV9ncm91cDox",` +
			`"type":"interactive","interactive":{"type":"cta_url","body":{"text":"a"},"action":{"name":"cta_url",` +
			`"parameters":{"display_text":"a","url":"https://a.example"}}}}`, 131009},
		"four buttons": {toOne + `"type":"interactive","interactive":{"type":"button","body":{"text":"a"},` +
			`"action":{"buttons":[` + strings.Repeat(`{"type":"reply","reply":{"id":"a",`+
			`"title":"a"}},`, 3) + `{"type":"reply","reply":{"id":"a","title":"a"}}]}}}`, 131009},
		"two buttons alike": {toOne + `"type":"interactive","interactive":{"type":"button","body":{"text":"a"},` +
			`"action":{"buttons":[{"type":"reply","reply":{"id":"a","title":"a"}},{"type":"reply","reply":{"id":"a",` +
			`"title":"b"}}]}}}`, 131009},
		"two sections of no title": {toOne + `"type":"interactive","interactive":{"type":"list","body":{"text":"a"},` +
			`"action":{"button":"a","sections":[{"rows":[{"id":"a","title":"a"}]},{"rows":[{"id":"b",` +
			`"title":"b"}]}]}}}`, 131008},
		"eleven rows": {toOne + `"type":"interactive","interactive":{"type":"list","body":{"text":"a"},` +
			`"action":{"button":"a","sections":[{"title":"a","rows":[` + strings.Repeat(`{"id":"a",`+
			`"title":"a"},`, 9) + `{"id":"a","title":"a"}]},{"title":"b","rows":[{"id":"b","title":"b"}]}]}}}`, 131009},
		"a long body of buttons": {toOne + `"type":"interactive","interactive":{"type":"button",` +
			`"body":{"text":"` + strings.Repeat("a", 1025) + `"},"action":{"buttons":[{"type":"reply","reply":{"id":"a",` +
			`"title":"a"}}]}}}`, 131009},
		"a header of another type": {toOne + `"type":"interactive","interactive":{"type":"button",` +
			`"header":{"type":"text","image":{"id":"1"}},"body":{"text":"a"},"action":{"buttons":[{"type":"reply",` +
			`"reply":{"id":"a","title":"a"}}]}}}`, 100},
		"a picture over a list": {toOne + `"type":"interactive","interactive":{"type":"list",` +
			`"header":{"type":"image","image":{"id":"1"}},"body":{"text":"a"},"action":{"button":"a",` +
			`"sections":[{"rows":[{"id":"a","title":"a"}]}]}}}`, 131009},
		"a link that is none": {toOne + `"type":"interactive","interactive":{"type":"cta_url","body":{"text":"a"},` +
			`"action":{"name":"cta_url","parameters":{"display_text":"a","url":"tel:1"}}}}`, 131009},
		"a template's button of none": {toOne + `"type":"template","template":{"name":"a","language":{"code":"en"},` +
			`"components":[{"type":"button","parameters":[{"type":"text","text":"a"}]}]}}`, 131008},
	})
}

func TestCallWithoutTheTokenIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		path, token  string
		status, code int
	}{
		"no token":             {"/v25.0/1?fields=id", "", 401, 104},
		"another token":        {"/v25.0/1?fields=id", "Bearer OTHER", 401, 190},
		"no version":           {"/1?fields=id", "Bearer TOKEN", 400, 2500},
		"another node":         {"/v25.0/3?fields=id", "Bearer TOKEN", 400, 100},
		"another edge":         {"/v25.0/1/calls", "Bearer TOKEN", 400, 100},
		"an unknown field":     {"/v25.0/1?fields=id,age", "Bearer TOKEN", 400, 100},
		"a wrong proof":        {"/v25.0/1?fields=id&appsecret_proof=00", "Bearer TOKEN", 400, 100},
		"a link without token": {"/whatsapp_business/attachments/5", "", 401, 0},
		"a link to nothing":    {"/whatsapp_business/attachments/6", "Bearer TOKEN", 404, 0},
		"the number":           {"/v25.0/1?fields=id,status", "Bearer TOKEN", 200, 0},
		"the account's apps":   {"/v24.0/2/subscribed_apps", "Bearer TOKEN", 200, 0},
		"an attachment":        {"/v25.0/5", "Bearer TOKEN", 200, 0},
		"its link":             {"/whatsapp_business/attachments/5", "Bearer TOKEN", 200, 0},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI()
			api.AddMedia("5", whatsapptest.Media{MimeType: "text/plain", Content: []byte("hello")})
			header := http.Header{"User-Agent": {"test"}}
			if test.token != "" {
				header.Set("Authorization", test.token)
			}
			status, code, answer := ask(t, api, "GET", test.path, "", header)
			require.Equal(t, test.status, status, answer)
			require.Equal(t, test.code, code, answer)
		})
	}
}

func TestDownloadNeedsAUserAgent(t *testing.T) {
	api := newAPI()
	api.AddMedia("5", whatsapptest.Media{MimeType: "text/plain", Content: []byte("hello")})
	header := authorized()
	header.Set("User-Agent", "Go-http-client/1.1")
	status, _, _ := ask(t, api, "GET", "/whatsapp_business/attachments/5", "", header)
	require.Equal(t, 400, status)
}

func TestUploadsAreLimited(t *testing.T) {
	product, file := httpapi.Part{Name: "messaging_product", Content: []byte("whatsapp")}, httpapi.Part{
		Name: "file", Filename: "a", ContentType: "image/png", Content: []byte("a"),
	}
	kind := func(of string) httpapi.Part { return httpapi.Part{Name: "type", Content: []byte(of)} }
	of := func(contentType string, size int) httpapi.Part {
		return httpapi.Part{Name: "file", Filename: "a", ContentType: contentType, Content: make([]byte, size)}
	}
	for name, test := range map[string]struct {
		parts []httpapi.Part
		code  int
	}{
		"a picture":            {[]httpapi.Part{product, kind("image/png"), file}, 0},
		"no product":           {[]httpapi.Part{kind("image/png"), file}, 131008},
		"no type":              {[]httpapi.Part{product, file}, 131008},
		"no file":              {[]httpapi.Part{product, kind("image/png")}, 131008},
		"another type":         {[]httpapi.Part{product, kind("image/jpeg"), file}, 131009},
		"a type nobody shows":  {[]httpapi.Part{product, kind("image/gif"), of("image/gif", 1)}, 100},
		"a picture of 5 MB":    {[]httpapi.Part{product, kind("image/png"), of("image/png", 5<<20)}, 0},
		"a picture of more":    {[]httpapi.Part{product, kind("image/png"), of("image/png", 5<<20+1)}, 131053},
		"a voice with a codec": {[]httpapi.Part{product, kind("audio/ogg; codecs=opus"), of("audio/ogg; codecs=opus", 1)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			body := httpapi.Multipart(test.parts...)
			header := authorized()
			header.Set("Content-Type", body.ContentType)
			status, code, answer := ask(t, newAPI(), "POST", "/v25.0/1/media", string(body.Bytes), header)
			require.Equal(t, test.code, code, answer)
			require.Equal(t, test.code == 0, status == 200, answer)
		})
	}
	_, code, _ := ask(t, newAPI(), "POST", "/v25.0/1/media", "{}", authorized())
	require.Equal(t, 131009, code, "a body that is no form")
}

func TestScriptedAnswersComeInOrder(t *testing.T) {
	api := newAPI()
	api.Answer(whatsapptest.Error(429, 130429, 2494055, "Rate limit hit", "too fast"), whatsapptest.Answer{Body: "tea"})
	status, code, answer := ask(t, api, "GET", "/v25.0/1?fields=id", "", authorized())
	require.Equal(t, []int{429, 130429}, []int{status, code})
	require.Contains(t, answer, `"error_subcode":2494055`)
	_, _, answer = ask(t, api, "GET", "/v25.0/1?fields=id", "", authorized())
	require.Equal(t, "tea", answer)
	_, _, answer = ask(t, api, "GET", "/v25.0/1?fields=id", "", authorized())
	require.JSONEq(t, `{"id":"1"}`, answer)
	require.Len(t, api.Requests(), 3)
	require.Equal(t, "/v25.0/1?fields=id", api.Requests()[0].URI)
}
