package integration_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/internal/testserver"
)

// patience bounds every wait for what must happen.
const patience = time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(testserver.Main(m)) }
