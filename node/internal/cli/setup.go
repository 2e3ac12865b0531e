package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/app"
)

type setupCommand struct {
	configFlag
	outputFlag
	ID       string `arg:"" name:"id" help:"Channel id."`
	URL      string `help:"Where the platform calls; with a slash at its end the gateway's URL." placeholder:"URL"`
	DryRun   bool   `help:"Show what would change, and change nothing."`
	Force    bool   `help:"Also set what the platform does not tell, such as a secret that you changed."`
	Commands string `help:"Discord: the app's commands, a JSON array; - reads standard input." placeholder:"FILE"`
	AppID    string `help:"Slack: the app's id, beside --app-token." placeholder:"ID"`
	AppToken string `help:"Slack: an app configuration token, as file:PATH or env:NAME." placeholder:"TOKEN"`
	Manifest bool   `help:"Print only the manifest, for you to paste at the platform."`
}

func (*setupCommand) Help() string {
	return `Sets up at the platform where the webhooks of a channel go. A second run changes nothing and says so. Without
--url it takes the channel's setting publicUrl. Examples:

  switchboard channels setup shop --url https://gateway.example.com/ --dry-run
  switchboard channels setup shop --url https://gateway.example.com/hooks/telegram/shop
  switchboard channels setup bot --url https://gateway.example.com/ --commands commands.json
  switchboard channels setup desk --url https://gateway.example.com/ --manifest`
}

func (s *setupCommand) Run(
	ctx context.Context, log *logrus.Logger, secrets *redact.Secrets, extensions app.Extensions,
) error {
	wanted, err := s.wanted()
	if err != nil {
		return err
	}
	return s.manage(managing{ctx, log, secrets, extensions}, func(list *app.Channels) error {
		result, err := list.SetUp(ctx, s.ID, wanted, s.DryRun || s.Manifest)
		switch {
		case err != nil:
			return err
		case s.Manifest && result.Manifest == "":
			return fmt.Errorf("%s has no manifest", result.Platform)
		case s.Manifest:
			fmt.Println(result.Manifest)
			return nil
		case s.Output == "json":
			return printJSON(os.Stdout, result)
		}
		printSetup(os.Stdout, result)
		return nil
	})
}

// maxCommands bounds, in bytes, a file of commands.
const maxCommands = 1 << 20

// wanted is what the flags ask for.
func (s *setupCommand) wanted() (integration.Setup, error) {
	wanted := integration.Setup{URL: s.URL, AppID: s.AppID, Force: s.Force}
	var err error
	if wanted.AppToken, err = secretOf("--app-token", s.AppToken); err != nil || s.Commands == "" {
		return wanted, err
	}
	file := os.Stdin
	if s.Commands != "-" {
		if file, err = os.Open(s.Commands); err != nil {
			return wanted, err
		}
		defer func() { _ = file.Close() }() // it was read only
	}
	if wanted.Commands, err = io.ReadAll(io.LimitReader(file, maxCommands+1)); err != nil {
		return wanted, err
	}
	if len(wanted.Commands) > maxCommands || !json.Valid(wanted.Commands) {
		return wanted, fmt.Errorf("%s is no JSON of at most 1 MB", s.Commands)
	}
	return wanted, nil
}

// printSetup shows the values that change, the old one above the new one.
func printSetup(w io.Writer, r *integration.SetupResult) {
	if r.URL != "" {
		fmt.Fprintf(w, "%s (%s) at %s\n", r.ChannelID, r.Platform, r.URL)
	} else {
		fmt.Fprintf(w, "%s (%s)\n", r.ChannelID, r.Platform)
	}
	for _, c := range r.Changes {
		fmt.Fprintf(w, "- %s: %s\n+ %s: %s\n", c.Name, cmp.Or(c.Old, "none"), c.Name, cmp.Or(c.New, "none"))
	}
	for _, note := range r.Notes {
		fmt.Fprintln(w, "note: "+note)
	}
	if r.Manifest != "" {
		fmt.Fprintln(w, r.Manifest)
	}
	switch {
	case len(r.Changes) == 0 && r.Manifest == "":
		fmt.Fprintln(w, "nothing to change")
	case len(r.Changes) == 0: // a person pastes the manifest
	case r.Done:
		fmt.Fprintf(w, "%d value(s) changed\n", len(r.Changes))
	default:
		fmt.Fprintf(w, "%d value(s) would change; nothing was changed\n", len(r.Changes))
	}
}
