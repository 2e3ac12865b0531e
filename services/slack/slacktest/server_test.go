package slacktest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/services/slack/slacktest"
)

const (
	token    = "xoxb-TEST"
	jsonType = "application/json; charset=utf-8"
	formType = "application/x-www-form-urlencoded"
)

func newServer(t *testing.T) *slacktest.Server {
	t.Helper()
	server := slacktest.NewServer(token)
	t.Cleanup(server.Close)
	return server
}

// post calls a method, or posts to a link.
func post(ctx context.Context, url, token, contentType, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, string(answer), err
}

// call calls a method as the app and returns what is wrong, "" for nothing.
func call(t *testing.T, s *slacktest.Server, method, contentType, body string) (fault, answer string) {
	t.Helper()
	status, answer, err := post(t.Context(), s.URL()+"/"+method, token, contentType, body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	var a struct {
		OK    bool
		Error string
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &a), answer)
	require.Equal(t, a.OK, a.Error == "", answer)
	return a.Error, answer
}

func TestPostMessageIsAsStrictAsItsDocumentation(t *testing.T) {
	server := newServer(t)
	blocks := func(blocks string) string { return `{"channel":"C1A","text":"a","blocks":[` + blocks + `]}` }
	actions := func(elements string) string { return blocks(`{"type":"actions","elements":[` + elements + `]}`) }
	const button = `{"type":"button","action_id":"a","value":"v","text":{"type":"plain_text","text":"t"}}`
	menu := func(rest string) string {
		return actions(`{"type":"static_select","action_id":"a","placeholder":{"type":"plain_text","text":"p"},` + rest + `}`)
	}
	const option = `{"text":{"type":"plain_text","text":"t"},"value":"v"}`
	long := strings.Repeat
	for name, test := range map[string]struct{ body, fault string }{
		"a text":                     {`{"channel":"C1A","text":"a"}`, ""},
		"a text to a user":           {`{"channel":"U1A","text":"a"}`, ""},
		"a text by a channel's name": {`{"channel":"#general","text":"a"}`, ""},
		"a text in a thread":         {`{"channel":"C1A","text":"a","thread_ts":"1700000000.000100"}`, ""},
		"40,000 characters":          {`{"channel":"C1A","text":"` + long("ж", 40_000) + `"}`, ""},
		"40,001 characters":          {`{"channel":"C1A","text":"` + long("ж", 40_001) + `"}`, "msg_too_long"},
		"markdown":                   {`{"channel":"C1A","markdown_text":"**a**"}`, ""},
		"markdown and text":          {`{"channel":"C1A","markdown_text":"**a**","text":"a"}`, "markdown_text_conflict"},
		"markdown of 12,001":         {`{"channel":"C1A","markdown_text":"` + long("a", 12_001) + `"}`, "msg_too_long"},
		"metadata": {`{"channel":"C1A","text":"a","metadata":{"event_type":"e",` +
			`"event_payload":{"id":"1"}}}`, ""},
		"metadata of nothing": {`{"channel":"C1A","text":"a",` +
			`"metadata":{"event_type":"e"}}`, "invalid_metadata_format"},
		"no channel":                {`{"text":"a"}`, "channel_not_found"},
		"a channel that is a word":  {`{"channel":"general","text":"a"}`, "channel_not_found"},
		"a channel of another type": {`{"channel":5,"text":"a"}`, "invalid_arguments"},
		"no text":                   {`{"channel":"C1A"}`, "no_text"},
		"blocks without a text": {`{"channel":"C1A","blocks":[{"type":"section","text":{"type":"mrkdwn",` +
			`"text":"a"}}]}`, "no_text"},
		"an unknown parameter":     {`{"channel":"C1A","text":"a","txet":"a"}`, "invalid_arguments"},
		"a ts":                     {`{"channel":"C1A","text":"a","ts":"1.2"}`, "invalid_arguments"},
		"a thread that is none":    {`{"channel":"C1A","text":"a","thread_ts":"1"}`, "invalid_thread_ts"},
		"no JSON":                  {`channel=C1A`, "invalid_arguments"},
		"a section":                {blocks(`{"type":"section","text":{"type":"mrkdwn","text":"a"}}`), ""},
		"a section without a text": {blocks(`{"type":"section"}`), "invalid_blocks"},
		"a section of 3001": {
			blocks(`{"type":"section","text":{"type":"mrkdwn","text":"` + long("a", 3001) + `"}}`), "invalid_blocks",
		},
		"a section of another type": {blocks(`{"type":"section","text":{"type":"html","text":"a"}}`), "invalid_blocks"},
		"an unknown member": {
			blocks(`{"type":"section","text":{"type":"mrkdwn","text":"a"},"txet":1}`), "invalid_blocks",
		},
		"51 blocks": {
			blocks(strings.TrimSuffix(long(`{"type":"section","text":{"type":"mrkdwn","text":"a"}},`, 51), ",")),
			"invalid_blocks",
		},
		"a header":             {blocks(`{"type":"header","text":{"type":"plain_text","text":"a"}}`), ""},
		"a header with markup": {blocks(`{"type":"header","text":{"type":"mrkdwn","text":"a"}}`), "invalid_blocks"},
		"a header of 151": {
			blocks(`{"type":"header","text":{"type":"plain_text","text":"` + long("a", 151) + `"}}`), "invalid_blocks",
		},
		"a context":               {blocks(`{"type":"context","elements":[{"type":"mrkdwn","text":"a"}]}`), ""},
		"a context of nothing":    {blocks(`{"type":"context","elements":[]}`), "invalid_blocks"},
		"a markdown block":        {blocks(`{"type":"markdown","text":"a"}`), ""},
		"an empty markdown block": {blocks(`{"type":"markdown"}`), "invalid_blocks"},
		"a block of no type":      {blocks(`{}`), "invalid_blocks"},
		"a block that is a text":  {blocks(`"section"`), "invalid_blocks"},
		"a picture": {blocks(
			`{"type":"image","image_url":"https://example.org/a.png","alt_text":"a","title":{"type":"plain_text","text":"a"}}`,
		), ""},
		"a picture at Slack":   {blocks(`{"type":"image","slack_file":{"id":"F1"},"alt_text":"a"}`), ""},
		"a picture of no file": {blocks(`{"type":"image","slack_file":{"id":""},"alt_text":"a"}`), "invalid_blocks"},
		"a picture from two places": {
			blocks(`{"type":"image","image_url":"https://example.org/a.png","slack_file":{"id":"F1"},"alt_text":"a"}`),
			"invalid_blocks",
		},
		"a picture without words": {
			blocks(`{"type":"image","image_url":"https://example.org/a.png"}`), "invalid_blocks",
		},
		"a picture that is no link": {blocks(`{"type":"image","image_url":"a.png","alt_text":"a"}`), "invalid_blocks"},
		"a picture's title in markup": {blocks(
			`{"type":"image","image_url":"https://example.org/a.png","alt_text":"a","title":{"type":"mrkdwn","text":"a"}}`,
		), "invalid_blocks"},
		"a button":                {actions(button), ""},
		"two buttons of one name": {actions(button + "," + button), "invalid_blocks"},
		"no buttons":              {actions(""), "invalid_blocks"},
		"26 buttons":              {actions(strings.TrimSuffix(long(button+",", 26), ",")), "invalid_blocks"},
		"a button without a name": {
			actions(`{"type":"button","value":"v","text":{"type":"plain_text","text":"t"}}`), "invalid_blocks",
		},
		"a button without a value": {
			actions(`{"type":"button","action_id":"a","text":{"type":"plain_text","text":"t"}}`), "invalid_blocks",
		},
		"a button without a title": {actions(`{"type":"button","action_id":"a","value":"v"}`), "invalid_blocks"},
		"a button's title of 76": {
			actions(`{"type":"button","action_id":"a","value":"v","text":{"type":"plain_text","text":"` + long("a", 76) + `"}}`),
			"invalid_blocks",
		},
		"a button of gold": {
			actions(`{"type":"button","action_id":"a","value":"v","style":"gold","text":{"type":"plain_text","text":"t"}}`),
			"invalid_blocks",
		},
		"a button to nowhere": {
			actions(`{"type":"button","action_id":"a","value":"v","url":"x","text":{"type":"plain_text","text":"t"}}`),
			"invalid_blocks",
		},
		"an element of another kind": {actions(`{"type":"lever"}`), "invalid_blocks"},
		"a menu":                     {menu(`"options":[` + option + `]`), ""},
		"a menu of groups": {
			menu(`"option_groups":[{"label":{"type":"plain_text","text":"l"},"options":[` + option + `]}]`), "",
		},
		"a menu of both":    {menu(`"options":[` + option + `],"option_groups":[]`), "invalid_blocks"},
		"a menu of neither": {menu(`"action_id":"a"`), "invalid_blocks"},
		"a menu of 101": {
			menu(`"options":[` + strings.TrimSuffix(long(option+",", 101), ",") + `]`), "invalid_blocks",
		},
		"an option without a value": {menu(`"options":[{"text":{"type":"plain_text","text":"t"}}]`), "invalid_blocks"},
		"an option with markup": {
			menu(`"options":[{"text":{"type":"mrkdwn","text":"t"},"value":"v"}]`), "invalid_blocks",
		},
		"an option described at length": {menu(`"options":[{"text":{"type":"plain_text","text":"t"},"value":"v",` +
			`"description":{"type":"plain_text","text":"` + long("a", 76) + `"}}]`), "invalid_blocks"},
		"a group without a label": {menu(`"option_groups":[{"options":[` + option + `]}]`), "invalid_blocks"},
		"no groups":               {menu(`"option_groups":[]`), "invalid_blocks"},
	} {
		t.Run(name, func(t *testing.T) {
			fault, answer := call(t, server, "chat.postMessage", jsonType, test.body)
			require.Equal(t, test.fault, fault, answer)
			if fault == "" {
				require.Contains(t, answer, `"ts":"1700000000.`)
			}
		})
	}
}

