package cache_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testserver.Main(m)) }
