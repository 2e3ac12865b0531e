package integrationtest_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The sum of `make conformance` is no better than what counts it.
func TestTheSumOfTheChecks(t *testing.T) {
	const good = "=== RUN TestParrotIsAPlatform\n--- PASS: TestParrotIsAPlatform (0.1s)\n    --- PASS: TestParrotIsAPlatform/a (0.1s)\n        --- PASS: TestParrotIsAPlatform/a/b/c (0.1s)\n    --- PASS: TestParrotIsAPlatform/d (0.1s)\nok\n"
	for name, test := range map[string]struct {
		output string
		says   []string // its last lines
		ok     bool
	}{
		"all is well": {good, []string{"TestParrotIsAPlatform               2 passed, 0 failed", "2 passed, 0 failed"}, true},
		"a failure": {
			"--- FAIL: TestCrowIsAPlatform (0.1s)\n    --- PASS: TestCrowIsAPlatform/a (0.1s)\n    --- FAIL: TestCrowIsAPlatform/b (0.1s)\nFAIL\n" + good,
			[]string{
				"FAIL  TestCrowIsAPlatform/b", "TestCrowIsAPlatform                 1 passed, 1 failed",
				"TestParrotIsAPlatform               2 passed, 0 failed", "3 passed, 1 failed",
			},
			false,
		},
		"what fails above all its checks": {
			"--- FAIL: TestCrowIsAPlatform (0.1s)\n    --- PASS: TestCrowIsAPlatform/a (0.1s)\nFAIL\n",
			[]string{"FAIL  TestCrowIsAPlatform", "TestCrowIsAPlatform                 1 passed, 1 failed", "1 passed, 1 failed"},
			false,
		},
		"a check that is skipped": {
			"--- SKIP: TestCrowIsAPlatform (0.1s)\nok\n",
			[]string{"SKIP  TestCrowIsAPlatform", "TestCrowIsAPlatform                 0 passed, 1 failed", "0 passed, 1 failed"},
			false,
		},
		"a package that cannot be built": {good + "FAIL\tservices/crow [build failed]\n", []string{
			"FAIL\tservices/crow [build failed]", "TestParrotIsAPlatform               2 passed, 0 failed", "2 passed, 1 failed",
		}, false},
		"a process that has died": {good + "panic: oh\n", []string{"panic: oh", "TestParrotIsAPlatform               2 passed, 0 failed", "2 passed, 1 failed"}, false},
		"no test at all":          {"ok services/crow [no tests to run]\n", []string{"no platform was found", "0 passed, 1 failed"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "awk", "-f", "../../test/conformance.awk")
			cmd.Stdin = strings.NewReader(test.output)
			output, err := cmd.Output()
			require.Equal(t, test.says, strings.Split(strings.TrimSpace(string(output)), "\n"))
			require.Equal(t, test.ok, err == nil)
		})
	}
}