func TestMessageIsChangedOnlyWhereItIs(t *testing.T) {
	server := newServer(t)
	server.AddMessage("C1A", "1.2")
	for _, test := range []struct{ name, method, body, fault string }{
		{"an edit", "chat.update", `{"channel":"C1A","ts":"1.2","text":"b","blocks":[]}`, ""},
		{"an edit of 4001", "chat.update", `{"channel":"C1A","ts":"1.2",` +
			`"text":"` + strings.Repeat("a", 4001) + `"}`, "msg_too_long"},
		{"an edit into a thread", "chat.update", `{"channel":"C1A","ts":"1.2","text":"b",` +
			`"thread_ts":"1.1"}`, "invalid_arguments"},
		{"an edit of nothing", "chat.update", `{"channel":"C1A","text":"b"}`, "message_not_found"},
		{"an edit to a user", "chat.update", `{"channel":"U1A","ts":"1.2","text":"b"}`, "channel_not_found"},
		{"a reaction", "reactions.add", `{"channel":"C1A","timestamp":"1.2","name":"tada"}`, ""},
		{"the same again", "reactions.add", `{"channel":"C1A","timestamp":"1.2","name":"tada"}`, "already_reacted"},
		{"an emoji", "reactions.add", `{"channel":"C1A","timestamp":"1.2","name":"🎉"}`, "invalid_name"},
		{"no emoji", "reactions.add", `{"channel":"C1A","timestamp":"1.2"}`, "invalid_name"},
		{"a reaction to nothing", "reactions.add", `{"channel":"C1A","name":"tada"}`, "no_item_specified"},
		{"what is there", "reactions.get", `channel=C1A&timestamp=1.2&full=true`, ""},
		{"taking it away", "reactions.remove", `{"channel":"C1A","timestamp":"1.2","name":"tada"}`, ""},
		{"taking it away again", "reactions.remove", `{"channel":"C1A","timestamp":"1.2","name":"tada"}`, "no_reaction"},
		{"a status", "assistant.threads.setStatus", `{"channel_id":"D1A","thread_ts":"1700000000.000100","status":""}`, ""},
		{"a status of nothing", "assistant.threads.setStatus", `{"channel_id":"D1A",` +
			`"thread_ts":"1700000000.000100"}`, "invalid_arguments"},
		{"a status of no thread", "assistant.threads.setStatus", `{"channel_id":"D1A","status":"a"}`, "invalid_thread_ts"},
		{"a status of no channel", "assistant.threads.setStatus", `{"status":"a"}`, "channel_not_found"},
		{"a deletion", "chat.delete", `{"channel":"C1A","ts":"1.2"}`, ""},
		{"a second one", "chat.delete", `{"channel":"C1A","ts":"1.2"}`, "message_not_found"},
	} {
		contentType := jsonType
		if test.method == "reactions.get" {
			contentType = formType
		}
		fault, answer := call(t, server, test.method, contentType, test.body)
		require.Equal(t, test.fault, fault, "%s: %s", test.name, answer)
	}
}

