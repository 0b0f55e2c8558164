package main

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"
)

// runCommand runs the program in this process, with settings from the environment.
func runCommand(t *testing.T, env map[string]string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	t.Setenv("PENSTOCK_DATA_DIR", t.TempDir())
	for name, value := range env {
		t.Setenv(name, value)
	}
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	code = run(ctx, args, terminal{stdin: strings.NewReader(""), stdout: &out, stderr: &errs})
	return out.String(), errs.String(), code
}

func TestAWrongSettingIsOneClearLineAndExitTwo(t *testing.T) {
	cases := map[string]struct {
		env  map[string]string
		args []string
		says string
	}{
		"unknown flag":         {nil, []string{"serve", "--no-such-flag"}, "--no-such-flag"},
		"unknown role":         {nil, []string{"serve", "--roles", "gatekeeper"}, "PENSTOCK_ROLES"},
		"split while embedded": {nil, []string{"serve", "--roles", "gate"}, "PENSTOCK_REDIS_URL"},
		"short secret":         {map[string]string{"PENSTOCK_SECRET": "short"}, []string{"serve"}, "PENSTOCK_SECRET"},
		"guessable admin key":  {map[string]string{"PENSTOCK_ADMIN_KEY": "a"}, []string{"serve"}, "PENSTOCK_ADMIN_KEY"},
		"bad address":          {map[string]string{"PENSTOCK_LISTEN": "nowhere"}, []string{"serve"}, "PENSTOCK_LISTEN"},
		"no such file":         {map[string]string{"PENSTOCK_ADMIN_KEY": testAdminKey}, []string{"sale", "apply", "-f", "/no/such/file"}, "/no/such/file"},
		"no admin key":         {nil, []string{"verify"}, "PENSTOCK_ADMIN_KEY"},
		"a wait too long":      {map[string]string{"PENSTOCK_ADMIN_KEY": testAdminKey}, []string{"verify", "--wait", "3m"}, "--wait: is 3m0s, use 0s to 2m0s"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, stderr, code := runCommand(t, c.env, c.args...)
			if code != exitUsage || !strings.Contains(stderr, c.says) || strings.Count(strings.TrimSpace(stderr), "\n") != 0 {
				t.Fatalf("exit %d, stderr %q; want exit 2 and one line with %q", code, stderr, c.says)
			}
		})
	}
}

// The server is stopped by the next wrong thing, an address in use, after it has warned.
func TestAnAdminKeyThatCouldBeGuessedIsWarnedOf(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for key, warned := range map[string]bool{"repro-admin-key": true, testAdminKey: false} {
		env := map[string]string{"PENSTOCK_ADMIN_KEY": key, "PENSTOCK_CONSOLE_LISTEN": taken.Addr().String()}
		_, stderr, code := runCommand(t, env, "serve")
		if code != exitFailed || strings.Contains(stderr, "could be guessed") != warned || strings.Contains(stderr, key) {
			t.Errorf("a key of %d characters: exit %d, stderr %q", len(key), code, stderr)
		}
	}
}

func TestAnUnreachableServerIsOneClearLine(t *testing.T) {
	cases := map[string]map[string]string{
		"redis":    {"PENSTOCK_REDIS_URL": "redis://:hunter2@127.0.0.1:1"},
		"nats":     {"PENSTOCK_NATS_URL": "nats://user:hunter2@127.0.0.1:1"},
		"postgres": {"PENSTOCK_POSTGRES_URL": "postgres://user:hunter2@127.0.0.1:1/penstock"},
	}
	for name, env := range cases {
		t.Run(name, func(t *testing.T) {
			env["PENSTOCK_LISTEN"], env["PENSTOCK_CONSOLE_LISTEN"], env["PENSTOCK_LOG_LEVEL"] = "127.0.0.1:0", "127.0.0.1:0", "error"
			_, stderr, code := runCommand(t, env, "serve")
			if code != exitFailed || !strings.Contains(stderr, "127.0.0.1:1") || strings.Count(strings.TrimSpace(stderr), "\n") != 0 {
				t.Fatalf("exit %d, stderr %q", code, stderr)
			}
			if strings.Contains(stderr, "hunter2") {
				t.Fatalf("the password is shown: %s", stderr)
			}
		})
	}
}

func TestCommandsExplainThemselves(t *testing.T) {
	for _, args := range [][]string{nil, {"--help"}, {"serve", "--help"}, {"sale", "apply", "--help"}} {
		stdout, _, code := runCommand(t, nil, args...)
		if code != 0 || !strings.Contains(stdout, "Usage: penstock") {
			t.Errorf("%v: exit %d: %s", args, code, stdout)
		}
	}
	stdout, _, code := runCommand(t, nil, "version")
	if code != 0 || !strings.HasPrefix(stdout, "penstock ") {
		t.Errorf("version: exit %d: %s", code, stdout)
	}
	stdout, _, code = runCommand(t, map[string]string{"PENSTOCK_SECRET": strings.Repeat("s3cret", 8)}, "config")
	if code != 0 || !strings.Contains(stdout, "PENSTOCK_LISTEN") || strings.Contains(stdout, "s3cret") {
		t.Errorf("config: exit %d: %s", code, stdout)
	}
}
