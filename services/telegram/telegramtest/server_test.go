package telegramtest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

const token = "123456:TEST"

func newServer(t *testing.T) *telegramtest.Server {
	t.Helper()
	server := telegramtest.NewServer(token)
	t.Cleanup(server.Close)
	return server
}

func post(ctx context.Context, url, body string) (int, string, error) {
	return postAs(ctx, url, "application/json", strings.NewReader(body))
}

func postAs(ctx context.Context, url, contentType string, body io.Reader) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", contentType)
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, string(answer), err
}

func TestSendMessageIsStrict(t *testing.T) {
	server := newServer(t)
	button := func(button string) string {
		return `{"chat_id":5,"text":"hi","reply_markup":{"inline_keyboard":[[` + button + `]]}}`
	}
	for name, test := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"a text":                    {`{"chat_id":5,"text":"hi"}`, 200, `"message_id":`},
		"a text to a quoted id":     {`{"chat_id":"5","text":"hi"}`, 200, `"id":5`},
		"a text to a channel":       {`{"chat_id":"@news","text":"hi"}`, 200, `"username":"news"`},
		"4096 units":                {`{"chat_id":5,"text":"` + strings.Repeat("👍", 2048) + `"}`, 200, ""},
		"4097 units":                {`{"chat_id":5,"text":"` + strings.Repeat("👍", 2048) + `a"}`, 400, "is too long"},
		"no chat_id":                {`{"text":"hi"}`, 400, "chat_id is empty"},
		"a chat_id of another type": {`{"chat_id":{},"text":"hi"}`, 400, "chat_id is empty"},
		"a chat_id that is a word":  {`{"chat_id":"ada","text":"hi"}`, 400, "chat not found"},
		"no text":                   {`{"chat_id":5}`, 400, "message text is empty"},
		"a text of another type":    {`{"chat_id":5,"text":7}`, 400, "can't parse"},
		"an unknown parameter":      {`{"chat_id":5,"text":"hi","txet":"hi"}`, 400, "txet"},
		"no JSON":                   {`chat_id=5`, 400, "can't parse"},
		"a reply to nothing":        {`{"chat_id":5,"text":"hi","reply_parameters":{}}`, 400, "message_id"},
		"buttons":                   {button(`{"text":"a","callback_data":"b"}`), 200, ""},
		"no keyboard in the markup": {`{"chat_id":5,"text":"hi","reply_markup":{}}`, 400, "inline_keyboard"},
		"a keyboard of one dimension": {
			`{"chat_id":5,"text":"hi","reply_markup":{"inline_keyboard":[{"text":"a"}]}}`, 400, "can't parse",
		},
		"a button without a title":   {button(`{"text":"","callback_data":"b"}`), 400, "non-empty"},
		"a button that does nothing": {button(`{"text":"a"}`), 400, "exactly one"},
		"callback data of 65 bytes": {
			button(`{"text":"a","callback_data":"` + strings.Repeat("a", 65) + `"}`), 400, "BUTTON_DATA_INVALID",
		},
		"a button with a bad URL": {button(`{"text":"a","url":"javascript:x"}`), 400, "URL"},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer, err := post(t.Context(), server.URL()+"/bot"+token+"/sendMessage", test.body)
			require.NoError(t, err)
			require.Equal(t, test.status, status, answer)
			require.Contains(t, answer, test.says)
			var envelope struct {
				OK        bool `json:"ok"`
				ErrorCode int  `json:"error_code"`
			}
			require.NoError(t, json.Unmarshal([]byte(answer), &envelope))
			require.Equal(t, status == 200, envelope.OK)
			if !envelope.OK {
				require.Equal(t, status, envelope.ErrorCode)
			}
		})
	}
}

func TestTokenIsChecked(t *testing.T) {
	server := newServer(t)
	for name, test := range map[string]struct {
		path   string
		status int
	}{
		"another token":         {"/bot123456:OTHER/getMe", 401},
		"a malformed token":     {"/botTEST/getMe", 404},
		"no bot at all":         {"/", 404},
		"an unknown method":     {"/bot" + token + "/getYou", 404},
		"an unknown file":       {"/file/bot" + token + "/photos/file_1.jpg", 404},
		"a file by other means": {"/file/bot123456:OTHER/photos/file_1.jpg", 401},
	} {
		t.Run(name, func(t *testing.T) {
			status, _, err := post(t.Context(), server.URL()+test.path, "{}")
			require.NoError(t, err)
			require.Equal(t, test.status, status)
		})
	}
}

func TestNextWaitsForASend(t *testing.T) {
	server := newServer(t)
	_, _, err := post(t.Context(), server.URL()+"/bot"+token+"/getMe", "{}")
	require.NoError(t, err)
	go func() {
		_, _, _ = post(t.Context(), server.URL()+"/bot"+token+"/sendMessage", `{"chat_id":9007199254740993,"text":"hi"}`)
	}()
	request, err := server.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]any{"chat_id": json.Number("9007199254740993"), "text": "hi"}, request.Body)
	require.Len(t, server.Requests(), 2)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = server.Next(ended)
	require.ErrorIs(t, err, context.Canceled)
}

func TestCloseEndsWaits(t *testing.T) {
	server := telegramtest.NewServer(token)
	server.Script("sendMessage", telegramtest.Response{Hang: true}, telegramtest.Response{Delay: time.Hour})
	errs := make(chan error)
	for range 2 {
		go func() {
			_, _, err := post(context.Background(), server.URL()+"/bot"+token+"/sendMessage", `{"chat_id":5,"text":"hi"}`)
			errs <- err
		}()
		_, err := server.Next(t.Context())
		require.NoError(t, err)
	}
	go func() {
		_, err := server.Next(context.Background())
		errs <- err
	}()
	server.Close()
	seen := []error{<-errs, <-errs, <-errs}
	require.Contains(t, seen, fakeapi.ErrClosed)
	require.NotContains(t, seen, nil)
}

func TestScriptedAnswersComeInOrder(t *testing.T) {
	server := newServer(t)
	server.Script(
		"getMe", telegramtest.Failure(429, "Too Many Requests", map[string]any{"retry_after": 1}),
		telegramtest.Response{Reset: true},
		telegramtest.Response{Status: 418, Body: "tea", Delay: time.Millisecond})
	me := server.URL() + "/bot" + token + "/getMe"

	status, answer, err := post(t.Context(), me, "{}")
	require.NoError(t, err)
	require.Equal(t, 429, status)
	require.Contains(t, answer, `"retry_after":1`)

	_, _, err = post(t.Context(), me, "{}")
	require.Error(t, err)

	status, answer, err = post(t.Context(), me, "{}")
	require.NoError(t, err)
	require.Equal(t, 418, status)
	require.Equal(t, "tea", answer)

	status, answer, err = post(t.Context(), me, "{}")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	require.Contains(t, answer, `"id":123456`)
}
