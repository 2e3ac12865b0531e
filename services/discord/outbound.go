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
func (p *platform) Send(ctx context.Context, m *integration.Message, ch *integration.Channel) (*integration.SendResult, error) {
	a := p.api(ch.Credentials, ch.Settings)
	said := interactionOf(m.Metadata, a)
	live := said.live()
	if said != nil && live == nil && said.ephemeral {
		return nil, said.tooLate()
	}
	d, err := compose(m, target{answer: live, embedImages: ch.Settings[fieldImageLinks] == embedImages})
	if err != nil {
		return nil, err
	}
	var s *sent
	if live != nil {
		s, err = p.answer(ctx, a, live, d)
	} else {
		if said != nil {
			d.lose("interaction", "message")
		}
		s, err = p.create(ctx, a, m, d)
	}
	if err != nil {
		return nil, err
	}
	result := s.result()
	result.Degraded = d.degraded
	if d.body.Nonce != "" {
		result.Metadata["idempotent"] = true
	}
	return result, nil
}

// create makes a message in a channel.
func (p *platform) create(ctx context.Context, a api, m *integration.Message, d *draft) (*sent, error) {
	const name = "create message"
	to, err := address(m.ThreadID, m.To.ID, m.ConversationID)
	if err != nil {
		return nil, err
	}
	d.body.Nonce = nonce(to, m.ID)
	d.body.EnforceNonce = d.body.Nonce != ""
	body, err := p.encode(ctx, a, name, d, func(o *outgoing) any { return o })
	if err != nil {
		return nil, err
	}
	channelID, err := p.channelOf(ctx, a, to)
	if err != nil {
		return nil, err
	}
	// With a nonce Discord answers a repeated call with the message that the first one made, so that an outcome
	// that is unknown need not stay so. Without one it would make a second message.
	c := call{name: name, path: messagesPath(channelID), body: body}
	if d.body.EnforceNonce {
		c.again = httpapi.Idempotent
	}
	return a.deliver(ctx, c)
}

// nonce is the same whenever the same message goes to the same place, and another one for all others, "Create Message":
// it counts for all that the bot writes. A message without an id has none: its caller could not name it again either.
func nonce(to string, id integration.ID) string {
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(to + "\x00" + string(id)))
	return base64.RawURLEncoding.EncodeToString(sum[:18]) // 24 characters; Discord takes 25
}

// channelOf is the channel of an address: a user's is asked for, "Create DM".
func (p *platform) channelOf(ctx context.Context, a api, to string) (string, error) {
	userID, isUser := strings.CutPrefix(to, userPrefix)
	if !isUser {
		return to, nil
	}
	const name = "open direct messages"
	return cache.Memoize(ctx, "dmChannel", []string{a.base, a.application, userID}, dmChannelTTL, func(ctx context.Context) (string, error) {
		body, err := httpapi.JSON("discord "+name, struct {
			RecipientID string `json:"recipient_id"`
		}{userID})
		if err != nil {
			return "", err
		}
		// It is the same channel however often it is opened.
		opened, err := a.deliver(ctx, call{name: name, path: "/users/@me/channels", body: body, again: httpapi.Repeatable})
		if err != nil {
			return "", err
		}
		if !isSnowflake(string(opened.ID)) {
			return "", httpapi.Repeatable(httpapi.Unreadable("discord "+name, http.StatusOK, nil))
		}
		return string(opened.ID), nil
	})
}
