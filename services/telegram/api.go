package telegram

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
)

const defaultAPIBase = "https://api.telegram.org"

// api calls the Bot API as one bot.
type api struct {
	httpapi.API
	files string // the URL below which files are
}

func (p *platform) api(credentials, settings map[string]string) api {
	base := integration.APIBaseOf(settings, defaultAPIBase)
	return api{
		httpapi.API{
			Client: p.client.For(settings), Name: "telegram", Base: base + "/bot" + credentials[fieldToken] + "/",
			Errors: errorTable, Read: read,
		},
		base + "/file/bot" + credentials[fieldToken] + "/",
	}
}

// fileURL returns the URL of a file by the file_path that "getFile" tells.
func (a *api) fileURL(path string) string { return a.files + (&url.URL{Path: path}).EscapedPath() }

// call runs a method once, uploads the files with it, and decodes its result. Errors are *integration.Error.
func call[T any](ctx context.Context, a api, method string, params any, files ...httpapi.Part) (T, error) {
	var result T
	body, err := newBody(method, params, files)
	if err == nil {
		_, err = a.Do(ctx, httpapi.Call{Name: method, Body: body, Slow: slowMethods[method]}, &result)
	}
	return result, err
}

// slowMethods upload files, or have Telegram fetch them before it answers.
var slowMethods = map[string]bool{
	photo.method: true, video.method: true, animation.method: true, audio.method: true, document.method: true,
	voice.method:     true,
	videoNote.method: true, stickers.method: true, methodAlbum: true, methodEditMedia: true,
}

// newBody writes the parameters as JSON. With files it is a form, in which parameters that are not texts are written
// as JSON, "Making requests".
func newBody(method string, params any, files []httpapi.Part) (httpapi.Body, error) {
	body, err := httpapi.JSON("telegram "+method, params)
	if err != nil || len(files) == 0 {
		return body, err
	}
	var parts []httpapi.Part
	malformed := payload.Members(body.Bytes, func(name, value []byte) {
		if value[0] == '"' {
			value = payload.AppendText(nil, value)
		}
		parts = append(parts, httpapi.Part{Name: string(name), Content: value})
	})
	if malformed != nil {
		return httpapi.Body{}, integration.Invalid("telegram %s: the parameters are no object", method)
	}
	return httpapi.Multipart(append(parts, files...)...), nil
}

// ask is call for methods that change nothing. They may be called again after any error.
func ask[T any](ctx context.Context, a api, method string, params any) (T, error) {
	result, err := call[T](ctx, a, method, params)
	return result, httpapi.Repeatable(err)
}

// change is call for methods that change nothing more when they are called a second time.
func change[T any](ctx context.Context, a api, method string, params any, files ...httpapi.Part) (T, error) {
	result, err := call[T](ctx, a, method, params, files...)
	return result, httpapi.Idempotent(err)
}

// read takes an answer apart. A Bot API server that closes answers all running calls with 500, "Internal Server Error:
// restart", even if their message was sent. So the outcome of 500 is unknown.
func read(answer *httpapi.Answer) ([]byte, *integration.Refusal, error) {
	var r response
	err := payload.Unmarshal(answer.Body, &r)
	switch {
	case r.OK == nil:
		return nil, nil, nil
	case *r.OK:
		return r.Result, nil, err
	}
	code := cmp.Or(r.ErrorCode, answer.Status)
	refusal := &integration.Refusal{
		Status: code, Shown: strconv.Itoa(code), Text: fmt.Sprintf("%d %s", code, r.Description),
		RetryAfter: seconds(r.Parameters.RetryAfter),
	}
	if id := r.Parameters.MigrateToChatID; id != 0 {
		refusal.Code, refusal.Details = migrated, []string{fmt.Sprintf("its id is %d now", id)}
	}
	return nil, refusal, nil
}

// seconds returns n seconds, at least 0 and at most 1,000,000.
func seconds(n int64) time.Duration { return time.Duration(min(max(n, 0), 1e6)) * time.Second }
