package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// model is what Go files tell of the types in them.
type model struct {
	structs map[string]structure
	values  map[string][]value // of a type such as Kind, or of a field such as Status.Status
}

type structure struct {
	name, doc string
	fields    []field
}

type field struct {
	name    string // in Go
	json    string
	kind    string // in words
	of      string // the struct, or the type with values, that it consists of
	comment string
}

type value struct{ name, text, comment string }

func readModel(files ...string) (*model, error) {
	m := &model{map[string]structure{}, map[string][]value{}}
	for _, file := range files {
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, decl := range source.Decls {
			if group, ok := decl.(*ast.GenDecl); ok {
				m.read(group)
			}
		}
	}
	return m, nil
}

func (m *model) read(group *ast.GenDecl) {
	for _, spec := range group.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if s, ok := spec.Type.(*ast.StructType); ok && spec.Name.IsExported() {
				m.structs[spec.Name.Name] = structure{spec.Name.Name, text(group.Doc), fieldsOf(s)}
			}
		case *ast.ValueSpec:
			m.readValue(group, spec)
		}
	}
}

// valuesOf finds what a group of constants without a type belongs to.
var valuesOf = regexp.MustCompile(`^Values of \[(\w+\.\w+)\]`)

func (m *model) readValue(group *ast.GenDecl, spec *ast.ValueSpec) {
	var of string
	if name, ok := spec.Type.(*ast.Ident); ok {
		of = name.Name
	} else if match := valuesOf.FindStringSubmatch(group.Doc.Text()); match != nil {
		of = match[1]
	}
	if of == "" || len(spec.Values) != 1 {
		return
	}
	literal, ok := spec.Values[0].(*ast.BasicLit)
	if !ok {
		return
	}
	word, err := strconv.Unquote(literal.Value)
	if err != nil {
		return
	}
	m.values[of] = append(m.values[of], value{spec.Names[0].Name, word, text(spec.Comment)})
}

func fieldsOf(s *ast.StructType) []field {
	var list []field
	var above string // a comment may be about the fields that follow, too, if it names them
	for _, f := range s.Fields.List {
		tag, err := strconv.Unquote(f.Tag.Value)
		if err != nil || len(f.Names) != 1 {
			continue
		}
		name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		kind, of := inWords(f.Type)
		if f.Doc != nil {
			above = text(f.Doc)
		}
		comment := text(f.Comment)
		if comment == "" && (f.Doc != nil || strings.Contains(above, f.Names[0].Name)) {
			comment = above
		}
		list = append(list, field{f.Names[0].Name, name, kind, of, comment})
	}
	return list
}

// words says what a Go type is in JSON.
var words = map[string]string{
	"string": "text", "ID": "text", "bool": "true or false", "int": "number", "int64": "number", "float64": "number",
	"[]byte": "text", "json.RawMessage": "anything", "map[string]any": "object",
}

func inWords(t ast.Expr) (kind, of string) {
	switch t := t.(type) {
	case *ast.StarExpr:
		return inWords(t.X)
	case *ast.ArrayType:
		if name, ok := t.Elt.(*ast.Ident); ok && name.Name == "byte" {
			return "text", ""
		}
		kind, of := inWords(t.Elt)
		return "list of " + kind, of
	case *ast.MapType:
		return "object", ""
	case *ast.SelectorExpr:
		return "anything", ""
	case *ast.Ident:
		if kind, ok := words[t.Name]; ok {
			return kind, ""
		}
		return t.Name, t.Name
	default:
		return fmt.Sprintf("%T", t), ""
	}
}

// reachable lists the structs that a struct consists of, itself first.
func (m *model) reachable(from string) []structure {
	var list []structure
	seen := map[string]bool{from: true}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		s, ok := m.structs[queue[0]]
		if !ok {
			continue
		}
		list = append(list, s)
		for _, f := range s.fields {
			if f.of != "" && !seen[f.of] {
				seen[f.of] = true
				queue = append(queue, f.of)
			}
		}
	}
	return list
}

var reference = regexp.MustCompile(`\[([A-Z][\w.]*)\]`)

// text is a comment on one line, with names in place of references.
func text(c *ast.CommentGroup) string {
	return reference.ReplaceAllString(strings.Join(strings.Fields(c.Text()), " "), "`$1`")
}
