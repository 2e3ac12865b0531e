package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// readComments gives the comments of the structs in a Go file, under their names such as Node, and of their fields,
// such as Node.ID. A field without one shares the comment above it if that names the field, as "User and Password".
func readComments(file string) (map[string]string, error) {
	source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	docs := map[string]string{}
	ast.Inspect(source, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			if spec, ok := n.Specs[0].(*ast.TypeSpec); ok {
				docs[spec.Name.Name] = n.Doc.Text()
			}
		case *ast.TypeSpec:
			if structure, ok := n.Type.(*ast.StructType); ok {
				readFields(docs, n.Name.Name, structure)
			}
		}
		return true
	})
	return docs, nil
}

func readFields(docs map[string]string, of string, structure *ast.StructType) {
	var above string
	for _, field := range structure.Fields.List {
		if field.Doc != nil {
			above = field.Doc.Text()
		}
		for _, name := range field.Names {
			if strings.Contains(above, name.Name) {
				docs[of+"."+name.Name] = above
			}
		}
	}
}
