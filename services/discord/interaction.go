package discord

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// A message with the replyContext of an interaction answers it, through the webhook that every interaction has,
// "Followup Messages". Which call that is follows from the response that Respond gave to the interaction:
//
//   - A command or a form was answered with "thinking…" (type 5). Its first answer takes the place of that, by "Edit
//     Original Interaction Response". Discord is asked whether an answer is the first one, since another node may have
//     sent one. All later answers are follow-up messages of their own.
//   - A button or a menu was answered with nothing that shows (type 6): all its answers are follow-up messages.
//
// After the token has expired, an answer goes to the conversation like any other message, unless it was for one user
// only. Answers have no nonce: "Execute Webhook" takes none.

// Names of the metadata that has the same as replyContext, for one release. Senders hand back either.
const (
	metaID          = "interactionId"
	metaToken       = "interactionToken" // #nosec G101 -- a name
	metaApplication = "applicationId"
	metaKind        = "interactionType"
	metaExpires     = "interactionExpiresAt" // ms since 1970
	metaEphemeral   = "interactionEphemeral"
)

// Names of the values in replyContext.
const (
	replyToken       = "token"
	replyID          = "id"
	replyApplication = "application"
	replyKind        = "type"
	replyExpires     = "expires"
	replyEphemeral   = "ephemeral"
)

const (
	flagEphemeral = 1 << 6 // "Message Flags"
	flagLoading   = 1 << 7
)

// interaction is what a message answers.
type interaction struct {
	id          string
	token       string // lets everybody answer the interaction for a quarter of an hour
	application string
	kind        string // such as "command"
	expires     int64  // ms since 1970; zero when the caller does not say
	ephemeral   bool
}

// putInto adds to a message that came in what its answers need.
func (i *interaction) putInto(m *integration.Message) {
	integration.PutText(m.Metadata, metaID, i.id)
	integration.PutText(m.Metadata, metaToken, i.token)
	integration.PutText(m.Metadata, metaApplication, i.application)
	m.Metadata[metaExpires] = i.expires
	if i.ephemeral {
		m.Metadata[metaEphemeral] = true
	}
	m.PutReplyValue(replyToken, i.token)
	if m.ReplyContext == "" {
		return // no replyContext has room for the token
	}
	m.PutReplyValue(replyID, i.id)
	m.PutReplyValue(replyApplication, i.application)
	m.PutReplyValue(replyKind, i.kind)
	m.PutReplyValue(replyExpires, strconv.FormatInt(i.expires, 10))
	if i.ephemeral {
		m.PutReplyValue(replyEphemeral, yes)
	}
}

// interactionOf reads which interaction a message answers, from its replyContext or else from its metadata. It is nil
// for a message that answers none. A replyContext that putInto cannot have written is an error.
func interactionOf(m *integration.Message, a *api) (*interaction, error) {
	values, err := m.ReplyValues()
	switch {
	case err != nil:
		return nil, err
	case values == nil:
		return interactionIn(m.Metadata, a), nil
	}
	expires, err := strconv.ParseInt(values.Get(replyExpires), 10, 64)
	if err != nil || values.Get(replyToken) == "" {
		return nil, integration.Invalid("replyContext is not that of a message from Discord: hand it back as it came")
	}
	return &interaction{
		id: values.Get(replyID), token: values.Get(replyToken), kind: values.Get(replyKind), expires: expires,
		application: cmp.Or(values.Get(replyApplication), a.application), ephemeral: values.Get(replyEphemeral) == yes,
	}, nil
}

