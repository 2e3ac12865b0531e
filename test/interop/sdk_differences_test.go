package interop_test

import "regexp"

// sdkDifference is a way in which Switchboard is not as the SDK. docs/parity.md lists them by their names.
type sdkDifference struct {
	name   string
	at     *regexp.Regexp // the paths of an outcome at which it shows
	inputs []string       // the inputs that show it, as action: name; nil: whichever, but some of them do
}

// whole matches the parts of an outcome that differ where one side does what the other refuses.
const whole = `^(data|error|events|requests)(\..*)?$`

func sdkDifferences() []sdkDifference {
	at := regexp.MustCompile
	return []sdkDifference{
		// These show wherever they can.
		{name: "events carry the trace", at: at(
			`^events\.\d+\.(headers\.\$(caller|level|parentID|requestID|tracing)|meta)$`,
		)},
		{name: "events have a message id", at: at(`^events\.\d+\.headers\.Nats-Msg-Id$`)},
		{name: "the tenant is the channel's", at: at(`^events\.\d+\.payload\.tenantId$`)},
		{name: "errors have a kind and a code", at: at(
			`^error\.(name|code|type|data|message|retryable)$|^data\.error\.|^events\.\d+\.payload\.(metadata|error)$`,
		)},

		{"webhooks need a channel", at(whole), []string{
			"i_receiveWebhook: an unknown channel", "i_receiveWebhook: a channel without a name",
			"i_receiveWebhook: a channel that is switched off",
			"i_receiveWebhook: a channel of another platform", "i_receiveWebhook: a channel that cannot be read",
			"i_receiveWebhook: a channel without a secret",
		}},
		{"sends need an active channel of the platform", at(whole), []string{
			"i_sendMessage: a channel that is switched off", "i_sendMessage: a channel of another platform",
		}},
		{"the raw body is what was signed", at(whole), []string{
			"i_receiveWebhook: a raw body in ctx.meta, in base64", "i_receiveWebhook: a payload that is not what was signed",
			"i_receiveWebhook: emoji, right-to-left and NUL", "i_receiveWebhook: emoji as escapes",
			"i_receiveWebhook: bytes that are no UTF-8",
			"i_receiveWebhook: ids beyond 2^53", "i_receiveWebhook: members twice", "i_receiveWebhook: no raw body",
			"i_receiveWebhook: an empty raw body", "i_receiveWebhook: a raw body that is no base64",
			"i_receiveWebhook: a raw body in an unknown encoding",
		}},
		{"headers have no case", at(whole), []string{"i_receiveWebhook: a signature in capitals, under a name in capitals"}},
		{"a timestamp ahead is refused", at(whole), []string{
			"i_receiveWebhook: a timestamp of two minutes ahead", "i_receiveWebhook: a timestamp beyond all time",
		}},
		{"a repeated message is stored once", at(`^(data\.duplicates|events)$`), []string{
			"i_receiveWebhook: the same webhook twice", "i_receiveWebhook: the same message twice in a batch",
		}},
		{"a message that no stream takes is a dead letter", at(`^events$`), []string{
			"i_receiveWebhook: a message too large to be stored", "i_receiveWebhook: a message too large among others",
		}},
		{"what is not stored is asked for again", at(`^(data|error)$`), []string{"i_receiveWebhook: a stream that is full"}},
		{"only what may pass is repeated", at(whole), []string{
			"i_sendMessage: unavailable, then well", "i_sendMessage: too fast, then well",
			"i_sendMessage: too fast with a Retry-After, then well",
			"i_sendMessage: unavailable three times", "i_sendMessage: unavailable, then refused",
			"i_sendMessage: too fast for a long time",
		}},
		{"an unknown outcome is never repeated", at(whole), []string{
			"i_sendMessage: an internal error, which may come after the deed", "i_sendMessage: a redirect",
			"i_sendMessage: well, but no JSON",
			"i_sendMessage: well, but no id", "i_sendMessage: well, but a list", "i_sendMessage: well, but nothing",
			"i_sendMessage: a reset after the request was written",
		}},
		{"a send that throws is a failed event", at(`^events$`), []string{"i_sendMessage: nobody listens"}},
		{"a message is checked", at(whole), []string{"i_sendMessage: content that is a text"}},
		{"numbers keep their digits", at(`\.messageId$`), []string{"i_sendMessage: an id beyond 2^53"}},
		{"a handshake names its channel", at(whole), []string{
			"i_verifyWebhook: no channel", "i_verifyWebhook: an unknown channel",
			"i_verifyWebhook: a channel that is switched off",
		}},
		{"a handshake in Meta's names is understood", at(whole), []string{
			"i_verifyWebhook: all right, by hub's names", "i_verifyWebhook: plain names before hub's",
		}},
		{"a challenge is answered as text", at(`^meta\.\$response(Headers|Type)$|^meta\.\$statusCode$`), []string{
			"i_verifyWebhook: all right", "i_verifyWebhook: all right, by hub's names",
			"i_verifyWebhook: plain names before hub's",
		}},
		{"health says why", at(`^(data|error|requests)(\..*)?$`), []string{
			"i_healthCheck: of the service", "i_healthCheck: no params", "i_healthCheck: of a channel whose key is wrong",
			"i_healthCheck: of a channel that is too fast", "i_healthCheck: of a channel whose platform is ill",
			"i_healthCheck: of a channel whose platform is away", "i_healthCheck: of an unknown channel",
			"i_healthCheck: of a channel that is switched off", "i_healthCheck: of a channel that is a number",
		}},
		{"credentials are refused by the platform only", at(`^(data|error|requests)$`), []string{
			"i_validateCredentials: with a platform that forbids it", "i_validateCredentials: with a platform that is ill",
			"i_validateCredentials: with a platform that is unavailable",
			"i_validateCredentials: with a platform that is too fast",
			"i_validateCredentials: ones that are no texts",
		}},
		{"the status names the platform", at(`^data\.id$`), []string{
			"i_status: plain", "i_status: with params that nobody asked for",
		}},

		// These are of the languages.
		{"Go gives up at the first bad member", at(`\.(conversationId|from\.id)$`), []string{
			"i_receiveWebhook: a member of a wrong type, the ones behind it good",
		}},
		{"Go takes names of members in any case", at(`^(data\.messages|events)$`), []string{
			"i_receiveWebhook: names of members in capitals",
		}},
	}
}

// announcedDifferences are those of the actions as the cluster is told of them.
var announcedDifferences = []string{
	"parrot.i_healthCheck.params", "parrot.i_receiveWebhook.params.method", "parrot.i_receiveWebhook.params.rawBody",
	"parrot.i_receiveWebhook.params.rawBodyEncoding", "parrot.i_receiveWebhook.params.url",
	"parrot.i_sendMessage.params.idempotencyKey", "parrot.i_validateCredentials.params.settings",
	"parrot.i_verifyWebhook.params",
	"parrot.i_verifyWebhook.rest",
}
