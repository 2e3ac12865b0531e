package whatsapp

import (
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/meta"
)

func account(code, fix string) integration.ErrorRow {
	return integration.ErrorRow{Kind: integration.FaultAuth, Code: code, Fix: fix}
}

func transient(code, fix string) integration.ErrorRow {
	return integration.ErrorRow{Kind: integration.FaultTransient, Code: code, Fix: fix}
}

// errorTable has the codes of "Error codes", those of the Groups API's page of that name, and those of the Graph API.
var errorTable = meta.ErrorTable(map[string]integration.ErrorRow{
	// Too fast.
	"80007": {
		Kind: integration.FaultThrottled, Code: codes.RateLimited, Wait: numberWait * 60, Pauses: integration.PausesChannel,
	},
	"130429": {
		Kind: integration.FaultThrottled, Code: codes.RateLimited, Wait: numberWait, Pauses: integration.PausesChannel,
	},
	"131056": {
		Kind: integration.FaultThrottled, Code: codes.RateLimited, Wait: pairWait, Pauses: integration.PausesRecipient,
	},
	"131208": {
		Kind: integration.FaultThrottled, Code: codes.RateLimited, Wait: numberWait * 60,
		Pauses: integration.PausesRecipient,
	},

	// Held back for bad quality: the channel cannot send for a while, and trying makes it worse.
	"131048": {
		Kind: integration.FaultThrottled, Code: codes.SpamLimited, Wait: spamWait, Pauses: integration.PausesChannel,
		Fix: "users block or report this number: look at its quality rating in WhatsApp Manager",
	},
	"131064": {
		Kind: integration.FaultThrottled, Code: codes.SpamLimited, Wait: spamWait, Pauses: integration.PausesChannel,
		Fix: "look at the number's quality rating in WhatsApp Manager",
	},
	"133016": {
		Kind: integration.FaultThrottled, Code: codes.SpamLimited, Wait: spamWait, Pauses: integration.PausesChannel,
		Fix: "the number was registered too often: wait for three days",
	},

	// WhatsApp failed.
	"131000": meta.Failed,
	"131016": meta.Failed,

	// These may pass. Nothing was sent.
	"131053": transient(
		codes.MediaUnavailable, "WhatsApp must be able to fetch the link, and its content must be of the type that it says",
	),
	"131057": transient(codes.PlatformUnavailable, "the account is in maintenance, such as an upgrade of its throughput"),
	"133004": transient(codes.PlatformUnavailable, ""),

	// The account.
	"131005": account(
		codes.PermissionMissing, "give the token whatsapp_business_messaging and the account to its system user",
	),
	"131031": account(
		codes.AccountRestricted, "the account is locked or restricted: look at its status in Business Support Home",
	),
	"131042": account(
		codes.AccountRestricted,
		"there is a problem with the payment method: look at the account's billing in WhatsApp Manager",
	),
	"131045": account(codes.NumberNotReady, "register the number again: POST /PHONE_NUMBER_ID/register"),
	"133010": account(codes.NumberNotReady, "register the number: POST /PHONE_NUMBER_ID/register"),

	// The recipient.
	"130472": integration.Permanent(
		codes.RecipientLimited, "the user is part of an experiment and gets no marketing messages: wait for a day or more",
	),
	"130497": integration.Permanent(codes.RecipientUnavailable, "the account may not message users of this country"),
	"131020": integration.Permanent(codes.RecipientUnavailable, "the group has no other member"),
	"131021": integration.Permanent(codes.RecipientUnavailable, "the recipient is the number itself"),
	"131026": integration.Permanent(
		codes.RecipientUnavailable, "the number is not at WhatsApp, has not accepted its terms, or its app is too old",
	),
	"131030": integration.Permanent(
		codes.RecipientUnavailable, "a test number reaches only those that are listed on the API Setup page",
	),
	"131041": integration.Permanent(
		codes.RecipientUnavailable, "the group does not exist, or the number is no member of it",
	),
	"131047": integration.Permanent(
		codes.WindowClosed, "the user has not written for 24 hours: only a template can be sent",
	),
	"131049": integration.Permanent(
		codes.RecipientLimited, "the user has got as many marketing messages as WhatsApp allows: wait for a day or more",
	),
	"131050": integration.Permanent(codes.RecipientUnavailable, "the user does not want marketing messages"),
	"131062": integration.Permanent(
		codes.RecipientUnavailable, "this message needs the phone number, not the business-scoped user id",
	),
	"131063": integration.Permanent(codes.RecipientUnavailable),
	"131207": integration.Permanent(codes.RecipientUnavailable, "the group is suspended"),
	"131212": integration.Permanent(codes.RecipientUnavailable, "the recipient is not in the group"),
	"131215": integration.Permanent(codes.RecipientUnavailable, "the number may not use groups"),
	"137000": integration.Permanent(codes.RecipientUnavailable, "the user's identity key has changed"),

	// The message.
	"131008": integration.Permanent(codes.MessageInvalid),
	"131009": integration.Permanent(codes.MessageInvalid),
	"131051": integration.Permanent(codes.UnsupportedContent),
	"131052": integration.Permanent(codes.MediaNotFound),
	"132000": integration.Permanent(codes.TemplateRejected, "the template has another number of parameters"),
	"132001": integration.Permanent(
		codes.TemplateRejected, "there is no template of this name in this language, or it is not approved",
	),
	"132005": integration.Permanent(codes.TemplateRejected, "the text is too long with its parameters filled in"),
	"132007": integration.Permanent(codes.TemplateRejected, "the template's content violates a policy"),
	"132008": integration.Permanent(codes.TemplateRejected),
	"132012": integration.Permanent(codes.TemplateRejected, "a parameter has another format than the template's"),
	"132015": integration.Permanent(codes.TemplateRejected, "the template is paused for its low quality"),
	"132016": integration.Permanent(codes.TemplateRejected, "the template is disabled for its low quality"),
	"132068": integration.Permanent(codes.TemplateRejected, "the Flow is blocked"),
	"132069": integration.Permanent(codes.TemplateRejected, "the Flow is throttled"),
	"135000": integration.Permanent(codes.MessageRejected),
})
