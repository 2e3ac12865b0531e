package discord

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"net/http"
	"net/url"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// A message whose metadata has an interactionToken answers that interaction, through the webhook that every interaction
// has, "Followup Messages". Which call that is follows from what the interaction was told in Respond:
//
//   - A command or a form was told "thinking…" (type 5): its first answer takes the place of that, by "Edit Original
//     Interaction Response". Whether a message is the first one is asked of Discord, as another node may have sent
//     others. All later ones are follow-up messages of their own.
//   - A button or a menu was told nothing that shows (type 6): all its answers are follow-up messages.
//
// When the token has expired the message goes to the conversation like any other, but for one that only one user was
// to see. Answers have no nonce: "Execute Webhook" takes none.
const (
	metaToken       = "interactionToken"
	metaExpires     = "interactionExpiresAt" // ms since 1970
	metaApplication = "applicationId"
	metaEphemeral   = "interactionEphemeral"
	metaKind        = "interactionType"
	metaID          = "interactionId"

	flagEphemeral = 1 << 6 // "Message Flags"
	flagLoading   = 1 << 7
)

// interaction is what a message answers.
type interaction struct {
	id          string
	token       string
	application string
	expires     int64 // ms since 1970; zero when the caller does not say
	ephemeral   bool
	deferred    bool // with a message that says that the app is thinking
}

// interactionOf reads a message's metadata, nil where it answers no interaction.
func interactionOf(metadata map[string]any, a api) *interaction {
	text := func(key string) string {
		s, _ := metadata[key].(string)
		return s
	}
	token := text(metaToken)
	if token == "" {
		return nil
	}
	kind := text(metaKind)
	ephemeral, _ := metadata[metaEphemeral].(bool)
	return &interaction{
		id: text(metaID), token: token, application: cmp.Or(text(metaApplication), a.application), expires: number(metadata[metaExpires]),
		ephemeral: ephemeral, deferred: kind == "command" || kind == "modal",
	}
}

// number reads a number as it is in a message of this process, or in one that came as JSON.
func number(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case float64:
		return int64(v)
	case json.Number:
		n, _ := v.Int64()
		return n
	default:
		return 0
	}
}

// path is the interaction's webhook, or something below it.
func (i *interaction) path(below string) string {
	return "/webhooks/" + url.PathEscape(i.application) + "/" + url.PathEscape(i.token) + below
}

const original = "/messages/@original"

// answer sends an answer to an interaction.
func (p *platform) answer(ctx context.Context, a api, i *interaction, d *draft) (*sent, error) {
	c := call{name: "answer", path: i.path(""), anonymous: true}
	if i.deferred {
		done, err := p.answering.take(ctx, i.token)
		if err != nil {
			return nil, err
		}
		defer done()
		first, err := i.isThinking(ctx, a)
		if err != nil {
			return nil, err
		}
		if first {
			c.method, c.path = http.MethodPatch, i.path(original)
		}
	}
	if i.ephemeral && c.method == "" { // the first answer is what it was announced to be
		d.body.Flags |= flagEphemeral
	}
	var err error
	if c.body, err = p.encode(ctx, a, c.name, d, func(o *outgoing) any { return o }); err != nil {
		return nil, err
	}
	return i.deliver(ctx, a, c)
}

// isThinking says whether the interaction still waits for its first answer.
func (i *interaction) isThinking(ctx context.Context, a api) (bool, error) {
	first, err := i.deliver(ctx, a, call{name: "answer (what was said before)", method: http.MethodGet, path: i.path(original), anonymous: true, again: httpapi.Repeatable})
	if e, ok := errors.AsType[*integration.Error](err); ok && e.Code == noMessage.code {
		return false, nil // somebody has deleted it
	}
	if err != nil {
		return false, err
	}
	return first.Flags&flagLoading != 0, nil
}

// deliver makes a call of the interaction's webhook. One that Discord does not know yet is no reason to give up.
func (i *interaction) deliver(ctx context.Context, a api, c call) (*sent, error) {
	s, err := a.deliver(ctx, c)
	e, ok := errors.AsType[*integration.Error](err)
	settled := time.UnixMilli(i.expires).Add(settlingTime - tokenLifetime)
	if !ok || e.HTTPStatus != http.StatusNotFound || e.Code != expired.code && e.Code != noMessage.code || time.Now().After(settled) {
		return s, err
	}
	later := *e
	later.Kind, later.Code, later.RetryAfter = integration.FaultTransient, codes.InteractionNotReady, settlingPause
	return nil, &later
}

// turns lets the answers to one interaction through one at a time: two at once could both be taken for the first, and
// one would replace the other. It guards the answers of this node only.
type turns struct {
	seed  maphash.Seed
	lanes []chan struct{}
}

func newTurns() turns {
	t := turns{maphash.MakeSeed(), make([]chan struct{}, 64)}
	for i := range t.lanes {
		t.lanes[i] = make(chan struct{}, 1)
	}
	return t
}

// take waits for its turn.
func (t turns) take(ctx context.Context, token string) (done func(), err error) {
	lane := t.lanes[maphash.String(t.seed, token)%uint64(len(t.lanes))]
	select {
	case lane <- struct{}{}:
		return func() { <-lane }, nil
	case <-ctx.Done():
		return nil, &integration.Error{
			Kind: integration.FaultTransient, Code: codes.PlatformUnreachable, Err: ctx.Err(),
			Message: "discord answer: other answers to the interaction took all the time; nothing was sent",
		}
	}
}

// editPath is where a message that answers an interaction is changed.
func (i *interaction) editPath(messageID string) string {
	return i.path("/messages/" + url.PathEscape(messageID))
}

// live is the interaction as long as it can be answered, else nil.
func (i *interaction) live() *interaction {
	if i == nil || i.expires != 0 && i.expires <= time.Now().UnixMilli() {
		return nil
	}
	return i
}

// tooLate is for an answer that only one user was to see: what everybody sees is no substitute.
func (i *interaction) tooLate() error {
	return &integration.Error{
		Kind: integration.FaultPermanent, Code: expired.code,
		Message: "the interaction could be answered until " + time.UnixMilli(i.expires).UTC().Format(time.RFC3339) +
			"; the answer was for one user's eyes, and is not shown to all of the channel instead",
	}
}
