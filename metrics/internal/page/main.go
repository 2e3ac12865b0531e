// Command page writes the tables of docs/metrics.md from the families of package metrics.
//
// It is started by go generate in the folder of that package, with the page's path as its argument.
package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"strings"

	"github.com/hiliosai/switchboard/metrics"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path string) error {
	page, err := os.ReadFile(path) //nolint:gosec // go:generate names the file
	if err != nil {
		return err
	}
	if page, err = fill(page); err != nil {
		return err
	}
	return os.WriteFile(path, page, 0o644) //nolint:gosec // a page of the documentation is public
}

// tables are by what begins the names of their families; each stands on the page between <!-- metrics: NAME --> and
// <!-- end -->.
var tables = []string{"moleculer", "switchboard", "process", "os"}

// fill replaces the tables of a page.
func fill(page []byte) ([]byte, error) {
	written := 0
	for _, name := range tables {
		begin := fmt.Appendf(nil, "<!-- metrics: %s -->\n", name)
		before, rest, ok := bytes.Cut(page, begin)
		_, after, ended := bytes.Cut(rest, []byte("<!-- end -->"))
		if !ok || !ended {
			return nil, fmt.Errorf("the page has no place for the families of %s", name)
		}
		text, rows := table(name + ".")
		written += rows
		page = bytes.Join([][]byte{before, begin, []byte("\n" + text + "\n<!-- end -->"), after}, nil)
	}
	if all := len(metrics.Families()); written != all {
		return nil, fmt.Errorf("%d families are in no table", all-written)
	}
	return page, nil
}

// table has a row for each family whose name begins so.
func table(prefix string) (text string, rows int) {
	var b strings.Builder
	b.WriteString("| family | type | unit | labels | meaning |\n| --- | --- | --- | --- | --- |\n")
	for _, f := range metrics.Families() {
		if !strings.HasPrefix(f.Name, prefix) {
			continue
		}
		rows++
		labels := f.Labels
		if f.Kind == metrics.Info {
			labels = append(labels[:len(labels):len(labels)], "value")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n",
			f.PrometheusName(), f.Kind, cmp.Or(f.Unit, "–"), cmp.Or(strings.Join(labels, ", "), "–"), f.Description)
	}
	return b.String(), rows
}
