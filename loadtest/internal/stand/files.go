package stand

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const moduleLine = "module github.com/penstock/penstock\n"

// Root is the repository: the nearest directory upwards with its go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), moduleLine) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("run this inside the penstock repository")
		}
		dir = parent
	}
}

// Build builds one of the repository's programs, in no time when nothing has
// changed, so that no stale program is ever measured.
func Build(ctx context.Context, root, pkg, output string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", output, pkg)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// TempDir makes a directory that other users (Postgres has its own) can enter.
func TempDir() (string, error) {
	dir, err := os.MkdirTemp("", "penstock-loadtest-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755) //nolint:gosec // Postgres runs as a user of its own
}
