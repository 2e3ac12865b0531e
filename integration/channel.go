package integration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hiliosai/switchboard/internal/redact"
)

// Channel is an account of a tenant at a platform: the SDK's IntegrationConfig. It is not a channel of
// @moleculer/channels, which is called a reliable event here.
type Channel struct {
	ID          string            `json:"id"`
	TenantID    string            `json:"tenantId"`
	Platform    string            `json:"platform"`
	Name        string            `json:"name,omitempty"`
	Status      string            `json:"status"` // ChannelActive or ChannelInactive
	Credentials map[string]string `json:"credentials"`
	Settings    map[string]string `json:"settings,omitempty"`
}

// Statuses of channels and of platforms.
const (
	ChannelActive   = "ACTIVE"
	ChannelInactive = "INACTIVE"
)

// ErrChannelNotFound is the error of a [ChannelStore] for an unknown id.
var ErrChannelNotFound = errors.New("channel not found")

// ChannelStore finds channels. It is called for every webhook and every send, from many goroutines.
type ChannelStore interface {
	// Channel returns the channel or ErrChannelNotFound. Any other error is taken to be temporary. The caller does not
	// change the result.
	Channel(ctx context.Context, id string) (*Channel, error)
}

// AccountStore is a [ChannelStore] that finds channels by their accounts.
type AccountStore interface {
	// ByAccount returns the ids of the platform's channels whose field has the value account, sorted. The list is empty if
	// there are none. Errors are taken to be temporary unless they say otherwise.
	ByAccount(ctx context.Context, platform string, field Field, account string) ([]string, error)
}

// FieldSource says in which part of a channel a field is kept.
type FieldSource string

// The parts of a channel that have fields.
const (
	InCredentials FieldSource = "credentials"
	InSettings    FieldSource = "settings"
)

// Field declares one value of a platform's channels. Validation, masking, CLI output and docs come from it.
type Field struct {
	In       FieldSource
	Name     string
	Required bool
	Secret   bool // masked where a channel is shown, and removed from all texts that leave the node
	// the account's id at the platform; webhooks without a channel are routed by it, see [Accounts]
	Account bool
	Address bool           // a URL that is called; a tenant may set public addresses only
	Pattern *regexp.Regexp // nil: anything
	Help    string         // one sentence: what the value is and where to find it
	Default string         // the value if the channel has none; empty for no default
	// OptionalWith is a value of the setting receive with which a Required field may be left out, such as "polling" for a
	// field that only webhooks need. See [ReceiveField].
	OptionalWith string
	// RequiredWith is the way with which another field must be there.
	RequiredWith string
}

// Of returns the field's value in a channel, or its default if the channel has none.
func (f Field) Of(ch *Channel) string { return cmp.Or(ch.part(f.In)[f.Name], f.Default) }

// RequiredBy says whether a channel must have the field. receive is how the channel receives, see [ReceiveField].
func (f Field) RequiredBy(receive string) bool {
	return f.Required && (f.OptionalWith == "" || f.OptionalWith != receive) ||
		f.RequiredWith != "" && f.RequiredWith == receive
}

// FieldError is a fault in one value of a channel.
type FieldError struct {
	Key string // such as "credentials.token"
	Msg string // never quotes the value

	unknown bool // the platform has no such field
}

// Error implements error.
func (e *FieldError) Error() string { return e.Key + ": " + e.Msg }

// FieldErrors returns the faults that an error of [ValidateChannel] joins.
func FieldErrors(err error) []*FieldError {
	if field, ok := err.(*FieldError); ok { //nolint:errorlint // joined errors are taken apart below
		return []*FieldError{field}
	}
	var list []*FieldError
	switch e := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			list = append(list, FieldErrors(inner)...)
		}
	case interface{ Unwrap() error }:
		list = FieldErrors(e.Unwrap())
	}
	return list
}

