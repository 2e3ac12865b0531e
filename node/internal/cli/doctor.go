package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/config"
)

type doctorCommand struct {
	configFlag
	outputFlag
	Channel string `arg:"" optional:"" help:"Channel id; without one all channels."`
	URL     string `help:"Where platforms should call; with a slash at its end the gateway's URL." placeholder:"URL"`
}

func (*doctorCommand) Help() string {
	return `Checks the configuration, NATS with its permissions, JetStream, streams and clock, the stores and their keys,
and of each channel its credentials, its webhook at the platform and its connections. Each finding is ok, a warning or
a fault, with what to do. It changes nothing. The exit status is 1 where there are faults. Examples:

  switchboard doctor
  switchboard doctor shop --url https://gateway.example.com/
  switchboard doctor --output json`
}

func (d *doctorCommand) Run(
	ctx context.Context, log *logrus.Logger, secrets *redact.Secrets, extensions app.Extensions,
) error {
	load := func() (*config.Config, error) {
		c, err := d.load(log, secrets)
		log.SetLevel(min(log.Level, logrus.ErrorLevel)) // the findings say it better
		return c, err
	}
	found := app.Examine(ctx, load, extensions, app.Examined{Channel: d.Channel, URL: d.URL}, log, secrets)
	var err error
	if d.Output == "json" {
		err = printJSON(os.Stdout, found)
	} else {
		err = printFindings(os.Stdout, found)
	}
	if err == nil && found.Faults > 0 {
		err = fmt.Errorf("%d fault(s)", found.Faults)
	}
	return err
}

// printFindings prints a line for each finding, and one below it for what to do.
func printFindings(w io.Writer, found *app.Findings) error {
	err := table(w, func(row func(...string)) {
		for _, f := range found.Findings {
			level := f.Level
			if level == app.LevelFault {
				level = "FAULT"
			}
			row(level, strings.TrimSpace(f.Channel+" "+f.Check), f.Message)
			if f.Fix != "" {
				row("", "", "→ "+f.Fix)
			}
		}
	})
	if err == nil {
		_, err = fmt.Fprintf(w, "%d ok, %d warning(s), %d fault(s)\n", found.OK, found.Warnings, found.Faults)
	}
	return err
}
