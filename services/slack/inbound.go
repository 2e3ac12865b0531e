package slack

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/payload"
)

// The headers of an event that Slack sends again, "Using the Events API": how often it has sent it before, and why.
const (
	headerRetryNumber = "x-slack-retry-num"
	headerRetryReason = "x-slack-retry-reason"
)

// Normalize makes one message of an event or a command, and one of each action of an interaction. If a field has an
// unexpected type, or the event is not known here, the message is of TypeUnsupported and has what could be read.
func (*platform) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	d, err := readDelivery(w)
	switch {
	case err != nil:
		return nil, err
	case d.probe:
		return nil, nil
	case d.command != nil:
		if isForeign(w, d.command.Get("team_id"), d.command.Get("enterprise_id")) {
			return nil, nil
		}
		return []integration.Message{readCommand(w, d.command)}, nil
	}
	var e envelope
	typeErr, err := decodeJSON(d.payload, &e)
	switch {
	case err != nil:
		return nil, err
	case e.Type == "event_callback" && isForeign(w, e.teams()...):
		return nil, nil
	case e.Type == "event_callback":
		r := reader{w: w, raw: d.payload, typeErr: typeErr}
		if m := r.event(&e); m != nil {
			return []integration.Message{*m}, nil
		}
		return nil, nil
	case e.Type == "url_verification" && e.Challenge != "":
		return nil, nil
	case e.Type == "app_rate_limited":
		if isForeign(w, e.teams()...) {
			return nil, nil
		}
		return []integration.Message{rateLimited(w, &e)}, nil
	case e.Type == "" || e.Type == "url_verification":
		return nil, malformed("the payload is neither an event nor an interaction of Slack")
	default:
		return readInteraction(w, d.payload)
	}
}

// Accounts names the workspace that a webhook is for, or its organization where the app is installed in that. The
// handshake of the URL names neither.
func (*platform) Accounts(_ context.Context, w *integration.Webhook) ([]string, error) {
	d, err := readDelivery(w)
	switch {
	case err != nil:
		return nil, err
	case d.probe:
		return nil, nil
	case d.command != nil:
		return oneOf(d.command.Get("team_id"), d.command.Get("enterprise_id")), nil
	case !d.event:
		var in interaction
		_ = payload.Unmarshal(d.payload, &in) // Normalize refuses what cannot be read
		return oneOf(in.teams()...), nil
	}
	var e envelope
	_ = payload.Unmarshal(d.payload, &e) // Normalize refuses what cannot be read
	teams := []string{e.TeamID, e.EnterpriseID}
	for _, a := range e.Authorizations { // in a shared channel team_id need not be where the app is
		teams = append([]string{a.TeamID, a.EnterpriseID}, teams...)
	}
	return oneOf(teams...), nil
}

// oneOf returns the first id that is there.
func oneOf(ids ...string) []string { return []string{cmp.Or(ids...)} }

// isForeign says whether a webhook names workspaces and organizations and none of them is the channel's. The same app
// may be installed in many.
func isForeign(w *integration.Webhook, teams ...string) bool {
	own := w.Channel.Settings[fieldTeamID]
	teams = slices.DeleteFunc(teams, func(id string) bool { return id == "" })
	if own == "" || len(teams) == 0 || slices.Contains(teams, own) {
		return false
	}
	w.Foreign("workspace " + teams[0])
	return true
}

// teams are the workspaces and organizations that an event is for. In a channel that several workspaces share, the one
// where it took place need not be among them.
func (e *envelope) teams() []string {
	list := []string{e.ContextTeamID, e.ContextEnterprise, e.TeamID, e.EnterpriseID}
	for _, a := range e.Authorizations {
		list = append(list, a.TeamID, a.EnterpriseID)
	}
	return list
}

// decodeJSON decodes a payload. typeErr says that a field has an unexpected type; all other fields are decoded.
func decodeJSON(data []byte, into any) (typeErr bool, err error) {
	err = payload.Unmarshal(data, into)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return true, nil
	}
	if err != nil {
		return false, malformed("the payload is not valid JSON")
	}
	return false, nil
}

// reader makes a message of one payload.
type reader struct {
	w       *integration.Webhook
	raw     json.RawMessage
	typeErr bool // a field has an unexpected type
	bot     string
	m       *integration.Message
}

