// Package strictyaml reads a YAML file that people write by hand into structs. A typing error must not pass as a
// setting left out, so whatever the struct does not know is a fault, and all faults are reported at once with file,
// line and key. Any text may refer to an environment variable, and a Secret to a file, so that credentials
// need not be in the YAML. The package knows nothing of what the settings mean.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

var (
	secretType   = reflect.TypeFor[Secret]()
	durationType = reflect.TypeFor[time.Duration]()
)

// maxKey bounds the length of a dotted key. Nothing legitimate comes near it; without it the keys of a small,
// deeply nested file could fill the memory.
const maxKey = 1024

// Decode reads the YAML in data, the content of file, into the struct that into points at. Fields are named by
// their yaml tags. The struct comes filled with defaults: a field whose key is absent keeps its value, and a list
// replaces the default list as a whole. A key without a value is absent if it is a section, nil if it is a pointer,
// and otherwise a fault.
//
// Every scalar is text until it reaches its field: ${NAME}, ${NAME:-default} and $${ (a literal ${) are expanded,
// then the field's type decides, so a number too can come from the environment, and durations are written 30s.
// A Secret written as file:PATH takes the content of that file, less one newline at its end; a relative path starts
// at the folder of file.
//
// Aliases, anchors and tags are refused: a password that begins with *, & or ! would silently become one.
//
// The error joins all faults, each an *Error; if there are any, the struct may be partly filled. The Source reports
// further faults, found in the meaning of the settings, with the right lines.
func Decode(file string, data []byte, into any) (Source, error) {
	d := decoder{source: Source{file: file, lines: map[string]int{}}}
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return d.source, fmt.Errorf("strictyaml: cannot decode into %T, only into a pointer that is not nil", into)
	}
	if root := d.parse(data); root != nil {
		d.value(root, "", target.Elem())
	}
	return d.source, errors.Join(d.faults...)
}

type decoder struct {
	source Source
	faults []error
}

func (d *decoder) fault(key, format string, args ...any) {
	d.faults = append(d.faults, d.source.Fault(key, format, args...))
}

// faultAt is for what stands on a line of its own rather than on that of key.
func (d *decoder) faultAt(line int, key, msg string) {
	d.faults = append(d.faults, &Error{File: d.source.file, Line: line, Key: key, Msg: msg})
}

// parse gives the root of the only document in data, or nil if there is none or it cannot be read.
func (d *decoder) parse(data []byte) (root *yaml.Node) {
	defer func() {
		if recover() != nil { // the parser gives up this way on input that it did not foresee
			d.fault("", "cannot be read as YAML")
			root = nil
		}
	}()
	documents := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	if err := documents.Decode(&first); err != nil {
		d.syntax(err)
		return nil
	}
	if err := documents.Decode(&second); err != nil {
		d.syntax(err)
	} else {
		d.faultAt(second.Line, "", "a second document begins here; the file must hold only one")
	}
	if len(d.faults) > 0 {
		return nil
	}
	return first.Content[0]
}

var syntaxError = regexp.MustCompile(`^yaml: (?:line (\d+): )?((?s:.*))$`)

// syntax reports an error of the YAML parser, unless it only says that the file ends.
func (d *decoder) syntax(err error) {
	if errors.Is(err, io.EOF) {
		return
	}
	line, msg := 0, err.Error()
	if match := syntaxError.FindStringSubmatch(msg); match != nil {
		line, _ = strconv.Atoi(match[1]) // 0 when the parser names none
		msg = match[2]
	}
	if strings.HasPrefix(msg, "unknown anchor") { // it goes on with the name, which may be a password
		msg = notPlain
	}
	d.faultAt(line, "", msg)
}

const notPlain = "aliases, anchors and tags are not accepted; quote text that begins with *, & or !"

// value decodes one node into the field that holds the value of key.
func (d *decoder) value(n *yaml.Node, key string, into reflect.Value) {
	switch {
	case n.Kind == yaml.AliasNode, n.Anchor != "", n.Style&yaml.TaggedStyle != 0:
		d.fault(key, notPlain)
		return
	case n.ShortTag() == "!!null":
		d.null(key, into)
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		target := reflect.New(into.Type().Elem()) // a new one: the default's may be shared
		if !into.IsNil() {
			target.Elem().Set(into.Elem())
		}
		d.value(n, key, target.Elem())
		into.Set(target)
	case reflect.Interface:
		target := reflect.New(naturalType(n)).Elem()
		if !target.Type().AssignableTo(into.Type()) {
			d.fault(key, "the program cannot read a %s here", into.Type())
			return
		}
		d.value(n, key, target)
		into.Set(target)
	case reflect.Struct:
		d.structure(n, key, into)
	case reflect.Map:
		d.mapping(n, key, into)
	case reflect.Slice:
		d.list(n, key, into)
	default:
		d.scalar(n, key, into)
	}
}

// null decides what a key without a value means. A section may well have all its lines commented out; for
// anything else, guessing between the default and an empty value would be wrong half of the time.
func (d *decoder) null(key string, into reflect.Value) {
	switch into.Kind() {
	case reflect.Pointer, reflect.Interface:
		into.SetZero()
	case reflect.Struct, reflect.Map:
	default:
		d.fault(key, "expects %s, found nothing", expected(into.Type()))
	}
}

