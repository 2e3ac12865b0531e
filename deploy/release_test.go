//go:build slow

package deploy_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const app = "github.com/hiliosai/switchboard/node/internal/app"

// release builds a release of a tree and gives the folder with it.
func release(t *testing.T, tree string, platforms ...string) string {
	t.Helper()
	dist := filepath.Join(t.TempDir(), "dist")
	cmd := exec.CommandContext(t.Context(), filepath.Join(tree, "deploy", "release.sh"))
	cmd.Env = append(
		os.Environ(), "DIST="+dist, "PLATFORMS="+strings.Join(platforms, " "), "VERSION=v1.2.3", "COMMIT=abc",
		"DATE=2026-01-31T12:00:00Z",
		"LDFLAGS=-X "+app+".version=v1.2.3 -X "+app+".commit=abc -X "+app+".date=2026-01-31T12:00:00Z",
	)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return dist
}

// copyTree copies the files that git knows into another folder, and those that it does not ignore.
func copyTree(t *testing.T) string {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "elsewhere")
	require.NoError(t, os.Mkdir(tree, 0o700))
	script := `git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -C "$1"`
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", script, "-", tree)
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return tree
}

func read(t *testing.T, elements ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elements...))
	require.NoError(t, err)
	return string(data)
}

// unpack writes an archive's files into a folder and gives their names.
func unpack(t *testing.T, archive, dir string) (names []string) {
	t.Helper()
	file, err := os.Open(archive)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	for files := tar.NewReader(unzipped); ; {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		require.NoError(t, err)
		require.Equal(t, "2026-01-31T12:00:00Z", head.ModTime.UTC().Format("2006-01-02T15:04:05Z"), head.Name)
		require.Zero(t, head.Uid+head.Gid, head.Name)
		if head.Typeflag == tar.TypeDir {
			continue
		}
		names = append(names, head.Name)
		path := filepath.Join(dir, filepath.Base(head.Name))
		content, err := io.ReadAll(files)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, content, head.FileInfo().Mode()))
	}
}

func TestReleaseHasTheSameBytesWhereverItIsBuilt(t *testing.T) {
	t.Parallel()
	platforms := []string{runtime.GOOS + "/" + runtime.GOARCH} // the others cost minutes, and differ in nothing
	here, elsewhere := release(t, "..", platforms...), release(t, copyTree(t), platforms...)
	sums := read(t, here, "SHA256SUMS")
	require.Equal(t, sums, read(t, elsewhere, "SHA256SUMS"))

	for _, platform := range platforms {
		name := "switchboard-v1.2.3-" + strings.ReplaceAll(platform, "/", "-")
		require.Contains(t, sums, "  "+name+".tar.gz\n")
		require.Contains(t, sums, "  "+name+".cdx.json\n")
		dir := t.TempDir()
		names := unpack(t, filepath.Join(here, name+".tar.gz"), dir)
		for _, file := range []string{
			"switchboard", "config.yaml", "LICENSE", "README.md", "CHANGELOG.md", "systemd/switchboard.service",
			"systemd/switchboard.socket",
			"man/man1/switchboard.1", "completions/switchboard.bash", "completions/_switchboard", "completions/switchboard.fish",
		} {
			require.Contains(t, names, name+"/"+file)
		}
		var bom struct {
			BOMFormat  string
			Metadata   struct{ Component struct{ Version string } }
			Components []struct{ Name, Version, PURL string }
		}
		require.NoError(t, json.Unmarshal([]byte(read(t, here, name+".cdx.json")), &bom))
		require.Equal(t, "CycloneDX", bom.BOMFormat)
		require.Equal(t, "v1.2.3", bom.Metadata.Component.Version)
		listed := map[string]bool{}
		for _, c := range bom.Components {
			listed[c.Name] = c.Version != "" && c.PURL != ""
		}
		for _, module := range []string{"github.com/nats-io/nats.go", "modernc.org/sqlite", "std"} {
			require.True(t, listed[module], module)
		}
		program := filepath.Join(dir, "switchboard")
		built, err := exec.CommandContext(t.Context(), "go", "version", "-m", program).Output()
		require.NoError(t, err)
		for _, setting := range []string{
			"CGO_ENABLED=0", "-trimpath=true", "GOOS=" + filepath.Dir(platform), "GOARCH=" + filepath.Base(platform),
		} {
			require.Contains(t, string(built), setting)
		}
		out, err := exec.CommandContext(t.Context(), program, "version", "--output", "json").Output()
		require.NoError(t, err)
		require.JSONEq(t, `{"version":"v1.2.3","commit":"abc","date":"2026-01-31T12:00:00Z","go":"`+runtime.Version()+
			`","platform":"`+platform+`"}`, string(out))
	}
}
