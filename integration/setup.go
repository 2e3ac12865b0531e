package integration

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
)

// Installer sets a channel up at the platform: where its webhooks go, and what else belongs to that.
type Installer interface {
	// PlanSetup compares what the platform has set now with what is wanted. It changes nothing. Errors are *Error, or a
	// validation error for what the platform does not take.
	PlanSetup(ctx context.Context, channel *Channel, wanted Setup) (*SetupPlan, error)
}

// Setup is what is wanted of a platform for a channel.
type Setup struct {
	// URL is that of the channel's webhooks. It has been checked. It may be empty for a channel that receives over
	// connections.
	URL string
	// Commands is a JSON array of slash commands, as the platform has them; nil leaves those that are there.
	Commands json.RawMessage
	// AppID and AppToken are for platforms where the app is set up by another token than the channel's; "" for none.
	AppID, AppToken string
	// Force also sets what is the same already, or what the platform does not tell, such as a secret.
	Force bool
}

// SetupPlan is what a setup changes at a platform.
type SetupPlan struct {
	// URL is where the platform sends webhooks now; "" for nowhere, or if it does not tell.
	URL string
	// Changes are made by Install, in this order. With none there is nothing to do.
	Changes []SetupChange
	// Notes say what a person has to do, or should know.
	Notes []string
	// Manifest is a text for a person to paste at the platform; "" for none.
	Manifest string
	// Install makes the changes. A second call changes nothing more. It may be nil if there are none. notes are added to
	// those of the plan. Errors are *Error.
	Install func(ctx context.Context) (notes []string, err error)
}

// SetupChange is one value that a setup changes. The texts are for people.
type SetupChange struct {
	Name string `json:"name"` // as the platform has it, such as "url"
	Old  string `json:"old"`  // "" for none
	New  string `json:"new"`
}

// SetupUnknown is the old value of what a platform does not tell, such as a secret.
const SetupUnknown = "unknown"

// Change adds a change if the two values differ, or if force is set.
func (p *SetupPlan) Change(name, old, value string, force bool) {
	if old != value || force {
		p.Changes = append(p.Changes, SetupChange{name, old, value})
	}
}

// SetupResult is what a setup has changed, or would change.
type SetupResult struct {
	ChannelID string        `json:"channelId"`
	Platform  string        `json:"platform"`
	URL       string        `json:"url,omitempty"` // that is wanted
	DryRun    bool          `json:"dryRun"`
	Done      bool          `json:"done"` // the changes were made
	Changes   []SetupChange `json:"changes"`
	Notes     []string      `json:"notes,omitempty"`
	Manifest  string        `json:"manifest,omitempty"`
}

// SetUp sets a channel up at its platform. With dryRun it only says what would change. An empty URL, or one that ends
// with a slash, becomes that of [WebhookURL]. The result and the error have no secrets.
func SetUp(
	ctx context.Context, def Definition, ch *Channel, wanted Setup, dryRun bool, secrets Secrets,
) (*SetupResult, error) {
	secrets.Add(ch.secrets(def.Fields)...)
	if wanted.AppToken != "" {
		secrets.Add(wanted.AppToken)
	}
	clean := cleaner{secrets: secrets}
	result, err := setUp(ctx, def, ch, wanted, dryRun)
	if err != nil {
		return nil, setupError(clean, err)
	}
	for i, c := range result.Changes {
		result.Changes[i] = SetupChange{c.Name, clean.text(shownURL(c.Old, c.New)), clean.text(c.New)}
	}
	for i, note := range result.Notes {
		result.Notes[i] = clean.text(note)
	}
	result.Manifest, result.URL = secrets.Redact(result.Manifest), secrets.Redact(result.URL)
	return result, nil
}

func setUp(ctx context.Context, def Definition, ch *Channel, wanted Setup, dryRun bool) (*SetupResult, error) {
	plan, wanted, err := PlanSetup(ctx, def, ch, wanted)
	if err != nil {
		return nil, err
	}
	result := &SetupResult{
		ChannelID: ch.ID, Platform: ch.Platform, URL: wanted.URL, DryRun: dryRun, Changes: plan.Changes, Notes: plan.Notes,
		Manifest: plan.Manifest,
	}
	if result.Changes == nil {
		result.Changes = []SetupChange{} // which JSON shows as a list
	}
	if dryRun || len(plan.Changes) == 0 || plan.Install == nil {
		return result, nil
	}
	notes, err := plan.Install(ctx)
	if err != nil {
		return nil, err
	}
	result.Done, result.Notes = true, append(result.Notes, notes...)
	return result, nil
}

