package slack

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/slack-go/slack"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
)

// respond answers at a response_url, "Handling user interaction": up to five times within half an hour, also where the
// app is no member of the channel. Slack does not tell the id of the message.
func (a *api) respond(
	ctx context.Context, d *draft, m *integration.Message, reply replyContext,
) (*integration.SendResult, error) {
	if !a.takesResponses(reply.responseURL) {
		return nil, integration.Invalid(
			"the response_url, in replyContext or metadata, is not one of Slack's: an https URL of hooks.slack.com",
		)
	}
	params := d.post
	if params.MarkdownText != "" { // a parameter of the Web API only
		params.Text, params.MarkdownText = params.MarkdownText, ""
		params.Blocks = []slack.Block{slack.NewMarkdownBlock("", params.Text)}
	}
	_, thread, _ := strings.Cut(reply.thread, ":")
	params.ThreadTS = cmp.Or(string(m.ThreadID), thread)
	params.ResponseType, _ = m.Metadata["responseType"].(string)
	params.ReplaceOriginal, _ = m.Metadata["replaceOriginal"].(bool)
	params.DeleteOriginal, _ = m.Metadata["deleteOriginal"].(bool)
	if t := params.ResponseType; t != "" && t != "ephemeral" && t != "in_channel" {
		return nil, integration.Invalid("metadata.responseType must be ephemeral or in_channel")
	}
	const name = "response_url" // stands for the link in errors, since the link is a credential
	body, err := httpapi.JSON("slack "+name, params)
	if err != nil {
		return nil, err
	}
	responses := httpapi.API{Client: a.Client, Name: a.Name, Errors: responseErrors, Read: readResponse}
	if _, err := responses.Do(ctx, httpapi.Call{Name: name, Path: reply.responseURL, Body: body}, nil); err != nil {
		return nil, err
	}
	return d.result(map[string]any{"via": "responseUrl"}), nil
}

// takesResponses says whether a link that came with a message may be called.
func (a *api) takesResponses(link string) bool {
	u, err := url.Parse(link)
	if err != nil || u.User != nil {
		return false
	}
	if a.isBase(u) {
		return a.Base != defaultAPIBase+"/" // slack.com has the Web API only, which no message may choose a method of
	}
	return u.Scheme == "https" && (u.Host == "hooks.slack.com" || u.Host == "hooks.slack-gov.com")
}

// readResponse takes the answer of a response_url apart, which is a word or JSON.
func readResponse(answer *httpapi.Answer) ([]byte, *integration.Refusal, error) {
	var s status
	_ = payload.Unmarshal(answer.Body, &s) // a word is no JSON
	word := strings.TrimSpace(string(answer.Body))
	switch {
	case responseErrors.Has(word):
		return nil, &integration.Refusal{Code: word, Text: word}, nil
	case answer.Status == http.StatusTooManyRequests || s.is("false"):
		return nil, s.refusal(), nil
	case answer.Status < http.StatusMultipleChoices && (word == "ok" || s.is("true")):
		return answer.Body, nil, nil
	default:
		return nil, nil, nil
	}
}
