package integration_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

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
