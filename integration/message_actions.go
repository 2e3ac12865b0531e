package integration

import (
	"context"
	"encoding/json"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

// messageActions are the actions on messages that the platform implements. They have no routes, because they are for
// other services, not for the web.
func (s *platformService) messageActions() map[string]action.Spec {
	actions := map[string]action.Spec{}
	add := func(
		name, description string, params action.Params, do func(context.Context, *messageCall) (*SendResult, error),
	) {
		params = append(action.Params{{Name: "channelId", Type: action.String}}, params...)
		params = append(
			params,
			action.Params{
				{Name: "conversationId", Type: action.Any, Optional: true}, {Name: "threadId", Type: action.Any, Optional: true},
			}...,
		)
		actions[name] = action.Spec{Description: description, Params: params, Handle: s.messageAction(params, do)}
	}
	message := action.Params{{Name: "messageId", Type: action.Any}}
	if p, ok := s.def.Platform.(Editor); ok {
		add(ActionEditMessage, "Replaces the content of a message that the channel sent.",
			append(message[:1:1], action.Params{{Name: "message", Type: action.Object}}...),
			func(ctx context.Context, c *messageCall) (*SendResult, error) {
				ctx, done := s.holding(ctx)
				defer done()
				return p.EditMessage(ctx, c.target, &c.message, c.channel)
			})
	}
	if p, ok := s.def.Platform.(Deleter); ok {
		add(ActionDeleteMessage, "Removes a message that the channel sent.", message,
			func(ctx context.Context, c *messageCall) (*SendResult, error) {
				return nil, p.DeleteMessage(ctx, c.target, c.channel)
			})
	}
	if p, ok := s.def.Platform.(Reactor); ok {
		add(ActionReact, "Puts an emoji on a message; an empty one takes it away.",
			append(message[:1:1], action.Params{{Name: "emoji", Type: action.String}}...),
			func(ctx context.Context, c *messageCall) (*SendResult, error) {
				return nil, p.React(ctx, c.target, c.emoji, c.channel)
			})
	}
	if p, ok := s.def.Platform.(Typer); ok {
		add(ActionTyping, "Shows for some seconds that an answer is being written.",
			action.Params{{Name: "messageId", Type: action.Any, Optional: true}},
			func(ctx context.Context, c *messageCall) (*SendResult, error) {
				return nil, p.ShowTyping(ctx, c.target, c.channel)
			})
	}
	if p, ok := s.def.Platform.(ReadMarker); ok {
		add(ActionMarkRead, "Shows a message's writer that it was read.", message,
			func(ctx context.Context, c *messageCall) (*SendResult, error) {
				return nil, p.MarkRead(ctx, c.target, c.channel)
			})
	}
	return actions
}

// messageCall holds the params of a message action.
type messageCall struct {
	channel *Channel
	target  Target
	message Message
	emoji   string
}

// messageAction makes the handler of a message action. It publishes no event.
func (s *platformService) messageAction(
	params action.Params, do func(context.Context, *messageCall) (*SendResult, error),
) action.Handler {
	return func(ctx context.Context, req *action.Request) (any, error) {
		fields, err := params.Decode(req)
		if err != nil {
			return nil, err
		}
		call := &messageCall{emoji: rawjson.Text(fields.Get("emoji"))}
		for name, into := range map[string]*ID{
			"messageId": &call.target.MessageID, "conversationId": &call.target.ConversationID,
			"threadId": &call.target.ThreadID,
		} {
			if raw := fields.Get(name); len(raw) > 0 {
				if err := json.Unmarshal(raw, into); err != nil {
					return nil, paramsFault(req, name, err)
				}
			}
		}
		if raw := fields.Get("message"); len(raw) > 0 {
			if err := readMessage(raw, &call.message); err != nil {
				return nil, paramsFault(req, "message", err)
			}
		}
		if call.channel, err = s.callersChannel(ctx, req, rawjson.Text(fields.Get("channelId"))); err != nil {
			return nil, err
		}
		var degraded []Degradation
		call.message.ID = "" // it is the target's that counts
		if len(fields.Get("message")) > 0 {
			fitting, lost, err := s.fit(&call.message)
			if err == nil {
				err = s.checkMedia(&fitting.Content)
			}
			if err != nil {
				return refusal(asError(err, FaultUnknown, codes.SendFailed), nil)
			}
			call.message, degraded = *fitting, lost
		}
		ctx, cancel := context.WithTimeout(ctx, sendTimeout)
		defer cancel()
		result, attempts, err := s.withRetries(ctx, &platformCall{
			req: req, channel: call.channel, recipient: call.target.ConversationID,
			do: func(ctx context.Context) (*SendResult, error) { return do(ctx, call) },
		})
		if err != nil {
			failure := s.cleaner(req).error(asError(err, FaultUnknown, codes.SendFailed))
			s.logFor(req, call.channel).
				WithFields(logrus.Fields{"kind": failure.Kind, "code": failure.Code, "attempts": attempts}).
				Warn("the platform did not do it: " + failure.Message)
			return refusal(failure, nil)
		}
		whole := *result
		whole.Degraded = append(degraded, result.Degraded...)
		return s.cleanResult(req, &whole), nil
	}
}
