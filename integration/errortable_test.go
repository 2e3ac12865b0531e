package integration_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func errorTable() *integration.ErrorTable {
	return &integration.ErrorTable{
		Codes: map[string]integration.ErrorRow{
			"7":    {Kind: integration.FaultPermanent, Code: "MESSAGE_INVALID"},
			"7/33": {Kind: integration.FaultAuth, Code: "OBJECT_UNKNOWN", Fix: "look at the ids"},
			"slow": {
				Kind: integration.FaultThrottled, Code: "SPAM_LIMITED", Wait: time.Hour, Pauses: integration.PausesRecipient,
			},
			"fell": {Kind: integration.FaultUnknown, Code: "PLATFORM_UNAVAILABLE"},
		},
		Texts: []integration.ErrorText{
			{Says: "chat not found", ErrorRow: integration.ErrorRow{
				Kind: integration.FaultPermanent, Code: "RECIPIENT_UNKNOWN",
			}},
		},
		Statuses: map[int]integration.ErrorRow{
			401: {Kind: integration.FaultAuth, Code: "CREDENTIALS_REFUSED"},
			403: {Kind: integration.FaultPermanent, Code: "PERMISSION_MISSING"},
		},
		Foreign: map[int]integration.ErrorRow{403: {Kind: integration.FaultPermanent, Code: "PLATFORM_BLOCKED"}},
	}
}

func TestErrorTableFindsTheRow(t *testing.T) {
	table := errorTable()
	for name, test := range map[string]struct {
		refusal integration.Refusal
		kind    integration.ErrorKind
		code    string
	}{
		"a code": {integration.Refusal{Status: 400, Code: "7"}, integration.FaultPermanent, "MESSAGE_INVALID"},
		"a subcode before its code": {integration.Refusal{
			Status: 400, Code: "7", Subcode: "33",
		}, integration.FaultAuth, "OBJECT_UNKNOWN"},
		"the code of another subcode": {integration.Refusal{
			Status: 400, Code: "7", Subcode: "34",
		}, integration.FaultPermanent, "MESSAGE_INVALID"},
		"a code before the status": {
			integration.Refusal{Status: 401, Code: "7"}, integration.FaultPermanent, "MESSAGE_INVALID",
		},
		"a code with a good status": {
			integration.Refusal{Status: 200, Code: "7"}, integration.FaultPermanent, "MESSAGE_INVALID",
		},
		"429 before a code": {integration.Refusal{Status: 429, Code: "7"}, integration.FaultThrottled, "RATE_LIMITED"},
		"a code of throttling with 429": {integration.Refusal{
			Status: 429, Code: "slow",
		}, integration.FaultThrottled, "SPAM_LIMITED"},
		"a text in any case": {integration.Refusal{
			Status: 400, Text: "Bad Request: Chat not found",
		}, integration.FaultPermanent, "RECIPIENT_UNKNOWN"},
		"a text of a server's failure": {integration.Refusal{
			Status: 500, Text: "chat not found",
		}, integration.FaultUnknown, "PLATFORM_UNAVAILABLE"},
		"a status": {integration.Refusal{Status: 401, Code: "8"}, integration.FaultAuth, "CREDENTIALS_REFUSED"},
		"what is in no list": {
			integration.Refusal{Status: 409, Code: "8"},
			integration.FaultPermanent,
			"MESSAGE_REJECTED",
		},
		"429 that is in no list": {integration.Refusal{Status: 429}, integration.FaultThrottled, "RATE_LIMITED"},
		"an overload":            {integration.Refusal{Status: 503}, integration.FaultTransient, "PLATFORM_UNAVAILABLE"},
		"a gateway":              {integration.Refusal{Status: 504}, integration.FaultUnknown, "PLATFORM_NO_ANSWER"},
		"a failure that may pass": {integration.Refusal{
			Status: 400, Code: "8", MayPass: true,
		}, integration.FaultUnknown, "PLATFORM_UNAVAILABLE"},
		"a permanent code that may pass": {integration.Refusal{
			Status: 400, Code: "7", MayPass: true,
		}, integration.FaultUnknown, "PLATFORM_UNAVAILABLE"},
		"refused credentials that may pass": {
			integration.Refusal{Status: 400, Code: "7", Subcode: "33", MayPass: true}, integration.FaultAuth, "OBJECT_UNKNOWN",
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := table.Error(&test.refusal)
			require.Equal(t, test.kind, e.Kind)
			require.Equal(t, test.code, e.Code)
			require.Equal(t, test.refusal.Code, e.PlatformCode)
			require.Equal(t, test.refusal.Status, e.HTTPStatus)
		})
	}
}

func TestErrorTableSaysWhatToDo(t *testing.T) {
	e := errorTable().Error(&integration.Refusal{
		Name: "parrot say", Status: 400, Code: "7", Subcode: "33", Shown: "7.33", Text: "7 no",
		Details: []string{"since Monday", ""},
	})
	require.Equal(t, "parrot say: 7 no; since Monday; look at the ids", e.Message)
	require.Equal(t, "7.33", e.PlatformCode)
	e = errorTable().Error(&integration.Refusal{Name: "parrot say", Status: 400, Code: "fell", Text: "oh"})
	require.Equal(t, "parrot say: oh; it may have been carried out", e.Message)
	require.Equal(t, integration.Uncertain, e.Outcome())
}

func TestErrorTableKnowsHowLongToWait(t *testing.T) {
	e := errorTable().Error(&integration.Refusal{Status: 400, Code: "slow"})
	require.Equal(t, time.Hour, e.RetryAfter)
	require.Equal(t, integration.PausesRecipient, e.Pauses)
	e = errorTable().
		Error(&integration.Refusal{Status: 400, Code: "slow", RetryAfter: time.Second, Pauses: integration.PausesChannel})
	require.Equal(t, time.Second, e.RetryAfter, "the answer knows better")
	require.Equal(t, integration.PausesChannel, e.Pauses)
	e = errorTable().Error(&integration.Refusal{Status: 400, Code: "7", RetryAfter: time.Second})
	require.Zero(t, e.RetryAfter, "nothing is throttled")
}

func TestErrorTableRowsAreFoundByTheirRefusals(t *testing.T) {
	table := errorTable()
	rows := table.Rows()
	require.Len(t, rows, 8)
	for _, row := range rows {
		if row.Refusal != nil {
			require.Equal(t, row.ErrorRow, table.Row(row.Refusal), row.Key)
		}
	}
	var none *integration.ErrorTable
	require.Empty(t, none.Rows())
}

func TestErrorTextCountsBeforeTooManyRequests(t *testing.T) {
	table := integration.ErrorTable{Texts: []integration.ErrorText{
		{Says: "monthly limit", ErrorRow: integration.ErrorRow{Kind: integration.FaultPermanent, Code: "QUOTA_EXCEEDED"}},
	}}
	e := table.Error(&integration.Refusal{Status: 429, Text: "You have reached your monthly limit."})
	require.Equal(t, integration.FaultPermanent, e.Kind, "a pause does not help")
	e = table.Error(&integration.Refusal{Status: 429, Text: "Slow down."})
	require.Equal(t, integration.FaultThrottled, e.Kind)
}
