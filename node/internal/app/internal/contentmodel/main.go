// Command contentmodel writes docs/content-model.md: the messages that services are handed, from the comments of
// package integration, and what each platform makes of them, from the tables of the platforms. It is run by go
// generate, in the folder of package app.
package main

import (
	"fmt"
	"os"

	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/node/internal/app"
)

func main() {
	if err := run("../../../"); err != nil {
		fmt.Fprintln(os.Stderr, "contentmodel:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	page, err := render(root)
	if err != nil {
		return err
	}
	return os.WriteFile(root+"docs/content-model.md", []byte(page), 0o644) //nolint:gosec // documentation is for everybody
}

// render writes the page. root is the path of the module.
func render(root string) (string, error) {
	m, err := readModel(root+"integration/message.go", root+"integration/content.go")
	if err != nil {
		return "", err
	}
	client := httpapi.New(httpapi.Options{})
	defer client.Close()
	return markdown(m, app.Platforms(client)), nil
}
