package ledger

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv"
)

func TestInspectReadsTheSettingsOfDurability(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		got, err := l.Inspect(t.Context())
		if err != nil || got.Version == "" || got.Fsync != "on" || got.SynchronousCommit != "on" || got.FullPageWrites != "on" || got.Pooled || got.Replica != nil {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	if got, err := open(t, filepath.Join(t.TempDir(), "l.db")).Inspect(t.Context()); err != nil || got.Engine != "sqlite" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestInspectSeesAnUnsafeSettingAPoolerAndTheReplica(t *testing.T) {
	db := testenv.Postgres(t)
	unsafe := db.URL + "&options=-c%20synchronous_commit%3Doff"
	for name, readURL := range map[string]string{"alive": db.URL, "dead": fmt.Sprintf("postgres://x@127.0.0.1:%d/x", testenv.FreePort(t))} {
		l, err := Open(t.Context(), unsafe, quiet(), Options{ReadURL: readURL})
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.Inspect(t.Context())
		if err != nil || got.Engine != "postgres" || got.SynchronousCommit != "off" || got.Replica == nil {
			t.Fatalf("%s: got %+v, %v", name, got, err)
		}
		if (got.Replica.Problem == "") != (name == "alive") || got.Replica.IsReplica || got.Replica.LagKnown {
			t.Errorf("%s: replica %+v", name, got.Replica)
		}
		_ = l.Close()
	}
	if got, err := open(t, testenv.PgBouncer(t, db.URL).URL).Inspect(t.Context()); err != nil || !got.Pooled {
		t.Errorf("through a pooler: %+v, %v", got, err)
	}
}

// Whoever asks for an order decides how long that may take: a look-up must not hold a request up
// while Postgres hangs.
func TestALookUpEndsWithItsContextWhilePostgresHangs(t *testing.T) {
	server := testenv.PostgresDedicated(t)
	l := open(t, server.URL)
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx := within(t, 100*time.Millisecond)
	began := time.Now()
	if _, err := l.Order(ctx, "ord_made_up"); !errors.Is(err, problem.Unavailable) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > queryTimeout-time.Second {
		t.Errorf("it took %v", took)
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
}
