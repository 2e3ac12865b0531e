package mixins_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds every wait for what must happen.
const patience = time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
