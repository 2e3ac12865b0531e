package channelstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

// answerTimeout bounds the wait for the service that has the channels.
const answerTimeout = 5 * time.Second

// Action asks an action of another service for channels, such as "channels.get" with {id}. The answer
// is the SDK's IntegrationConfig or null. What is known of the call that needs a channel, its trace and
// meta, goes along. The channels are that service's: they cannot be listed or changed here.
type Action struct {
	cluster action.Cluster
	name    string
}

var _ Store = (*Action)(nil)

// NewAction makes a store of an action.
func NewAction(cluster action.Cluster, name string) *Action { return &Action{cluster, name} }

// Channel implements [integration.ChannelStore].
func (a *Action) Channel(ctx context.Context, id string) (*integration.Channel, error) {
	if !possible(id) {
		return nil, integration.ErrChannelNotFound
	}
	params := struct {
		ID string `json:"id"`
	}{id}
	result, err := a.cluster.Call(ctx, action.RequestFrom(ctx), a.name, params, action.CallOptions{Timeout: answerTimeout})
	if err == nil {
		var ch *integration.Channel
		if ch, err = decodeAnswer(result.Data, id); err == nil {
			return ch, nil
		}
	}
	if isNotFound(err) {
		return nil, integration.ErrChannelNotFound
	}
	return nil, unavailable("ask "+a.name+" for channel "+id, err)
}

// isNotFound tells a missing channel from a missing service, which is a 404 too but may come.
func isNotFound(err error) bool {
	if errors.Is(err, integration.ErrChannelNotFound) {
		return true
	}
	e, ok := errors.AsType[*action.Error](err)
	if !ok || e.Name == action.NameServiceNotFound || e.Name == action.NameServiceNotAvailable {
		return false
	}
	return e.Code == http.StatusNotFound || e.Type == "CHANNEL_NOT_FOUND" || e.Name == "EntityNotFoundError"
}

// Check implements [Store]: the service must answer, be it that there is no such channel.
func (a *Action) Check(ctx context.Context) error {
	_, err := a.Channel(ctx, "switchboard-check")
	if errors.Is(err, integration.ErrChannelNotFound) {
		return nil
	}
	return err
}

func (a *Action) readOnly() error {
	return action.Client(http.StatusMethodNotAllowed, "CHANNELS_READ_ONLY", "the channels are managed by the service behind %s", a.name).Because(ErrReadOnly)
}

// List gives ErrReadOnly.
func (a *Action) List(context.Context, Query) ([]Entry, error) { return nil, a.readOnly() }

// Apply gives ErrReadOnly.
func (a *Action) Apply(context.Context, []*integration.Channel) error { return a.readOnly() }

// Create gives ErrReadOnly.
func (a *Action) Create(context.Context, *integration.Channel) error { return a.readOnly() }

// Update gives ErrReadOnly.
func (a *Action) Update(context.Context, string, func(*integration.Channel) error) (*integration.Channel, error) {
	return nil, a.readOnly()
}

// Remove gives ErrReadOnly.
func (a *Action) Remove(context.Context, string) error { return a.readOnly() }

// Rotate gives ErrReadOnly.
func (a *Action) Rotate(context.Context) (Rotation, error) { return Rotation{}, a.readOnly() }

// Close implements [Store]. The cluster is not the store's to close.
func (a *Action) Close() error { return nil }

var (
	errNoChannel    = errors.New("the answer is no channel")
	errOtherChannel = errors.New("the answer is another channel")
	errMasked       = errors.New("the answer's credentials are masked")
)

// answer is the SDK's IntegrationConfig, as services have it: some put the channel's id into id, others
// into channelId beside an id of their own.
type answer struct {
	ID            text            `json:"id"`
	ChannelID     text            `json:"channelId"`
	TenantID      text            `json:"tenantId"`
	Platform      text            `json:"platform"`
	Name          text            `json:"name"`
	Status        text            `json:"status"`
	Credentials   map[string]text `json:"credentials"`
	Settings      map[string]text `json:"settings"`
	WebhookSecret text            `json:"webhookSecret"`
	VerifyToken   text            `json:"verifyToken"`
}

// decodeAnswer makes the channel that was asked for of an answer. Its errors quote nothing of it.
func decodeAnswer(data []byte, id string) (*integration.Channel, error) {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || bytes.Equal(data, []byte("null")) {
		return nil, integration.ErrChannelNotFound
	}
	var a answer
	if json.Unmarshal(data, &a) != nil || a.ID == "" && a.ChannelID == "" {
		return nil, errNoChannel
	}
	if string(a.ID) != id && string(a.ChannelID) != id {
		return nil, errOtherChannel
	}
	ch := &integration.Channel{
		ID: id, TenantID: string(a.TenantID), Platform: string(a.Platform), Name: string(a.Name),
		Status:      strings.ToUpper(cmp.Or(string(a.Status), integration.StatusActive)),
		Credentials: texts(a.Credentials), Settings: texts(a.Settings),
	}
	for name, secret := range map[string]text{"webhookSecret": a.WebhookSecret, "verifyToken": a.VerifyToken} {
		if ch.Credentials[name] == "" && secret != "" {
			ch.Credentials[name] = string(secret)
		}
	}
	for _, secret := range ch.Credentials {
		if integration.IsMasked(secret) { // as services show channels to people, such as Switchboard's own
			return nil, errMasked
		}
	}
	return ch, nil
}

func texts(values map[string]text) map[string]string {
	maps.DeleteFunc(values, func(_ string, v text) bool { return v == "" })
	m := make(map[string]string, len(values))
	for name, v := range values {
		m[name] = string(v)
	}
	return m
}

// text is any JSON value as a text: strings as they are, null empty, all else as JSON, so that no
// digit of a number is lost.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case '"':
		return json.Unmarshal(data, (*string)(t))
	case 'n':
		*t = ""
		return nil
	}
	var compact bytes.Buffer
	err := json.Compact(&compact, data)
	*t = text(compact.String())
	return err
}
