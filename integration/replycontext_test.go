package integration_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func TestReplyValuesComeBackAsTheyWerePut(t *testing.T) {
	m := &integration.Message{}
	values, err := m.ReplyValues()
	require.NoError(t, err)
	require.Empty(t, values)
	m.PutReplyValue("empty", "")
	m.PutReplyValue("a", "1&b=2 %")
	m.PutReplyValue("long", strings.Repeat("x", 4096))
	m.PutReplyValue("b", "https://example.org/?a=1")
	values, err = m.ReplyValues()
	require.NoError(t, err)
	require.Equal(t, url.Values{"a": {"1&b=2 %"}, "b": {"https://example.org/?a=1"}}, values)
}

func TestReplyContextOfAnotherFormIsInvalid(t *testing.T) {
	m := &integration.Message{ReplyContext: "%"}
	_, err := m.ReplyValues()
	require.ErrorContains(t, err, "hand it back as it came")
	e, ok := errors.AsType[*integration.Error](err)
	require.True(t, ok)
	require.Equal(t, integration.FaultInvalid, e.Kind)
}

func TestReplyTokenIsForOneMessageToItsConversationInTime(t *testing.T) {
	later := time.Now().Add(time.Hour).UnixMilli()
	asked := &integration.Message{ConversationID: "chat"}
	asked.PutReplyToken("t-1", later)
	expired := &integration.Message{ConversationID: "chat"}
	expired.PutReplyToken("t-1", time.Now().Add(-time.Hour).UnixMilli())
	none := &integration.Message{ConversationID: "chat"}
	none.PutReplyToken("", later)
	require.Empty(t, none.ReplyContext)
	for name, test := range map[string]struct {
		answer integration.Message
		token  string
	}{
		"in time":          {integration.Message{ConversationID: "chat", ReplyContext: asked.ReplyContext}, "t-1"},
		"by its recipient": {integration.Message{To: integration.Party{ID: "chat"}, ReplyContext: asked.ReplyContext}, "t-1"},
		"too late":         {integration.Message{ConversationID: "chat", ReplyContext: expired.ReplyContext}, ""},
		"to another":       {integration.Message{ConversationID: "other", ReplyContext: asked.ReplyContext}, ""},
		"without a token":  {integration.Message{ConversationID: "chat"}, ""},
		"of another form":  {integration.Message{ConversationID: "chat", ReplyContext: "%"}, ""},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.token, test.answer.ReplyToken(t.Context())) })
	}
}
