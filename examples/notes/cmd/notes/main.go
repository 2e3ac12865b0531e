// Command notes is a node that can host the notes service beside what comes with Switchboard.
package main

import (
	"example.com/notes"

	"github.com/hiliosai/switchboard/node"
)

func main() { node.Main(node.Service(notes.Definition("data/notes.db"))) }
