package cluster

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUnusableSendersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newUnusableSenders()
		lines := func() (n int) {
			for i := range 3 * maxUnusableSenders {
				if s.isNews(fmt.Sprint(strings.Repeat("x", 200), i), "fault") {
					n++
				}
			}
			return n
		}
		require.Equal(t, unusableBurst, lines())
		require.Zero(t, lines())
		<-time.After(10 * time.Second)
		require.Equal(t, 10, lines(), "one a second, of senders that had to wait")
		<-time.After(time.Hour)
		for lines() > 0 {
			<-time.After(time.Hour)
		}
		require.Len(t, s.seen, maxUnusableSenders)
	})
}
