package cli

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/hiliosai/switchboard/integration"
)

// values are those of a channel's fields, by place and name.
type values map[integration.FieldSource]map[string]string

func (v values) of(in integration.FieldSource) map[string]string {
	if v[in] == nil {
		v[in] = map[string]string{}
	}
	return v[in]
}

// field finds a field by its name, or by place and name where both have one of that name.
func field(fields []integration.Field, name string) (integration.Field, error) {
	var known []string
	for _, f := range fields {
		if name == f.Name || name == string(f.In)+"."+f.Name {
			return f, nil
		}
		known = append(known, f.Name)
	}
	return integration.Field{}, fmt.Errorf("there is no field %q; there are: %s", name, strings.Join(known, ", "))
}

// read takes the values given on the command line. file:PATH and env:NAME keep secrets off it.
func read(fields []integration.Field, given map[string]string) (values, error) {
	v := values{}
	for name, text := range given {
		f, err := field(fields, name)
		if err != nil {
			return nil, err
		}
		if text, err = secretOf(f.Name, text); err != nil {
			return nil, err
		}
		v.of(f.In)[f.Name] = text
	}
	return v, nil
}

// secretOf reads what file:PATH or env:NAME names, as the value of name; any other text stands for itself.
func secretOf(name, text string) (string, error) {
	if path, ok := strings.CutPrefix(text, "file:"); ok {
		data, err := os.ReadFile(path) // #nosec G304 -- the operator names the file
		return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), err
	}
	if variable, ok := strings.CutPrefix(text, "env:"); ok {
		value := os.Getenv(variable)
		if value == "" {
			return "", fmt.Errorf("the environment variable %s for %s is not set", variable, name)
		}
		return value, nil
	}
	return text, nil
}

// ask asks for the fields that are required and not given, each on a line. What is secret is not
// shown where in is a terminal.
func ask(in io.Reader, out io.Writer, fields []integration.Field, given values) error {
	lines := bufio.NewReader(in)
	way := receiveOf(fields, given)
	for _, f := range fields {
		if _, ok := given.of(f.In)[f.Name]; ok || !f.RequiredBy(way) {
			continue
		}
		fmt.Fprintf(out, "%s (%s): ", f.Name, f.Help)
		text, err := answer(in, lines, f.Secret)
		if f.Secret {
			fmt.Fprintln(out)
		}
		if err != nil || text == "" {
			return fmt.Errorf("%s is required: give it with --set %s=… or type it in", f.Name, f.Name)
		}
		if f.Pattern != nil && !f.Pattern.MatchString(text) {
			return fmt.Errorf("%s does not look right: %s", f.Name, f.Help)
		}
		given.of(f.In)[f.Name] = text
	}
	return nil
}

// receiveOf returns how a channel with these values receives, "" where its platform offers no ways.
func receiveOf(fields []integration.Field, given values) string {
	for _, f := range fields {
		if f.In == integration.InSettings && f.Name == "receive" {
			return cmp.Or(given.of(f.In)[f.Name], f.Default)
		}
	}
	return ""
}

// confirm asks on a terminal whether something may be done. Elsewhere nobody can be asked, and what the command line
// says is meant.
func confirm(yes bool, what string) error {
	if yes || !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil
	}
	fmt.Fprintf(os.Stderr, "%s? [y/N] ", what)
	text, err := answer(os.Stdin, bufio.NewReader(os.Stdin), false)
	if err != nil || !strings.EqualFold(text, "y") && !strings.EqualFold(text, "yes") {
		return errors.New("nothing was changed")
	}
	return nil
}

func answer(in io.Reader, lines *bufio.Reader, secret bool) (string, error) {
	if file, ok := in.(*os.File); ok && secret && term.IsTerminal(int(file.Fd())) {
		data, err := term.ReadPassword(int(file.Fd()))
		return strings.TrimSpace(string(data)), err
	}
	text, err := lines.ReadString('\n')
	if text = strings.TrimSpace(text); text != "" && errors.Is(err, io.EOF) {
		err = nil
	}
	return text, err
}
