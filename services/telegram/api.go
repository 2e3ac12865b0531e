package telegram

import (
	"cmp"
	"context"
	"net/url"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
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
	err = payload.Unmarshal(answer.Body, &r)
	switch {
	case r.OK == nil:
		return result, httpapi.Foreign("telegram "+method, answer)
	case !*r.OK:
		return result, refusal(method, answer, &r)
	case err != nil:
		return result, httpapi.Unreadable("telegram "+method, answer.Status, err)
	}
	if err := payload.Unmarshal(r.Result, &result); err != nil {
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

// ask is call for methods that change nothing: one that was not answered may be asked again.
func ask[T any](ctx context.Context, a api, method string, params any) (T, error) {
	result, err := call[T](ctx, a, method, params)
	return result, httpapi.Repeatable(err)
}

// change is call for methods that change nothing more when they are called again.
func change[T any](ctx context.Context, a api, method string, params any, files ...httpapi.Part) (T, error) {
	result, err := call[T](ctx, a, method, params, files...)
	return result, httpapi.Idempotent(err)
}
