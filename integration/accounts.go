package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
)

// maxAccounts bounds the accounts that one webhook may name.
const maxAccounts = 100

// receiveRoutes are the paths of i_receiveWebhook.
func (s *platformService) receiveRoutes() any {
	if s.def.NamesAccounts() {
		return []action.Route{{Method: "POST", Path: "/:channelId"}, {Method: "POST", Path: "/"}}
	}
	return action.Route{Method: "POST", Path: "/:channelId"}
}

// verifyRoutes are the paths of i_verifyWebhook. Meta calls the same URL with GET and POST, so they are the paths of
// i_receiveWebhook.
func (s *platformService) verifyRoutes() any {
	routes := []action.Route{{Method: "GET", Path: "/webhook"}, {Method: "GET", Path: "/:channelId"}}
	if s.def.NamesAccounts() {
		routes = append(routes, action.Route{Method: "GET", Path: "/"})
	}
	return routes
}

// receiveByAccount takes in a webhook that names no channel.
func (s *platformService) receiveByAccount(
	ctx context.Context, req *action.Request, fields action.Fields,
) (any, error) {
	w, err := s.readWebhook(req, fields)
	var ids []string
	if err == nil {
		ids, err = s.channelsFor(ctx, req, w)
	}
	if err != nil {
		s.refused("", nil, err)
		s.metrics.Channel("").Webhook(s.now(), outcomeOf(err))
		return nil, err
	}
	g := &webhookGroup{runs: make([]*webhookRun, len(ids)), ends: make([]groupEnd, len(ids))}
	g.open.Store(int32(len(ids)))
	for i, id := range ids {
		own := *w
		g.runs[i] = &webhookRun{s: s, ctx: ctx, req: req, webhook: &own, routed: true}
		if err := g.runs[i].accept(id, fields); err != nil {
			g.oneDone(i, nil, err)
			continue
		}
		g.runs[i].answer.OnDone(func(result any, err error) { g.oneDone(i, result, err) })
	}
	return &g.answer, nil
}

// channelsFor finds the channels that a webhook is for. Each is in the list once.
func (s *platformService) channelsFor(ctx context.Context, req *action.Request, w *Webhook) ([]string, error) {
	accounts, err := s.accountsOf(ctx, w)
	if err != nil {
		return nil, asError(err, FaultInvalid, codes.WebhookInvalid)
	}
	slices.Sort(accounts)
	accounts = slices.DeleteFunc(slices.Compact(accounts), func(account string) bool { return account == "" })
	if len(accounts) > maxAccounts {
		return nil, tooLarge("the webhook names %d accounts; at most %d are taken", len(accounts), maxAccounts)
	}
	if len(accounts) == 0 {
		if id := w.Query().Get("channelId"); id != "" {
			return []string{id}, nil
		}
		return nil, &Error{
			Kind: FaultNotFound, Code: codes.ChannelNotFound,
			Message: "the webhook names no account: add ?channelId=… to its URL, with a channel that such webhooks are for",
		}
	}
	var ids []string
	for _, account := range accounts {
		found, err := s.channelsOf(ctx, req, account)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			s.refusals.note(
				refusalKind{reason: "ACCOUNT_UNKNOWN"}, account, "no "+s.def.Name+" channel has the account "+account,
			)
		}
		ids = append(ids, found...)
	}
	if len(ids) == 0 {
		return nil, &Error{
			Kind: FaultNotFound, Code: codes.ChannelNotFound,
			Message: fmt.Sprintf("there is no %s channel for any account of the webhook", s.def.Name),
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// accountsOf returns the accounts that a webhook names.
func (s *platformService) accountsOf(ctx context.Context, w *Webhook) ([]string, error) {
	if named, ok := s.def.Platform.(Accounts); ok {
		return named.Accounts(ctx, w)
	}
	return []string{s.accountIn(w)}, nil
}

// accountIn returns the account that a webhook names at [Definition.AccountPath], or "".
func (s *platformService) accountIn(w *Webhook) string {
	var account ID
	value, err := memberAt(w.Payload, s.def.AccountPath)
	if err != nil || value == nil || account.UnmarshalJSON(value) != nil {
		return ""
	}
	return string(account)
}

// normalize turns a webhook that was checked into messages. If the webhook names another account than the channel's, at
// [Definition.AccountPath], it returns no messages.
func (s *platformService) normalize(ctx context.Context, w *Webhook) ([]Message, error) {
	if s.def.AccountPath != "" {
		w.Account = s.accountIn(w)
		own := s.def.accountField().Of(w.Channel)
		if own != "" && w.Account != "" && own != w.Account {
			w.Foreign("account " + w.Account)
			return nil, nil
		}
	}
	return s.def.Platform.Normalize(ctx, w)
}

// channelsOf finds the channels of one account.
func (s *platformService) channelsOf(ctx context.Context, req *action.Request, account string) ([]string, error) {
	store, ok := s.def.Channels.(AccountStore)
	if !ok {
		return nil, &Error{
			Kind: FaultNotFound, Code: codes.ChannelNotFound,
			Message: "the channel store finds no channels by their accounts: put the channel into the URL",
		}
	}
	ids, err := store.ByAccount(ctx, s.def.Name, s.def.accountField(), account)
	if err == nil {
		return ids, nil
	}
	if _, told := errors.AsType[action.Moleculer](err); told {
		return nil, err
	}
	s.logFor(req, nil).WithError(err).Warn("the channels of an account cannot be read")
	return nil, &Error{
		Kind: FaultTransient, Code: codes.ChannelsUnavailable, Message: "the channel store cannot be read at the moment",
		Err: err,
	}
}

// webhookGroup is one webhook on its way through several channels.
type webhookGroup struct {
	runs   []*webhookRun
	ends   []groupEnd // of each run
	open   atomic.Int32
	answer action.Promise
}

// groupEnd is how a run ended.
type groupEnd struct {
	result any
	err    error
}

// oneDone notes the end of a run. After the last one the webhook is answered.
func (g *webhookGroup) oneDone(i int, result any, err error) {
	g.ends[i] = groupEnd{result, err}
	if g.open.Add(-1) == 0 {
		g.answer.Go(g.finish)
	}
}

// finish makes the answer. It is an error if a retry helps one of the channels, or if no channel took the webhook in.
// When the webhook comes again, messages that are stored already are recognised.
func (g *webhookGroup) finish() (any, error) {
	sum := &receiveResult{Success: true}
	var first *webhookRun
	for i, end := range g.ends {
		if m, ok := errors.AsType[action.Moleculer](end.err); end.err != nil && (!ok || m.MoleculerError().Retryable) {
			return nil, end.err
		}
		if result, ok := end.result.(*receiveResult); ok && end.err == nil {
			sum.add(result)
			if first == nil {
				first = g.runs[i]
			}
		}
	}
	if first == nil {
		return nil, g.ends[0].err
	}
	return first.respond(sum)
}
