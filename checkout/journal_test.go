package checkout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sync/semaphore"
)

func replayed(t testing.TB, j *Journal, saleID string, since time.Time) []string {
	t.Helper()
	var got []string
	for r, err := range j.Replay(t.Context(), saleID, since) {
		if err != nil {
			t.Fatalf("replay: %v", err)
		}
		got = append(got, string(r))
	}
	return got
}

func numbered(from, to int) (records [][]byte) {
	for n := from; n < to; n++ {
		records = append(records, fmt.Appendf(nil, "q%d", n))
	}
	return records
}

func inOrder(t testing.TB, got []string, want int) {
	t.Helper()
	if len(got) != want {
		t.Fatalf("%d records, want %d", len(got), want)
	}
	for n, r := range got {
		if r != fmt.Sprintf("q%d", n) {
			t.Fatalf("record %d is %q", n, r)
		}
	}
}

func TestTheJournalGivesBackEachSaleInOrder(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		m := NewMetrics(nil)
		j := open(WithMetrics(m)).Journal()
		if got := replayed(t, j, "a", time.Time{}); got != nil {
			t.Fatalf("an empty journal gives %q", got)
		}
		// Appended and enqueued records of one sale keep their order among each other.
		for n := 0; n < 3000; n += 3 {
			_ = j.Enqueue("a", numbered(n, n+2))
			_ = j.Enqueue("b", numbered(n/3, n/3+1))
			if n%300 == 0 {
				if err := j.Append(t.Context(), "a", numbered(n+2, n+3)); err != nil {
					t.Fatal(err)
				}
			} else {
				_ = j.Enqueue("a", numbered(n+2, n+3))
			}
		}
		if err := j.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		other := open().Journal() // any node can read it
		inOrder(t, replayed(t, other, "a", time.Time{}), 3000)
		inOrder(t, replayed(t, other, "b", time.Time{}), 1000)
		if groups := testutil.ToFloat64(m.journalGroups); groups > 1000 {
			t.Errorf("4000 records in %v messages", groups)
		}
		if err := j.Forget(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if got := replayed(t, other, "a", time.Time{}); got != nil {
			t.Errorf("%d records after Forget", len(got))
		}
		inOrder(t, replayed(t, other, "b", time.Time{}), 1000)
	})
}

func TestReplayStartsAtAMomentAndEndsAtTheCall(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		j := open().Journal()
		if err := j.Append(t.Context(), "s", [][]byte{[]byte("early")}); err != nil {
			t.Fatal(err)
		}
		first, err := j.last(t.Context(), "s")
		if err != nil {
			t.Fatal(err)
		}
		middle := first.Time.Add(time.Nanosecond)
		if got := replayed(t, j, "s", middle); got != nil {
			t.Fatalf("after the last record: %q", got)
		}
		if err := j.Append(t.Context(), "s", [][]byte{[]byte("late"), []byte("later")}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for r, err := range j.Replay(t.Context(), "s", middle) {
			if err != nil {
				t.Fatal(err)
			}
			if len(got) == 0 { // written during the replay: not part of it
				if err := j.Append(t.Context(), "s", [][]byte{[]byte("too late")}); err != nil {
					t.Fatal(err)
				}
			}
			got = append(got, string(r))
		}
		if fmt.Sprint(got) != "[late later]" {
			t.Fatalf("got %q", got)
		}
		for _, err := range j.Replay(t.Context(), "s", time.Time{}) {
			if err != nil {
				t.Fatal(err)
			}
			break // an early end leaves nothing behind
		}
	})
}

func TestConcurrentAppendsShareMessages(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		m := NewMetrics(nil)
		j := open(WithMetrics(m)).Journal()
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if err := j.Append(context.Background(), "s", numbered(0, 1)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := len(replayed(t, j, "s", time.Time{})); got != 1000 {
			t.Fatalf("%d records", got)
		}
		if groups := testutil.ToFloat64(m.journalGroups); groups > 100 {
			t.Errorf("1000 appends in %v messages", groups)
		}
	})
}

