package main

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/testenv"
)

const leastPrivilege = "../../deploy/least-privilege/"

// privilegedPassword is the one in the files.
const privilegedPassword = "change-me"

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// as is an address with the user and the password of a file.
func as(t *testing.T, address, user string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, privilegedPassword)
	return u.String()
}

func psql(t *testing.T, database string, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "psql", append([]string{"-v", "ON_ERROR_STOP=1", database}, args...)...).CombinedOutput()
	return string(out), err
}

// TestTheLeastPrivilegesAreEnoughAndNoMore runs a sale, through a loss of Redis, with users that have the
// privileges of deploy/least-privilege.
func TestTheLeastPrivilegesAreEnoughAndNoMore(t *testing.T) {
	user := strings.Fields(strings.TrimPrefix(strings.TrimSpace(readText(t, leastPrivilege+"redis.acl")), "user "))
	memory := testenv.Redis(t, testenv.RedisArg("user", user...))
	broker := testenv.NATS(t, testenv.NATSConfig(readText(t, leastPrivilege+"nats.conf")))
	owner := testenv.Postgres(t).URL
	s := newServer(t,
		"PENSTOCK_REDIS_URL="+as(t, memory.URL, "penstock"), "PENSTOCK_NATS_URL="+as(t, broker.URL, "penstock"),
		"PENSTOCK_NATS_MONITOR_URL="+broker.MonitorURL, "PENSTOCK_POSTGRES_URL="+owner)
	if out, code := s.command("migrate"); code != 0 {
		t.Fatal(out)
	}
	if out, err := psql(t, owner, "-f", leastPrivilege+"postgres.sql"); err != nil {
		t.Fatal(out)
	}
	t.Cleanup(func() {
		s.kill()
		_, _ = exec.Command("psql", owner, "-c", "DROP OWNED BY penstock_app; DROP ROLE penstock_app").CombinedOutput()
	})
	daily := as(t, owner, "penstock_app")
	s.env = append(s.env, "PENSTOCK_POSTGRES_URL="+daily)

	s.start()
	s.createSale("drop", 10, nil)
	s.buy(&visitor{front: s.front, sale: "drop", name: "ada@example.com"}, "A")
	onRedis(t, memory, func(b rueidis.Builder) rueidis.Completed { return b.Flushall().Build() }) // as the owner
	late := &visitor{front: s.front, sale: "drop", name: "bob@example.com"}
	testenv.Eventually(t, 20*time.Second, "the sale is rebuilt", func() bool {
		a, err := send(http.DefaultClient, call{method: "POST", url: late.salePath("/tickets")})
		return err == nil && a.status == http.StatusCreated
	})
	s.buy(late, "B")
	if out, code := s.command("preflight"); code != 0 || strings.Contains(out, "CONFIG GET") {
		t.Errorf("preflight: exit %d\n%s", code, out)
	}
	s.verify()

	for _, table := range []string{"orders", "api_keys"} {
		if out, err := psql(t, daily, "-c", "DROP TABLE "+table); err == nil || !strings.Contains(out, "must be owner") {
			t.Errorf("the daily user drops tables: %v %s", err, out)
		}
	}
	client := testenv.ConnectRedis(t, as(t, memory.URL, "penstock"))
	for _, command := range [][]string{{"FLUSHALL"}, {"KEYS", "*"}, {"GET", "session:of-the-shop"}, {"CONFIG", "SET", "maxmemory", "1"}, {"SHUTDOWN"}, {"ACL", "LIST"}} {
		err := client.Do(t.Context(), client.B().Arbitrary(command...).Build()).Error()
		if err == nil || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("%v: %v", command, err)
		}
	}
}
