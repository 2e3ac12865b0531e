package integrationtest

import (
	"context"
	"testing"

	"github.com/hiliosai/switchboard/internal/testserver/nowhere"
	"github.com/hiliosai/switchboard/internal/testserver/overdue"
)

// UnusedURL is an HTTP URL at which nobody listens for as long as the test runs.
func UnusedURL(tb testing.TB) string {
	tb.Helper()
	return nowhere.URL(tb)
}

// OverdueContext returns a context whose deadline comes when expire is called, which may be from anywhere and more than
// once. Before that, the context does not end.
func OverdueContext(parent context.Context) (ctx context.Context, expire func()) {
	return overdue.Context(parent)
}
