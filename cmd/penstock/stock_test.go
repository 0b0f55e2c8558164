package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnitsThatAreHeldAreNotTakenAway tells how many are, through the API and the command.
func TestUnitsThatAreHeldAreNotTakenAway(t *testing.T) {
	s := newServer(t)
	s.start()
	s.createSale("drop", 10, nil)
	v := &visitor{front: s.front, sale: "drop", name: "ada"}
	v.admit(t)
	must(t, http.StatusCreated, v.reservation("A", 3, "r-1"))
	no := s.admin(http.StatusConflict, "PATCH", "/sales/drop/items/A/stock", map[string]any{"set_to": 2})
	if no.text("code") != "stock_conflict" || no.body["held"] != 3.0 || no.body["sold"] != 0.0 || no.body["allocated"] != 10.0 {
		t.Fatalf("the refusal tells %s", no.raw)
	}
	file := filepath.Join(t.TempDir(), "stock.csv")
	if err := os.WriteFile(file, []byte("sku,stock\nA,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := s.command("stock", "import", "--sale", "drop", "-f", file)
	if code != 1 || !strings.Contains(out, "line 2: A refused: 0 units of A are sold, 3 held") {
		t.Fatalf("%d: %s", code, out)
	}
	out, code = s.command("stock", "set", "--sale", "drop", "A", "--to", "3", "--expected", "10")
	if code != 0 || !strings.Contains(out, "A: 3 units, 0 sold") {
		t.Fatalf("%d: %s", code, out)
	}
	for _, wrong := range [][]string{{}, {"--to", "1", "--by", "2"}} {
		if out, code := s.command(append([]string{"stock", "set", "--sale", "drop", "A"}, wrong...)...); code != 2 {
			t.Errorf("%v: %d %s", wrong, code, out)
		}
	}
	s.verify()
}
