package integration

import (
	"cmp"
	"context"
	"strings"

	"github.com/hiliosai/switchboard/action/codes"
)

// Diagnosis says whether a channel can work, and otherwise what to do.
type Diagnosis struct {
	ChannelID string    `json:"channelId"`
	OK        bool      `json:"ok"`
	Findings  []Finding `json:"findings"`
}

// Finding is the outcome of one check of a channel.
type Finding struct {
	Check   string `json:"check"` // "fields", "status", "credentials", "health" or "sending"
	OK      bool   `json:"ok"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"` // what to do
}

// Diagnose checks a channel's fields, and asks the platform about its credentials and its health. secrets removes
// secrets from all texts of the result.
func Diagnose(ctx context.Context, def Definition, ch *Channel, secrets Secrets) *Diagnosis {
	secrets.Add(ch.secrets(def.Fields)...)
	d := &diagnoser{Diagnosis{ChannelID: ch.ID, OK: true}, secrets}
	sound := d.fields(def, ch)
	if ch.Status == ChannelActive {
		d.add(Finding{Check: "status", OK: true, Message: "the channel is switched on"})
	} else {
		d.add(Finding{Check: "status", Message: "the channel is switched off", Fix: "set its status to " + ChannelActive})
	}
	if !sound { // with faulty fields the platform's answers would mislead
		return &d.Diagnosis
	}
	d.credentials(ctx, def, ch)
	d.health(ctx, def, ch)
	return &d.Diagnosis
}

type diagnoser struct {
	Diagnosis
	secrets Secrets
}

func (d *diagnoser) add(f Finding) {
	f.Message, f.Fix = cut(d.secrets.Redact(f.Message), maxErrorText), cut(d.secrets.Redact(f.Fix), maxErrorText)
	d.Findings = append(d.Findings, f)
	d.OK = d.OK && f.OK
}

// fields checks the channel's fields and status. It returns whether the platform can be asked; the status does not
// matter for that.
func (d *diagnoser) fields(def Definition, ch *Channel) bool {
	active := *ch
	active.Status = ChannelActive
	err := ValidateChannel(&active, def.Fields)
	if err == nil {
		d.add(Finding{Check: "fields", OK: true, Message: "all fields are as the platform wants them"})
		return true
	}
	for _, fault := range FieldErrors(err) {
		verb := "set "
		if fault.unknown {
			verb = "remove "
		}
		d.add(Finding{Check: "fields", Message: fault.Error(), Fix: verb + fault.Key})
	}
	return false
}

func (d *diagnoser) credentials(ctx context.Context, def Definition, ch *Channel) {
	validator, ok := def.Platform.(CredentialsValidator)
	if !ok {
		return
	}
	valid, err := accepts(ctx, validator, ch.Credentials, ch.Settings)
	switch {
	case err != nil:
		d.trouble("credentials", asError(err, FaultTransient, codes.CredentialsUnchecked))
	case valid:
		d.add(Finding{Check: "credentials", OK: true, Message: def.Title + " accepts the credentials"})
	default:
		var help []string
		receive := wayOf(ch, def.Fields)
		for _, f := range def.Fields {
			if f.In == InCredentials && f.RequiredBy(receive) {
				help = append(help, f.Name+" ("+f.Help+")")
			}
		}
		d.add(Finding{
			Check: "credentials", Message: def.Title + " refuses the credentials",
			Fix: "replace them: " + strings.Join(help, "; "),
		})
	}
}

func (d *diagnoser) health(ctx context.Context, def Definition, ch *Channel) {
	checker, ok := def.Platform.(HealthChecker)
	if !ok {
		return
	}
	health, err := checker.CheckHealth(ctx, ch)
	switch {
	case err != nil:
		d.trouble("health", asError(err, FaultTransient, codes.HealthCheckFailed))
	case health == nil || health.Status == HealthHealthy:
		d.add(Finding{Check: "health", OK: true, Message: def.Title + " can be reached"})
	default:
		d.add(
			Finding{
				Check: "health", Message: cmp.Or(health.Message, def.Title+" calls it "+health.Status),
				Fix: "see the platform's own settings of this channel",
			},
		)
	}
}

// fixes says what to do about an error of a kind.
var fixes = map[ErrorKind]string{
	FaultAuth:      "replace the credentials",
	FaultThrottled: "wait, the platform asks to slow down",
	FaultTransient: "see whether the platform can be reached from this machine, and try again",
}

func (d *diagnoser) trouble(check string, e *Error) {
	d.add(
		Finding{
			Check: check, Message: e.Message, Fix: cmp.Or(fixes[e.Kind], "look up what the platform means by this answer"),
		},
	)
}
