package testenv

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// serverPID asks, without preparing a statement, which backend answers.
func serverPID(t *testing.T, conn *pgx.Conn) (pid uint32) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

func connectTo(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestPgBouncerLendsOneServerConnectionToManyClients(t *testing.T) {
	database := Postgres(t)
	s := PgBouncer(t, database.URL)
	first, second := connectTo(t, s.URL), connectTo(t, s.URL)
	if a, b := serverPID(t, first), serverPID(t, second); a != b {
		t.Errorf("two clients, one after the other, were served by the backends %d and %d", a, b)
	}
	var mine, behind string
	if err := first.QueryRow(t.Context(), "SELECT current_database()", pgx.QueryExecModeSimpleProtocol).Scan(&mine); err != nil {
		t.Fatal(err)
	}
	if behind = query(t, database.URL, "SELECT current_database()"); mine != behind {
		t.Errorf("pgbouncer leads to the database %s, want %s", mine, behind)
	}
}

func TestPgBouncerForgetsWhichClientPreparedAStatement(t *testing.T) {
	s := PgBouncer(t, Postgres(t).URL)
	first, second := connectTo(t, s.URL), connectTo(t, s.URL)
	if _, err := first.Exec(t.Context(), "PREPARE one AS SELECT 1", pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Exec(t.Context(), "PREPARE one AS SELECT 1", pgx.QueryExecModeSimpleProtocol); err == nil {
		t.Error("two clients prepared a statement of one name on one server connection")
	}
}

func TestPgBouncerSurvivesKill(t *testing.T) {
	s := PgBouncer(t, Postgres(t).URL)
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	serverPID(t, connectTo(t, s.URL))
}