// ValidateChannel checks a channel against a platform's fields and the [CommonFields]. The error joins a [FieldError]
// for each fault.
func ValidateChannel(ch *Channel, fields []Field) error {
	var faults []error
	fault := func(key, format string, args ...any) {
		faults = append(faults, &FieldError{Key: key, Msg: fmt.Sprintf(format, args...)})
	}
	if ch.ID == "" {
		fault("id", "is required")
	} else if !channelID.MatchString(ch.ID) {
		fault("id", "may hold letters, digits and . _ ~ -, at most 128 of them, because it is part of the webhook's URL")
	} else if slices.Contains(reservedIDs, ch.ID) {
		fault("id", "must not be one of %s: these are other paths of the service", strings.Join(reservedIDs, " "))
	}
	if ch.TenantID == "" {
		fault("tenantId", "is required")
	}
	if ch.Status != ChannelActive && ch.Status != ChannelInactive {
		fault("status", "must be %s or %s", ChannelActive, ChannelInactive)
	}
	known, receive := map[FieldSource][]string{}, wayOf(ch, fields)
	for _, f := range slices.Concat(fields, CommonFields()) {
		known[f.In] = append(known[f.In], f.Name)
		key, value := string(f.In)+"."+f.Name, ch.part(f.In)[f.Name]
		switch {
		case value == "" && f.RequiredBy(receive):
			fault(key, "is required: %s", f.Help)
		case f.Secret && IsMasked(value):
			fault(key, "is masked, as channels are shown: give the value itself")
		case strings.Contains(value, redact.Placeholder):
			fault(key, "holds a masked password, as channels are shown: give the value itself")
		case value != "" && f.Pattern != nil && !f.Pattern.MatchString(value):
			fault(key, "does not look right: %s", f.Help)
		}
	}
	for _, in := range []FieldSource{InCredentials, InSettings} {
		for name := range ch.part(in) {
			if !slices.Contains(known[in], name) {
				faults = append(faults, &FieldError{
					Key: string(in) + "." + name,
					Msg: fmt.Sprintf("platform %s has no such field; it has %v", ch.Platform, known[in]), unknown: true,
				})
			}
		}
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(faults...)
}

var channelID = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,128}$`)

// reservedIDs are no ids of channels. /<service>/<id> would be the path of another action, or HTTP would change it.
var reservedIDs = []string{"send", "health", "status", "webhook", ".", ".."}

func (c *Channel) part(in FieldSource) map[string]string {
	if in == InSettings {
		return c.Settings
	}
	return c.Credentials
}

// secrets lists the values that must not leave the node.
func (c *Channel) secrets(fields []Field) []string {
	var values []string
	for _, f := range fields {
		if v := c.part(f.In)[f.Name]; f.Secret && v != "" {
			values = append(values, v)
		}
	}
	return values
}

// Masked returns a copy of the channel to show to people. Of a long secret the last two characters are shown, of a
// short one nothing.
func (c *Channel) Masked(fields []Field) *Channel {
	m := *c
	m.Credentials, m.Settings = map[string]string{}, map[string]string{}
	// A credential that no field declares is masked, too: it may be a secret.
	for k, v := range c.Credentials {
		m.Credentials[k] = mask(v)
	}
	for k, v := range c.Settings {
		m.Settings[k] = redact.URL(v)
	}
	for _, f := range fields {
		if v, ok := c.part(f.In)[f.Name]; ok && !f.Secret {
			m.part(f.In)[f.Name] = redact.URL(v)
		} else if ok {
			m.part(f.In)[f.Name] = mask(v)
		}
	}
	return &m
}

const masking = "****"

func mask(v string) string {
	characters := []rune(v)
	if len(characters) < 12 {
		return masking
	}
	return masking + string(characters[len(characters)-2:])
}

// IsMasked says whether v is a secret as [Channel.Masked] writes it.
func IsMasked(v string) bool {
	rest, ok := strings.CutPrefix(v, masking)
	return ok && utf8.RuneCountInString(rest) <= 2
}
