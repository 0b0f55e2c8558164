//go:build faults

package main

import (
	"bytes"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/reservation"
)

// refusedCard is a number that payment providers publish for tests, and its spellings are what is searched for. The last
// is what would be kept of a customer of that name.
const refusedCard = "4000056655665556"

var refusedSpellings = []string{refusedCard, "4000 0566 5566 5556", "4000-0566-5566-5556", "40000566", "55665556", `\u0034000056655665556`, reservation.CustomerKey(refusedCard)}

// controlText is in an order that is accepted: a search that does not find it would find nothing.
const controlText = "control-5d41402abc4b2a76b9719d911017c592"

// TestFaultNoFileHoldsACardNumberThatWasRefused sends a card number in every way in which a visitor or a shop can, and
// then searches all files of Redis, NATS, Postgres and Penstock, and what it exports.
func TestFaultNoFileHoldsACardNumberThatWasRefused(t *testing.T) {
	redisDir, natsDir := t.TempDir(), t.TempDir()
	redis, err := testenv.StartRedis(t.Context(), redisDir, testenv.AppendFsync("always"), testenv.RedisArg("rdbcompression", "no"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = redis.Kill() })
	nats, err := testenv.StartNATS(t.Context(), natsDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nats.Kill() })
	stores := realStores{redis: redis, nats: nats, postgres: testenv.PostgresDedicated(t)}
	s := newServer(t, append(stores.env(), "PENSTOCK_LOG_LEVEL=debug", "PENSTOCK_SECRET="+splitSecret)...)
	ownDir := dataDir(t, s)

	s.start("--roles", "gate,console") // what is accepted stays in the order log
	s.createSale("drop", 10, nil)
	buyer := &visitor{front: s.front, sale: "drop", name: "ada@example.com"}
	buyer.admit(t)
	held := must(t, http.StatusCreated, buyer.reservation("A", 1, "r-1")).text("id")
	sendCards(t, buyer, held)
	control := buyer.order(held, "o-1")
	control.body = map[string]any{"reservation": held, "customer": map[string]any{"note": controlText}, "metadata": map[string]any{"n": controlText}}
	order := must(t, http.StatusAccepted, control).text("id")
	metrics := must(t, http.StatusOK, call{method: "GET", url: s.console + "/metrics"})
	judgeFile(t, "the metrics", metrics.raw, false)
	if !bytes.Contains(metrics.raw, []byte(`penstock_http_refusals_total{code="card_data"}`)) {
		t.Error("no refusal was counted")
	}
	if code := s.terminate(); code != 0 {
		t.Fatalf("SIGTERM: exit %d", code)
	}
	searched(t, "JetStream", natsDir, true)

	s.start()
	wantCommitted(t, s, order)
	export := must(t, http.StatusOK, call{
		method: "GET", url: s.console + "/admin/v1/sales/drop/orders", header: map[string]string{"Authorization": "Bearer " + testAdminKey, "Accept": "text/csv"},
	})
	judgeFile(t, "the CSV export", export.raw, true)
	letters := s.admin(http.StatusOK, "GET", "/dead-letters", nil)
	judgeFile(t, "the dead letters", letters.raw, false)
	s.verify()
	if code := s.terminate(); code != 0 {
		t.Fatalf("SIGTERM: exit %d", code)
	}
	saveRedis(t, redis.Addr)
	for _, stop := range []func() error{redis.Stop, nats.Stop, stores.postgres.Stop} {
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(redisDir, "dump.rdb")); err != nil {
		t.Error("Redis has written no dump:", err)
	}
	searched(t, "Redis", redisDir, true)
	searched(t, "JetStream", natsDir, false)
	searched(t, "Postgres", stores.postgres.Dir(), true)
	searched(t, "Penstock", ownDir, false)
	log, err := os.ReadFile(s.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	judgeFile(t, "the log", log, false)
	if !bytes.Contains(log, []byte("code=card_data")) || !bytes.Contains(log, []byte("[card number]")) {
		t.Error("the log tells of no refusal, so that no number is in it shows nothing")
	}
}

