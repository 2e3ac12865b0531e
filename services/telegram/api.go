package telegram

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
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
	return api{client: p.client, base: strings.TrimRight(base, "/"), token: credentials[fieldToken]}
}

func (a api) methodURL(method string) string { return a.base + "/bot" + a.token + "/" + method }

// fileURL is where "getFile" says that a file is.
func (a api) fileURL(path string) string {
	return a.base + "/file/bot" + a.token + "/" + (&url.URL{Path: path}).EscapedPath()
}

// call runs a method once and decodes its result. Errors are *integration.Error.
func call[T any](ctx context.Context, a api, method string, params any) (T, error) {
	var result T
	answer, err := a.client.PostJSON(ctx, "telegram "+method, a.methodURL(method), nil, params)
	if err != nil {
		return result, err
	}
	var r response
	err = json.Unmarshal(answer.Body, &r)
	switch {
	case r.OK == nil:
		return result, notBotAPI(method, answer.Status, answer.Header)
	case !*r.OK:
		return result, refusal(method, answer, &r)
	case err == nil:
		err = json.Unmarshal(r.Result, &result)
	}
	if err != nil {
		return result, unreadable(method, answer.Status, err)
	}
	return result, nil
}

// ask is call for methods that change nothing: one that was not answered may be asked again.
func ask[T any](ctx context.Context, a api, method string, params any) (T, error) {
	result, err := call[T](ctx, a, method, params)
	return result, repeatable(err)
}

func repeatable(err error) error {
	if e, ok := errors.AsType[*integration.Error](err); ok && e.Kind == integration.ErrUnknown {
		again := *e
		again.Kind = integration.ErrTransient
		return &again
	}
	return err
}

// refusal classifies an answer of the Bot API with ok false, "Making requests".
func refusal(method string, answer *httpapi.Answer, r *response) *integration.Error {
	code := cmp.Or(r.ErrorCode, answer.Status)
	e := &integration.Error{
		Kind: integration.ErrPermanent, Code: "MESSAGE_REJECTED",
		Message:      fmt.Sprintf("telegram %s: %d %s", method, code, r.Description),
		PlatformCode: strconv.Itoa(code), HTTPStatus: answer.Status,
	}
	switch {
	case code == http.StatusTooManyRequests:
		e.Kind, e.Code = integration.ErrThrottled, "RATE_LIMITED"
		if e.RetryAfter = seconds(r.Parameters.RetryAfter); e.RetryAfter == 0 {
			e.RetryAfter = httpapi.RetryAfter(answer.Header, time.Now())
		}
	case code == http.StatusUnauthorized, code == http.StatusNotFound: // a revoked token and a malformed one
		e.Kind, e.Code = integration.ErrAuth, "TELEGRAM_UNAUTHORIZED"
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

// notBotAPI classifies an answer that something on the way gave, by its status alone. The
// Bot API may have carried the call out unless the status says that it was never handed on.
func notBotAPI(method string, status int, header http.Header) *integration.Error {
	e := &integration.Error{HTTPStatus: status, Message: fmt.Sprintf("telegram %s: HTTP %d without the Bot API's JSON", method, status)}
	switch {
	case status == http.StatusTooManyRequests:
		e.Kind, e.Code, e.RetryAfter = integration.ErrThrottled, "RATE_LIMITED", httpapi.RetryAfter(header, time.Now())
	case status == http.StatusUnauthorized:
		e.Kind, e.Code = integration.ErrAuth, "TELEGRAM_UNAUTHORIZED"
	case status == http.StatusServiceUnavailable:
		e.Kind, e.Code = integration.ErrTransient, "PLATFORM_UNAVAILABLE"
	case status >= 500:
		e.Kind, e.Code = integration.ErrUnknown, "PLATFORM_NO_ANSWER"
		e.Message += "; it may have been carried out"
	case status < 300:
		return unreadable(method, status, nil)
	default:
		e.Kind, e.Code = integration.ErrPermanent, "API_BASE_INVALID"
		e.Message += "; check the channel's apiBase"
	}
	return e
}

// unreadable is an answer that says it went well and not what came of it.
func unreadable(method string, status int, err error) *integration.Error {
	return &integration.Error{
		Kind: integration.ErrUnknown, Code: "ANSWER_UNREADABLE", HTTPStatus: status, Err: err,
		Message: fmt.Sprintf("telegram %s: HTTP %d with an answer that cannot be read; it was probably carried out", method, status),
	}
}

// seconds keeps a nonsensical number from becoming a nonsensical duration.
func seconds(n int64) time.Duration { return time.Duration(min(max(n, 0), 1e6)) * time.Second }