// interactionIn reads the metadata names of the releases before replyContext.
func interactionIn(metadata map[string]any, a *api) *interaction {
	token := integration.TextIn(metadata, metaToken)
	if token == "" {
		return nil
	}
	return &interaction{
		id: integration.TextIn(metadata, metaID), token: token, kind: integration.TextIn(metadata, metaKind),
		application: cmp.Or(integration.TextIn(metadata, metaApplication), a.application),
		expires:     number(metadata[metaExpires]), ephemeral: integration.FlagIn(metadata, metaEphemeral),
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

// isDeferred says whether the interaction was answered with a message that says that the app is thinking.
func (i *interaction) isDeferred() bool { return i.kind == kindCommand || i.kind == kindModal }

// path is the interaction's webhook, or something below it.
func (i *interaction) path(below string) string {
	return "/webhooks/" + url.PathEscape(i.application) + "/" + url.PathEscape(i.token) + below
}

const original = "/messages/@original"

// answer sends an answer to an interaction.
func (p *platform) answer(ctx context.Context, a api, i *interaction, d *draft) (*sent, error) {
	anonymous := a.anonymous()
	c := httpapi.Call{Name: "answer", Path: i.path(""), Slow: len(d.files) > 0}
	if i.isDeferred() {
		unlock, err := p.answerLocks.lock(ctx, i.token)
		if err != nil {
			return nil, err
		}
		defer unlock()
		first, err := i.isThinking(ctx, &anonymous)
		if err != nil {
			return nil, err
		}
		if first {
			c.Method, c.Path = http.MethodPatch, i.path(original)
		}
	}
	if i.ephemeral && c.Method == "" { // whether all see the first answer was decided with "thinking…"
		d.body.Flags |= flagEphemeral
	}
	var err error
	if c.Body, err = a.encode(ctx, c.Name, d); err != nil {
		return nil, err
	}
	return i.call(ctx, &anonymous, c)
}

// isThinking says whether the interaction still waits for its first answer.
func (i *interaction) isThinking(ctx context.Context, a *api) (bool, error) {
	first, err := i.call(ctx, a, httpapi.Call{
		Name: "answer (get original)", Method: http.MethodGet, Path: i.path(original), Again: httpapi.Repeatable,
	})
	if integration.HasCode(err, codes.MessageNotFound) {
		return false, nil // somebody has deleted it
	}
	if err != nil {
		return false, err
	}
	return first.Flags&flagLoading != 0, nil
}

// call makes a call of the interaction's webhook. While Discord may not know a new token yet, an unknown one is a
// transient error.
func (i *interaction) call(ctx context.Context, a *api, c httpapi.Call) (*sent, error) {
	s, err := a.askForMessage(ctx, c)
	e, ok := errors.AsType[*integration.Error](err)
	if !ok || e.HTTPStatus != http.StatusNotFound {
		return s, err
	}
	known := time.UnixMilli(i.expires).Add(tokenDelay - tokenLifetime)
	if e.Code != codes.InteractionExpired && e.Code != codes.MessageNotFound || time.Now().After(known) {
		return nil, err
	}
	notYet := *e
	notYet.Kind, notYet.Code, notYet.RetryAfter = integration.FaultTransient, codes.InteractionNotReady, tokenRetryPause
	return nil, &notYet
}

// keyedLocks let one at a time through for each key, on this node. The answers to one interaction need that: otherwise
// two at once could both be taken for the first, and one would replace the other.
type keyedLocks struct {
	seed  maphash.Seed
	locks []chan struct{}
}

func newKeyedLocks() keyedLocks {
	l := keyedLocks{maphash.MakeSeed(), make([]chan struct{}, 64)}
	for i := range l.locks {
		l.locks[i] = make(chan struct{}, 1)
	}
	return l
}

// lock waits until nobody else has the lock of the key, such as the token of an interaction. Some keys share a lock.
func (l keyedLocks) lock(ctx context.Context, key string) (unlock func(), err error) {
	lock := l.locks[maphash.String(l.seed, key)%uint64(len(l.locks))]
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
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

// tooLate is the error for an answer that one user only was to see: a message that all see is no substitute.
func (i *interaction) tooLate() error {
	return integration.Refused(
		codes.InteractionExpired, "the interaction could be answered until %s; the answer was for one user's eyes, and is "+
			"not shown to all of the channel instead", time.UnixMilli(i.expires).UTC().Format(time.RFC3339),
	)
}
