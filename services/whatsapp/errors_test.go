package whatsapp_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/whatsapp/whatsapptest"
)

func TestErrorCodesAreClassified(t *testing.T) {
	type row struct {
		kind   integration.ErrorKind
		code   string
		wait   time.Duration
		pauses integration.Scope
	}
	auth, permanent := integration.FaultAuth, integration.FaultPermanent
	number, recipient := integration.PausesChannel, integration.PausesRecipient
	byCode := map[int]row{
		80007:  {integration.FaultThrottled, "RATE_LIMITED", time.Minute, number},
		130429: {integration.FaultThrottled, "RATE_LIMITED", time.Second, number},
		131056: {integration.FaultThrottled, "RATE_LIMITED", 6 * time.Second, recipient},
		131208: {integration.FaultThrottled, "RATE_LIMITED", time.Minute, recipient},
		131048: {integration.FaultThrottled, "SPAM_LIMITED", time.Hour, number},
		131064: {integration.FaultThrottled, "SPAM_LIMITED", time.Hour, number},
		133016: {integration.FaultThrottled, "SPAM_LIMITED", time.Hour, number},
		131053: {integration.FaultTransient, "MEDIA_UNAVAILABLE", 0, ""},
		131047: {permanent, "WINDOW_CLOSED", 0, ""},
		131052: {permanent, "MEDIA_NOT_FOUND", 0, ""},
		131005: {auth, "PERMISSION_MISSING", 0, ""},
	}
	for v, list := range map[row][]int{
		{integration.FaultUnknown, "PLATFORM_UNAVAILABLE", 0, ""}:   {1, 2, 131000, 131016},
		{integration.FaultTransient, "PLATFORM_UNAVAILABLE", 0, ""}: {131057, 133004},
		{auth, "ACCOUNT_RESTRICTED", 0, ""}:                         {368, 131031, 131042},
		{auth, "NUMBER_NOT_READY", 0, ""}:                           {131045, 133010},
		{auth, "CREDENTIALS_REFUSED", 0, ""}:                        {0, 190},
		{auth, "PERMISSION_MISSING", 0, ""}:                         {3, 10, 200, 299},
		{permanent, "RECIPIENT_LIMITED", 0, ""}:                     {130472, 131049},
		{permanent, "RECIPIENT_UNAVAILABLE", 0, ""}: {
			130497, 131020, 131021, 131026, 131030, 131041, 131050, 131062, 131063, 131207, 131212, 131215, 137000,
		},
		{permanent, "MESSAGE_INVALID", 0, ""}:     {100, 131008, 131009},
		{permanent, "UNSUPPORTED_CONTENT", 0, ""}: {131051},
		{permanent, "MESSAGE_REJECTED", 0, ""}:    {135000, 424242},
		{permanent, "TEMPLATE_REJECTED", 0, ""}: {
			132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 132068, 132069,
		},
	} {
		for _, code := range list {
			byCode[code] = v
		}
	}
	for code, want := range byCode {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			api, ch := newServer(t)
			api.Answer(whatsapptest.Error(400, code, 0, "(#"+strconv.Itoa(code)+") no", "details"))
			_, err := send(t, ch, to(phone, text("hi")))
			e := requireError(t, err, want.kind, want.code)
			require.Equal(t, want.wait, e.RetryAfter)
			require.Equal(t, want.pauses, e.Pauses)
			require.Equal(t, strconv.Itoa(code), e.PlatformCode)
			require.Equal(t, 400, e.HTTPStatus)
			require.Contains(t, e.Message, "details")
		})
	}
}
