package oneline_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/oneline"
)

func TestTextIsOnOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "plain ~!": "plain ~!", "a\r\nb\tc\x00d\x7fe": "a  b c d e", "é👍\u2028x": "é👍\u2028x", "\u0085n": " n",
		"\xff": "\ufffd",
	} {
		require.Equal(t, want, oneline.Of(text), "%q", text)
	}
}
