package telegram

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

const defaultAPIBase = "https://api.telegram.org"

// api calls the Bot API as one bot.
type api struct {
	client *httpapi.Client
	base   string
	token  string
}

func (p *platform) api(credentials, settings map[string]string) api {
	base := cmp.Or(settings[fieldAPIBase], defaultAPIBase)
	return api{client: p.client.For(settings), base: strings.TrimRight(base, "/"), token: credentials[fieldToken]}
}

func (a api) methodURL(method string) string { return a.base + "/bot" + a.token + "/" + method }

// fileURL is where "getFile" says that a file is.
func (a api) fileURL(path string) string {
	return a.base + "/file/bot" + a.token + "/" + (&url.URL{Path: path}).EscapedPath()
}

// call runs a method once, with files to upload where there are such, and decodes its result. Errors are
// *integration.Error.
func call[T any](ctx context.Context, a api, method string, params any, files ...httpapi.Part) (T, error) {
	var result T
	body, err := newBody(method, params, files)
	if err != nil {
		return result, err
	}
	answer, err := a.client.Do(ctx, httpapi.Request{Name: "telegram " + method, URL: a.methodURL(method), Body: body, Slow: slowMethods[method]})
	if err != nil {
		return result, err
	}
	var r response
	err = rawjson.Unmarshal(answer.Body, &r)
	switch {
	case r.OK == nil:
		return result, httpapi.Foreign("telegram "+method, answer)
	case !*r.OK:
		return result, refusal(method, answer, &r)
	case err != nil:
		return result, httpapi.Unreadable("telegram "+method, answer.Status, err)
	}
	if err := rawjson.Unmarshal(r.Result, &result); err != nil {
		return result, httpapi.Unreadable("telegram "+method, answer.Status, err)
	}
	return result, nil
}

// slowMethods have files uploaded, or fetched by Telegram before it answers.
var slowMethods = map[string]bool{
	photo.method: true, video.method: true, animation.method: true, audio.method: true, document.method: true, voice.method: true,
	videoNote.method: true, stickers.method: true, methodAlbum: true, methodEditMedia: true,
}

// newBody is JSON, or a form where files go along: its fields are the parameters, of which those that are no text are
// written as JSON, "Making requests".
func newBody(method string, params any, files []httpapi.Part) (httpapi.Body, error) {
	body, err := httpapi.JSON("telegram "+method, params)
	if err != nil || len(files) == 0 {
		return body, err
	}
	var parts []httpapi.Part
	malformed := rawjson.Members(body.Bytes, func(name, value []byte) {
		if value[0] == '"' {
			value = rawjson.AppendText(nil, value)
		}
		parts = append(parts, httpapi.Part{Name: string(name), Content: value})
	})
	if malformed != nil {
		return httpapi.Body{}, invalid("telegram %s: the parameters are no object", method)
	}
	return httpapi.Multipart(append(parts, files...)...), nil
}

// ask is call for methods that change nothing, or nothing when they are called again: one that was not answered
// may be asked again.
func ask[T any](ctx context.Context, a api, method string, params any, files ...httpapi.Part) (T, error) {
	result, err := call[T](ctx, a, method, params, files...)
	return result, httpapi.Repeatable(err)
}

// tooLong is what the Bot API says of texts and captions, in its own words or in those of the servers behind it.
var tooLong = regexp.MustCompile(`(message|caption|text) is too long|(MESSAGE|CAPTION)_TOO_LONG`)

// refusal classifies an answer of the Bot API with ok false, "Making requests".
func refusal(method string, answer *httpapi.Answer, r *response) *integration.Error {
	code := cmp.Or(r.ErrorCode, answer.Status)
	e := &integration.Error{
		Kind: integration.ErrPermanent, Code: "MESSAGE_REJECTED",
		Message:      fmt.Sprintf("telegram %s: %d %s", method, code, r.Description),
		PlatformCode: strconv.Itoa(code), HTTPStatus: answer.Status,
	}
	switch {
	case code == http.StatusBadRequest && tooLong.MatchString(r.Description): // a text or a caption
		e.Code = "MESSAGE_TOO_LONG"
	case code == http.StatusTooManyRequests:
		e.Kind, e.Code, e.Pauses = integration.ErrThrottled, "RATE_LIMITED", integration.PausesRecipient
		if e.RetryAfter = seconds(r.Parameters.RetryAfter); e.RetryAfter == 0 {
			e.RetryAfter = httpapi.RetryAfter(answer.Header, time.Now())
		}
	case code == http.StatusNotFound && strings.Contains(r.Description, "method not found"): // by a server of one's own
		e.Code = "METHOD_UNKNOWN"
		e.Message += "; the Bot API server is too old for it"
	case code == http.StatusUnauthorized, code == http.StatusNotFound: // a revoked token and a malformed one
		e.Kind, e.Code = integration.ErrAuth, "CREDENTIALS_REFUSED"
	case code == http.StatusForbidden: // blocked by the user, removed from the chat, …
		e.Code = "RECIPIENT_UNAVAILABLE"
	case r.Parameters.MigrateToChatID != 0:
		e.Code = "CHAT_MIGRATED"
		e.Message += fmt.Sprintf("; its id is %d now", r.Parameters.MigrateToChatID)
	case code == http.StatusConflict:
		e.Code = "TELEGRAM_CONFLICT"
	case code == http.StatusGatewayTimeout:
		e.Kind, e.Code = integration.ErrUnknown, "PLATFORM_NO_ANSWER"
	case code >= 500:
		// The Bot API itself says that it failed, such as "Internal Server Error: restart".
		e.Kind, e.Code = integration.ErrTransient, "PLATFORM_UNAVAILABLE"
	}
	return e
}

// seconds keeps a nonsensical number from becoming a nonsensical duration.
func seconds(n int64) time.Duration { return time.Duration(min(max(n, 0), 1e6)) * time.Second }
