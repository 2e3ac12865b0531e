package whatsapp

import (
	"context"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

var (
	_ integration.Reactor    = (*platform)(nil)
	_ integration.Typer      = (*platform)(nil)
	_ integration.ReadMarker = (*platform)(nil)
)

// React implements [integration.Reactor], "Reaction messages". An empty emoji removes the reaction.
func (p *platform) React(ctx context.Context, target integration.Target, emoji string, ch *integration.Channel) error {
	if target.MessageID == "" {
		return integration.Invalid("a reaction needs the id of the message that it is put on")
	}
	r, err := address(target.ConversationID)
	if err != nil {
		return err
	}
	r.Type, r.Reaction = "reaction", &outReaction{MessageID: string(target.MessageID), Emoji: emoji}
	_, err = p.api(ch.Credentials, ch.Settings).send(ctx, &r)
	return err // not idempotent: a reaction is a message, which may be billed and notify twice
}

// ShowTyping implements [integration.Typer], "Typing indicators". The indicator lasts for 25 seconds or until the
// answer comes. It needs a message of the user, which is shown as read.
func (p *platform) ShowTyping(ctx context.Context, target integration.Target, ch *integration.Channel) error {
	return p.read(ctx, target, ch, &typingRequest{Type: "text"})
}

// MarkRead implements [integration.ReadMarker], "Mark messages as read". It includes the messages before.
func (p *platform) MarkRead(ctx context.Context, target integration.Target, ch *integration.Channel) error {
	return p.read(ctx, target, ch, nil)
}

// read marks a message as read. It is idempotent.
func (p *platform) read(
	ctx context.Context, target integration.Target, ch *integration.Channel, typing *typingRequest,
) error {
	if target.MessageID == "" {
		return integration.Invalid(
			"messageId is missing: WhatsApp ties this to a message of the user, which it shows as read",
		)
	}
	body, err := httpapi.JSON(
		"whatsapp messages", &request{Product: product, Status: "read", MessageID: string(target.MessageID), Typing: typing},
	)
	if err != nil {
		return err
	}
	a := p.api(ch.Credentials, ch.Settings)
	return httpapi.Idempotent(a.Post(ctx, "messages", a.phoneNumberID+"/messages", body, &struct{}{}))
}
