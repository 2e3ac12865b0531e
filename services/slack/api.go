package slack

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
)

const defaultAPIBase = "https://slack.com/api"

// api calls the Web API as one app, "Using the Slack Web API".
type api struct{ httpapi.API }

func (p *platform) api(credentials, settings map[string]string) *api {
	return &api{httpapi.API{
		Client: p.client.For(settings), Name: "slack", Errors: errorTable, Read: readAnswer,
		Base:   integration.APIBaseOf(settings, defaultAPIBase) + "/",
		Header: httpapi.Bearer(credentials[fieldBotToken]),
	}}
}

// status is how every answer begins. The HTTP status of most refusals is 200.
type status struct {
	OK       json.RawMessage `json:"ok"`    // true or false
	Error    json.RawMessage `json:"error"` // a text
	Needed   string          `json:"needed"`
	Provided string          `json:"provided"`
	Metadata struct {
		Messages []string `json:"messages"`
	} `json:"response_metadata"`
	Errors json.RawMessage `json:"errors"` // of a manifest
}

// manifestErrors says what is wrong with a manifest.
func (s *status) manifestErrors() []string {
	var list []struct{ Message, Pointer string }
	if s.Errors == nil || json.Unmarshal(s.Errors, &list) != nil {
		return nil
	}
	var texts []string
	for _, e := range list {
		texts = append(texts, e.Pointer+": "+e.Message)
	}
	return texts
}

// is says whether ok has this value.
func (s *status) is(ok string) bool { return string(s.OK) == ok }

// readAnswer takes an answer of the Web API apart.
func readAnswer(answer *httpapi.Answer) ([]byte, *integration.Refusal, error) {
	var s status
	err := payload.Unmarshal(answer.Body, &s)
	switch {
	case answer.Status == http.StatusTooManyRequests || s.is("false"):
		return nil, s.refusal(), nil
	case !s.is("true") || answer.Status >= http.StatusMultipleChoices:
		return nil, nil, nil
	default:
		return answer.Body, nil, err
	}
}

// refusal is what an answer with ok false, or with HTTP 429, says.
func (s *status) refusal() *integration.Refusal {
	code := string(s.Error) // what is no text is no code of Slack's, and is told as it is
	_ = json.Unmarshal(s.Error, &code)
	r := &integration.Refusal{Code: code, Text: cmp.Or(code, "refused without a reason")}
	r.Details = append(s.manifestErrors(), s.Metadata.Messages...)
	if s.Needed != "" {
		scopes := fmt.Sprintf(
			"the token needs the scope %s and has %s: add it and install the app again", s.Needed, s.Provided,
		)
		r.Details = append([]string{scopes}, r.Details...)
	}
	return r
}

// call runs a method once, with params as JSON or as the fields of a form, and decodes its answer. Errors are
// *integration.Error.
func call[T any](ctx context.Context, a *api, method string, params any) (T, *httpapi.Answer, error) {
	var result T
	body, err := newBody(method, params)
	if err != nil {
		return result, nil, err
	}
	answer, err := a.Do(ctx, httpapi.Call{Name: method, Body: body}, &result)
	return result, answer, err
}

func newBody(method string, params any) (httpapi.Body, error) {
	if form, ok := params.(url.Values); ok {
		return httpapi.Form(form), nil
	}
	body, err := httpapi.JSON("slack "+method, params)
	body.ContentType = "application/json; charset=utf-8" // without the charset Slack answers with a warning
	return body, err
}

// ask is call for methods that change nothing: one that was not answered may be asked again.
func ask[T any](ctx context.Context, a *api, method string, params any) (T, *httpapi.Answer, error) {
	result, answer, err := call[T](ctx, a, method, params)
	return result, answer, httpapi.Repeatable(err)
}

// change is call for methods that do nothing more when they run twice, and whose answer tells nothing.
func change(ctx context.Context, a *api, method string, params any) error {
	_, _, err := call[struct{}](ctx, a, method, params)
	return httpapi.Idempotent(err)
}

// trusts says whether a link leads to Slack, or to the host of the channel's apiBase. Only these may see the app's
// token and its files: whoever registers a file that is kept elsewhere chooses the links of that file.
func (a *api) trusts(link string) bool {
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	if a.isBase(u) {
		return true
	}
	host := strings.ToLower(u.Host) // with the port: one other than that of https is not Slack's
	for _, domain := range []string{"slack.com", "slack-gov.com"} {
		if u.Scheme == "https" && (host == domain || strings.HasSuffix(host, "."+domain)) {
			return true
		}
	}
	return false
}

// isBase says whether a URL has the scheme and the host of the channel's apiBase.
func (a *api) isBase(u *url.URL) bool {
	base, err := url.Parse(a.Base)
	return err == nil && base.Host != "" && u.Scheme == base.Scheme && strings.EqualFold(u.Host, base.Host)
}