// PlanSetup checks what is wanted and compares it with what the platform has. It also returns what is wanted with its
// whole URL. The plan may have secrets.
func PlanSetup(ctx context.Context, def Definition, ch *Channel, wanted Setup) (*SetupPlan, Setup, error) {
	installer, ok := def.Platform.(Installer)
	if !ok {
		return nil, wanted, action.Client(
			http.StatusNotImplemented, codes.NotSupported, "%s cannot be set up from here; its page in docs/platforms says how",
			def.Title,
		)
	}
	if err := ValidateChannel(ch, def.Fields); err != nil {
		return nil, wanted, setupFault("id", "the channel's fields are not as the platform wants them: "+err.Error())
	}
	if receiver, ok := def.Platform.(Receiver); !ok || receiver.Connections(ch) == 0 || wanted.URL != "" {
		link, err := WebhookURL(ch, wanted.URL)
		if err != nil {
			return nil, wanted, err
		}
		wanted.URL = link
	}
	plan, err := installer.PlanSetup(ctx, ch, wanted)
	return plan, wanted, err
}

// maxSetupURL bounds, in bytes, the URL that platforms are given. It is what Telegram and Discord take.
const maxSetupURL = 2048

// WebhookURL returns the whole URL for the webhooks of a channel: given, or without one the channel's publicUrl. One
// without a path, or with a slash at its end, is the base of all paths. It is https, without a login or a fragment.
// http is taken for loopback only.
func WebhookURL(ch *Channel, given string) (string, error) {
	link := cmp.Or(given, ch.Settings[settingPublicURL])
	if link == "" {
		return "", setupFault("url", "give the URL at which the platform calls, or set the channel's publicUrl")
	}
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || u.Hostname() == "" || strings.ContainsAny(link, " \t\r\n") {
		return "", setupFault("url", "is not a URL")
	}
	switch {
	case u.User != nil:
		return "", setupFault("url", "must not have a login")
	case strings.Contains(link, "#"):
		return "", setupFault("url", "must not have a fragment")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return "", setupFault("url", "must begin with https://")
	}
	if u.RawQuery == "" && (u.Path == "" || strings.HasSuffix(u.Path, "/")) {
		link = strings.TrimSuffix(link, "/") + "/" + ch.Platform + "/" + ch.ID
	}
	if len(link) > maxSetupURL {
		return "", setupFault("url", fmt.Sprintf("must not be longer than %d bytes", maxSetupURL))
	}
	return link, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// SetupInvalid returns the error of a platform that does not take a part of what is wanted. field is its name in the
// params of channels.setup.
func SetupInvalid(field, format string, args ...any) error {
	return setupFault(field, fmt.Sprintf(format, args...))
}

func setupFault(field, message string) error {
	e := action.Validation(action.Fault{Type: "setup", Field: field, Message: field + ": " + message})
	e.Message = field + ": " + message
	return e
}

// shownURL hides the path of a URL on another host than the wanted one: it may be a secret of somebody else's.
func shownURL(old, wanted string) string {
	was, err := url.Parse(old)
	if err != nil || was.Host == "" || was.Scheme != "https" && was.Scheme != "http" {
		return old
	}
	was.User, was.RawQuery, was.Fragment = nil, "", ""
	if now, err := url.Parse(wanted); err == nil && now.Host == was.Host {
		return was.String()
	}
	return was.Scheme + "://" + was.Host + "/…"
}

// setupError removes secrets from the error of a setup.
func setupError(clean cleaner, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return clean.error(e)
	}
	if m, ok := errors.AsType[action.Moleculer](err); ok {
		e := *m.MoleculerError()
		e.Message, e.Data = clean.text(e.Message), clean.data(e.Data)
		return &e
	}
	return clean.error(asError(err, FaultTransient, codes.PlatformUnavailable))
}
