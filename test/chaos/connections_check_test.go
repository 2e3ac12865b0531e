package chaos_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/test/chaos"
)

func TestConnectionCheckerReportsWhatIsBroken(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	var pushed []chaos.Pushed
	var kept []chaos.Kept
	for i, text := range []string{"a1", "b1", "a2", "b2", "a3"} {
		at := start.Add(time.Duration(i) * time.Second)
		pushed = append(pushed, chaos.Pushed{Text: text, Conversation: text[:1], Fault: "none", At: at})
		kept = append(kept, chaos.Kept{Text: text, At: at.Add(time.Millisecond)})
	}
	for name, test := range map[string]struct {
		kept []chaos.Kept
		want string
	}{
		"nothing":   {kept, ""},
		"lost":      {slices.Delete(slices.Clone(kept), 2, 3), chaos.PromisePushStored},
		"twice":     {append(slices.Clone(kept), kept[1]), chaos.PromisePushOnce},
		"reordered": {[]chaos.Kept{kept[2], kept[1], kept[0], kept[3], kept[4]}, chaos.PromisePushOrder},
		"others":    {[]chaos.Kept{kept[1], kept[0], kept[2], kept[3], kept[4]}, ""}, // of different conversations
	} {
		t.Run(name, func(t *testing.T) {
			r := chaos.CheckConnections(pushed, test.kept)
			if test.want == "" {
				require.Empty(t, r.Violations)
				require.Contains(t, r.String(), "5 passed, 0 failed\n")
				return
			}
			require.Len(t, r.Violations, 1)
			require.Equal(t, test.want, r.Violations[0].Promise)
			require.Equal(t, test.want == chaos.PromisePushStored, r.Missing())
			require.Contains(t, r.String(), "4 passed, 1 failed\n")
		})
	}
}
