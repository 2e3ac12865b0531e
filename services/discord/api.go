package discord

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
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
	httpapi.API
	cdn         string // the root to use instead of Discord's CDN; empty is the CDN itself
	application string
}

func (p *platform) api(credentials, settings map[string]string) api {
	return api{
		API: httpapi.API{
			Client: p.client.For(settings), Name: "discord",
			Base:   integration.APIBaseOf(settings, defaultAPIBase),
			Header: http.Header{"User-Agent": {userAgent}, "Authorization": {"Bot " + credentials[fieldBotToken]}},
			Errors: errorTable, Read: read,
		},
		cdn:         strings.TrimRight(settings[fieldCDNBase], "/"),
		application: credentials[fieldApplicationID],
	}
}

// anonymous returns the API without the bot's token, for calls whose path holds an interaction's token.
func (a api) anonymous() api {
	a.API = *a.With(http.Header{"Authorization": nil})
	return a
}

// sent is the part of a "Message Object" that is needed after a call made or changed the message.
type sent struct {
	ID        snowflake `json:"id"`
	ChannelID snowflake `json:"channel_id"`
	Flags     int64     `json:"flags"`
}

// askForMessage makes a call that is answered with a message, or with a channel. An answer without an id is an error.
func (a *api) askForMessage(ctx context.Context, c httpapi.Call) (*sent, error) {
	var s sent
	if _, err := a.Do(ctx, c, &s); err != nil {
		return nil, err
	}
	if s.ID != "" {
		return &s, nil
	}
	unreadable := httpapi.Unreadable("discord "+c.Name, http.StatusOK, nil)
	if c.Again != nil {
		return nil, c.Again(unreadable)
	}
	return nil, unreadable
}

// result is the SendResult of a message that was made or changed.
func (s *sent) result(d *draft) *integration.SendResult {
	return &integration.SendResult{
		Success: true, MessageID: s.ID.id(), Degraded: d.degraded, Metadata: map[string]any{"channelId": string(s.ChannelID)},
	}
}

func messagesPath(channelID string) string { return "/channels/" + channelID + "/messages" }

func messagePath(channelID, messageID string) string {
	return messagesPath(channelID) + "/" + url.PathEscape(messageID)
}