// event reads an event. It returns nil for one that says nothing new.
func (r *reader) event(e *envelope) *integration.Message {
	for _, a := range e.Authorizations {
		if a.IsBot {
			r.bot = a.UserID
			break
		}
	}
	r.m = &integration.Message{
		To:       integration.Party{ID: integration.ID(cmp.Or(r.bot, e.TeamID))},
		DedupKey: cmp.Or(e.EventID, digest(r.raw)),
		Metadata: map[string]any{},
	}
	r.note("eventId", e.EventID)
	r.note("teamId", e.TeamID)
	r.note("enterpriseId", e.EnterpriseID)
	r.note("apiAppId", e.APIAppID)
	r.note("channelType", e.Event.ChannelType)
	if e.SharedChannel {
		r.m.Metadata["sharedChannel"] = true
	}
	if n, _ := strconv.Atoi(r.w.Headers.Get(headerRetryNumber)); n > 0 {
		r.m.Metadata["retryNumber"] = n
		r.note("retryReason", r.w.Headers.Get(headerRetryReason))
	}
	known, news := r.readEvent(&e.Event)
	switch {
	case !news && !r.typeErr:
		return nil
	case r.typeErr:
		r.unsupported(eventType(&e.Event), "a field has an unexpected type")
	case !known:
		r.unsupported(eventType(&e.Event), "")
	}
	r.m.ID = cmp.Or(r.m.ID, integration.ID(r.m.DedupKey))
	r.m.ConversationID = cmp.Or(r.m.ConversationID, r.m.From.ID, integration.ID(e.TeamID))
	if r.m.Timestamp == 0 {
		r.m.Timestamp = cmp.Or(
			milliseconds(e.Event.EventTS), milliseconds(strconv.FormatInt(e.EventTime, 10)), r.w.Timestamp.UnixMilli(),
		)
	}
	return r.m
}

// eventType is what Slack calls an event, with its subtype where it has one.
func eventType(e *event) string {
	if e.Subtype != "" {
		return e.Type + "." + e.Subtype
	}
	return cmp.Or(e.Type, "event_callback")
}

// note adds a text to the message's metadata, unless it is empty.
func (r *reader) note(key, value string) {
	if value != "" {
		r.m.Metadata[key] = value
	}
}

// masked are the members of payloads that are not published: the app's verification token, which Slack used before it
// signed webhooks, tokens of workflows, and links by which everybody may answer. The link for the answer to a message
// is in its replyContext.
var masked = []string{"token", "bot_access_token", "user_access_token", "access_token", "response_url"}

// keep puts the payload into the metadata, without the secrets in it.
func (r *reader) keep() { r.m.Metadata["raw"] = integration.MaskRaw(r.raw, masked...) }

// unsupported makes the content UNSUPPORTED, with Slack's name for it, and keeps the payload.
func (r *reader) unsupported(platformType, reason string) {
	r.m.Content = integration.Content{
		Type: integration.TypeUnsupported, Text: r.m.Content.Text,
		Unsupported: &integration.Unsupported{PlatformType: platformType, Reason: reason},
	}
	r.keep()
}

// setConversation fills in the conversation and the thread. ts is that of the message itself, which begins a thread
// where each thread is a conversation.
func (r *reader) setConversation(channel, threadTS, ts string) {
	r.m.ConversationID, r.m.ThreadID = integration.ID(channel), integration.ID(threadTS)
	if r.w.Channel.Settings[fieldConversations] == conversationPerThread && channel != "" && cmp.Or(threadTS, ts) != "" {
		r.m.ThreadID = integration.ID(cmp.Or(threadTS, ts))
		r.m.ConversationID += ":" + r.m.ThreadID
	}
	r.m.PutReplyValue(replyThread, string(messageID(channel, string(r.m.ThreadID))))
}

// messageID is unique among all channels, as ts is in its own only.
func messageID(channel, ts string) integration.ID {
	if channel == "" || ts == "" {
		return ""
	}
	return integration.ID(channel + ":" + ts)
}

// milliseconds reads a ts, such as "1595926230.009600" or whole seconds. It returns 0 for anything else.
func milliseconds(ts string) int64 {
	whole, fraction, _ := strings.Cut(ts, ".")
	const since, until = 1e9, 1e11 // 2001, and the year 5138
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds < since || seconds > until {
		return 0
	}
	ms, err := strconv.ParseInt((fraction + "000")[:3], 10, 64)
	if err != nil || ms < 0 {
		ms = 0
	}
	return seconds*1000 + ms
}

// digest is the dedup key of a payload that has no id.
func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// rateLimited reads the event by which Slack says that it has left out others.
func rateLimited(w *integration.Webhook, e *envelope) integration.Message {
	minute := strconv.FormatInt(e.MinuteRateLimited, 10)
	return integration.Message{
		ID: integration.ID("app_rate_limited:" + minute), ConversationID: integration.ID(e.TeamID),
		To:   integration.Party{ID: integration.ID(e.TeamID)},
		Kind: integration.KindSystem, DedupKey: "app_rate_limited:" + minute,
		Timestamp: cmp.Or(milliseconds(minute), w.Timestamp.UnixMilli()),
		Content: integration.Content{
			Type: integration.TypeSystem,
			System: &integration.System{
				Event: "app_rate_limited", Body: "Slack left out events of this minute: there were more than it delivers",
			},
		},
		Metadata: map[string]any{"teamId": e.TeamID, "apiAppId": e.APIAppID},
	}
}
