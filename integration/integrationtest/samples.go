package integrationtest

import (
	"testing"

	"github.com/hiliosai/switchboard/internal/fixtures"
)

// Sample is a webhook from elsewhere.
type Sample struct {
	Name    string
	Body    []byte
	Headers map[string]string
}

// Samples are the webhooks of a platform that are kept in the folder shared/fixtures beside the module. It skips the
// test where there are none.
func Samples(tb testing.TB, platform string) (list []Sample) {
	tb.Helper()
	for _, f := range fixtures.Payloads(tb, platform) {
		if f.Status == 0 && f.Unused == "" {
			list = append(list, Sample{f.Name, f.Body, f.Headers})
		}
	}
	return list
}
