package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
)

// Capability is one of the SDK's names for what a platform can do.
type Capability string

// The capabilities that i_status tells.
const (
	SendMessage       Capability = "SEND_MESSAGE"
	ReceiveMessage    Capability = "RECEIVE_MESSAGE"
	WebhookValidation Capability = "WEBHOOK_VALIDATION"
)

// Spec is the SDK's spec of an integration; i_status answers with it.
type Spec struct {
	ID           string       `json:"id"`
	Name         string       `json:"name"`
	Platform     string       `json:"platform"`
	Version      string       `json:"version"`
	Status       string       `json:"status"`
	Capabilities []Capability `json:"capabilities"`
}

// Definition is what a platform's author writes.
type Definition struct {
	Name     string // service name, such as "telegram"
	Spec     Spec
	Fields   []Field
	Platform Platform

	Settings map[string]any
	Metadata map[string]any
	Actions  []moleculer.Action // beside the standard ones
	Events   []moleculer.Event
	Mixins   []moleculer.Mixin
}

// Runtime is what the node lends to its integrations.
type Runtime struct {
	Channels  ChannelStore
	Events    Publisher
	Secrets   Secrets
	Namespace string // of reliable events: "hios" publishes hios.processing.message.received
	Log       *logrus.Entry
	Now       func() time.Time // nil means time.Now
}

// Secrets removes values from texts before they leave the node. Safe for concurrent use.
type Secrets interface {
	// Add makes the values unmentionable from now on.
	Add(values ...string)
	// Redact returns text without them.
	Redact(text string) string
}

// Service is a defined integration.
type Service struct {
	def     Definition
	runtime Runtime
	log     *logrus.Entry
	now     func() time.Time
	actions map[string]action.Spec
}

var serviceName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// Define checks a definition and gives it the standard actions. The error joins all faults.
func Define(def Definition, runtime Runtime) (*Service, error) {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, fmt.Errorf("integration %q: %s", def.Name, what))
		}
	}
	need(serviceName.MatchString(def.Name), "name must be lower-case letters, digits and dashes")
	need(def.Spec.ID != "", "spec.id is missing")
	need(def.Spec.Platform != "", "spec.platform is missing")
	need(def.Platform != nil, "platform is missing")
	need(runtime.Channels != nil && runtime.Events != nil && runtime.Secrets != nil && runtime.Log != nil, "the runtime is incomplete")
	need(runtime.Namespace != "", "the runtime's namespace is missing")
	for _, a := range def.Actions {
		need(!slices.Contains(standardNames, a.Name), "action "+a.Name+" is a standard one and cannot be defined anew")
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	s := &Service{def: def, runtime: runtime, now: runtime.Now, log: runtime.Log.WithField("service", def.Name)}
	if s.now == nil {
		s.now = time.Now
	}
	if s.def.Spec.Status == "" {
		s.def.Spec.Status = StatusActive
	}
	if s.def.Spec.Capabilities == nil {
		s.def.Spec.Capabilities = []Capability{} // a list for those who read it, not null
	}
	s.actions = s.standardActions()
	return s, nil
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
)

var standardNames = []string{
	ActionReceiveWebhook, ActionSendMessage, ActionHealthCheck, ActionVerifyWebhook, ActionValidateCredentials, ActionStatus, ActionGetMedia,
}

func (s *Service) standardActions() map[string]action.Spec {
	actions := map[string]action.Spec{
		ActionReceiveWebhook: {
			Description: "Checks a webhook and publishes its messages; success means that they are durable.",
			Rest:        action.Route{Method: "POST", Path: "/:channelId"},
			Params:      receiveParams,
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
			// Meta calls one URL with both verbs, hence the second route.
			Rest:   []action.Route{{Method: "GET", Path: "/webhook"}, {Method: "GET", Path: "/:channelId"}},
			Params: verifyParams,
			Handle: s.verifyWebhook,
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
			Handle:      func(context.Context, *action.Request) (any, error) { return s.def.Spec, nil },
		},
	}
	if _, ok := s.def.Platform.(MediaFetcher); ok {
		actions[ActionGetMedia] = action.Spec{
			Description: "Fetches an attachment by the id in its message's media.",
			Params:      action.Params{{Name: "channelId", Type: action.String}, {Name: "mediaId", Type: action.String}},
			Handle:      s.getMedia,
		}
	}
	for name, spec := range actions {
		spec.Handle = s.guard(spec.Handle)
		actions[name] = spec
	}
	return actions
}

