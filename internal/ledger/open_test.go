package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv"
)

func TestMigrationsAreAppliedOnceByManyNodes(t *testing.T) {
	files, err := migrationFiles.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	var shipped []string // in the order of their names
	for _, file := range files {
		shipped = append(shipped, file.Name())
	}
	for name, url := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "l.db"), "postgres": testenv.Postgres(t).URL} {
		t.Run(name, func(t *testing.T) {
			nodes := 8
			if !isPostgres(url) {
				nodes = 1 // the data directory is locked by one process
			}
			var mu sync.Mutex
			var applied []string
			var wg sync.WaitGroup
			for range nodes {
				wg.Go(func() {
					names, err := Migrate(t.Context(), url)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					applied = append(applied, names...)
				})
			}
			wg.Wait()
			if !slices.Equal(applied, shipped) {
				t.Errorf("applied %v", applied)
			}
			if again, err := Migrate(t.Context(), url); err != nil || len(again) != 0 {
				t.Errorf("again: %v, %v", again, err)
			}
		})
	}
}

func TestOpenErrorsAreOneLineWithoutThePassword(t *testing.T) {
	const password = "hunter2%2F"
	closed := testenv.FreePort(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("this is no database, and longer than a header of one: "+strings.Repeat("x", 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ url, want string }{
		"nobody listens":  {fmt.Sprintf("postgres://shop:%s@127.0.0.1:%d/shop", password, closed), "cannot reach Postgres"},
		"malformed":       {"postgres://shop:hunter2/@127.0.0.1:x/shop", "cannot be read"},
		"bad port":        {"postgres://shop:" + password + "@127.0.0.1:99999999/shop", "cannot be read"},
		"another scheme":  {"mysql://shop:" + password + "@127.0.0.1/shop", "mysql://"},
		"nothing":         {"", "neither"},
		"no directory":    {filepath.Join(t.TempDir(), "none", "l.db"), "none"},
		"not a database":  {file, "file"},
		"unknown databas": {strings.Replace(testenv.Postgres(t).URL, "penstock@", "penstock:"+password+"@", 1) + "&dbname=none", "none"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), tc.url, quiet(), Options{})
			if err == nil {
				t.Fatal("opened")
			}
			text := err.Error()
			if !strings.Contains(text, tc.want) || strings.Contains(text, "hunter2") || strings.Contains(text, "\n") {
				t.Errorf("got %q", text)
			}
		})
	}
}

func TestLedgerOutlivesAnOutageOfPostgres(t *testing.T) {
	server := testenv.PostgresDedicated(t)
	l := open(t, server.URL)
	newSale(t, l, "drop", 10, "a")
	commit(t, l, order("drop", "a", 1))
	for name, end := range map[string]func() error{"stopped": server.Stop, "killed": server.Kill} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		_, err := l.CommitOrders(t.Context(), []checkout.Order{order("drop", "a", 2)})
		if !errors.Is(err, problem.Unavailable) || IsPermanent(err) {
			t.Errorf("%s: %v", name, err)
		}
		if err := l.Ping(t.Context()); !errors.Is(err, problem.Unavailable) {
			t.Errorf("%s: ping: %v", name, err)
		}
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, 10*time.Second, "the ledger to answer again", func() bool {
			_, err := l.CommitOrders(t.Context(), []checkout.Order{order("drop", "a", 1), order("drop", "a", 2)})
			return err == nil
		})
	}
	checkSold(t, l, "drop", "a", 2)
}

func TestPausedPostgresIsAnOutageWithinTheCallersTime(t *testing.T) {
	server := testenv.PostgresDedicated(t)
	l := open(t, server.URL)
	newSale(t, l, "drop", 10, "a")
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	_, err := l.CommitOrders(within(t, 200*time.Millisecond), []checkout.Order{order("drop", "a", 1)})
	if !errors.Is(err, problem.Unavailable) || IsPermanent(err) {
		t.Errorf("commit: %v", err)
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	commit(t, l, order("drop", "a", 1))
	checkSold(t, l, "drop", "a", 1)
}

func TestLockedSQLiteIsAnOutage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l.db")
	l := open(t, path)
	newSale(t, l, "drop", 10, "a")
	other, err := sql.Open("sqlite", sqliteDSN(path, "journal_mode(WAL)"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.CommitOrders(within(t, 200*time.Millisecond), []checkout.Order{order("drop", "a", 1)})
	if !errors.Is(err, problem.Unavailable) || IsPermanent(err) {
		t.Errorf("commit: %v", err)
	}
	if _, err := l.Sale(t.Context(), "drop"); err != nil {
		t.Errorf("reading beside a writer: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	commit(t, l, order("drop", "a", 1))
}

func TestSQLiteSyncsEachCommit(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "l.db"))
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal"} {
		var got string
		if err := l.write.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", pragma, got, err, want)
		}
	}
	if _, err := l.read.ExecContext(t.Context(), "DELETE FROM sales"); err == nil {
		t.Error("a reading connection wrote")
	}
}

func TestAReplicaThatIsDownOrNoneKeepsNothingFromWorking(t *testing.T) {
	db := testenv.Postgres(t)
	dead := fmt.Sprintf("postgres://x:y@127.0.0.1:%d/x", testenv.FreePort(t))
	l, err := Open(t.Context(), db.URL, quiet(), Options{ReadURL: dead})
	if err != nil {
		t.Fatalf("a replica that is down keeps the node from starting: %v", err)
	}
	defer l.Close()
	newSale(t, l, "drop", 10, "a")
	commit(t, l, order("drop", "a", 1))
	if rows, _, err := l.Orders(t.Context(), "drop", "", 10); err != nil || len(rows) != 1 {
		t.Errorf("orders: %v, %v", rows, err)
	}
	checkSold(t, l, "drop", "a", 1)
	if rows, _, err := l.ReportOrders(t.Context(), "drop", "", 10); err != nil || len(rows) != 1 {
		t.Errorf("a listing while the replica is down: %v, %v", rows, err)
	}

	live, err := Open(t.Context(), db.URL, quiet(), Options{ReadURL: db.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	if rows, _, err := live.ReportOrders(t.Context(), "drop", "", 10); err != nil || len(rows) != 1 {
		t.Errorf("listing: %v, %v", rows, err)
	}
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "l.db"), quiet(), Options{ReadURL: db.URL}); err == nil {
		t.Error("a replica beside SQLite was taken")
	}
}
