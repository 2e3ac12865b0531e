package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/internal/app"
	"github.com/hiliosai/switchboard/internal/config"
	"github.com/hiliosai/switchboard/internal/redact"
)

type cli struct {
	Run      runCommand      `cmd:"" help:"Run the node until SIGTERM or SIGINT."`
	Channels channelsCommand `cmd:"" help:"Manage channels: the tenants' accounts at platforms. A running node sees changes at once."`
	Call     callCommand     `cmd:"" help:"Call any action of the cluster and print its result."`
	Services servicesCommand `cmd:"" help:"List the services of the cluster."`

	Version kong.VersionFlag `help:"Print the version."`
}

// configFlag is the flag that every command has.
type configFlag struct {
	Config string `default:"config.yaml" help:"Configuration file." placeholder:"FILE"`
}

// load reads the configuration and sets the log up. Commands log to standard error: their result
// goes to standard output.
func (f configFlag) load(log *logrus.Logger, secrets *redact.Secrets) (*config.Config, error) {
	c, err := config.Load(f.Config)
	if err == nil {
		app.ConfigureLog(log, os.Stderr, c.Log, secrets)
	}
	return c, err
}

type runCommand struct{ configFlag }

func (r *runCommand) Run(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets) error {
	c, err := r.load(log, secrets)
	if err != nil {
		return err
	}
	return app.Run(ctx, c, log, secrets)
}

type channelsCommand struct {
	Apply  applyCommand  `cmd:"" help:"Create or replace the channels of a file, all or none."`
	List   listCommand   `cmd:"" help:"List the channels, with their secrets masked."`
	Remove removeCommand `cmd:"" help:"Remove channels."`
}

type applyCommand struct {
	configFlag
	File string `short:"f" required:"" help:"channels.yaml" placeholder:"FILE"`
}

func (a *applyCommand) Run(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets) error {
	return a.withChannels(ctx, log, secrets, func(channels *app.Channels) error {
		n, err := channels.ApplyFile(ctx, a.File)
		if err == nil {
			fmt.Printf("%d channel(s) applied\n", n)
		}
		return err
	})
}

type listCommand struct {
	configFlag
	JSON bool `help:"Print JSON."`
}

func (l *listCommand) Run(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets) error {
	return l.withChannels(ctx, log, secrets, func(channels *app.Channels) error {
		list, err := channels.List(ctx)
		if err != nil {
			return err
		}
		if l.JSON {
			return printJSON(os.Stdout, list)
		}
		return table(os.Stdout, func(row func(...string)) {
			row("ID", "TENANT", "PLATFORM", "STATUS", "CREDENTIALS", "SETTINGS")
			for _, ch := range list {
				row(ch.ID, ch.TenantID, ch.Platform, ch.Status, app.Pairs(ch.Credentials), app.Pairs(ch.Settings))
			}
		})
	})
}

type removeCommand struct {
	configFlag
	IDs []string `arg:"" name:"id" help:"Channel ids."`
}

func (r *removeCommand) Run(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets) error {
	return r.withChannels(ctx, log, secrets, func(channels *app.Channels) error {
		for _, id := range r.IDs {
			if err := channels.Remove(ctx, id); err != nil {
				return err
			}
			fmt.Printf("channel %s removed\n", id)
		}
		return nil
	})
}

func (f configFlag) withChannels(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets, do func(*app.Channels) error) error {
	c, err := f.load(log, secrets)
	if err != nil {
		return err
	}
	channels, err := app.OpenChannels(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(do(channels), channels.Close())
}

type callCommand struct {
	configFlag
	Action  string        `arg:"" help:"Full name, such as telegram.i_status."`
	Params  string        `arg:"" optional:"" default:"{}" help:"Params as JSON; - reads them from standard input."`
	Node    string        `help:"Call the action on this node." placeholder:"ID"`
	Timeout time.Duration `default:"10s" help:"How long to wait for the answer."`
}

func (c *callCommand) Run(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets) error {
	params := []byte(c.Params)
	if c.Params == "-" {
		var err error
		if params, err = io.ReadAll(os.Stdin); err != nil {
			return fmt.Errorf("read the params: %w", err)
		}
	}
	if !json.Valid(params) {
		return errors.New("the params are not valid JSON")
	}
	return c.visit(ctx, c.Timeout, log, secrets, func(ctx context.Context, v *app.Visitor) error {
		result, err := v.Call(ctx, c.Action, params, c.Node)
		if err != nil {
			return described(err)
		}
		return printJSON(os.Stdout, result)
	})
}

// described shows all that a Moleculer error says.
func described(err error) error {
	e := action.AsError(err, "", "")
	text := fmt.Sprintf("%s %d %s: %s", e.Name, e.Code, e.Type, e.Message)
	if data, jsonErr := json.Marshal(e.Data); jsonErr == nil && e.Data != nil {
		text += "\n" + string(data)
	}
	return errors.New(text)
}

type servicesCommand struct {
	configFlag
	JSON bool `help:"Print JSON."`
}

func (s *servicesCommand) Run(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets) error {
	return s.visit(ctx, 5*time.Second, log, secrets, func(ctx context.Context, v *app.Visitor) error {
		list := v.Services(ctx)
		if s.JSON {
			return printJSON(os.Stdout, list)
		}
		return table(os.Stdout, func(row func(...string)) {
			row("SERVICE", "NODE", "ACTIONS")
			for _, svc := range list {
				row(svc.FullName, svc.NodeID, strings.Join(svc.Actions, " "))
			}
		})
	})
}

// visit joins the cluster for as long as do runs.
func (f configFlag) visit(ctx context.Context, timeout time.Duration, log *logrus.Logger, secrets *redact.Secrets, do func(context.Context, *app.Visitor) error) error {
	c, err := f.load(log, secrets)
	if err != nil {
		return err
	}
	log.SetLevel(min(log.Level, logrus.WarnLevel)) // the result is what was asked for
	visitor, err := app.Visit(ctx, c, log, secrets)
	if err != nil {
		return err
	}
	defer visitor.Leave()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return do(ctx, visitor)
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func table(w io.Writer, fill func(row func(...string))) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fill(func(cells ...string) { fmt.Fprintln(tw, strings.Join(cells, "\t")) })
	return tw.Flush()
}
