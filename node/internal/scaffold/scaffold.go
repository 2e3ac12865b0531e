// Package scaffold writes the beginning of a new platform: a package that compiles, passes the conformance suite for
// texts, and says in its comments what to fill in next.
package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

//go:embed all:template
var files embed.FS

// Platform is what the files of a new platform are made from.
type Platform struct {
	Name   string // such as "viber": of the package, the service and the platform
	Title  string // such as "Viber", for people
	Import string // the package's import path
}

var (
	namePattern   = regexp.MustCompile(`^[a-z][a-z0-9]{1,30}$`)
	modulePattern = regexp.MustCompile(`(?m)^module\s+"?([^\s"]+)`)
)

// taken are names that the files themselves import or declare.
var taken = []string{
	"cmp", "context", "fakeapi", "goleak", "http", "httpapi", "integration", "integrationtest", "json", "platform",
	"sign", "testing", "textlimit",
}

// Write writes a platform into the folder dir, which must be new or empty and lie in a Go module. It returns the paths
// of the files, in order. Nothing is written when the name or the folder is refused.
func Write(name, dir string) (written []string, err error) {
	if !namePattern.MatchString(name) || token.IsKeyword(name) || slices.Contains(taken, name) {
		return nil, fmt.Errorf(
			"%q cannot be a platform's name: use 2 to 31 lower-case letters and digits, and no word that Go or the kit uses",
			name,
		)
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("%s is not empty", dir)
	}
	importPath, err := importPathOf(dir)
	if err != nil {
		return nil, err
	}
	p := Platform{Name: name, Title: strings.ToUpper(name[:1]) + name[1:], Import: importPath}
	err = fs.WalkDir(files, "template", func(from string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := p.fill(from)
		if err != nil {
			return err
		}
		to := strings.TrimSuffix(strings.TrimPrefix(from, "template/"), ".tmpl")
		to = filepath.Join(dir, filepath.FromSlash(strings.ReplaceAll(to, "NAME", name)))
		written = append(written, to)
		// #nosec G301 G306 -- source text
		return errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, content, 0o644))
	})
	return written, err
}

// fill makes a file of its template, whose actions stand between [[ and ]]: braces are too common in what is written.
func (p *Platform) fill(from string) ([]byte, error) {
	text, err := files.ReadFile(from)
	if err != nil {
		return nil, err
	}
	t, err := template.New(path.Base(from)).Delims("[[", "]]").Option("missingkey=error").Parse(string(text))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, p)
	return b.Bytes(), err
}

// importPathOf is the import path of the package in a folder, by the go.mod above it.
func importPathOf(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for root := abs; ; root = filepath.Dir(root) {
		content, err := os.ReadFile(filepath.Join(root, "go.mod")) // #nosec G304 -- of the author's own module
		if err == nil {
			rel, err := filepath.Rel(root, abs)
			module := modulePattern.FindSubmatch(content)
			if err != nil || module == nil {
				return "", fmt.Errorf("%s has no module line", filepath.Join(root, "go.mod"))
			}
			return path.Join(string(module[1]), filepath.ToSlash(rel)), nil
		}
		if root == filepath.Dir(root) {
			return "", fmt.Errorf("%s is in no Go module: run \"go mod init MODULE\" first", dir)
		}
	}
}
