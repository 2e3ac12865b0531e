package integration

import (
	"maps"
	"regexp"

	"github.com/hiliosai/switchboard/internal/throttle"
)

// Settings that every platform's channels have.
const (
	settingLongText      = "longText"
	settingOwnMessages   = "ownMessages"
	settingRate          = "rate"
	settingRecipientRate = "recipientRate"
	settingUnknown       = "unknownOutcome"

	settingDedup = "dedup"

	settingSpool = "spool"

	settingAddresses = "addresses"

	settingPublicURL = "publicUrl"

	dedupByHorizon  = "horizon"
	spoolOn         = "on"
	refuseLongText  = "refuse"
	markOwnMessages = "mark"
	publicAddresses = "public"
	retryUnknown    = "retry"
)

// CommonFields lists the settings that every platform's channels have beside its own.
func CommonFields() []Field {
	return []Field{
		{
			In: InSettings, Name: settingLongText, Pattern: regexp.MustCompile(`^(split|refuse)$`),
			Help: `what becomes of a text that is too long for one message: "split", the default, or "refuse"`,
		},
		{
			In: InSettings, Name: settingOwnMessages, Pattern: regexp.MustCompile(`^(drop|mark)$`),
			Help: `what becomes of messages of the account itself and of bots: "drop", the default, or "mark" them with ` +
				`direction "echo"`,
		},
		{
			In: InSettings, Name: settingDedup, Pattern: regexp.MustCompile(`^(window|horizon)$`),
			Help: `for how long a repeated message is told: "window", the stream's two minutes and the default, or "horizon", ` +
				`for as long as the platform may repeat it`,
		},
		{
			In: InSettings, Name: settingSpool, Pattern: regexp.MustCompile(`^(on|off)$`),
			Help: `whether messages that the stream does not take at the moment are kept on the node's disk ("on") or ` +
				`refused, for the platform to send them again ("off"); by default on for platforms that do not`,
		},
		{
			In: InSettings, Name: settingAddresses, Pattern: regexp.MustCompile(`^(any|public)$`),
			Help: `where the channel's own addresses, such as apiBase, may lead: "any", the default, or "public" and what ` +
				`egress.allow lists, which holds by itself where a user of a tenant set one through channels.create or ` +
				`channels.update`,
		},
		{
			In: InSettings, Name: settingPublicURL, Pattern: regexp.MustCompile(`^https?://[^\s?#@/]+(/[^\s?#@]*)?$`),
			Help: `the URL at which the platform calls, for signatures that cover it: with a slash at the end the base of all ` +
				`paths, such as "https://hooks.example.com/", otherwise the whole URL without its query`,
		},
		{
			In: InSettings, Name: settingRate, Pattern: throttle.RatePattern,
			Help: `how many calls of the platform the channel may make, such as "30/s" or "1000/h"; more wait for their turn. ` +
				`Without it only the platform's own limits hold`,
		},
		{
			In: InSettings, Name: settingRecipientRate, Pattern: throttle.RatePattern,
			Help: `how many messages may go to one recipient, such as "20/m"; more wait for their turn`,
		},
		{
			In: InSettings, Name: settingUnknown, Pattern: regexp.MustCompile(`^(report|retry)$`),
			Help: `what becomes of a call that may have been carried out, such as one that was not answered: "report", the ` +
				`default, tells the caller, or "retry", which may send a message twice`,
		},
	}
}

// ChoseAddresses says whether a tenant or the caller chose the addresses in a channel's settings. Such addresses must
// be public.
func ChoseAddresses(settings map[string]string) bool {
	return settings[settingAddresses] == publicAddresses
}

// WithChosenAddresses returns the settings with the mark that ChoseAddresses reads.
func WithChosenAddresses(settings map[string]string) map[string]string {
	said := maps.Clone(settings)
	if said == nil {
		said = map[string]string{}
	}
	said[settingAddresses] = publicAddresses
	return said
}

// WithoutChosenAddresses returns the settings without the mark that ChoseAddresses reads.
func WithoutChosenAddresses(settings map[string]string) map[string]string {
	rest := maps.Clone(settings)
	delete(rest, settingAddresses)
	return rest
}
