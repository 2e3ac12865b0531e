package discord

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// EditMessage replaces all that a message holds, "Edit Message". One that answered an interaction with the metadata of
// that interaction is changed through it, which is the only way to those that one user sees.
func (p *platform) EditMessage(ctx context.Context, t integration.Target, m *integration.Message, ch *integration.Channel) (*integration.SendResult, error) {
	const name = "edit message"
	a := p.api(ch.Credentials, ch.Settings)
	messageID, err := messageIDOf(t.MessageID, "messageId")
	if err != nil {
		return nil, err
	}
	d, err := compose(m, target{edit: true, embedImages: ch.Settings[fieldImageLinks] == embedImages})
	if err != nil {
		return nil, err
	}
	c := call{name: name, method: http.MethodPatch, again: httpapi.Idempotent}
	if i := interactionOf(m.Metadata, a).live(); i != nil {
		c.path, c.anonymous = i.editPath(messageID), true
	} else if c.path, err = p.pathOf(ctx, a, t, m, messageID); err != nil {
		return nil, err
	}
	c.body, err = p.encode(ctx, a, name, d, func(o *outgoing) any {
		r := &replacement{Content: o.Content, Embeds: o.Embeds, Components: o.Components, Attachments: o.Attachments, AllowedMentions: o.AllowedMentions}
		// null would leave what there is.
		r.Embeds, r.Components, r.Attachments = append([]embed{}, r.Embeds...), append([]actionRow{}, r.Components...), append([]upload{}, r.Attachments...)
		return r
	})
	if err != nil {
		return nil, err
	}
	s, err := a.deliver(ctx, c)
	if err != nil {
		return nil, err
	}
	result := s.result()
	result.Degraded = d.degraded
	return result, nil
}

// pathOf is a message's own path.
func (p *platform) pathOf(ctx context.Context, a api, t integration.Target, m *integration.Message, messageID string) (string, error) {
	to, err := address(t.ThreadID, t.ConversationID, m.ThreadID, m.To.ID, m.ConversationID)
	if err != nil {
		return "", err
	}
	channelID, err := p.channelOf(ctx, a, to)
	return messagePath(channelID, messageID), err
}

// about finds the path of the message that an action is about.
func (p *platform) about(ctx context.Context, t integration.Target, ch *integration.Channel) (a api, path string, err error) {
	a = p.api(ch.Credentials, ch.Settings)
	messageID, err := messageIDOf(t.MessageID, "messageId")
	if err != nil {
		return a, "", err
	}
	path, err = p.pathOf(ctx, a, t, &integration.Message{}, messageID)
	return a, path, err
}

// DeleteMessage removes a message, "Delete Message". One that is gone already is as the caller wants it.
func (p *platform) DeleteMessage(ctx context.Context, t integration.Target, ch *integration.Channel) error {
	a, path, err := p.about(ctx, t, ch)
	if err != nil {
		return err
	}
	err = a.do(ctx, call{name: "delete message", method: http.MethodDelete, path: path, again: httpapi.Idempotent}, nil)
	if e, ok := errors.AsType[*integration.Error](err); ok && e.Code == noMessage.code {
		return nil
	}
	return err
}

// customEmoji is "<:NAME:ID>", as texts have an emoji of a server, "Message Formatting"; reactions take "NAME:ID".
var customEmoji = regexp.MustCompile(`^(?:<a?:)?(\w{2,32}:\d{1,20})>?$`)

// React puts an emoji on a message, "Create Reaction", or takes away all that the bot has put there.
func (p *platform) React(ctx context.Context, t integration.Target, emoji string, ch *integration.Channel) error {
	a, path, err := p.about(ctx, t, ch)
	if err != nil {
		return err
	}
	if emoji == "" {
		return a.unreact(ctx, path)
	}
	if custom := customEmoji.FindStringSubmatch(emoji); custom != nil {
		emoji = custom[1]
	}
	return a.do(ctx, call{name: "create reaction", method: http.MethodPut, path: ownReaction(path, emoji), again: httpapi.Idempotent}, nil)
}

func ownReaction(path, emoji string) string {
	return path + "/reactions/" + url.PathEscape(emoji) + "/@me"
}

// unreact looks which of a message's reactions are the bot's, "Get Channel Message", and deletes these.
func (a api) unreact(ctx context.Context, path string) error {
	var m struct {
		Reactions []struct {
			Me    bool `json:"me"`
			Emoji struct {
				ID   snowflake `json:"id"`
				Name string    `json:"name"`
			} `json:"emoji"`
		} `json:"reactions"`
	}
	if err := a.do(ctx, call{name: "get message", method: http.MethodGet, path: path, again: httpapi.Repeatable}, &m); err != nil {
		return err
	}
	for _, r := range m.Reactions {
		if !r.Me {
			continue
		}
		emoji := r.Emoji.Name
		if r.Emoji.ID != "" {
			emoji = cmp.Or(r.Emoji.Name, "_") + ":" + string(r.Emoji.ID) // the name of one that is gone is null
		}
		if err := a.do(ctx, call{name: "delete reaction", method: http.MethodDelete, path: ownReaction(path, emoji), again: httpapi.Idempotent}, nil); err != nil {
			return err
		}
	}
	return nil
}

// ShowTyping shows for ten seconds that the bot is typing, "Trigger Typing Indicator".
func (p *platform) ShowTyping(ctx context.Context, t integration.Target, ch *integration.Channel) error {
	a := p.api(ch.Credentials, ch.Settings)
	to, err := address(t.ThreadID, t.ConversationID)
	if err != nil {
		return err
	}
	channelID, err := p.channelOf(ctx, a, to)
	if err != nil {
		return err
	}
	return a.do(ctx, call{name: "typing", path: "/channels/" + channelID + "/typing", again: httpapi.Idempotent}, nil)
}
