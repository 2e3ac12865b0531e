package integration_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func TestHeadersDoNotHeedTheCaseOfNames(t *testing.T) {
	h := integration.NewHeaders(map[string]string{"X-One": "1", "x-two": "2"})
	require.Equal(t, []string{"1", "2", ""}, []string{h.Get("x-one"), h.Get("X-TWO"), h.Get("x-three")})
	h.Set("X-TWO", "two")
	h.Set("X-Three", "3")
	require.Equal(t, map[string]string{"x-one": "1", "x-two": "two", "x-three": "3"}, h.Map())

	before := h
	h.Del("X-oNE")
	require.Empty(t, h.Get("x-one"))
	h.Set("x-two", "changed")
	require.Equal(t, []string{"1", "two"}, []string{before.Get("x-one"), before.Get("x-two")}, "a copy keeps its own")
	var none integration.Headers
	require.Empty(t, none.Get("x-one"))
	require.Empty(t, none.Map())
	none.Del("x-one")
}
