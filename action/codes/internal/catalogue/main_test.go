package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPageOfErrorsIsUpToDate(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/errors.md")
	require.NoError(t, err)
	filled, err := fill(page, "../..")
	require.NoError(t, err)
	require.Equal(t, string(filled), string(page), "run go generate ./action/codes")
}

func TestFileOfCodesWithoutTableIsFound(t *testing.T) {
	files, err := filepath.Glob("../../*.go")
	require.NoError(t, err)
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		known := false
		for _, s := range sections {
			known = known || strings.TrimSuffix(filepath.Base(file), ".go") == s.name
		}
		for _, decl := range parsed.Decls {
			consts, ok := decl.(*ast.GenDecl)
			require.True(t, known || !ok || consts.Tok != token.CONST, "%s has codes and no table", file)
		}
	}
}

func TestRowNeedsItsComments(t *testing.T) {
	for _, source := range []string{
		"// Wrong is another sentence.\nWrong = \"WRONG\" // all",
		"// NoColumns says that it has none.\nNoColumns = \"NO_COLUMNS\"",
	} {
		path := filepath.Join(t.TempDir(), "sends.go")
		require.NoError(t, os.WriteFile(path, []byte("package codes\n\nconst (\n"+source+"\n)\n"), 0o600))
		_, err := table(path)
		require.ErrorContains(t, err, "needs a comment")
	}
}
