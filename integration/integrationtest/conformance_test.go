package integrationtest_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The sum of `make conformance` is no better than what counts it.
func TestSumOfTheChecks(t *testing.T) {
	const good = "=== RUN TestParrotIsAPlatform\n--- PASS: TestParrotIsAPlatform (0.1s)\n    --- PASS: " +
		"TestParrotIsAPlatform/a (0.1s)\n        --- PASS: TestParrotIsAPlatform/a/b/c (0.1s)\n    --- PASS: " +
		"TestParrotIsAPlatform/d (0.1s)\nok\n"
	for name, test := range map[string]struct {
		output string
		says   []string // its last lines
		ok     bool
	}{
		"all is well": {
			good,
			[]string{"TestParrotIsAPlatform               2 passed, 0 failed, 0 skipped", "2 passed, 0 failed, 0 skipped"},
			true,
		},
		"a failure": {
			"--- FAIL: TestCrowIsAPlatform (0.1s)\n    --- PASS: TestCrowIsAPlatform/a (0.1s)\n    --- FAIL: " +
				"TestCrowIsAPlatform/b (0.1s)\nFAIL\n" + good,
			[]string{
				"FAIL  TestCrowIsAPlatform/b", "TestCrowIsAPlatform                 1 passed, 1 failed, 0 skipped",
				"TestParrotIsAPlatform               2 passed, 0 failed, 0 skipped", "3 passed, 1 failed, 0 skipped",
			},
			false,
		},
		"what fails above all its checks": {
			"--- FAIL: TestCrowIsAPlatform (0.1s)\n    --- PASS: TestCrowIsAPlatform/a (0.1s)\nFAIL\n",
			[]string{
				"FAIL  TestCrowIsAPlatform", "TestCrowIsAPlatform                 1 passed, 1 failed, 0 skipped",
				"1 passed, 1 failed, 0 skipped",
			},
			false,
		},
		"a check that is skipped": {
			"--- PASS: TestCrowIsAPlatform (0.1s)\n    --- PASS: TestCrowIsAPlatform/a (0.1s)\n    --- SKIP: " +
				"TestCrowIsAPlatform/b (0.1s)\nok\n",
			[]string{
				"SKIP  TestCrowIsAPlatform/b", "TestCrowIsAPlatform                 1 passed, 0 failed, 1 skipped",
				"1 passed, 0 failed, 1 skipped",
			},
			true,
		},
		"a check that fails beside one that is skipped": {
			"--- FAIL: TestCrowIsAPlatform (0.1s)\n    --- SKIP: TestCrowIsAPlatform/b (0.1s)\nFAIL\n",
			[]string{
				"FAIL  TestCrowIsAPlatform", "SKIP  TestCrowIsAPlatform/b",
				"TestCrowIsAPlatform                 0 passed, 1 failed, 1 skipped", "0 passed, 1 failed, 1 skipped",
			},
			false,
		},
		"a platform that is skipped": {
			"--- SKIP: TestCrowIsAPlatform (0.1s)\nok\n",
			[]string{
				"SKIP  TestCrowIsAPlatform", "TestCrowIsAPlatform                 0 passed, 1 failed, 0 skipped",
				"0 passed, 1 failed, 0 skipped",
			},
			false,
		},
		"a package that cannot be built": {good + "FAIL\tservices/crow [build failed]\n", []string{
			"FAIL\tservices/crow [build failed]", "TestParrotIsAPlatform               2 passed, 0 failed, 0 skipped",
			"2 passed, 1 failed, 0 skipped",
		}, false},
		"a process that has died": {
			good + "panic: oh\n",
			[]string{
				"panic: oh", "TestParrotIsAPlatform               2 passed, 0 failed, 0 skipped", "2 passed, 1 failed, 0 skipped",
			},
			false,
		},
		"no test at all": {"ok services/crow [no tests to run]\n", []string{
			"no platform was found", "0 passed, 1 failed, 0 skipped",
		}, false},
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
