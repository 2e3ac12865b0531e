package main

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/hiliosai/switchboard/integration"
)

//go:embed intro.md
var intro string

func markdown(m *model, platforms []integration.Definition) string {
	var b strings.Builder
	b.WriteString(intro)
	for _, typed := range []struct{ name, heading string }{
		{"ContentType", "Types of content"}, {"Kind", "Kinds of messages"},
	} {
		fmt.Fprintf(&b, "\n### %s\n\n| value | |\n| --- | --- |\n", typed.heading)
		for _, v := range m.values[typed.name] {
			fmt.Fprintf(&b, "| `%s` | %s |\n", v.text, escape(v.comment))
		}
	}
	for _, s := range m.reachable("Message") {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n| field | type | |\n| --- | --- | --- |\n", s.name, s.doc)
		for _, f := range s.fields {
			kind, meaning := f.kind, f.comment
			if values := m.values[f.of]; f.of == "ContentType" || f.of == "Kind" {
				kind = map[string]string{
					"ContentType": "a [type of content](#types-of-content)", "Kind": "a [kind](#kinds-of-messages)",
				}[f.of]
			} else if len(values) > 0 {
				kind = oneOf(values)
			} else if f.of != "" {
				kind = strings.Replace(kind, f.of, fmt.Sprintf("[%s](#%s)", f.of, strings.ToLower(f.of)), 1)
			}
			if values := m.values[s.name+"."+f.name]; len(values) > 0 {
				kind = oneOf(values)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.json, kind, escape(meaning))
		}
	}
	writeMatrix(&b, platforms)
	return b.String()
}

func oneOf(values []value) string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = "`" + v.text + "`"
	}
	return strings.Join(list, ", ")
}

// side is one direction of the matrix.
type side struct {
	name string
	has  func(integration.Feature) bool
	cell func(integration.Definition, integration.Feature) integration.Cell
}

var sides = []side{
	{"inbound", integration.Feature.Inbound, func(
		d integration.Definition, f integration.Feature,
	) integration.Cell {
		return d.Support[f].In
	}},
	{"outbound", integration.Feature.Outbound, func(
		d integration.Definition, f integration.Feature,
	) integration.Cell {
		return d.Support[f].Out
	}},
}

func writeMatrix(b *strings.Builder, platforms []integration.Definition) {
	b.WriteString("\n## What each platform has\n\n" + legend)
	for _, s := range sides {
		fmt.Fprintf(b, "\n### %s\n\n| |", strings.ToUpper(s.name[:1])+s.name[1:])
		for _, p := range platforms {
			fmt.Fprintf(b, " %s |", p.Title)
		}
		b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(platforms)) + "\n")
		for _, f := range integration.Features() {
			if !s.has(f) {
				continue
			}
			fmt.Fprintf(b, "| %s |", f)
			for _, p := range platforms {
				fmt.Fprintf(b, " %s |", word(s.cell(p, f).Level))
			}
			b.WriteString("\n")
		}
	}
	for _, p := range platforms {
		writeNotes(b, p)
	}
}

const legend = `"degraded" loses something, "–" is impossible; why is told below. ` +
	`A message with something degraded in it is sent, and
the result's ` + "`metadata.degraded`" + ` says what became of it. ` +
	`One with something impossible in it is refused with the code
` + "`UNSUPPORTED_CONTENT`" + `, except that a reply or a thread which is impossible is left out.
`

func word(level integration.Level) string {
	switch level {
	case integration.LevelImpossible:
		return "–"
	case "":
		return "?" // which no finished platform has
	default:
		return string(level)
	}
}

// writeNotes tells what is behind a platform's cells.
func writeNotes(b *strings.Builder, p integration.Definition) {
	fmt.Fprintf(b, "\n### %s in detail\n\n| | direction | | |\n| --- | --- | --- | --- |\n", p.Title)
	for _, f := range integration.Features() {
		for _, s := range sides {
			cell := s.cell(p, f)
			if !s.has(f) || cell.Note == "" {
				continue
			}
			note := escape(cell.Note)
			if cell.Source != "" {
				note += " ([source](" + cell.Source + "))"
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", f, s.name, word(cell.Level), note)
		}
	}
}

// escape writes a text so that a table shows it as it is.
func escape(text string) string {
	return strings.NewReplacer("|", `\|`, "<", `\<`, "*", `\*`, "\n", " ").Replace(text)
}
