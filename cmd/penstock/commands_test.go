package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// The commands of the documents are run as a reader would type them: all blocks marked sh of one page after the
// other, in one shell, in a folder that looks like a checkout of the repository. Three things differ.
//
//   - The ports of localhost are replaced by free ones.
//   - make is asked only whether it knows what to do (make -n): most targets are tests themselves.
//   - A block that begins with notRun is left out. Those are listed here, so that their number cannot grow unseen.
const notRun = "# Not run by the tests: "

var blocksNotRun = []string{
	"docs/bots.md: needs a list of your own.",
	"docs/forward-auth.md: needs a shop and a proxy of your own.",
	"docs/proxy.md: needs a shop of your own. The quick start runs the same with one.",
	"docs/proxy.md: needs a sites file of your own.",
}

// pagesWithCommands are looked through; each has its own server unless it starts one itself.
func pagesWithCommands(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(pages, "../../README.md")
}

// block is a piece of a page between two fences.
type block struct{ info, text string }

var fence = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")

func blocksOf(t *testing.T, page string) (blocks []block) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range fence.FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, block{info: found[1], text: found[2]})
	}
	return blocks
}

// scriptOf is what there is to run on a page, and why the rest is not run.
func scriptOf(t *testing.T, page string) (script string, left []string) {
	t.Helper()
	for _, b := range blocksOf(t, page) {
		first, _, _ := strings.Cut(b.text, "\n")
		reason, isLeft := strings.CutPrefix(first, notRun)
		switch {
		case b.info == "sh" && isLeft:
			left = append(left, strings.TrimPrefix(page, "../../")+": "+reason)
		case b.info == "sh":
			script += b.text
		case strings.HasPrefix(b.info, "sh"), b.info == "bash", b.info == "shell", b.info == "console":
			t.Errorf("%s has a block of commands marked %q: mark it sh, or it is not run", page, b.info)
		}
	}
	return script, left
}

func TestBlocksThatAreNotRunAreFewAndKnown(t *testing.T) {
	var left []string
	for _, page := range pagesWithCommands(t) {
		_, more := scriptOf(t, page)
		left = append(left, more...)
	}
	t.Logf("%d blocks of commands are not run: %q", len(left), left)
	if !slices.Equal(left, blocksNotRun) {
		t.Errorf("not run:  %q\nexpected: %q", left, blocksNotRun)
	}
}

// printed is what the commands of a page must print, beside what the page itself shows in its blocks marked text.
var printed = map[string][]string{
	"README.md":           {`"status":"committed"`, "every invariant holds"},
	"docs/identity.md":    {`"state":"called"`, `"reason":"token_required"`, "2 invites imported", "1 invites revoked"},
	"docs/quick-start.md": {"first-drop", "every invariant holds"},
	"docs/shop.md": {
		`"customer":{"email":"zoe@example.com"}`, `{"orders":[],"next":"`, "Checkout", " deleted: ",
		`"idempotency_key":"market-1","status":201`, `"code":"sold_out"`, `"idempotency_key":"order-1","status":202`,
	},
	"docs/shadow.md": {`"reference":"order-1003","outcome":"accepted","penstock":"refused","code":"sold_out"`, "oversold SNKR-42 by 1 unit", "order-1003", "they differ"},
	"docs/stock.md":  {"SNKR-42  all", `"allocated":150`, "SNKR-42 accepted", "SNKR-42 unchanged", `"to":145`},
}

func TestTheCommandsOfTheDocumentsWorkAsWritten(t *testing.T) {
	for _, page := range pagesWithCommands(t) {
		script, _ := scriptOf(t, page)
		if script == "" {
			continue
		}
		t.Run(strings.TrimPrefix(page, "../../"), func(t *testing.T) {
			out := newReader(t, script).run(script)
			want := printed[strings.TrimPrefix(page, "../../")]
			for _, b := range blocksOf(t, page) {
				if b.info == "text" {
					want = append(want, b.text)
				}
			}
			for _, text := range want {
				if !strings.Contains(out, text) {
					t.Errorf("not printed:\n%s\nbut\n%s", text, out)
				}
			}
		})
	}
}

