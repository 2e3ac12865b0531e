package discord

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"regexp"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// EditMessage replaces all that a message holds, "Edit Message". One that answered an interaction is changed through
// that interaction if its replyContext is there. It is the only way to change what one user only sees.
func (p *platform) EditMessage(
	ctx context.Context, t integration.Target, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	a := p.api(ch.Credentials, ch.Settings)
	messageID, err := messageIDOf(t.MessageID, "messageId")
	if err != nil {
		return nil, err
	}
	asked, err := interactionOf(m, &a)
	if err != nil {
		return nil, err
	}
	d, err := compose(m, target{edit: true, embedImages: ch.Settings[fieldImageLinks] == embedImages})
	if err != nil {
		return nil, err
	}
	c := httpapi.Call{
		Name: "edit message", Method: http.MethodPatch, Slow: len(d.files) > 0, Again: httpapi.Idempotent,
	}
	caller := a
	if live := asked.live(); live != nil {
		caller, c.Path = a.anonymous(), live.editPath(messageID)
	} else if c.Path, err = a.pathOf(ctx, t, m, messageID); err != nil {
		return nil, err
	}
	if c.Body, err = a.encode(ctx, c.Name, d); err != nil {
		return nil, err
	}
	s, err := caller.askForMessage(ctx, c)
	if err != nil {
		return nil, err
	}
	return s.result(d), nil
}

// pathOf is a message's own path.
func (a *api) pathOf(
	ctx context.Context, t integration.Target, m *integration.Message, messageID string,
) (string, error) {
	to, err := address(t.ThreadID, t.ConversationID, m.ThreadID, m.To.ID, m.ConversationID)
	if err != nil {
		return "", err
	}
	channelID, err := a.channelOf(ctx, to)
	return messagePath(channelID, messageID), err
}

// messageAt finds the path of the message that an action is about.
func (p *platform) messageAt(
	ctx context.Context, t integration.Target, ch *integration.Channel,
) (a api, path string, err error) {
	a = p.api(ch.Credentials, ch.Settings)
	messageID, err := messageIDOf(t.MessageID, "messageId")
	if err != nil {
		return a, "", err
	}
	path, err = a.pathOf(ctx, t, &integration.Message{}, messageID)
	return a, path, err
}

// change makes a call that has no body and does nothing more when it is made twice.
func (a *api) change(ctx context.Context, name, method, path string) error {
	return a.Change(ctx, httpapi.Call{Name: name, Method: method, Path: path})
}

// DeleteMessage removes a message, "Delete Message". A message that is gone already is no error.
func (p *platform) DeleteMessage(ctx context.Context, t integration.Target, ch *integration.Channel) error {
	a, path, err := p.messageAt(ctx, t, ch)
	if err != nil {
		return err
	}
	err = a.change(ctx, "delete message", http.MethodDelete, path)
	if integration.HasCode(err, codes.MessageNotFound) {
		return nil
	}
	return err
}

// customEmoji is "<:NAME:ID>", the form in which texts have an emoji of a server, "Message Formatting". Reactions take
// "NAME:ID".
var customEmoji = regexp.MustCompile(`^(?:<a?:)?(\w{2,32}:\d{1,20})>?$`)

// React puts an emoji on a message, "Create Reaction", or takes away all that the bot has put there.
func (p *platform) React(ctx context.Context, t integration.Target, emoji string, ch *integration.Channel) error {
	a, path, err := p.messageAt(ctx, t, ch)
	if err != nil {
		return err
	}
	if emoji == "" {
		return a.unreact(ctx, path)
	}
	if custom := customEmoji.FindStringSubmatch(emoji); custom != nil {
		emoji = custom[1]
	}
	return a.change(ctx, "create reaction", http.MethodPut, ownReaction(path, emoji))
}

func ownReaction(path, emoji string) string {
	return path + "/reactions/" + url.PathEscape(emoji) + "/@me"
}

// unreact asks which of a message's reactions are the bot's, "Get Channel Message", and deletes these.
func (a *api) unreact(ctx context.Context, path string) error {
	var m struct {
		Reactions []struct {
			Me    bool `json:"me"`
			Emoji struct {
				ID   snowflake `json:"id"`
				Name string    `json:"name"`
			} `json:"emoji"`
		} `json:"reactions"`
	}
	if _, err := a.Ask(ctx, httpapi.Get("get message", path), &m); err != nil {
		return err
	}
	for _, r := range m.Reactions {
		if !r.Me {
			continue
		}
		emoji := r.Emoji.Name
		if r.Emoji.ID != "" {
			emoji = cmp.Or(r.Emoji.Name, "_") + ":" + string(r.Emoji.ID) // the name of an emoji that was deleted is null
		}
		if err := a.change(ctx, "delete reaction", http.MethodDelete, ownReaction(path, emoji)); err != nil {
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
	channelID, err := a.channelOf(ctx, to)
	if err != nil {
		return err
	}
	return a.change(ctx, "typing", http.MethodPost, "/channels/"+channelID+"/typing")
}
