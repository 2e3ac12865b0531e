// Command node is Switchboard: a Moleculer node that hosts messaging integrations.
package main

import "github.com/hiliosai/switchboard/node"

func main() { node.Main() }
