package whatsapp

import (
	"context"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// React puts an emoji on a message, "Reaction messages".
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
	return err // it is a message of its own, which may be billed and notify twice
}

// ShowTyping shows for 25 seconds, or until the answer comes, that it is being written. It belongs to a message
// of the user, which counts as read, "Typing indicators".
func (p *platform) ShowTyping(ctx context.Context, target integration.Target, ch *integration.Channel) error {
	return p.read(ctx, target, ch, &typingRequest{Type: "text"})
}

// MarkRead shows a user that a message, and those before it, were read, "Mark messages as read".
func (p *platform) MarkRead(ctx context.Context, target integration.Target, ch *integration.Channel) error {
	return p.read(ctx, target, ch, nil)
}

// read may be repeated: it does nothing the second time.
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
