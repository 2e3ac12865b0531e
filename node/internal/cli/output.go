package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
)

// outputFlag is the flag of commands whose result is a list, for people, or JSON, for programs.
type outputFlag struct {
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json." placeholder:"FORMAT"`
}

// print prints a result to standard output: as JSON, or as text says.
func (f outputFlag) print(result any, text func() error) error {
	if f.Output == "json" {
		return printJSON(os.Stdout, result)
	}
	return text()
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
