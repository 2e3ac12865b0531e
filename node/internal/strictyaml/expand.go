package strictyaml

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var reference = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)(:-[^}]*)?\}`)

var errReference = errors.New(`expects ${NAME} or ${NAME:-default} after "${"; write $${ for a literal ${`)

// expand replaces ${NAME} and ${NAME:-default} by environment variables, and $${ by a literal ${. As in a shell
// the default stands in for a variable that is unset or empty. Its errors never quote the text, which may be a
// secret.
func expand(text string) (string, error) {
	var b strings.Builder
	for {
		before, _, found := strings.Cut(text, "${")
		if !found {
			b.WriteString(text)
			return b.String(), nil
		}
		if literal, escaped := strings.CutSuffix(before, "$"); escaped {
			b.WriteString(literal + "${")
			text = text[len(before)+len("${"):]
			continue
		}
		match := reference.FindStringSubmatch(text[len(before):])
		if match == nil {
			return "", errReference
		}
		name, fallback := match[1], match[2]
		value, set := os.LookupEnv(name)
		switch {
		case fallback != "" && value == "":
			value = strings.TrimPrefix(fallback, ":-")
		case !set:
			return "", fmt.Errorf("environment variable %s is not set", name)
		}
		b.WriteString(before + value)
		text = text[len(before)+len(match[0]):]
	}
}

// readSecret gives the content of the file at path, relative to the folder of the file that refers to it,
// without the newline that editors put at its end.
func readSecret(referrer, path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(referrer), path)
	}
	content, err := readRegular(path)
	if err != nil {
		if failed := new(fs.PathError); errors.As(err, &failed) {
			err = failed.Err // without the path, which it gives unquoted
		}
		return "", fmt.Errorf("cannot read the secret in %q: %w", path, err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r"), nil
}

// readRegular reads a file but no device or pipe, which might never end.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	return os.ReadFile(path) //nolint:gosec // the operator names the file
}