// sendCards sends the number wherever a text is taken, and fails unless each request is refused.
func sendCards(t *testing.T, v *visitor, held string) {
	t.Helper()
	order := func(key string, body any) call {
		c := v.order(held, key)
		c.body = body
		return c
	}
	with := func(members map[string]any) map[string]any {
		all := map[string]any{"reservation": held, "customer": map[string]any{"email": v.name}}
		for name, value := range members {
			all[name] = value
		}
		return all
	}
	named := func(name string) call {
		c := v.reservation("A", 1, "r-card")
		c.body.(map[string]any)["customer"] = name
		return c
	}
	for what, c := range map[string]call{
		"customer":            order("o-1", with(map[string]any{"customer": map[string]any{"note": "my card: 4000 0566 5566 5556 12/30"}})),
		"number":              order("o-1", with(map[string]any{"customer": map[string]any{"card": []any{4000056655665556}}})),
		"name of a member":    order("o-1", with(map[string]any{"metadata": map[string]any{"a": map[string]any{refusedCard: 1}}})),
		"metadata":            order("o-1", with(map[string]any{"metadata": map[string]any{"a": []any{map[string]any{"b": "4000-0566-5566-5556"}}}})),
		"token":               order("o-1", with(map[string]any{"payment": map[string]any{"token": refusedCard}})),
		"reference":           order("o-1", with(map[string]any{"payment": map[string]any{"reference": refusedCard}})),
		"unknown member":      order("o-1", with(map[string]any{refusedCard: refusedCard})),
		"reservation":         order("o-1", map[string]any{"reservation": refusedCard, "customer": map[string]any{}}),
		"no object":           order("o-1", []any{refusedCard}),
		"key of an order":     order(refusedCard, with(nil)),
		"key of a hold":       v.reservation("A", 1, refusedCard),
		"customer of a hold":  named(refusedCard),
		"customer with signs": named("4000-0566-5566-5556"),
	} {
		a := must(t, http.StatusUnprocessableEntity, c)
		if a.text("code") != "card_data" || strings.Contains(string(a.raw), "5566") {
			t.Errorf("%s: %s", what, a.raw)
		}
	}
	// Paths, queries and other headers are no order; what they say is kept nowhere either.
	for _, c := range []call{
		{method: "POST", url: v.front + "/v1/sales/" + refusedCard + "/tickets"},
		{method: "GET", url: v.front + "/v1/reservations/" + refusedCard},
		{method: "GET", url: v.front + "/v1/orders/" + refusedCard},
		{method: "GET", url: v.front + "/sales/drop?items=" + refusedCard + "&card=" + refusedCard, header: map[string]string{"Referer": "https://shop.example/?card=" + refusedCard}},
		{method: "GET", url: v.front + "/v1/auth?sale=" + refusedCard},
		{method: "POST", url: v.salePath("/tickets"), body: map[string]any{"items": []any{refusedCard}}},
		{method: "POST", url: v.salePath("/tickets"), body: map[string]any{refusedCard: 1}},
	} {
		if _, err := send(http.DefaultClient, c); err != nil {
			t.Fatalf("%s: %v", c.url, err)
		}
	}
}

// dataDir is where a server keeps what is its own.
func dataDir(t *testing.T, s *server) string {
	t.Helper()
	for _, variable := range s.env {
		if dir, found := strings.CutPrefix(variable, "PENSTOCK_DATA_DIR="); found {
			return dir
		}
	}
	t.Fatal("the server has no folder of its own")
	return ""
}

// saveRedis writes the dump of all that Redis has now.
func saveRedis(t *testing.T, address string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 64)
	if _, err := conn.Write([]byte("SAVE\r\n")); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(answer); err != nil || !bytes.HasPrefix(answer[:n], []byte("+OK")) {
		t.Fatalf("SAVE: %q %v", answer[:n], err)
	}
}

// searched reads all files under a folder. The number must be in none; with control, the control text is in one.
func searched(t *testing.T, whose, dir string, control bool) {
	t.Helper()
	controls := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if bytes.Contains(text, []byte(controlText)) {
			controls++
		}
		judgeFile(t, path, text, false)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if control && controls == 0 {
		t.Errorf("%s: the control text is in no file under %s: the search proves nothing", whose, dir)
	}
}

func judgeFile(t *testing.T, name string, text []byte, control bool) {
	t.Helper()
	for _, spelling := range refusedSpellings {
		if at := bytes.Index(text, []byte(spelling)); at >= 0 {
			t.Errorf("%s holds the card number: …%.80q", name, text[max(0, at-40):])
		}
	}
	if control && !bytes.Contains(text, []byte(controlText)) {
		t.Errorf("%s: the control text is not found: the search proves nothing", name)
	}
}