// reader is somebody who tries the commands of a page.
type reader struct {
	t      *testing.T
	folder string
	env    []string
	ports  map[string]string // a port of the page to one that is free
}

// newReader makes the folder, and starts the server that the commands of the page expect to run.
func newReader(t *testing.T, script string) *reader {
	t.Helper()
	s := newServer(t)
	r := &reader{t: t, folder: t.TempDir(), ports: map[string]string{}}
	data := filepath.Join(r.folder, "data")
	for _, one := range s.env { // with the key that a server makes, and with the folder of the data where a reader has it
		if !strings.HasPrefix(one, "PENSTOCK_ADMIN_KEY=") && !strings.HasPrefix(one, "PENSTOCK_DATA_DIR=") {
			r.env = append(r.env, one)
		}
	}
	r.env = append(r.env, "PENSTOCK_DATA_DIR="+data, "PATH="+r.tools(s.binary)+":"+os.Getenv("PATH"))
	r.ports["8080"], r.ports["8081"] = portOf(s.front), portOf(s.console)
	if !strings.Contains(script, "penstock serve") {
		s.env = r.env
		s.start("--demo")
		s.awaitSale(demoSale)
		s.buy(&visitor{front: s.front, sale: demoSale, name: "zoe@example.com"}, "SNKR-42") // pages list orders
	}
	return r
}

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// tools fills the folder with what a checkout has, and returns where make is.
func (r *reader) tools(binary string) string {
	r.t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		r.t.Fatal(err)
	}
	links := map[string]string{"bin/penstock": binary}
	for _, name := range []string{"docs", "deploy", "examples", "go.mod", "go.sum", "Makefile"} {
		links[name] = filepath.Join(root, name)
	}
	tools := r.t.TempDir()
	if err := os.Mkdir(filepath.Join(r.folder, "bin"), 0o755); err != nil {
		r.t.Fatal(err)
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(r.folder, name)); err != nil {
			r.t.Fatal(err)
		}
	}
	dryMake := fmt.Sprintf("#!/bin/sh\nexec %s -n -C %s \"$@\" >/dev/null\n", r.find("make"), root)
	if err := os.WriteFile(filepath.Join(tools, "make"), []byte(dryMake), 0o755); err != nil {
		r.t.Fatal(err)
	}
	return tools
}

func (r *reader) find(program string) string {
	r.t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		r.t.Fatal(err)
	}
	return path
}

var localPort = regexp.MustCompile(`\b(localhost|127\.0\.0\.1):([0-9]{4,5})\b`)

// here puts free ports in the place of those of the page.
func (r *reader) here(script string) string {
	return localPort.ReplaceAllStringFunc(script, func(address string) string {
		port := portOf(address)
		if _, known := r.ports[port]; !known {
			r.ports[port] = fmt.Sprint(testenv.FreePort(r.t))
		}
		return strings.TrimSuffix(address, port) + r.ports[port]
	})
}

// run runs the commands in a group of processes, of which nothing is left afterwards.
func (r *reader) run(script string) string {
	r.t.Helper()
	output, err := os.Create(filepath.Join(r.t.TempDir(), "output"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer output.Close()
	cmd := exec.CommandContext(r.t.Context(), "bash", "-euo", "pipefail", "-c", r.here(script))
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = r.folder, r.env, output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	endGroup := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	deadline := time.AfterFunc(90*time.Second, endGroup)
	failed := cmd.Wait()
	deadline.Stop()
	endGroup()
	text, err := os.ReadFile(output.Name())
	if err != nil {
		r.t.Fatal(err)
	}
	if failed != nil {
		r.t.Fatalf("the commands fail: %v\n%s", failed, text)
	}
	return string(text)
}
