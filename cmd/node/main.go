// Command node is Switchboard: a Moleculer node that hosts messaging integrations.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/internal/app"
	"github.com/hiliosai/switchboard/internal/redact"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once, whatever still runs.
	context.AfterFunc(ctx, stop)

	var c cli
	parser := kong.Parse(&c,
		kong.Name("node"),
		kong.Description("Switchboard: messaging integrations as a node of a Moleculer cluster."),
		kong.Vars{"version": app.Version()},
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(logrus.New(), &redact.Secrets{}),
		kong.UsageOnError(),
	)
	if err := parser.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
