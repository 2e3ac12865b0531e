package throttle

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestKeysThatAreIdleAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Keyed
		r := Rate{Calls: 1, Per: time.Second}
		space := func(from, to int) {
			for i := from; i < to; i++ {
				_, err := p.Reserve(t.Context(), fmt.Sprint(i), r, 0)
				require.NoError(t, err)
			}
		}
		space(0, maxLimiters)
		<-time.After(time.Second)
		_, err := p.Reserve(t.Context(), "0", r, 0) // which is not idle from here on
		require.NoError(t, err)
		space(maxLimiters, maxLimiters+1)
		require.Len(t, p.rates.limiters, 2)
		after, err := p.Reserve(t.Context(), "0", r, 0)
		require.Error(t, err, "a key that is not idle keeps its rate")
		require.Equal(t, time.Second, after)
	})
}
