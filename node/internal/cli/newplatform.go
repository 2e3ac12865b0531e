package cli

import (
	"fmt"

	"github.com/hiliosai/switchboard/node/internal/scaffold"
)

type newPlatformCommand struct {
	Name string `arg:"" help:"Name of the platform and its package: lower-case letters and digits."`
	Dir  string `arg:"" help:"Folder to write into, in a Go module: new or empty."`
}

// Run writes the files and says what to do with them.
func (c *newPlatformCommand) Run() error {
	written, err := scaffold.Write(c.Name, c.Dir)
	if err != nil {
		return err
	}
	for _, path := range written {
		fmt.Println(path)
	}
	fmt.Printf("\nNext: run \"go mod tidy\" and \"go test ./...\", "+
		"then search the files for Next: and fill in what is there.\n"+
		"A node offers the platform with node.Platform(%s.Definition).\n", c.Name)
	return nil
}