func TestJournaledRecordsOutliveADeadServer(t *testing.T) {
	s := startServer(t)
	m := NewMetrics(nil)
	j := s.broker(t, WithMetrics(m)).Journal()
	if err := j.Append(t.Context(), "s", numbered(0, 10)); err != nil {
		t.Fatal(err)
	}
	s.kill()
	_ = j.Enqueue("s", numbered(10, 20))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := j.Append(ctx, "s", numbered(20, 30)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("an append without a server: %v", err)
	}
	_ = j.Enqueue("s", numbered(30, 40))
	s.restart()
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	inOrder(t, replayed(t, j, "s", time.Time{}), 40)
	if testutil.ToFloat64(m.journalDropped) != 0 {
		t.Error("records were dropped")
	}
}

func TestAFullBufferIsNeverSilent(t *testing.T) {
	s := startServer(t)
	m := NewMetrics(nil)
	j := s.broker(t, WithMetrics(m), WithJournalLimits(JournalLimits{MaxBufferedBytes: 10 * 300, EnqueueWait: 20 * time.Millisecond})).Journal()
	s.kill()
	for n := range 30 {
		_ = j.Enqueue("s", numbered(n, n+1))
	}
	dropped := testutil.ToFloat64(m.journalDropped)
	if dropped < 15 || dropped > 25 {
		t.Fatalf("%v of 30 records counted as dropped", dropped)
	}
	if err := j.Append(t.Context(), "s", numbered(0, 1)); !errors.Is(err, ErrJournalFull) {
		t.Fatalf("got %v, want ErrJournalFull", err)
	}
	s.restart()
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(replayed(t, j, "s", time.Time{})); got != 30-int(dropped) {
		t.Fatalf("%d records written, %v dropped", got, dropped)
	}
	if err := j.Append(t.Context(), "s", [][]byte{make([]byte, maxJournalEntry)}); !errors.Is(err, ErrRecordTooLarge) {
		t.Fatalf("got %v, want ErrRecordTooLarge", err)
	}
}

func TestClosingWritesWhatWaits(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		b := open()
		j := b.Journal()
		for n := range 500 {
			_ = j.Enqueue("s", numbered(n, n+1))
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := j.Append(t.Context(), "s", numbered(0, 1)); !errors.Is(err, ErrJournalClosed) {
			t.Fatalf("after Close: %v", err)
		}
		inOrder(t, replayed(t, open().Journal(), "s", time.Time{}), 500)
	})
}

// An acknowledgement that is missed makes the writer send the same message again.
func TestAMessageSentAgainIsKeptOnce(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		j := open().Journal()
		rounds := messages([]entry{{sale: "s", records: numbered(0, 3)}, {sale: "other", records: numbered(0, 1)}, {sale: "s", records: numbered(3, 5)}}, 1<<20)
		if len(rounds) != 1 || len(rounds[0]) != 2 {
			t.Fatalf("%v for two sales", rounds)
		}
		for range 3 {
			if left, err := j.publish(t.Context(), rounds[0]); len(left) > 0 {
				t.Fatal(err)
			}
		}
		inOrder(t, replayed(t, j, "s", time.Time{}), 5)
	})
}

// The server may come back with a smaller max_payload while records wait. What fits no message any
// more is refused by itself; what was handed over beside it for the same sale is written.
func TestWhatFitsNoMessageAnyMoreTakesNothingWithIt(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		m := NewMetrics(nil)
		whole := open().Journal()
		small := &Journal{
			js: whole.js, quotas: whole.quotas, log: quiet(), metrics: m,
			room: semaphore.NewWeighted(1), maxMessage: func() int { return 1000 },
		}
		taken := []entry{
			{sale: "s", records: numbered(0, 2)},
			{sale: "s", records: [][]byte{make([]byte, 2000)}},
			{sale: "s", records: numbered(2, 5)},
		}
		for i := range taken {
			taken[i].done = make(chan error, 1)
		}
		if !small.write(t.Context(), taken) {
			t.Fatal("not written")
		}
		for i, want := range []error{nil, ErrRecordTooLarge, nil} {
			if err := <-taken[i].done; !errors.Is(err, want) {
				t.Errorf("entry %d: %v, want %v", i, err, want)
			}
		}
		inOrder(t, replayed(t, whole, "s", time.Time{}), 5)
		if dropped, written := testutil.ToFloat64(m.journalDropped), testutil.ToFloat64(m.journalRecords); dropped != 1 || written != 5 {
			t.Errorf("%v records counted as dropped and %v as written", dropped, written)
		}
	})
}
