package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const modulePath = "github.com/penstock/penstock"

// findProgram looks for a program in PATH.
func findProgram(name, install string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s not found in PATH; install it: %s", name, install)
	}
	return path, nil
}

// findPostgres returns the directory that holds initdb and postgres: PATH
// first, then Debian's directory of versions, the newest first.
func findPostgres() (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		if hasProgram(filepath.Dir(path), "initdb") {
			return filepath.Dir(path), nil
		}
	}
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(dirs, func(a, b string) int { // 9.6 sorts after 15 as text: length first
		if d := len(b) - len(a); d != 0 {
			return d
		}
		return strings.Compare(b, a)
	})
	for _, dir := range dirs {
		if hasProgram(dir, "initdb") && hasProgram(dir, "postgres") {
			return dir, nil
		}
	}
	return "", fmt.Errorf("PostgreSQL's initdb and postgres not found in PATH or /usr/lib/postgresql/*/bin; install them: apt-get install -y postgresql")
}

// findNATS returns nats-server: the repository's bin, or the user's cache,
// where it is built once from the version in go.mod.
func findNATS(ctx context.Context) (string, error) {
	root, err := repositoryRoot()
	if err != nil {
		return "", err
	}
	if hasProgram(filepath.Join(root, "bin"), "nats-server") {
		return filepath.Join(root, "bin", "nats-server"), nil
	}
	version, err := natsVersion(root)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find nats-server: %w", err)
	}
	dir, name := filepath.Join(cache, "penstock"), "nats-server-"+version
	if hasProgram(dir, name) {
		return filepath.Join(dir, name), nil
	}
	return buildNATS(ctx, root, dir, name)
}

// buildNATS builds beside the final name and renames, so that test processes
// which build at the same time never run a half-written program.
func buildNATS(ctx context.Context, root, dir, name string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("build nats-server: %w", err)
	}
	building := filepath.Join(dir, fmt.Sprintf("%s.%d", name, os.Getpid()))
	defer os.Remove(building)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", building, "github.com/nats-io/nats-server/v2")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build nats-server: %w\n%s\nor put a nats-server into %s",
			err, out, filepath.Join(root, "bin"))
	}
	return filepath.Join(dir, name), os.Rename(building, filepath.Join(dir, name))
}

var natsRequirement = regexp.MustCompile(`(?m)^\s*(?:require\s+)?github\.com/nats-io/nats-server/v2 (v\S+)`)

func natsVersion(root string) (string, error) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("find nats-server: %w", err)
	}
	match := natsRequirement.FindSubmatch(mod)
	if match == nil {
		return "", fmt.Errorf("find nats-server: go.mod requires no version of it")
	}
	return string(match[1]), nil
}

// repositoryRoot is the nearest directory upwards that holds this module's
// go.mod; tests run in their package's directory.
func repositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module "+modulePath+"\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("not inside the %s repository: cannot find nats-server's version", modulePath)
		}
		dir = parent
	}
}

func hasProgram(dir, name string) bool {
	info, err := os.Stat(filepath.Join(dir, name))
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