func TestFileIsSharedOnceItIsUploaded(t *testing.T) {
	server := newServer(t)
	const method, complete = "files.getUploadURLExternal", "files.completeUploadExternal"
	for name, body := range map[string]string{
		"no name": "length=3", "no length": "filename=a", "nothing": "filename=a&length=0",
		"more": "filename=a&length=3&x=1",
	} {
		fault, _ := call(t, server, method, formType, body)
		require.Equal(t, "invalid_arguments", fault, name)
	}
	fault, answer := call(t, server, method, formType, "filename=a.txt&length=3")
	require.Empty(t, fault)
	var ticket struct {
		UploadURL string `json:"upload_url"`
		FileID    string `json:"file_id"`
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &ticket))
	share := func(rest string) string { return `{"files":[{"id":"` + ticket.FileID + `"}]` + rest + `}` }
	fault, _ = call(t, server, complete, jsonType, share(`,"channel_id":"C1A"`))
	require.Equal(t, "file_not_found", fault, "before it is uploaded")
	for _, test := range []struct {
		name, token, body string
		status            int
	}{{"too little", "", "ab", 400}, {"with the token", token, "abc", 400}, {"as announced", "", "abc", 200}} {
		status, _, err := post(t.Context(), ticket.UploadURL, test.token, "text/plain", test.body)
		require.NoError(t, err)
		require.Equal(t, test.status, status, test.name)
	}
	for _, test := range []struct{ name, body, fault string }{
		{"to nobody", share(""), "channel_not_found"},
		{"to a channel's name", share(`,"channel_id":"#general"`), "channel_not_found"},
		{"to no thread", share(`,"channel_id":"C1A","thread_ts":"x"`), "invalid_thread_ts"},
		{"no files", `{"channel_id":"C1A"}`, "invalid_arguments"},
		{"another file", `{"files":[{"id":"F1"}],"channel_id":"C1A"}`, "file_not_found"},
		{"to a user", share(`,"channels":"U1A"`), ""},
		{"to a channel", share(`,"channel_id":"C1A","initial_comment":"a","thread_ts":"1700000000.000100"`), ""},
	} {
		fault, answer := call(t, server, complete, jsonType, test.body)
		require.Equal(t, test.fault, fault, "%s: %s", test.name, answer)
	}
	status, _, err := post(t.Context(), strings.Replace(ticket.UploadURL, ticket.FileID, "F1", 1), "", "", "abc")
	require.NoError(t, err)
	require.Equal(t, 404, status)
}

