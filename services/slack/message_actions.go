package slack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// typingStatus is shown beside the app's name while it writes, "assistant.threads.setStatus".
const typingStatus = "is typing…"

// targetOf finds the channel and the ts of the message that an action is about.
func targetOf(t integration.Target) (channel, ts string, err error) {
	channel, ts = splitMessageID(t.MessageID)
	conversation, _, _ := strings.Cut(string(t.ConversationID), ":")
	channel = cmp.Or(channel, conversation)
	if !tsPattern.MatchString(ts) || !channelPattern.MatchString(channel) || strings.HasPrefix(channel, "#") {
		return "", "", integration.Invalid(
			"messageId must be channel:ts, such as C024BE91L:1595926230.009600, or a ts beside a conversationId",
		)
	}
	return channel, ts, nil
}

// EditMessage replaces a message, "chat.update".
func (p *platform) EditMessage(
	ctx context.Context, t integration.Target, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	channel, ts, err := targetOf(t)
	if err != nil {
		return nil, err
	}
	d, err := newDraft(m)
	if err != nil {
		return nil, err
	}
	if len(d.uploads)+len(d.linked) > 0 {
		return nil, integration.UnsupportedContent(
			"the files of a message cannot be changed through Slack; its text, pictures by a link, buttons and menus can",
		)
	}
	if n := textlimit.Characters(d.post.Text); n > maxText {
		return nil, &integration.Error{
			Kind: integration.FaultInvalid, Code: codes.MessageTooLong,
			Message: fmt.Sprintf("the text has %d characters; Slack takes %d of one that replaces another", n, maxText),
		}
	}
	params := d.post
	params.Channel, params.TS, params.Markup = channel, ts, nil
	if params.Blocks == nil && params.MarkdownText == "" {
		params.Blocks = []slack.Block{} // or those of the old message would stay
	}
	result, err := p.api(ch.Credentials, ch.Settings).post(ctx, "chat.update", params, d)
	return result, httpapi.Idempotent(err)
}

// DeleteMessage removes a message, "chat.delete".
func (p *platform) DeleteMessage(ctx context.Context, t integration.Target, ch *integration.Channel) error {
	channel, ts, err := targetOf(t)
	if err != nil {
		return err
	}
	params := map[string]string{"channel": channel, "ts": ts}
	return change(ctx, p.api(ch.Credentials, ch.Settings), "chat.delete", params)
}

// React puts an emoji on a message, "reactions.add", or takes all of the app's own away.
func (p *platform) React(ctx context.Context, t integration.Target, emoji string, ch *integration.Channel) error {
	channel, ts, err := targetOf(t)
	if err != nil {
		return err
	}
	a := p.api(ch.Credentials, ch.Settings)
	if emoji == "" {
		return a.unreact(ctx, channel, ts)
	}
	name, err := emojiName(emoji)
	if err != nil {
		return err
	}
	params := map[string]string{"channel": channel, "timestamp": ts, "name": name}
	return ignore("already_reacted", change(ctx, a, "reactions.add", params))
}

// unreact takes each of the app's reactions away. "reactions.remove" takes one at a time.
func (a *api) unreact(ctx context.Context, channel, ts string) error {
	me, _, err := ask[identity](ctx, a, "auth.test", url.Values{})
	if err != nil {
		return err
	}
	type reactions struct {
		Message struct {
			Reactions []struct {
				Name  string   `json:"name"`
				Users []string `json:"users"`
			} `json:"reactions"`
		} `json:"message"`
	}
	query := url.Values{"channel": {channel}, "timestamp": {ts}, "full": {"true"}}
	there, _, err := ask[reactions](ctx, a, "reactions.get", query)
	if err != nil {
		return err
	}
	for _, r := range there.Message.Reactions {
		if !slices.Contains(r.Users, me.UserID) {
			continue
		}
		params := map[string]string{"channel": channel, "timestamp": ts, "name": r.Name}
		if err := ignore("no_reaction", change(ctx, a, "reactions.remove", params)); err != nil {
			return err
		}
	}
	return nil
}

// ignore is nil for the refusal with this code of Slack's, which says that nothing is left to do.
func ignore(code string, err error) error {
	if e, ok := errors.AsType[*integration.Error](err); ok && e.PlatformCode == code {
		return nil
	}
	return err
}

// ShowTyping shows in the thread of an assistant that the app is writing. Slack shows it nowhere else.
func (p *platform) ShowTyping(ctx context.Context, t integration.Target, ch *integration.Channel) error {
	channel, thread, _ := strings.Cut(string(t.ConversationID), ":")
	of, ts := splitMessageID(t.MessageID)
	channel, thread = cmp.Or(channel, of), cmp.Or(string(t.ThreadID), thread, ts)
	if !channelPattern.MatchString(channel) || !tsPattern.MatchString(thread) {
		return integration.UnsupportedContent("Slack shows only in threads of assistants that the app is writing: " +
			"conversationId and threadId must name one")
	}
	params := map[string]string{"channel_id": channel, "thread_ts": thread, "status": typingStatus}
	return change(ctx, p.api(ch.Credentials, ch.Settings), "assistant.threads.setStatus", params)
}
