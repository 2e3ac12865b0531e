// Command reference writes the configuration reference. What a setting means is said once, in the comments of package
// config, and its default once, in config.Default: this command brings both together for people who run a node and do
// not read Go. It is run by go generate, in the folder of that package.
package main

import (
	"fmt"
	"os"

	"github.com/hiliosai/switchboard/node/internal/config"
)

func main() {
	if err := run("config.go", "../../../docs/configuration.md"); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func run(source, target string) error {
	if err := os.Unsetenv("NAMESPACE"); err != nil { // else the reference would depend on who writes it
		return err
	}
	docs, err := readComments(source)
	if err != nil {
		return err
	}
	list, err := settings(config.Default(), docs)
	if err != nil {
		return err
	}
	return os.WriteFile(target, []byte(markdown(list)), 0o644) //nolint:gosec // documentation is for everybody
}
