package line_test

import (
	"testing"

	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/line"
)

func TestMain(m *testing.M) { integrationtest.Main(m) }

func TestLINEIsAPlatform(t *testing.T) {
	integrationtest.Run(t, integrationtest.FromFiles(t, line.Definition))
}

func FuzzWebhook(f *testing.F) {
	integrationtest.FuzzWebhook(f, integrationtest.FromFiles(f, line.Definition))
}
