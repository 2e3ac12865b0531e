package integration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/semaphore"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/claims"
	"github.com/hiliosai/switchboard/metrics"
)

// Capability is one of the SDK's names for what a platform can do.
type Capability string

// The capabilities that i_status tells.
const (
	SendMessage       Capability = "SEND_MESSAGE"
	ReceiveMessage    Capability = "RECEIVE_MESSAGE"
	WebhookValidation Capability = "WEBHOOK_VALIDATION"
)

// specVersion is the version in every [Spec]. The SDK wants one of three numbers.
const specVersion = "1.0.0"

// Spec is the SDK's spec of an integration, the answer of i_status.
type Spec struct {
	ID           string       `json:"id"`
	Name         string       `json:"name"`
	Platform     string       `json:"platform"`
	Version      string       `json:"version"`
	Status       string       `json:"status"`
	Capabilities []Capability `json:"capabilities"`
}

// Definition is what a platform's author writes: the SDK's defineIntegration. The name of the service is the name of
// the platform, also in channels.
type Definition struct {
	ServiceDefinition // further actions, events and so on of the author

	Title   string  // the platform's name for people, such as "WhatsApp"
	Fields  []Field // added to the CommonFields
	Text    TextLimits
	Support Support // nil allows everything; see [Basic]
	// Style says how the factory writes content as text, for features that Support has as text.
	Style TextStyle
	// Media are the limits of attachments, by content type. The factory refuses attachments beyond them before Send.
	Media map[ContentType]MediaLimits
	// MaxAttachments is how many attachments one Send takes; zero is no limit. More are sent one by one, the text with the
	// first. It does not apply to a [Splitter].
	MaxAttachments int
	// RetryHorizon is how long after the first delivery the platform may send a webhook again; zero is a day.
	RetryHorizon time.Duration
	// WebhookTimeout is how long the platform waits for the answer to a webhook; zero is ten seconds.
	WebhookTimeout time.Duration
	// NoRedelivery says that the platform never sends a failed webhook again.
	NoRedelivery bool
	Platform     Platform
	// AccountPath is where the payload of a webhook names its account: names joined by dots, such as "destination". It is
	// compared with the channel's field that has [Field.Account]. Webhooks without a channel are routed by it, and the
	// factory drops webhooks for another account. A platform whose webhooks name several accounts implements [Accounts]
	// instead.
	AccountPath string
	// Signature checks the sender of a webhook, by a declared scheme of package sign. It is nil if nothing is signed, or
	// if Platform implements [SignatureValidator]. Setting both is an error.
	Signature SignatureValidator
	// Errors says what refusals of the platform's API mean. Platform uses it for its calls, and the conformance suite
	// tests every row.
	Errors *ErrorTable
	// Channels finds the platform's channels; nil is the node's store.
	Channels ChannelStore
}

// SignatureValidator returns what checks the platform's signatures, nil if nothing does.
func (d *Definition) SignatureValidator() SignatureValidator {
	if d.Signature != nil {
		return d.Signature
	}
	own, _ := d.Platform.(SignatureValidator)
	return own
}

// NamesAccounts says whether the platform's webhooks name the accounts that they are for.
func (d *Definition) NamesAccounts() bool {
	_, named := d.Platform.(Accounts)
	return named || d.AccountPath != ""
}

// accountField returns the field that holds a channel's account. It exists if NamesAccounts is true.
func (d *Definition) accountField() Field {
	return d.Fields[slices.IndexFunc(d.Fields, func(f Field) bool { return f.Account })]
}

// Spec derives the answer of i_status.
func (d *Definition) Spec() Spec {
	capabilities := []Capability{SendMessage, ReceiveMessage}
	if d.SignatureValidator() != nil {
		capabilities = append(capabilities, WebhookValidation)
	}
	return Spec{
		ID: d.Name, Name: d.Title, Platform: d.Name, Version: specVersion, Status: ChannelActive, Capabilities: capabilities,
	}
}

// platformService adds the standard actions of a platform to a service.
type platformService struct {
	*Service
	def               Definition
	signature         SignatureValidator // nil: signatures are not checked
	channelOrder      keyedQueue         // of webhooks
	conversationOrder keyedQueue         // of webhooks that ask claims or caches
	receiveParams     action.Params
	connections       *connections        // nil: the platform keeps none; set when it begins to
	receiving         *semaphore.Weighted // of maxReceivingBytes
	limiter           limiter
	conditions        *conditions
	refusals          refusals
	metrics           *metrics.Platform // nil counts nothing
	now               func() time.Time
	actions           map[string]action.Spec

	// when the claims may be asked again, in Unix ns; 0 while they answer
	claimsRetryAt atomic.Int64
}