func (d *decoder) structure(n *yaml.Node, key string, into reflect.Value) {
	fields := map[string]reflect.Value{}
	var names []string // in the struct's order, so that suggestions are stable
	for i := range into.NumField() {
		field := into.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if field.IsExported() && name != "" && name != "-" {
			fields[name] = into.Field(i)
			names = append(names, name)
		}
	}
	d.entries(n, key, into.Type(), func(name, path string, value *yaml.Node) {
		if field, ok := fields[name]; ok {
			d.value(value, path, field)
		} else if suggestion, ok := nearest(name, names); ok {
			d.fault(path, "unknown key, did you mean %q?", suggestion)
		} else {
			d.fault(path, "unknown key")
		}
	})
}

func (d *decoder) mapping(n *yaml.Node, key string, into reflect.Value) {
	t := into.Type()
	if t.Key().Kind() != reflect.String {
		d.fault(key, "the program cannot read a %s here", t)
		return
	}
	if into.IsNil() {
		into.Set(reflect.MakeMap(t))
	}
	d.entries(n, key, t, func(name, path string, value *yaml.Node) {
		entry := reflect.New(t.Elem()).Elem()
		d.value(value, path, entry)
		into.SetMapIndex(reflect.ValueOf(name).Convert(t.Key()), entry)
	})
}

// entries visits the entries of a mapping, each name once, with its full path.
func (d *decoder) entries(n *yaml.Node, key string, t reflect.Type, visit func(name, path string, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.mismatch(n, key, t)
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if name.Kind != yaml.ScalarNode {
			d.faultAt(name.Line, key, "a key must be plain text")
			continue
		}
		path := join(key, name.Value)
		first, duplicate := d.source.lines[path]
		switch {
		case !d.enter(key, path, name.Line):
			return
		case duplicate:
			d.fault(path, "duplicate key, first on line %d", first)
		default:
			visit(name.Value, path, value)
		}
	}
}

func (d *decoder) list(n *yaml.Node, key string, into reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.mismatch(n, key, into.Type())
		return
	}
	list := reflect.MakeSlice(into.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		path := fmt.Sprintf("%s[%d]", key, i)
		if !d.enter(key, path, item.Line) {
			return
		}
		d.value(item, path, list.Index(i))
	}
	into.Set(list)
}

// enter notes the line of a path below key; it reports false, with a fault, if the path is out of bounds.
func (d *decoder) enter(key, path string, line int) bool {
	if len(path) > maxKey {
		d.faultAt(line, key, "a key is too long or nested too deeply")
		return false
	}
	d.source.lines[path] = line
	return true
}

func (d *decoder) scalar(n *yaml.Node, key string, into reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.mismatch(n, key, into.Type())
		return
	}
	text, err := expand(n.Value)
	// Only what the file itself calls a reference is one: a value from the environment is taken as it is.
	if err == nil && into.Type() == secretType && strings.HasPrefix(n.Value, "file:") {
		text, err = readSecret(d.source.file, strings.TrimPrefix(text, "file:"))
	}
	if err != nil {
		d.fault(key, "%v", err)
		return
	}
	switch err := set(into, text); {
	case errors.Is(err, strconv.ErrRange):
		d.fault(key, "the number is out of range")
	case err != nil:
		// The text as written, not as expanded: a variable put in the wrong place may hold a secret.
		d.fault(key, "expects %s, found %.64q", expected(into.Type()), n.Value)
	}
}

// mismatch reports a node whose kind does not fit. It quotes no value: what stands in the place of a list or of a
// Secret may be a secret.
func (d *decoder) mismatch(n *yaml.Node, key string, want reflect.Type) {
	found := map[yaml.Kind]string{
		yaml.ScalarNode: "a single value", yaml.SequenceNode: "a list", yaml.MappingNode: "a mapping",
	}[n.Kind]
	d.fault(key, "expects %s, found %s", expected(want), found)
}

// set parses text as the type of the field; an error says no more than that it does not parse.
func set(into reflect.Value, text string) error {
	if into.Type() == durationType {
		v, err := time.ParseDuration(text)
		into.SetInt(int64(v))
		return err
	}
	switch into.Kind() {
	case reflect.String:
		into.SetString(text)
		return nil
	case reflect.Bool:
		into.SetBool(text == "true")
		if text != "true" && text != "false" {
			return strconv.ErrSyntax
		}
		return nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v, err := strconv.ParseInt(text, 10, into.Type().Bits())
		into.SetInt(v)
		return err
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v, err := strconv.ParseUint(text, 10, into.Type().Bits())
		into.SetUint(v)
		return err
	case reflect.Float32, reflect.Float64:
		v, err := strconv.ParseFloat(text, into.Type().Bits())
		into.SetFloat(v)
		return err
	default:
		return errors.ErrUnsupported
	}
}

// expected names what a person writes for a field of type t.
func expected(t reflect.Type) string {
	if t == durationType {
		return "a duration such as 30s"
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "a mapping"
	default:
		return "a " + t.String()
	}
}

// naturalType gives the Go type for a node where the struct leaves the type open.
func naturalType(n *yaml.Node) reflect.Type {
	switch n.ShortTag() {
	case "!!map":
		return reflect.TypeFor[map[string]any]()
	case "!!seq":
		return reflect.TypeFor[[]any]()
	case "!!bool":
		return reflect.TypeFor[bool]()
	case "!!int":
		return reflect.TypeFor[int64]()
	case "!!float":
		return reflect.TypeFor[float64]()
	default:
		return reflect.TypeFor[string]()
	}
}

var plainName = regexp.MustCompile(`^[\w-]+$`)

// join appends a name to a dotted path, quoted where it would blur the path or break the line.
func join(path, name string) string {
	if !plainName.MatchString(name) {
		name = strconv.Quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}
