package discord

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
)

const (
	version = "1.0.0"
	// userAgent is required: calls without one of this form may be blocked, "User Agent".
	userAgent = "DiscordBot (https://github.com/hiliosai/switchboard, " + version + ")"

	defaultAPIBase = "https://discord.com/api/v10"
	cdnBase        = "https://cdn.discordapp.com/"
	mediaBase      = "https://media.discordapp.net/"
)

// api calls the REST API as one bot.
type api struct {
	client      *httpapi.Client
	base        string
	cdn         string // in place of Discord's CDN; empty is that itself
	token       string
	application string
}

func (p *platform) api(credentials, settings map[string]string) api {
	return api{
		client: p.client.For(settings), base: strings.TrimRight(cmp.Or(settings[fieldAPIBase], defaultAPIBase), "/"),
		cdn:   strings.TrimRight(settings[fieldCDNBase], "/"),
		token: credentials[fieldBotToken], application: credentials[fieldApplicationID],
	}
}

// call is one of the API's.
type call struct {
	name   string // stands for the call in errors: the path may hold an interaction's token
	method string
	path   string
	body   httpapi.Body
	// again marks the error of a call that may be made twice: [httpapi.Repeatable] where it changes nothing,
	// [httpapi.Idempotent] where it changes nothing more the second time, nil for others.
	again func(error) error
	// anonymous calls are let in by the token in their path.
	anonymous bool
}

// do makes a call once and decodes its answer into result, unless that is nil. Errors are *integration.Error.
func (a api) do(ctx context.Context, c call, result any) error {
	err := a.try(ctx, c, result)
	return c.failed(err)
}

func (c *call) failed(err error) error {
	if c.again == nil {
		return err
	}
	return c.again(err)
}

func (a api) try(ctx context.Context, c call, result any) error {
	name := "discord " + c.name
	header := http.Header{"User-Agent": {userAgent}}
	if !c.anonymous {
		header.Set("Authorization", "Bot "+a.token)
	}
	answer, err := a.client.Do(ctx, httpapi.Request{Name: name, Method: c.method, URL: a.base + c.path, Header: header, Body: c.body})
	switch {
	case err != nil:
		return err
	case answer.Status < 200 || answer.Status > 299:
		return refusal(name, answer)
	case result == nil:
		return nil
	}
	if err := payload.Unmarshal(answer.Body, result); err != nil {
		return httpapi.Unreadable(name, answer.Status, err)
	}
	return nil
}

// sent is what matters of the "Message Object" that a call made or changed.
type sent struct {
	ID        snowflake `json:"id"`
	ChannelID snowflake `json:"channel_id"`
	Flags     int64     `json:"flags"`
}

// deliver is do for calls that make a message or change one.
func (a api) deliver(ctx context.Context, c call) (*sent, error) {
	var s sent
	if err := a.do(ctx, c, &s); err != nil {
		return nil, err
	}
	if s.ID == "" {
		return nil, c.failed(httpapi.Unreadable("discord "+c.name, http.StatusOK, nil))
	}
	return &s, nil
}

// result is what a caller learns of a delivered message.
func (s *sent) result() *integration.SendResult {
	return &integration.SendResult{Success: true, MessageID: s.ID.id(), Metadata: map[string]any{"channelId": string(s.ChannelID)}}
}

func messagesPath(channelID string) string { return "/channels/" + channelID + "/messages" }

func messagePath(channelID, messageID string) string {
	return messagesPath(channelID) + "/" + url.PathEscape(messageID)
}