func TestTokenOfAnotherAppIsRefused(t *testing.T) {
	server := newServer(t)
	for name, test := range map[string]struct{ method, token, contentType, fault string }{
		"the app":                {"auth.test", token, jsonType, ""},
		"nobody":                 {"auth.test", "", jsonType, "not_authed"},
		"another app":            {"auth.test", "xoxb-OTHER", jsonType, "invalid_auth"},
		"an unknown method":      {"auth.guess", token, jsonType, "unknown_method"},
		"no type":                {"auth.test", token, "", "missing_post_type"},
		"another type":           {"auth.test", token, "text/plain", "invalid_post_type"},
		"JSON without charset":   {"auth.test", token, "application/json", "missing_charset"},
		"JSON for what has none": {"files.info", token, jsonType, "invalid_post_type"},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer, err := post(t.Context(), server.URL()+"/"+test.method, test.token, test.contentType, "{}")
			require.NoError(t, err)
			require.Equal(t, 200, status)
			if test.fault == "" {
				require.Contains(t, answer, `"ok":true`)
				return
			}
			require.Contains(t, answer, `"error":"`+test.fault+`"`)
		})
	}
	server.AddFile("F1", "a.txt", "text/plain", []byte("abc"), nil)
	status, _, err := post(t.Context(), strings.TrimSuffix(server.URL(), "/api")+"/files-pri/F1/a.txt", "", "", "")
	require.NoError(t, err)
	require.Equal(t, http.StatusFound, status, "to the login page")
}

