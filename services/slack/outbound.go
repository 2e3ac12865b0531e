package slack

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/slack-go/slack"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// metadataEvent is the type of the metadata of a sent message. It holds the id that the message has here: by it a
// message can be found whose outcome is unknown. Slack has no key against posting twice.
const metadataEvent = "switchboard_message"

// post holds the parameters of "chat.postMessage" and "chat.update", and what a response_url takes.
type post struct {
	Channel      string        `json:"channel,omitempty"`
	TS           string        `json:"ts,omitempty"`        // of the message to update
	ThreadTS     string        `json:"thread_ts,omitempty"` // of the thread to post in
	Text         string        `json:"text,omitempty"`
	MarkdownText string        `json:"markdown_text,omitempty"`
	Markup       *bool         `json:"mrkdwn,omitempty"`
	Blocks       []slack.Block `json:"blocks,omitzero"` // empty and not nil removes those that are there
	UnfurlLinks  *bool         `json:"unfurl_links,omitempty"`
	UnfurlMedia  *bool         `json:"unfurl_media,omitempty"`
	Metadata     *metadata     `json:"metadata,omitempty"`

	// Of a response_url only.
	ResponseType    string `json:"response_type,omitempty"`
	ReplaceOriginal bool   `json:"replace_original,omitempty"`
	DeleteOriginal  bool   `json:"delete_original,omitempty"`
}

type metadata struct {
	EventType    string          `json:"event_type"`
	EventPayload metadataPayload `json:"event_payload"`
}

type metadataPayload struct {
	ID integration.ID `json:"id"`
}

// posted is the answer of "chat.postMessage" and "chat.update".
type posted struct {
	Channel string `json:"channel"`
	TS      string `json:"ts"`
	Warning string `json:"warning"`
}

// Send posts a message, shares files, or answers at a response_url. Files go to the conversation in any case.
func (p *platform) Send(
	ctx context.Context, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	reply, err := readReply(m)
	if err != nil {
		return nil, err
	}
	d, err := newDraft(m)
	if err != nil {
		return nil, err
	}
	a := p.api(ch.Credentials, ch.Settings)
	if err := a.addLinks(ctx, d); err != nil {
		return nil, err
	}
	if reply.responseURL != "" && len(d.uploads) == 0 {
		return a.respond(ctx, d, m, reply)
	}
	to, err := newDestination(m, reply)
	if err != nil {
		return nil, err
	}
	if len(d.uploads) > 0 {
		return a.share(ctx, d, to)
	}
	params := d.post
	params.Channel, params.ThreadTS = to.channel, to.thread
	if ch.Settings[fieldLinkPreviews] == noLinkPreviews {
		params.UnfurlLinks, params.UnfurlMedia = new(bool), new(bool)
	}
	if m.ID != "" {
		params.Metadata = &metadata{EventType: metadataEvent, EventPayload: metadataPayload{ID: m.ID}}
	}
	return a.post(ctx, "chat.postMessage", params, d)
}

// post runs "chat.postMessage" or "chat.update".
func (a *api) post(ctx context.Context, method string, params post, d *draft) (*integration.SendResult, error) {
	result, answer, err := call[posted](ctx, a, method, params)
	if err != nil {
		return nil, err
	}
	if result.TS == "" {
		return nil, httpapi.Unreadable("slack "+method, answer.Status, nil)
	}
	channel := cmp.Or(result.Channel, params.Channel) // Slack names the conversation where a user was given
	sent := d.result(map[string]any{"channel": channel, "ts": result.TS})
	sent.MessageID = messageID(channel, result.TS)
	if result.Warning != "" {
		sent.Metadata["warning"] = result.Warning
	}
	return sent, nil
}

// result is the result of a draft that was sent.
func (d *draft) result(metadata map[string]any) *integration.SendResult {
	return &integration.SendResult{Success: true, Degraded: d.degraded, Metadata: metadata}
}

// destination is where a message goes.
type destination struct {
	channel string // or a user, who gets a direct message
	thread  string // ts of the thread's first message
}

var (
	channelPattern = regexp.MustCompile(`^([CGD][A-Z0-9]{2,}|#[^\s:]+)$`)
	userPattern    = regexp.MustCompile(`^[UW][A-Z0-9]{2,}$`)
	tsPattern      = regexp.MustCompile(`^\d+\.\d+$`)
)

