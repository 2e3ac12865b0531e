package cli

import (
	"embed"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// scripts tell the shells to ask the command complete.
//
//go:embed completion/switchboard.bash completion/_switchboard completion/switchboard.fish
var scripts embed.FS

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (*completionCommand) Help() string {
	return `Load the script where your shell starts:

  source <(switchboard completion bash)    # in ~/.bashrc
  source <(switchboard completion zsh)     # in ~/.zshrc, after compinit
  switchboard completion fish | source     # in ~/.config/fish/config.fish`
}

func (c *completionCommand) Run() error {
	file := map[string]string{"bash": "switchboard.bash", "zsh": "_switchboard", "fish": "switchboard.fish"}[c.Shell]
	script, err := scripts.ReadFile("completion/" + file)
	if err == nil {
		_, err = os.Stdout.Write(script)
	}
	return err
}

type completeCommand struct {
	Words []string `arg:"" optional:"" passthrough:"" help:"Those after the name of the program; the last one is begun."`
}

// Run prints what the last word may become, a line each: the word, a tab, its help.
func (c *completeCommand) Run(model *kong.Kong) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	for _, found := range complete(model.Model.Node, words) {
		fmt.Printf("%s\t%s\n", found.word, found.help)
	}
	return nil
}

// candidate is what a word may become.
type candidate struct{ word, help string }

// complete gives what the last of the words may become. It gives nothing where that is not known; shells show files
// then.
func complete(node *kong.Node, words []string) []candidate {
	words = joinValues(words)
	if len(words) == 0 {
		words = []string{""}
	}
	last := words[len(words)-1]
	var waiting *kong.Flag // for its value
	position := 0
	for _, word := range words[:len(words)-1] {
		if waiting != nil {
			waiting = nil
			continue
		}
		if strings.HasPrefix(word, "-") {
			waiting = valueFlag(node, word)
			continue
		}
		if child := childOf(node, word); child != nil {
			node = child
		} else {
			position++
		}
	}
	var all []candidate
	switch {
	case waiting != nil:
		all = valuesOf(waiting.Value, "")
	case strings.HasPrefix(last, "-"):
		if name, _, assigned := strings.Cut(last, "="); assigned {
			if flag := valueFlag(node, name); flag != nil {
				all = valuesOf(flag.Value, name+"=")
			}
			break
		}
		for _, flag := range flagsOf(node) {
			all = append(all, candidate{"--" + flag.Name, flag.Help})
		}
	case len(node.Children) > 0:
		for _, child := range node.Children {
			if !child.Hidden {
				all = append(all, candidate{child.Name, child.Help})
			}
		}
	case position < len(node.Positional):
		all = valuesOf(node.Positional[position], "")
	}
	var found []candidate
	for _, c := range all {
		if strings.HasPrefix(c.word, last) {
			found = append(found, c)
		}
	}
	return found
}

// joinValues undoes that bash takes --output=json for three words. It completes the third alone.
func joinValues(words []string) []string {
	var joined []string
	for i, word := range words {
		if word != "=" {
			joined = append(joined, word)
		} else if i == len(words)-1 {
			joined = append(joined, "")
		}
	}
	return joined
}

func childOf(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// flagsOf are those that a command takes, with those of the commands it belongs to.
func flagsOf(node *kong.Node) (list []*kong.Flag) {
	for _, group := range node.AllFlags(true) {
		list = append(list, group...)
	}
	return list
}

// valueFlag is the flag of that name whose value is the next word, nil if there is none.
func valueFlag(node *kong.Node, word string) *kong.Flag {
	for _, flag := range flagsOf(node) {
		if !flag.IsBool() && (word == "--"+flag.Name || flag.Short != 0 && word == "-"+string(flag.Short)) {
			return flag
		}
	}
	return nil
}

func valuesOf(v *kong.Value, prefix string) (list []candidate) {
	if v.Enum == "" {
		return nil
	}
	for _, value := range v.EnumSlice() {
		list = append(list, candidate{prefix + value, ""})
	}
	return list
}
