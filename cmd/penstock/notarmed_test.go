package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// liveSale is a document of a sale that is live now.
func liveSale(id string, stock int) map[string]any {
	now := time.Now().UTC()
	return map[string]any{
		"id": id, "name": id, "starts_at": now.Add(-time.Minute), "ends_at": now.Add(time.Hour),
		"admission": map[string]any{"mode": "open"}, "items": []any{map[string]any{"sku": "A", "stock": stock}},
	}
}

// TestNoSaleIsArmedOnALogThatIsNotKnownToSync covers a NATS server with its default settings, which
// syncs every two minutes: with its monitoring endpoint, which tells so, and without, when nobody
// can tell. The refusal reaches whoever asked, and no epoch is used up.
func TestNoSaleIsArmedOnALogThatIsNotKnownToSync(t *testing.T) {
	for name, monitored := range map[string]bool{"it tells that it does not": true, "nobody can tell": false} {
		t.Run(name, func(t *testing.T) {
			log := testenv.NATS(t, testenv.SyncInterval("2m"))
			settings := []string{"PENSTOCK_NATS_URL=" + log.URL}
			if monitored {
				settings = orderLogAt(log)
			}
			s := newServer(t, settings...)
			s.start()
			refused := s.admin(http.StatusConflict, "POST", "/sales", liveSale("drop", 5))
			reasons, _ := refused.body["reasons"].([]any)
			if refused.text("code") != "not_armed" || len(reasons) == 0 || !strings.Contains(string(refused.raw), "sync_interval") {
				t.Fatalf("the refusal: %s", refused.raw)
			}
			s.toldNotArmed("drop")
			file := filepath.Join(t.TempDir(), "sale.yaml")
			doc, err := json.Marshal(liveSale("from-a-file", 5)) // JSON is YAML too
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, doc, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, code := s.command("sale", "apply", "-f", file); code != 1 || !strings.Contains(out, "sync_interval") {
				t.Fatalf("sale apply: exit %d\n%s", code, out)
			}
			if out, code := s.command("preflight"); code != 1 || !strings.Contains(out, "REFUSE") {
				t.Fatalf("preflight: exit %d\n%s", code, out)
			}
			s.terminate()

			s.env = append(s.env, "PENSTOCK_ALLOW_UNSYNCED=true")
			s.start()
			s.awaitSale("drop")
			created := s.admin(http.StatusOK, "GET", "/sales/drop", nil)
			if epoch := created.body["epoch"]; epoch != 1.0 {
				t.Fatalf("the epoch of a new sale is %v: %s", epoch, created.raw)
			}
			s.terminate()

			// The permission is taken back: the sale that ran is not armed any more, says so, and its
			// epoch stays while nobody may arm it.
			s.env = append(s.env, "PENSTOCK_ALLOW_UNSYNCED=false")
			s.start()
			told := s.toldNotArmed("drop")
			if epoch := s.admin(http.StatusOK, "GET", "/sales/drop", nil).body["epoch"]; epoch != told.body["epoch"] {
				t.Fatalf("the epoch went from %v to %v while the sale could not be armed", told.body["epoch"], epoch)
			}
		})
	}
}

// toldNotArmed waits until the operator is told why the sale is not armed, and makes sure that a
// visitor is asked to come back.
func (s *server) toldNotArmed(id string) (told answer) {
	s.t.Helper()
	testenv.Eventually(s.t, 20*time.Second, "the operator is told why the sale is not armed", func() bool {
		told = s.admin(http.StatusOK, "GET", "/sales/"+id, nil)
		return told.text("phase") == "not_armed" && strings.Contains(told.text("not_armed_because"), "sync_interval")
	})
	testenv.Eventually(s.t, 10*time.Second, "visitors are asked to come back", func() bool {
		for _, c := range []call{{method: "POST", url: s.front + "/v1/sales/" + id + "/tickets"}, {method: "GET", url: s.front + "/v1/sales/" + id}} {
			a, err := send(http.DefaultClient, c)
			if err != nil || a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
				return false
			}
		}
		return true
	})
	return told
}