// Define checks a definition and makes a service of it that has the standard actions. The error joins all faults.
func Define(def Definition, runtime Runtime) (*Service, error) {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, fmt.Errorf("integration %q: %s", def.Name, what))
		}
	}
	if def.Channels == nil {
		def.Channels = runtime.Channels
	}
	need(def.Title != "", "title is missing")
	need(def.Platform != nil, "platform is missing")
	need(def.Channels != nil && runtime.Events != nil, "the runtime is incomplete")
	need(runtime.Namespace != "", "the runtime's namespace is missing")
	_, validates := def.Platform.(SignatureValidator)
	need(
		def.Signature == nil || !validates,
		"signature is declared, and the platform has a method ValidateSignature, too: one of them must go",
	)
	_, named := def.Platform.(Accounts)
	need(
		!named || def.AccountPath == "",
		"AccountPath is declared, and the platform has a method Accounts, too: one of them must go",
	)
	accounts := 0
	for i, f := range def.Fields {
		if f.Account {
			accounts++
		}
		need(
			f.Name != "" && (f.In == InCredentials || f.In == InSettings),
			fmt.Sprintf("field %d needs a name and a place", i+1),
		)
	}
	need(
		accounts <= 1 && def.NamesAccounts() == (accounts == 1),
		"a platform with AccountPath or a method Accounts has one field with Account, and no other has one",
	)
	for _, row := range def.Errors.Rows() {
		need(row.Kind != "" && row.Code != "", fmt.Sprintf("the row %q of the errors needs a kind and a code", row.Key))
	}
	for _, fault := range def.Support.check() {
		need(false, fault)
	}
	for _, a := range def.Actions {
		need(!slices.Contains(standardNames, a.Name), "action "+a.Name+" is a standard one and cannot be defined anew")
	}
	if runtime.Claims == nil {
		runtime.Claims = claims.NewMemory(claims.MemoryOptions{Now: runtime.Now})
	}
	p := &platformService{
		def: def, signature: def.SignatureValidator(), receiveParams: receiveParamsOf(&def),
		limiter: limiter{limit: cmp.Or(runtime.ChannelCalls, defaultChannelCalls)}, now: runtime.Now,
		receiving: semaphore.NewWeighted(maxReceivingBytes),
	}
	if p.now == nil {
		p.now = time.Now
	}
	p.actions = p.standardActions()
	all := def.ServiceDefinition
	all.Actions = slices.Clone(all.Actions)
	for _, name := range standardNames {
		if spec, ok := p.actions[name]; ok {
			spec.ChecksParams = true
			all.Actions = append(all.Actions, action.New(name, spec))
		}
	}
	var err error
	p.Service, err = DefineService(all, runtime)
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	p.channels = func(ctx context.Context, req *action.Request, id string) error {
		ch, err := p.platformsChannel(ctx, req, id)
		if err != nil {
			p.refused(id, ch, err)
		}
		return err
	}
	p.conditions = &conditions{s: p, byKey: map[conditionKey]*condition{}, away: map[string]map[int]bool{}}
	p.connect, p.connected = p.startFollowing, p.countConnections
	p.refusals.log, p.limiter.log, p.limiter.conditions = p.log, p.log, p.conditions
	p.undo = append(p.undo, p.refusals.close, p.conditions.close)
	p.metrics = runtime.Metrics.Platform(def.Name)
	p.limiter.metrics = p.metrics
	runtime.Metrics.Read(p.measure)
	return p.Service, nil
}

// startFollowing follows the channels: for their conditions, and for the connections that they need.
func (s *platformService) startFollowing(ctx context.Context) error {
	s.conditions.follow()
	return s.startConnections(ctx)
}

// Names of the standard actions.
const (
	ActionReceiveWebhook      = "i_receiveWebhook"
	ActionSendMessage         = "i_sendMessage"
	ActionHealthCheck         = "i_healthCheck"
	ActionVerifyWebhook       = "i_verifyWebhook"
	ActionValidateCredentials = "i_validateCredentials"
	ActionStatus              = "i_status"
	ActionGetMedia            = "i_getMedia"
	ActionEditMessage         = "i_editMessage"
	ActionDeleteMessage       = "i_deleteMessage"
	ActionReact               = "i_react"
	ActionTyping              = "i_typing"
	ActionMarkRead            = "i_markRead"
)

var standardNames = []string{
	ActionReceiveWebhook, ActionSendMessage, ActionHealthCheck, ActionVerifyWebhook, ActionValidateCredentials,
	ActionStatus, ActionGetMedia,
	ActionEditMessage, ActionDeleteMessage, ActionReact, ActionTyping, ActionMarkRead,
}

