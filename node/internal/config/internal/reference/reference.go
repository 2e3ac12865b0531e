package main

import (
	_ "embed"
	"fmt"
	"go/doc/comment"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hiliosai/switchboard/node/internal/config"
	"github.com/hiliosai/switchboard/node/internal/strictyaml"
)

// setting is one key of the configuration.
type setting struct {
	key     string // dotted
	kind    string // in words; "section" if it holds other keys, which follow it
	value   string // as YAML; empty for a section
	meaning string // its comment
}

const section = "section"

// kinds says in words, explained in intro.md, what a person writes for a type.
var kinds = map[reflect.Type]string{
	reflect.TypeFor[string]():              "text",
	reflect.TypeFor[*string]():             "text or null",
	reflect.TypeFor[bool]():                "true or false",
	reflect.TypeFor[int]():                 "whole number",
	reflect.TypeFor[time.Duration]():       "duration",
	reflect.TypeFor[strictyaml.Secret]():   "secret",
	reflect.TypeFor[config.URL]():          "address",
	reflect.TypeFor[[]string]():            "list of text",
	reflect.TypeFor[[]strictyaml.Secret](): "list of secrets",
	reflect.TypeFor[[]config.URL]():        "list of addresses",
}

// settings lists every key in the order of the structs, with its value in c.
func settings(c *config.Config, docs map[string]string) ([]setting, error) {
	return fields("", reflect.ValueOf(*c), docs)
}

func fields(prefix string, of reflect.Value, docs map[string]string) (list []setting, err error) {
	for field, value := range of.Fields() {
		if !field.IsExported() {
			continue
		}
		s := setting{key: prefix + field.Tag.Get("yaml"), kind: kinds[field.Type]}
		commented := of.Type().Name() + "." + field.Name
		var inside []setting
		switch {
		case s.kind != "":
			s.value, err = inYAML(value.Interface())
		case field.Type.Kind() == reflect.Struct:
			s.kind, commented = section, field.Type.Name()
			inside, err = fields(s.key+".", value, docs)
		default:
			err = fmt.Errorf("%s: no words for the type %s", s.key, field.Type)
		}
		if err != nil {
			return nil, err
		}
		name := field.Name
		if s.kind == section {
			name = field.Type.Name()
		}
		if s.meaning = meaning(docs[commented], name); s.meaning == "" {
			return nil, fmt.Errorf("%s: %s has no comment", s.key, commented)
		}
		list = append(append(list, s), inside...)
	}
	return list, nil
}

// meaning makes the sentence of a reference of a doc comment, which begins with the name in Go: "Level is the least
// severe level" is there "The least severe level".
func meaning(comment, name string) string {
	words := strings.Fields(comment)
	if len(words) > 1 && words[0] == name {
		words = words[1:]
		if len(words) > 1 && (words[0] == "is" || words[0] == "are") {
			words = words[1:]
		}
		words[0] = strings.ToUpper(words[0][:1]) + words[0][1:]
	}
	return strings.Join(words, " ")
}

// inYAML writes a value as it would stand in the file, on one line.
func inYAML(value any) (string, error) {
	var node yaml.Node
	if err := node.Encode(value); err != nil {
		return "", err
	}
	node.Style |= yaml.FlowStyle
	text, err := yaml.Marshal(&node)
	if _, ok := value.(time.Duration); ok && strings.HasSuffix(string(text), "m0s\n") {
		return strings.TrimSuffix(string(text), "0s\n"), err // 1m, as people write it, for 1m0s
	}
	return strings.TrimSpace(string(text)), err
}

//go:embed intro.md
var intro string

// markdown writes the reference: a heading and a table for each key at the top.
func markdown(list []setting) string {
	var b strings.Builder
	b.WriteString(intro)
	for _, s := range list {
		meaning := escape(s.meaning)
		if !strings.Contains(s.key, ".") {
			fmt.Fprintf(&b, "\n## `%s`\n\n", s.key)
			if s.kind == section {
				b.WriteString(meaning + "\n\n")
			}
			b.WriteString("| key | type | default | meaning |\n| --- | --- | --- | --- |\n")
		}
		switch {
		case s.kind != section:
			fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s |\n", s.key, s.kind, s.value, meaning)
		case strings.Contains(s.key, "."):
			fmt.Fprintf(&b, "| `%s` | section | | %s |\n", s.key, meaning)
		}
	}
	return b.String()
}

// escape writes the text of a comment so that Markdown, and a table in it, shows it as it is.
func escape(text string) string {
	var parser comment.Parser
	var printer comment.Printer
	escaped := strings.TrimSpace(string(printer.Markdown(parser.Parse(text))))
	return strings.ReplaceAll(escaped, "|", `\|`)
}