func TestResponseURLIsGoodForFiveAnswers(t *testing.T) {
	server := newServer(t)
	for i, test := range []struct {
		body   string
		status int
		says   string
	}{
		{`{"text":"a"}`, 200, "ok"},
		{`{"text":"a","channel":"C1A"}`, 500, "invalid_payload"},
		{`{"txet":"a"}`, 500, "invalid_payload"},
		{`{}`, 200, "no_text"},
		{`{"text":"a","response_type":"in_channel"}`, 200, "ok"},
		{`{"text":"a"}`, 404, "used_url"},
	} {
		status, answer, err := post(t.Context(), server.ResponseURL(), "", jsonType, test.body)
		require.NoError(t, err)
		require.Equal(t, test.status, status, i)
		require.Contains(t, answer, test.says)
	}
}

func TestScriptIsAnsweredInOrder(t *testing.T) {
	server := newServer(t)
	server.Script(
		"auth.test", slacktest.RateLimited("7"), slacktest.Response{Reset: true},
		slacktest.Response{Status: 418, Body: "tea"},
	)
	me := server.URL() + "/auth.test"
	status, answer, err := post(t.Context(), me, token, formType, "")
	require.NoError(t, err)
	require.Equal(t, 429, status)
	require.Contains(t, answer, "ratelimited")
	_, _, err = post(t.Context(), me, token, formType, "")
	require.Error(t, err)
	status, answer, err = post(t.Context(), me, token, formType, "")
	require.NoError(t, err)
	require.Equal(t, 418, status)
	require.Equal(t, "tea", answer)
	fault, _ := call(t, server, "auth.test", formType, "")
	require.Empty(t, fault)
	require.Len(t, server.Requests(), 4)
}

func TestCloseEndsHangingCalls(t *testing.T) {
	server := slacktest.NewServer(token)
	server.Script("auth.test", slacktest.Response{Hang: true})
	errs := make(chan error)
	go func() {
		_, _, err := post(context.Background(), server.URL()+"/auth.test", token, formType, "")
		errs <- err
	}()
	_, err := server.Next(t.Context(), func(*fakeapi.Request) bool { return true })
	require.NoError(t, err)
	server.Close()
	require.Error(t, <-errs)
	server.Close()
}
