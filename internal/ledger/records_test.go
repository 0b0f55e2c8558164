package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

func TestDeadLetterIsKeptOnceResolvedAndReopened(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		raw := []byte("\x00\xffnot an order")
		reason := strings.Repeat("é\x00", maxReasonBytes)
		for range 2 {
			if _, err := l.AddDeadLetter(t.Context(), raw, errors.New(reason)); err != nil {
				t.Fatal(err)
			}
		}
		letters, next, err := l.DeadLetters(t.Context(), "", 10)
		if err != nil || len(letters) != 1 || next != "" {
			t.Fatalf("letters %v, next %q, %v", letters, next, err)
		}
		letter := letters[0]
		if !bytes.Equal(letter.Raw, raw) || letter.Times != 2 || len(letter.Reason) > maxReasonBytes || letter.ResolvedAtMillis != 0 {
			t.Errorf("letter %+v", letter)
		}
		checkOpen(t, l, 1)
		for range 2 { // once is enough; again changes nothing
			if err := l.ResolveDeadLetter(t.Context(), letter.ID); err != nil {
				t.Fatal(err)
			}
		}
		checkOpen(t, l, 0)
		if got, err := l.DeadLetter(t.Context(), letter.ID); err != nil || got.ResolvedAtMillis == 0 {
			t.Errorf("resolved: %+v, %v", got, err)
		}
		if _, err := l.AddDeadLetter(t.Context(), raw, errors.New("again")); err != nil {
			t.Fatal(err)
		}
		checkOpen(t, l, 1)
		if _, err := l.DeadLetter(t.Context(), "dl_none"); !errors.Is(err, problem.NotFound) {
			t.Errorf("an unknown letter: %v", err)
		}
		if err := l.ResolveDeadLetter(t.Context(), "dl_none"); !errors.Is(err, problem.NotFound) {
			t.Errorf("resolving an unknown letter: %v", err)
		}
	})
}

func checkOpen(t *testing.T, l *Ledger, want int64) {
	t.Helper()
	if open, _, err := l.DeadLetters(t.Context(), "", 100); err != nil || int64(len(open)) != want {
		t.Errorf("%d dead letters are open (%v), want %d", len(open), err, want)
	}
}

func TestDeadLettersComeInPages(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		for n := range 7 {
			if _, err := l.AddDeadLetter(t.Context(), fmt.Append(nil, n), errors.New("x")); err != nil {
				t.Fatal(err)
			}
		}
		seen := make(map[string]bool)
		for cursor := ""; ; {
			page, next, err := l.DeadLetters(t.Context(), cursor, 3)
			if err != nil {
				t.Fatal(err)
			}
			for _, letter := range page {
				seen[string(letter.Raw)] = true
			}
			if next == "" {
				break
			}
			cursor = next
		}
		if len(seen) != 7 {
			t.Errorf("saw %v", seen)
		}
	})
}

func TestAuditIsReadNewestFirst(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		for n := range 9 {
			entry := Entry{AtMillis: int64(n / 2), Actor: "ann", Role: "operator", Action: "sale.pause",
				Sale: []string{"drop", "other", ""}[n%3], Detail: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n)), IP: "::1"}
			if err := l.AppendAudit(t.Context(), entry); err != nil {
				t.Fatal(err)
			}
		}
		for saleID, want := range map[string]int{"": 9, "drop": 3, "none": 0} {
			entries := readAudit(t, l, saleID)
			if len(entries) != want {
				t.Errorf("%q: %d entries, want %d", saleID, len(entries), want)
			}
			if !slices.IsSortedFunc(entries, func(a, b Entry) int { return int(b.AtMillis - a.AtMillis) }) {
				t.Errorf("%q: not the newest first: %v", saleID, entries)
			}
		}
		got := readAudit(t, l, "drop")[0]
		want := Entry{ID: got.ID, AtMillis: 3, Actor: "ann", Role: "operator", Action: "sale.pause", Sale: "drop", Detail: json.RawMessage(`{"n":6}`), IP: "::1"}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func readAudit(t *testing.T, l *Ledger, saleID string) []Entry {
	t.Helper()
	var all []Entry
	for cursor := ""; ; {
		page, next, err := l.Audit(t.Context(), saleID, cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page...)
		if next == "" {
			return all
		}
		cursor = next
	}
}

func TestKeys(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		first := Key{ID: "key_1", Name: "shop", Role: "shop", Channels: []string{"app", "vip"}, Sales: []string{"autumn", "spring"}, Hash: "h1", CreatedAtMillis: 1, CreatedBy: "ann"}
		second := Key{ID: "key_2", Name: "ann", Role: "admin", Hash: "h2", CreatedAtMillis: 2}
		for _, k := range []Key{second, first} {
			if err := l.AddKey(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.AddKey(t.Context(), Key{ID: "key_3", Hash: "h1"}); !errors.Is(err, problem.Conflict) {
			t.Errorf("a hash that exists: %v", err)
		}
		if keys, err := l.Keys(t.Context()); err != nil || !reflect.DeepEqual(keys, []Key{first, second}) {
			t.Errorf("keys %v, %v", keys, err)
		}
		if k, found, err := l.KeyByHash(t.Context(), "h2"); err != nil || !found || !reflect.DeepEqual(k, second) {
			t.Errorf("by hash: %v, %v, %v", k, found, err)
		}
		if err := l.DeleteKey(t.Context(), "key_2"); err != nil {
			t.Fatal(err)
		}
		if _, found, err := l.KeyByHash(t.Context(), "h2"); err != nil || found {
			t.Errorf("a deleted key is found: %v, %v", found, err)
		}
		if err := l.DeleteKey(t.Context(), "key_2"); !errors.Is(err, problem.NotFound) {
			t.Errorf("deleting it again: %v", err)
		}
	})
}

func TestTheUseOfAKeyIsWrittenDownOncePerMinute(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		if err := l.AddKey(t.Context(), Key{ID: "key_1", Name: "shop", Role: "shop", Hash: "h1", CreatedAtMillis: 1}); err != nil {
			t.Fatal(err)
		}
		start := time.UnixMilli(1_800_000_000_000)
		for _, step := range []struct{ after, known time.Duration }{
			{0, 0}, {keyUseEvery - time.Second, 0}, {keyUseEvery, keyUseEvery}, {keyUseEvery + 1, keyUseEvery},
		} {
			k, _, err := l.KeyByHash(t.Context(), "h1")
			if err == nil {
				err = l.NoteKeyUse(t.Context(), k, start.Add(step.after))
			}
			if err != nil {
				t.Fatal(err)
			}
			stale := Key{ID: "key_1"} // as a replica that lags knows it
			if err := l.NoteKeyUse(t.Context(), stale, start.Add(step.after)); err != nil {
				t.Fatal(err)
			}
			if k, _, err = l.KeyByHash(t.Context(), "h1"); err != nil || k.UsedAtMillis != start.Add(step.known).UnixMilli() {
				t.Fatalf("after %v: used at %d, %v", step.after, k.UsedAtMillis, err)
			}
		}
	})
}
