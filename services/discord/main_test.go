package discord_test

import (
	"testing"

	"github.com/hiliosai/switchboard/integration/integrationtest"
)

func TestMain(m *testing.M) { integrationtest.Main(m) }
