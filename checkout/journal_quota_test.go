package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/testenv"
)

func TestGroupsStayWithinMaxPayload(t *testing.T) {
	s := startServer(t, testenv.NATSConfig("max_payload: 16KB"))
	b := s.broker(t)
	l := orderLog(t, b, LogOptions{})
	o := orderNumber(1)
	o.CustomerDoc = json.RawMessage(`"` + strings.Repeat("x", 3000) + `"`)
	var records [][]byte
	for n := range 40 {
		o.Reservation = fmt.Sprint("rsv_", n)
		records = append(records, recordOf(t, o))
	}
	results, err := l.write(t.Context(), records)
	if err != nil || errors.Join(results...) != nil || len(results) != 40 {
		t.Fatal(results, err)
	}
	j := b.Journal()
	long := make([][]byte, 60)
	for i := range long {
		long[i] = fmt.Appendf(nil, "%03d%s", i, strings.Repeat("y", 2000))
	}
	if err := j.Append(t.Context(), "s", long); err != nil {
		t.Fatal(err)
	}
	got := replayed(t, j, "s", time.Time{})
	if len(got) != 60 || got[0][:3] != "000" || got[59][:3] != "059" {
		t.Fatalf("%d records", len(got))
	}
	if err := j.Append(t.Context(), "s", [][]byte{make([]byte, 17_000)}); !errors.Is(err, ErrRecordTooLarge) {
		t.Fatalf("a record beyond max_payload: %v", err)
	}
}

func TestASizeIsRoundedUpByAnEighthAtMost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 2<<20).Draw(t, "bytes")
		if up := roundUp(n); up < n || up > n+n/8+1 || roundUp(up) != up {
			t.Fatalf("%d became %d", n, up)
		}
	})
}

func TestASaleAtItsQuotaIsRefusedAndNoOtherSaleIs(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		m := NewMetrics(nil)
		j := open(WithMetrics(m), WithJournalLimits(JournalLimits{MaxSaleBytes: 64 << 10})).Journal()
		record := [][]byte{make([]byte, 1000)}
		kept := 0
		for ; kept < 200 && !j.Full("greedy"); kept++ {
			if err := j.Append(t.Context(), "greedy", record); err != nil {
				t.Fatal(err)
			}
		}
		if kept < 40 || kept > 66 {
			t.Fatalf("full after %d records of 1 KB", kept)
		}
		// What ends a hold still fits; then that is refused as well, and says so.
		if err := errors.Join(j.Append(t.Context(), "greedy", record), j.Enqueue("greedy", record)); err != nil {
			t.Errorf("within the reserve: %v", err)
		}
		kept += 2
		for range 20 {
			if j.Enqueue("greedy", record) == nil {
				kept++
			}
		}
		if err := j.Enqueue("greedy", record); !errors.Is(err, ErrJournalFull) || testutil.ToFloat64(m.journalDropped) == 0 {
			t.Errorf("enqueued beyond the reserve: %v", err)
		}
		if err := j.Append(t.Context(), "greedy", record); !errors.Is(err, ErrJournalFull) {
			t.Errorf("appended beyond the reserve: %v", err)
		}
		if j.Full("modest") {
			t.Error("another sale is full")
		}
		if err := j.Append(t.Context(), "modest", record); err != nil {
			t.Errorf("another sale: %v", err)
		}
		if err := j.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		// Nothing was forgotten for it.
		if got := len(replayed(t, j, "greedy", time.Time{})); got != kept {
			t.Errorf("%d records of %d", got, kept)
		}
		// Another node learns of it once it writes, and room that was made is seen.
		other := open(WithJournalLimits(JournalLimits{MaxSaleBytes: 64 << 10})).Journal()
		_ = other.Enqueue("greedy", record)
		eventually(t, 10*time.Second, "the other node knows", func() bool { return other.Full("greedy") })
		if err := j.Forget(t.Context(), "greedy"); err != nil {
			t.Fatal(err)
		}
		eventually(t, 10*time.Second, "there is room again", func() bool {
			return !other.Full("greedy") && j.Append(context.Background(), "greedy", record) == nil
		})
	})
}

func TestAFullStreamRefusesAndForgetsNothing(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		j := open(WithStreamBytes(0, 64<<10)).Journal()
		kept := 0
		eventually(t, 20*time.Second, "the stream is full", func() bool {
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			if j.Append(ctx, "a", [][]byte{make([]byte, 1000)}) == nil {
				kept++
			}
			return j.Full("a")
		})
		if err := j.Append(t.Context(), "b", numbered(0, 1)); !errors.Is(err, ErrJournalFull) {
			t.Errorf("an append to a full stream: %v", err)
		}
		if got := len(replayed(t, j, "a", time.Time{})); got < kept {
			t.Errorf("%d records of %d", got, kept)
		}
		if err := j.Forget(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		eventually(t, 10*time.Second, "there is room again", func() bool { return !j.Full("b") })
	})
}

// A journal that an older version wrote is read, and forgotten, with the new records.
func TestRecordsUnderTheOldSubjectAreStillRead(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		b := open()
		cfg := b.records.CachedInfo().Config
		cfg.Subjects, cfg.Discard = []string{journalSubject + "*"}, jetstream.DiscardOld
		if _, err := b.js.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		old := appendRecord(newBatch(0), []byte("q0"))
		if _, err := b.js.PublishMsg(t.Context(), &nats.Msg{Subject: journalSubject + "s", Data: old}); err != nil {
			t.Fatal(err)
		}
		second := open() // brings the stream up to date
		if got := second.records.CachedInfo().Config; got.Discard != jetstream.DiscardNew || got.Subjects[0] != journalSubject+">" {
			t.Fatalf("the stream is %+v", got)
		}
		j := second.Journal()
		inOrder(t, replayed(t, j, "s", time.Time{}), 1)
		if err := j.Append(t.Context(), "s", numbered(1, 4)); err != nil {
			t.Fatal(err)
		}
		inOrder(t, replayed(t, j, "s", time.Time{}), 4)
		if err := j.Forget(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		if got := replayed(t, j, "s", time.Time{}); got != nil {
			t.Errorf("%q after Forget", got)
		}
	})
}
