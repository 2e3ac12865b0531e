package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// All answers are those of Node's utils.match (0.14.36), found by running it.
func TestPatternsMatchWhatTheyMatchInNode(t *testing.T) {
	for _, tc := range []struct {
		name, pattern string
		want          bool
	}{
		{"user.created", "user.created", true},
		{"user.created", "user.removed", false},
		{"user.created", "USER.*", false},
		{"users", "us*", true},
		{"user.created", "us*", false},
		{"user", "user*", true},
		{"user.created", "user*", true}, // one dot where the star stands
		{"user.a.b", "user*", false},
		{"us.", "us*", true},
		{"us..", "us*", false},
		{"user.created", "user.*", true},
		{"user.", "user.*", true},
		{"user..x", "user.*", true},
		{"user.a.b", "user.*", false},
		{"user", "user.*", false},
		{"user", "*", true},
		{"", "*", true},
		{"user.created", "*", false},
		{"a.b", "**", true},
		{"", "**", true},
		{"a.b", "***", true},
		{"a.b.c", "a.**", true},
		{"a.", "a.**", true},
		{"a", "a.**", false},
		{"ab.c", "a**", true},
		{"a", "a**", true},
		{"x.a.created", "**.created", true},
		{"created", "**.created", false},
		{"a.created", "*.created", true},
		{"aXcreated", "*.created", true}, // a dot beside an inner star is any character
		{"a.b.created", "*.created", false},
		{"a.b", "*.*", true},
		{"axb", "*.*", true},
		{"a.b.c", "*.*", false},
		{"a.b.c", "a.*.c", true},
		{"a..c", "a.*.c", true},
		{"a.b.x.c", "a.*.c", false},
		{"a.b.x.c", "a.**.c", true},
		{"a.c", "a.**.c", false},
		{"abc", "a*c", true},
		{"a.c", "a*c", false},
		{"user.created", "**user**", true},
		{"user.created", "user.create?", true},
		{"user.create", "user.create?", false},
		{"userXcreated", "user.create?", true},
		{"a.b", "?.?", true},
		{"a", "?", true},
		{"ab", "?", false},
		{"", "?*", false},
		{"$node.connected", "$node.*", true},
		{"$node.connected", "$node.c?nnected", true},
		{"$node.connected", "$*.connected", true},
		{"a+b.x", "a+b.*", true},
		{"a+b.c", "a+b.?", false}, // a regular expression
		{"aab.c", "a+b.?", true},
		{"a[b].c", "a[b].?", false},
		{"x|y.z", "x|y.?", true},
		{"ä.x", "ä.*", true},
		{"ä.x.y", "ä.*.?", true},
		{"a\nb", "a**", true},
		{"a\nb", "a*", true},
		{"a\nb", "a?b", false},
		// Node throws.
		{"a(.x.y", "a(.*.?", false},
		{"a(.*.?", "a(.*.?", true},
		{"\xff", "(?\xff", false},
	} {
		t.Run(tc.name+" and "+tc.pattern, func(t *testing.T) {
			var m matcher
			for range 2 { // compiled, and as it was compiled
				require.Equal(t, tc.want, m.match(tc.name, tc.pattern))
			}
		})
	}
}
