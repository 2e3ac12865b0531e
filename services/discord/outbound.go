package discord

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// Send delivers a message to a channel or a user, or as the answer to an interaction.
func (p *platform) Send(
	ctx context.Context, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	a := p.api(ch.Credentials, ch.Settings)
	asked, err := interactionOf(m, &a)
	if err != nil {
		return nil, err
	}
	live := asked.live()
	if asked != nil && live == nil && asked.ephemeral {
		return nil, asked.tooLate()
	}
	d, err := compose(m, target{answer: live, embedImages: ch.Settings[fieldImageLinks] == embedImages})
	if err != nil {
		return nil, err
	}
	var s *sent
	if live != nil {
		s, err = p.answer(ctx, a, live, d)
	} else {
		if asked != nil {
			d.degraded.Add("interaction", "message")
		}
		s, err = a.create(ctx, m, d)
	}
	if err != nil {
		return nil, err
	}
	result := s.result(d)
	if d.body.Nonce != "" {
		result.Metadata["idempotent"] = true
	}
	return result, nil
}

// create makes a message in a channel.
func (a *api) create(ctx context.Context, m *integration.Message, d *draft) (*sent, error) {
	const name = "create message"
	to, err := address(m.ThreadID, m.To.ID, m.ConversationID)
	if err != nil {
		return nil, err
	}
	d.body.Nonce = nonce(to, m.ID)
	d.body.EnforceNonce = d.body.Nonce != ""
	body, err := a.encode(ctx, name, d)
	if err != nil {
		return nil, err
	}
	channelID, err := a.channelOf(ctx, to)
	if err != nil {
		return nil, err
	}
	c := httpapi.Call{Name: name, Path: messagesPath(channelID), Body: body, Slow: len(d.files) > 0}
	// With a nonce Discord answers a repeated call with the message of the first one, so a call whose outcome is unknown
	// may be made again. Without one it would make a second message.
	if d.body.EnforceNonce {
		c.Again = httpapi.Idempotent
	}
	return a.askForMessage(ctx, c)
}

// nonce is the same whenever the same message goes to the same place, and else another one, "Create Message": Discord
// compares it with those of all that the bot writes. A message without an id has none, since its caller could not
// repeat it under the same name.
func nonce(to string, id integration.ID) string {
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(to + "\x00" + string(id)))
	return base64.RawURLEncoding.EncodeToString(sum[:18]) // 24 characters; Discord takes 25
}

// channelOf is the channel of an address. Discord is asked for that of a user, "Create DM".
func (a *api) channelOf(ctx context.Context, to string) (string, error) {
	userID, isUser := strings.CutPrefix(to, userPrefix)
	if !isUser {
		return to, nil
	}
	key := []string{a.Base, a.application, userID}
	return cache.Memoize(ctx, "dmChannel", key, dmChannelTTL, func(ctx context.Context) (string, error) {
		return a.openDirectMessages(ctx, userID)
	})
}

// openDirectMessages returns the id of a user's channel, which is the same however often it is opened.
func (a *api) openDirectMessages(ctx context.Context, userID string) (string, error) {
	const name = "open direct messages"
	opened, err := a.askForMessage(ctx, httpapi.Call{
		Name: name, Path: "/users/@me/channels", JSON: map[string]string{"recipient_id": userID}, Again: httpapi.Repeatable,
	})
	if err != nil {
		return "", err
	}
	if !isSnowflake(string(opened.ID)) {
		return "", httpapi.Repeatable(httpapi.Unreadable("discord "+name, http.StatusOK, nil))
	}
	return string(opened.ID), nil
}
