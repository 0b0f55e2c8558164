package ledger

import (
	"testing"

	"github.com/penstock/penstock/internal/testenv"
)

// The log forgets an order once it is committed. On a server that acknowledges commits before they are on
// disk, the order must be on disk all the same.
func TestACommittedOrderOutlivesPostgresThatCommitsLazily(t *testing.T) {
	server := testenv.PostgresDedicated(t)
	l := open(t, server.URL)
	newSale(t, l, "drop", 10, "a")
	for _, statement := range []string{"ALTER DATABASE postgres SET synchronous_commit = off", "ALTER SYSTEM SET wal_writer_delay = '10s'"} {
		if _, err := l.write.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	l = open(t, server.URL)
	if seen, err := l.Inspect(t.Context()); err != nil || seen.SynchronousCommit != "off" {
		t.Fatalf("got %+v, %v", seen, err)
	}
	want := order("drop", "a", 1)
	commit(t, l, want)
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, server.URL).Order(t.Context(), want.ID); err != nil {
		t.Fatalf("the order after kill -9: %v", err)
	}
}
