package slack

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
)

const defaultAPIBase = "https://slack.com/api"

// api calls the Web API as one app, "Using the Slack Web API".
type api struct {
	client *httpapi.Client
	base   string
	token  string
}

func (p *platform) api(credentials, settings map[string]string) api {
	base := cmp.Or(settings[fieldAPIBase], defaultAPIBase)
	return api{client: p.client.For(settings), base: strings.TrimRight(base, "/"), token: credentials[fieldBotToken]}
}

func (a api) header() http.Header { return http.Header{"Authorization": {"Bearer " + a.token}} }

// status is what every answer begins with. The HTTP status is 200 for refusals as well.
type status struct {
	OK       json.RawMessage `json:"ok"`    // true or false
	Error    json.RawMessage `json:"error"` // a text
	Needed   string          `json:"needed"`
	Provided string          `json:"provided"`
	Warning  string          `json:"warning"`
	Metadata struct {
		Messages []string `json:"messages"`
	} `json:"response_metadata"`
}

// says whether ok is that.
func (s *status) says(ok string) bool { return string(s.OK) == ok }

// call runs a method once, with params as JSON or as the fields of a form, and decodes its answer. Errors are
// *integration.Error.
func call[T any](ctx context.Context, a api, method string, params any) (T, *httpapi.Answer, error) {
	var result T
	name := "slack " + method
	var body httpapi.Body
	if form, ok := params.(url.Values); ok {
		body = httpapi.Form(form)
	} else {
		var err error
		if body, err = httpapi.JSON(name, params); err != nil {
			return result, nil, err
		}
		body.ContentType = "application/json; charset=utf-8" // without it Slack answers with a warning
	}
	answer, err := a.client.Do(ctx, httpapi.Request{Name: name, URL: a.base + "/" + method, Header: a.header(), Body: body})
	if err != nil {
		return result, nil, err
	}
	var s status
	err = payload.Unmarshal(answer.Body, &s)
	switch {
	case answer.Status == http.StatusTooManyRequests || s.says("false"):
		return result, nil, refusal(name, answer, &s)
	case !s.says("true") || answer.Status >= http.StatusMultipleChoices:
		return result, nil, httpapi.Foreign(name, answer)
	case err == nil:
		err = payload.Unmarshal(answer.Body, &result)
	}
	if err != nil {
		return result, nil, httpapi.Unreadable(name, answer.Status, err)
	}
	return result, answer, nil
}

// ask is call for methods that change nothing: one that was not answered may be asked again.
func ask[T any](ctx context.Context, a api, method string, params any) (T, *httpapi.Answer, error) {
	result, answer, err := call[T](ctx, a, method, params)
	return result, answer, httpapi.Repeatable(err)
}

// change is call for methods that do nothing more when they run twice.
func change[T any](ctx context.Context, a api, method string, params any) (T, *httpapi.Answer, error) {
	result, answer, err := call[T](ctx, a, method, params)
	return result, answer, httpapi.Idempotent(err)
}

// isSlacks says whether a link leads to Slack, or to where the channel's calls go: the only places that may get to
// see its token, or what is in its name. Whoever registers a file that is kept elsewhere chooses that file's links.
func (a api) isSlacks(link string) bool {
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	if base, err := url.Parse(a.base); err == nil && u.Scheme == base.Scheme && strings.EqualFold(u.Host, base.Host) {
		return true
	}
	host := strings.ToLower(u.Host) // a port that is not https' own is nothing of Slack's
	for _, domain := range []string{"slack.com", "slack-gov.com"} {
		if u.Scheme == "https" && (host == domain || strings.HasSuffix(host, "."+domain)) {
			return true
		}
	}
	return false
}
