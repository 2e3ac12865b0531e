package slack

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/slack-go/slack"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
)

// respond answers at a response_url, "Handling user interaction": up to five times within half an hour, also where the
// app is no member. What it posts has no id that would be told.
func (a api) respond(ctx context.Context, link string, d *draft, m *integration.Message) (*integration.SendResult, error) {
	const name = "slack response_url" // the link itself is a credential
	if !a.takesResponses(link) {
		return nil, integration.Invalid("metadata.responseUrl is not one of Slack's: an https URL of hooks.slack.com")
	}
	params := d.post
	if params.MarkdownText != "" { // which only methods of the Web API take
		params.Text, params.MarkdownText = params.MarkdownText, ""
		params.Blocks = []slack.Block{slack.NewMarkdownBlock("", params.Text)}
	}
	params.ThreadTS = string(m.ThreadID)
	params.ResponseType, _ = m.Metadata["responseType"].(string)
	params.ReplaceOriginal, _ = m.Metadata["replaceOriginal"].(bool)
	params.DeleteOriginal, _ = m.Metadata["deleteOriginal"].(bool)
	if t := params.ResponseType; t != "" && t != "ephemeral" && t != "in_channel" {
		return nil, integration.Invalid("metadata.responseType must be ephemeral or in_channel")
	}
	body, err := httpapi.JSON(name, params)
	if err != nil {
		return nil, err
	}
	answer, err := a.client.Do(ctx, httpapi.Request{Name: name, URL: link, Body: body})
	if err != nil {
		return nil, err
	}
	if err := responseRefusal(name, answer); err != nil {
		return nil, err
	}
	return d.result(map[string]any{"via": "responseUrl"}), nil
}

// takesResponses says whether a link that came with a message may be called.
func (a api) takesResponses(link string) bool {
	u, err := url.Parse(link)
	if err != nil || u.User != nil {
		return false
	}
	if base, err := url.Parse(a.base); err == nil && base.Host != "" && u.Scheme == base.Scheme && strings.EqualFold(u.Host, base.Host) {
		return a.base != defaultAPIBase // where nothing but the Web API is
	}
	return u.Scheme == "https" && (u.Host == "hooks.slack.com" || u.Host == "hooks.slack-gov.com")
}

// responseRefusal is nil for an answer that says "ok", which it does as a word or as JSON.
func responseRefusal(name string, answer *httpapi.Answer) error {
	var s status
	_ = payload.Unmarshal(answer.Body, &s)
	word := strings.TrimSpace(string(answer.Body))
	_, isError := verdicts[word]
	switch {
	case isError:
		s.Error = json.RawMessage(word)
		return refusal(name, answer, &s)
	case answer.Status == http.StatusTooManyRequests || s.says("false"):
		return refusal(name, answer, &s)
	case answer.Status >= http.StatusMultipleChoices:
		e := httpapi.Foreign(name, answer)
		if e.Kind == integration.FaultPermanent && e.Code != tooLarge.code {
			e.Code, e.Message = codes.ResponseURLRefused, name+": it is not, or no longer, one that Slack knows"
		}
		return e
	case word == "ok" || s.says("true"):
		return nil
	default:
		return httpapi.Unreadable(name, answer.Status, nil)
	}
}