// Name is the service's name in the cluster.
func (s *Service) Name() string { return s.def.Name }

// Fields are the values that the platform's channels have.
func (s *Service) Fields() []Field { return s.def.Fields }

// Schema is the service as moleculer-go publishes it.
func (s *Service) Schema() moleculer.ServiceSchema {
	schema := moleculer.ServiceSchema{
		Name: s.def.Name, Settings: s.def.Settings, Metadata: s.def.Metadata,
		Mixins: s.def.Mixins, Events: s.def.Events, Actions: slices.Clone(s.def.Actions),
	}
	for _, name := range standardNames {
		if spec, ok := s.actions[name]; ok {
			schema.Actions = append(schema.Actions, action.New(name, spec))
		}
	}
	return schema
}

// Call runs a standard action in this process, without a cluster.
func (s *Service) Call(ctx context.Context, name string, req *action.Request) (any, error) {
	spec, ok := s.actions[name]
	if !ok {
		return nil, action.ServiceNotFound(s.def.Name+"."+name, "")
	}
	req.Action = s.def.Name + "." + name
	return spec.Handle(ctx, req)
}

// guard removes secrets from every error on its way out: platforms' answers are beyond our control.
// An error that is no Moleculer error stays as it is: callers get to see nothing of it.
func (s *Service) guard(handle action.Handler) action.Handler {
	return func(ctx context.Context, req *action.Request) (any, error) {
		result, err := handle(ctx, req)
		if err == nil {
			return result, nil
		}
		m, ok := errors.AsType[action.Moleculer](err)
		if !ok {
			return nil, err
		}
		if e, ok := m.(*Error); ok {
			m = s.clean(e)
		}
		clean := *m.MoleculerError()
		clean.Message = s.cleanText(clean.Message)
		return nil, &clean
	}
}

// channel loads an active channel of this platform. Another platform's channel counts as unknown:
// its secrets are none of this service's business. A channel without a tenant belongs to the caller's.
func (s *Service) channel(ctx context.Context, req *action.Request, id string) (*Channel, error) {
	ch, err := s.runtime.Channels.Channel(ctx, id)
	switch {
	case errors.Is(err, ErrChannelNotFound) || err == nil && ch.Platform != s.def.Spec.Platform:
		return nil, &Error{Kind: ErrNotFound, Code: "CHANNEL_NOT_FOUND", Message: fmt.Sprintf("there is no %s channel %q", s.def.Spec.Platform, id)}
	case err != nil:
		s.logFor(req, nil).WithError(err).WithField("channel", id).Warn("the channel store cannot be read")
		return nil, &Error{Kind: ErrTransient, Code: "CHANNELS_UNAVAILABLE", Message: "the channel store cannot be read at the moment", Err: err}
	case ch.Status != StatusActive:
		return nil, &Error{Kind: ErrForbidden, Code: "CHANNEL_INACTIVE", Message: fmt.Sprintf("channel %q is switched off", id)}
	}
	s.runtime.Secrets.Add(ch.secrets(s.def.Fields)...)
	if ch.TenantID == "" {
		theirs := *ch // the store's own stays as it is
		theirs.TenantID = req.Meta.String("tenantId")
		ch = &theirs
	}
	return ch, nil
}

func (s *Service) logFor(req *action.Request, ch *Channel) *logrus.Entry {
	_, name := splitAction(req.Action)
	fields := logrus.Fields{"action": name, "requestID": req.RequestID}
	if ch != nil {
		fields["channel"], fields["tenant"] = ch.ID, ch.TenantID
	}
	return s.log.WithFields(fields)
}

func splitAction(full string) (service, name string) {
	for i := len(full) - 1; i >= 0; i-- {
		if full[i] == '.' {
			return full[:i], full[i+1:]
		}
	}
	return "", full
}

// text decodes a parameter that Params.Decode has found to be a string or absent.
func text(raw json.RawMessage) string {
	var s string
	if len(raw) > 0 {
		_ = json.Unmarshal(raw, &s) // absent and null stay ""
	}
	return s
}
