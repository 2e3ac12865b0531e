package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/hiliosai/switchboard/node/internal/app"
)

type manCommand struct{}

func (manCommand) Run(parser *kong.Kong) error {
	return writeManual(os.Stdout, parser.Model, app.ThisBuild())
}

// writeManual writes the manual page of all commands, in the macros of man(7).
func writeManual(w io.Writer, model *kong.Application, build app.Build) error {
	var b strings.Builder
	day, _, _ := strings.Cut(build.Date, "T")
	fmt.Fprintf(&b, ".TH SWITCHBOARD 1 %s %s\n", quoted(day), quoted("switchboard "+build.Version))
	fmt.Fprintf(&b, ".SH NAME\nswitchboard \\- messaging integrations as a node of a Moleculer cluster\n")
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B switchboard\n.I command\n.RI [ argument ...]\n.RI [ flag ...]\n")
	b.WriteString(".SH DESCRIPTION\n" +
		"Switchboard is a node of a Moleculer cluster. It turns webhooks of messaging platforms into reliable events,\n" +
		"and calls of other services into messages on the platforms.\n")
	b.WriteString(".SH COMMANDS\n")
	for _, command := range model.Leaves(true) {
		writeCommand(&b, command)
	}
	b.WriteString(".SH EXIT STATUS\n" +
		".TP\n.B 0\nThe node stopped as asked, or the command did its work.\n" +
		".TP\n.B 1\nThe node could not start or go on, or the command failed. The last line on standard error says why.\n" +
		".TP\n.B 2\nThe command line is wrong.\n")
	b.WriteString(".SH FILES\n.TP\n.I config.yaml\n" +
		"The configuration, in the working directory where\n.B \\-\\-config\nnames no other.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func writeCommand(b *strings.Builder, command *kong.Node) {
	fmt.Fprintf(b, ".SS %s\n", quoted(commandPath(command)))
	b.WriteString(roff(command.Help) + "\n")
	if command.Detail != "" {
		fmt.Fprintf(b, ".PP\n.nf\n%s\n.fi\n", roff(command.Detail))
	}
	for _, argument := range command.Positional {
		fmt.Fprintf(b, ".TP\n.I %s\n%s\n", roff(argument.Name), roff(argument.Help))
	}
	for _, flag := range command.Flags {
		if flag.Hidden || flag.Name == "help" {
			continue
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(flag.String()), roff(flag.Help))
	}
}

// roff writes text as it is: no character of it means anything to the formatter.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

// quoted is text as one argument of a macro.
func quoted(text string) string { return `"` + strings.ReplaceAll(roff(text), `"`, `\(dq`) + `"` }
