package main

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// scriptAfter is the first block of commands of a page behind a mark.
func scriptAfter(t *testing.T, page, mark string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), mark)
	_, block, begun := strings.Cut(rest, "```sh\n")
	script, _, ended := strings.Cut(block, "```")
	if !found || !begun || !ended {
		t.Fatalf("%s has no commands behind %q", page, mark)
	}
	return script
}

func replaced(t *testing.T, script string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(script, pairs[i]) {
			t.Fatalf("the commands have no %q", pairs[i])
		}
		script = strings.ReplaceAll(script, pairs[i], pairs[i+1])
	}
	return script
}

// bash runs commands as a reader of the page would, on this server.
func (s *server) bash(script string) string {
	s.t.Helper()
	cmd := exec.Command("timeout", "60", "bash", "-euo", "pipefail", "-c", script)
	cmd.Env = s.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("the commands fail: %v\n%s", err, out)
	}
	return string(out)
}

// buy gets a visitor of the demo all the way to an order in the ledger, and returns its id.
func (s *server) buy(v *visitor, sku string) string {
	s.t.Helper()
	v.admit(s.t)
	held := must(s.t, http.StatusCreated, v.reservation(sku, 1, v.name+"-1")).text("id")
	order := must(s.t, http.StatusAccepted, v.order(held, v.name+"-2")).text("id")
	testenv.Eventually(s.t, 10*time.Second, "the order is committed", func() bool {
		return must(s.t, http.StatusOK, call{method: "GET", url: s.front + "/v1/orders/" + order}).text("status") == "committed"
	})
	return order
}

func TestTheCommandsOfTheShopPageWorkAsWritten(t *testing.T) {
	const page = "../../docs/shop.md"
	s := newServer(t)
	s.start("--demo")
	s.awaitSale(demoSale)
	first := s.buy(&visitor{front: s.front, sale: demoSale, name: "ada@example.com"}, "SNKR-42")

	keys := replaced(t, scriptAfter(t, page, "<!-- keys:"),
		"CONSOLE=http://localhost:8081", "CONSOLE="+s.console, "$(cat data/admin-key)", testAdminKey, "bin/penstock", s.binary)
	orders := replaced(t, scriptAfter(t, page, "<!-- orders:"), "FRONT=http://localhost:8080", "FRONT="+s.front, "wait_seconds=25", "wait_seconds=1")
	out := s.bash(keys + "\n" + orders + "\n" +
		`curl -sS -o /dev/null -w "ended key: %{http_code}\n" -H "Authorization: Bearer $WAREHOUSE_KEY" "$FRONT/v1/sales/demo/orders"` + "\n")
	for _, want := range []string{`"id":"` + first + `"`, `"customer":{"email":"ada@example.com"}`, `{"orders":[],"next":"`, "Checkout", "ended key: 401"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in the output:\n%s", want, out)
		}
	}
	if list, code := s.command("key", "list"); code != 0 || strings.Contains(list, "Warehouse") || !strings.Contains(list, "shop  ") {
		t.Errorf("key list: exit %d\n%s", code, list)
	}
}

func TestTheKeyCommandsSayWhatIsWrong(t *testing.T) {
	s := newServer(t)
	s.start()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"key", "create", "--name", "x"}, exitUsage, "--role"},
		{[]string{"key", "create", "--name", "x", "--role", "root"}, exitUsage, "root"},
		{[]string{"key", "create", "--name", " ", "--role", "shop"}, exitFailed, "name: want 1 to 100 characters"},
		{[]string{"key", "delete", "key_none"}, exitFailed, "not_found"},
		{[]string{"key", "list", "--admin-key", "pk_wrong"}, exitFailed, "unauthorized"},
		{[]string{"key", "list"}, 0, "no keys yet"},
	} {
		if out, code := s.command(c.args...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%v: exit %d, want %d with %q\n%s", c.args, code, c.code, c.want, out)
		}
	}
	if out, code := s.command("key", "create", "--name", "x", "--role", "viewer", "--sale", "spring"); code != exitFailed || !strings.Contains(out, "only a key of the role shop has sales") {
		t.Fatalf("exit %d\n%s", code, out)
	}
	args := []string{"key", "create", "--name", "desk", "--role", "shop", "--sale", "spring", "--sale", "autumn", "--channel", "vip", "--channel", "app"}
	if out, code := s.command(args...); code != 0 || !strings.Contains(out, "pk_") {
		t.Fatalf("exit %d\n%s", code, out)
	}
	if list, code := s.command("key", "list"); code != 0 || !strings.Contains(list, "spring,autumn") || !strings.Contains(list, "vip,app") {
		t.Fatalf("exit %d\n%s", code, list)
	}
	made, code := s.command("key", "create", "--name", "CI", "--role", "viewer", "--json")
	if code != 0 || !strings.Contains(made, `"role":"viewer"`) || !strings.Contains(made, `"key":"pk_`) {
		t.Fatalf("exit %d\n%s", code, made)
	}
	if list, code := s.command("key", "list", "--json"); code != 0 || strings.Contains(list, "pk_") || !strings.Contains(list, `"name":"CI"`) {
		t.Fatalf("exit %d\n%s", code, list)
	}
}