// newDestination finds the channel, or the user, and the thread. An answer may have the sender and the conversation of
// the message that it answers: it goes to the conversation then. The id of a conversation may name a thread:
// "channel:thread_ts".
func newDestination(m *integration.Message, reply replyContext) (destination, error) {
	to, toThread, _ := strings.Cut(string(m.To.ID), ":")
	conversation, thread, _ := strings.Cut(string(m.ConversationID), ":")
	var d destination
	switch {
	case channelPattern.MatchString(to):
		d = destination{to, toThread}
		if to == conversation {
			d.thread = cmp.Or(toThread, thread)
		}
	case channelPattern.MatchString(conversation):
		d = destination{conversation, thread}
	case userPattern.MatchString(to):
		d.channel = to
	case userPattern.MatchString(conversation):
		d.channel = conversation
	default:
		return d, integration.Invalid("to.id or conversationId must be the id of a channel or a user of Slack, "+
			"such as C024BE91L, and not %q", m.Recipient())
	}
	d.thread = cmp.Or(string(m.ThreadID), d.thread)
	if m.ReplyTo != nil && m.ReplyTo.MessageID != "" && d.thread == "" {
		channel, ts := splitMessageID(m.ReplyTo.MessageID)
		if channel != "" && channel != d.channel && !userPattern.MatchString(d.channel) {
			return d, integration.Invalid("replyTo.messageId is of another channel: Slack answers in the same one only")
		}
		d.thread = ts
	}
	d.thread = cmp.Or(d.thread, reply.threadIn(d.channel))
	if d.thread != "" && !tsPattern.MatchString(d.thread) {
		return d, integration.Invalid("the thread %q is not the ts of a message, such as 1595926230.009600", d.thread)
	}
	return d, nil
}

// splitMessageID accepts "channel:ts", as ids of inbound messages are, and "ts".
func splitMessageID(id integration.ID) (channel, ts string) {
	channel, ts, ok := strings.Cut(string(id), ":")
	if !ok {
		return "", channel
	}
	return channel, ts
}

// draft is a message that is to be sent: what is posted, and which files are uploaded for it.
type draft struct {
	post     post
	uploads  []integration.Media
	linked   []integration.Media // by their ids at Slack
	degraded integration.Losses
}

// newDraft translates a message, and checks it against Slack's limits.
func newDraft(m *integration.Message) (*draft, error) {
	d := &draft{}
	c := &m.Content
	switch c.Type {
	case integration.TypeText, integration.TypeInteractive, "":
	case integration.TypeImage, integration.TypeVideo, integration.TypeAudio, integration.TypeVoice, integration.TypeFile:
		if c.Type == integration.TypeVoice {
			d.degraded.Add(integration.FeatureVoice, "audio")
		}
	default:
		return nil, integration.UnsupportedContent("content of type %s cannot be sent through Slack", c.Type)
	}
	if media := c.MediaList(); len(media) > 0 {
		return d, d.addMedia(c, media)
	} else if t := c.Type; t != integration.TypeText && t != integration.TypeInteractive && t != "" {
		return nil, integration.Invalid("content of type %s needs content.media", t)
	}
	if c.Interactive != nil || c.Type == integration.TypeInteractive {
		return d, d.addInteractive(c)
	}
	return d, d.addText(c)
}

// addText makes a post that has text only.
func (d *draft) addText(c *integration.Content) error {
	text, markup, err := markedText(c, c.Text)
	if err != nil {
		return err
	}
	if strings.TrimSpace(text) == "" {
		return integration.Invalid("content.text is empty; Slack posts nothing that is only white space")
	}
	if c.Format == formatMarkdown {
		d.post.MarkdownText = text
		return nil
	}
	d.post.Text, d.post.Markup = text, markup
	return nil
}

// Values of [integration.Content.Format].
const (
	formatMarkup   = "mrkdwn"
	formatMarkdown = "markdown"
)

// markedText returns a text in the form that Slack takes. markup is false for a text in which Slack must not look for
// markup, and otherwise nil.
func markedText(c *integration.Content, text string) (marked string, markup *bool, err error) {
	limit := maxPostedText
	switch c.Format {
	case formatMarkdown:
		limit = maxMarkdown
	case formatMarkup:
	case "", "plain":
		var hasReferences bool
		if text, hasReferences = encode(text, c.Entities); !hasReferences {
			markup = new(bool)
		}
	default:
		return "", nil, integration.UnsupportedContent(
			"Slack has no texts of format %q; it has plain ones, mrkdwn and markdown", c.Format,
		)
	}
	if n := textlimit.Characters(text); n > limit {
		return "", nil, &integration.Error{
			Kind: integration.FaultInvalid, Code: codes.MessageTooLong,
			Message: fmt.Sprintf("the text has %d characters; Slack takes %d", n, limit),
		}
	}
	return text, markup, nil
}