func (s *platformService) standardActions() map[string]action.Spec {
	actions := map[string]action.Spec{
		ActionReceiveWebhook: {
			Description: "Checks a webhook and publishes its messages; success means that they are durable.",
			Rest:        s.receiveRoutes(),
			Params:      s.receiveParams,
			Handle:      s.receiveWebhook,
		},
		ActionSendMessage: {
			Description: "Sends a message through a channel and publishes the outcome.",
			Rest:        action.Route{Method: "POST", Path: "/send"},
			Params:      sendParams,
			Handle:      s.sendMessage,
		},
		ActionHealthCheck: {
			Description: "Tells whether the service, or with channelId a channel, can work.",
			Rest:        action.Route{Method: "GET", Path: "/health"},
			Params:      action.Params{{Name: "channelId", Type: action.String, Optional: true}},
			Handle:      s.healthCheck,
		},
		ActionVerifyWebhook: {
			Description: "Answers a platform's subscription handshake with its challenge.",
			Rest:        s.verifyRoutes(),
			Params:      verifyParams,
			Handle:      s.verifyWebhook,
		},
		ActionValidateCredentials: {
			Description: "Asks the platform whether credentials are good.",
			Params: action.Params{
				{Name: "credentials", Type: action.Object},
				{Name: "settings", Type: action.Object, Optional: true},
			},
			Handle: s.validateCredentials,
		},
		ActionStatus: {
			Description: "Tells what this integration is.",
			Rest:        action.Route{Method: "GET", Path: "/status"},
			Handle:      func(context.Context, *action.Request) (any, error) { return s.def.Spec(), nil },
		},
	}
	if _, ok := s.def.Platform.(MediaFetcher); ok {
		actions[ActionGetMedia] = action.Spec{
			Description: "Fetches an attachment by the id in its message's media.",
			Params:      action.Params{{Name: "channelId", Type: action.String}, {Name: "mediaId", Type: action.String}},
			Handle:      s.getMedia,
		}
	}
	maps.Copy(actions, s.messageActions())
	return actions
}

// callersChannel loads an active channel for a caller. For a channel of another tenant the error is the same as for an
// unknown one, whatever its status.
func (s *platformService) callersChannel(ctx context.Context, req *action.Request, id string) (*Channel, error) {
	ch, err := s.stored(ctx, req, id)
	switch {
	case err != nil:
		return nil, s.hidden(req, id, err)
	case s.isForeign(req, ch.TenantID):
		return nil, s.unknown(id)
	}
	return ch, active(ch)
}

// platformsChannel loads an active channel for a webhook: the platform may name channels of every tenant. An inactive
// channel is returned together with its error, for the log.
func (s *platformService) platformsChannel(ctx context.Context, req *action.Request, id string) (*Channel, error) {
	ch, err := s.stored(ctx, req, id)
	if err == nil {
		err = active(ch)
	}
	return ch, err
}

// stored loads a channel of this platform. A channel of another platform counts as unknown, because this service must
// not see its secrets. A channel without a tenant gets the caller's.
func (s *platformService) stored(ctx context.Context, req *action.Request, id string) (*Channel, error) {
	ch, err := s.def.Channels.Channel(ctx, id)
	switch {
	case errors.Is(err, ErrChannelNotFound) || err == nil && ch.Platform != s.def.Name:
		s.limiter.drop(id)
		return nil, s.unknown(id)
	case err != nil:
		if _, told := errors.AsType[action.Moleculer](err); told { // such as that a record is damaged
			return nil, err
		}
		s.logFor(req, nil).WithError(err).WithField("channel", id).Warn("the channel cannot be read")
		return nil, &Error{
			Kind: FaultTransient, Code: codes.ChannelsUnavailable, Message: "the channel store cannot be read at the moment",
			Err: err,
		}
	}
	s.runtime.Secrets.Add(ch.secrets(s.def.Fields)...)
	return ofCaller(req, ch), nil
}

// active returns an error for an inactive channel.
func active(ch *Channel) error {
	if ch.Status != ChannelActive {
		return &Error{
			Kind: FaultForbidden, Code: codes.ChannelInactive, Message: fmt.Sprintf("channel %q is switched off", ch.ID),
		}
	}
	return nil
}

func (s *platformService) logFor(req *action.Request, ch *Channel) *logrus.Entry {
	fields := logrus.Fields{"action": ownName(req.Service, req.Action), "requestID": req.RequestID}
	if ch != nil {
		fields["channel"], fields["tenant"] = ch.ID, ch.TenantID
	}
	return s.log.WithFields(fields)
}
