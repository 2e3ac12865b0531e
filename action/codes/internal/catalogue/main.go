// Command catalogue writes the tables of docs/errors.md from the constants of package codes.
//
// It is started by go generate in the folder of that package, with the page's path as its argument.
package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
)

// sections are the files of package codes. The table of each stands on the page between <!-- codes: NAME --> and
// <!-- end -->.
var sections = []struct{ name, heading string }{
	{"sends", "| code | means | platforms |\n| --- | --- | --- |\n"},
	{"webhooks", "| code | status | means | platforms send it again |\n| --- | --- | --- | --- |\n"},
	{"node", "| code | status | means |\n| --- | --- | --- |\n"},
	{"conditions", "| code | means | ends when |\n| --- | --- | --- |\n"},
}

func main() {
	if err := run(".", os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(folder, path string) error {
	page, err := os.ReadFile(path) //nolint:gosec // go:generate names the file
	if err != nil {
		return err
	}
	if page, err = fill(page, folder); err != nil {
		return err
	}
	return os.WriteFile(path, page, 0o644) //nolint:gosec // a page of the documentation is public
}

// fill replaces the tables of a page.
func fill(page []byte, folder string) ([]byte, error) {
	for _, s := range sections {
		rows, err := table(folder + "/" + s.name + ".go")
		if err != nil {
			return nil, err
		}
		begin := fmt.Appendf(nil, "<!-- codes: %s -->\n", s.name)
		before, rest, ok := bytes.Cut(page, begin)
		_, after, ended := bytes.Cut(rest, []byte("<!-- end -->"))
		if !ok || !ended {
			return nil, fmt.Errorf("the page has no place for the codes of %s", s.name)
		}
		page = bytes.Join([][]byte{before, begin, []byte("\n" + s.heading + rows + "\n<!-- end -->"), after}, nil)
	}
	return page, nil
}

// table makes a row of each constant of a file.
func table(path string) (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		return "", err
	}
	var rows strings.Builder
	for _, decl := range file.Decls {
		consts, ok := decl.(*ast.GenDecl)
		if !ok || consts.Tok != token.CONST {
			continue
		}
		for _, spec := range consts.Specs {
			row, err := rowOf(spec.(*ast.ValueSpec))
			if err != nil {
				return "", fmt.Errorf("%s: %w", path, err)
			}
			rows.WriteString(row)
		}
	}
	return rows.String(), nil
}

// rowOf makes a row of a constant: "Name says that MEANING." above it, "STATUS; AGAIN" or the platforms behind it.
func rowOf(spec *ast.ValueSpec) (string, error) {
	name := spec.Names[0].Name
	doc := strings.Join(strings.Fields(spec.Doc.Text()), " ")
	means, ok := strings.CutPrefix(doc, name+" says that ")
	columns := strings.TrimSpace(spec.Comment.Text())
	if !ok || columns == "" {
		return "", fmt.Errorf("%s needs a comment \"%s says that …\", and one behind it with the other columns", name, name)
	}
	code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
	if err != nil {
		return "", err
	}
	means = strings.TrimSuffix(means, ".")
	switch status, again, _ := strings.Cut(columns, "; "); {
	case again != "":
		return fmt.Sprintf("| `%s` | %s | %s | %s |\n", code, status, means, again), nil
	case isStatus(columns):
		return fmt.Sprintf("| `%s` | %s | %s |\n", code, columns, means), nil
	default:
		return fmt.Sprintf("| `%s` | %s | %s |\n", code, means, columns), nil
	}
}

// isStatus tells an HTTP status, or the dash of what has none, from a list of platforms.
func isStatus(text string) bool {
	_, err := strconv.Atoi(cmp.Or(strings.Trim(text, "–"), "0"))
	return err == nil
}
