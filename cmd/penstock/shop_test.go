package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

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
