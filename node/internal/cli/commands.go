// Package cli is the command line of a node: what can be done with it from a shell. What the commands
// do is the business of package app.
package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/config"
)

type commands struct {
	Dev      devCommand      `cmd:"" help:"Try a bot out: print what comes and echo it, with nothing else running."`
	Init     initCommand     `cmd:"" help:"Write config.yaml and channels.yaml, by questions."`
	Run      runCommand      `cmd:"" help:"Run the node until SIGTERM or SIGINT. SIGHUP has it read the file again."`
	Channels channelsCommand `cmd:"" help:"Manage channels: tenants' accounts. Nodes see changes at once."`
	Doctor   doctorCommand   `cmd:"" help:"Look for what is wrong: configuration, NATS, stores, channels."`
	Events   eventsCommand   `cmd:"" help:"Look at reliable events, and replay them."`
	DLQ      dlqCommand      `cmd:"" name:"dlq" help:"Manage dead letters: events that their consumers gave up."`
	Call     callCommand     `cmd:"" help:"Call any action of the cluster and print its result."`
	Health   healthCommand   `cmd:"" help:"Say whether this machine's node is ready; the status is 1 where it is not."`
	Services servicesCommand `cmd:"" help:"List the services of the cluster."`

	NewPlatform newPlatformCommand `cmd:"" help:"Begin a platform: a package that passes the suite for texts."`

	Completion completionCommand `cmd:"" help:"Print the script that completes commands in a shell."`
	Complete   completeCommand   `cmd:"" hidden:"" help:"Print what a command line may go on with."`
	Man        manCommand        `cmd:"" hidden:"" help:"Print the manual page."`

	ShowVersion versionCommand `cmd:"" name:"version" help:"Print the version, and what it was built with."`

	Version kong.VersionFlag `help:"Print the version."`
}

// Main parses the process's arguments, runs the command and returns the exit status. A first SIGINT or
// SIGTERM ends ctx, a second one the process.
func Main(extensions app.Extensions) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once, whatever still runs

	parser, err := newParser(&commands{}, extensions, kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	command, err := parser.Parse(os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "switchboard: %v; %s --help tells more\n", err, nearest(err))
		return exitUsage
	}
	if err := command.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	return 0
}

// newParser makes the parser of the command line. What commands need to run is bound to it.
func newParser(c *commands, extensions app.Extensions, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(c, append(options,
		kong.Name("switchboard"),
		kong.Description("Switchboard: messaging integrations as a node of a Moleculer cluster."),
		kong.Vars{"version": app.Version()},
		kong.Bind(logrus.New(), &redact.Secrets{}, extensions),
	)...)
}

// commandPath is a command's name with those of the commands it belongs to, such as channels list.
func commandPath(command *kong.Node) string {
	if command.Parent == nil || command.Parent.Type == kong.ApplicationNode {
		return command.Name
	}
	return commandPath(command.Parent) + " " + command.Name
}

// The statuses that commands exit with, beside 0; docs/deployment.md lists them.
const (
	exitFailed = 1
	exitUsage  = 2
)

// nearest is the command that was understood of a wrong command line.
func nearest(err error) string {
	words := []string{"switchboard"}
	if parse, ok := errors.AsType[*kong.ParseError](err); ok {
		for _, element := range parse.Context.Path {
			if element.Command != nil {
				words = append(words, element.Command.Name)
			}
		}
	}
	return strings.Join(words, " ")
}

type versionCommand struct{ outputFlag }

func (v versionCommand) Run() error {
	build := app.ThisBuild()
	return v.print(build, func() error {
		return table(os.Stdout, func(row func(...string)) {
			row("switchboard", build.Version)
			row("commit", cmp.Or(build.Commit, "not known"))
			row("date", cmp.Or(build.Date, "not known"))
			row("go", build.Go)
			row("platform", build.Platform)
		})
	})
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

func (r *runCommand) Run(
	ctx context.Context, log *logrus.Logger, secrets *redact.Secrets, extensions app.Extensions,
) error {
	c, err := r.load(log, secrets)
	if err != nil {
		return err
	}
	return app.Run(ctx, c, extensions, log, secrets)
}

type callCommand struct {
	configFlag
	Action  string        `arg:"" help:"Full name, such as telegram.i_status."`
	Params  string        `arg:"" optional:"" default:"{}" help:"Params as JSON; - reads them from standard input."`
	Meta    string        `default:"{}" help:"The call's meta as JSON, such as its user." placeholder:"JSON"`
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
	var meta map[string]json.RawMessage
	if json.Unmarshal([]byte(c.Meta), &meta) != nil {
		return errors.New("the meta is not a JSON object")
	}
	return c.visit(ctx, c.Timeout, log, secrets, func(ctx context.Context, client *app.Client) error {
		result, err := client.Call(ctx, c.Action, params, action.CallOptions{NodeID: c.Node, Meta: json.RawMessage(c.Meta)})
		if err != nil {
			return described(err)
		}
		if err := printJSON(os.Stdout, result); err != nil {
			return err
		}
		var refused struct{ Success *bool }
		if json.Unmarshal(result, &refused) == nil && refused.Success != nil && !*refused.Success {
			return fmt.Errorf("%s answered that it was not done", c.Action)
		}
		return nil
	})
}

// described shows all that a Moleculer error says.
func described(err error) error {
	if _, ok := errors.AsType[*action.Error](err); !ok {
		return err
	}
	e := action.AsError(err, "", "")
	text := fmt.Sprintf("%s %d %s: %s", e.Name, e.Code, e.Type, e.Message)
	if data, jsonErr := json.Marshal(e.Data); jsonErr == nil && e.Data != nil {
		text += "\n" + string(data)
	}
	return errors.New(text)
}

type servicesCommand struct {
	configFlag
	outputFlag
}

func (s *servicesCommand) Run(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets) error {
	return s.visit(ctx, 5*time.Second, log, secrets, func(ctx context.Context, client *app.Client) error {
		list := client.Services(ctx)
		return s.print(list, func() error {
			return table(os.Stdout, func(row func(...string)) {
				row("SERVICE", "NODE", "ACTIONS")
				for _, svc := range list {
					row(svc.FullName, svc.NodeID, strings.Join(svc.Actions, " "))
				}
			})
		})
	})
}

// reach is how long a command waits for a NATS server: somebody waits for it.
const reach = 5 * time.Second

// visit joins the cluster for as long as do runs.
func (f configFlag) visit(
	ctx context.Context, timeout time.Duration, log *logrus.Logger, secrets *redact.Secrets,
	do func(context.Context, *app.Client) error,
) error {
	c, err := f.load(log, secrets)
	if err != nil {
		return err
	}
	log.SetLevel(min(log.Level, logrus.WarnLevel)) // the result is what was asked for
	c.NATS.StartTimeout = min(c.NATS.StartTimeout, reach)
	client, err := app.Dial(ctx, c, log, secrets)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return do(ctx, client)
}
