package redis_test

import (
	"context"
	"testing"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// TestAScriptAndAClientNameTheSameRun holds on both engines; on the real one a restart has another name.
func TestAScriptAndAClientNameTheSameRun(t *testing.T) {
	script := redis.NewScript("run", redis.ServerRunLua+"return server_run()")
	inScript := func(t *testing.T, client rueidis.Client) string {
		t.Helper()
		name, err := script.Exec(context.Background(), client, []string{"k"}, nil).ToString()
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	check := func(t *testing.T, url string) string {
		t.Helper()
		client, err := redis.Connect(context.Background(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		runs, err := redis.ServerRuns(context.Background(), client)
		if err != nil || len(runs) != 1 {
			t.Fatalf("runs %v, %v", runs, err)
		}
		name := inScript(t, client)
		for _, run := range runs {
			if run != name {
				t.Fatalf("the client reads %q, the script %q", run, name)
			}
		}
		return name
	}
	t.Run("embedded", func(t *testing.T) { check(t, testenv.MiniURL(t)) })
	t.Run("real", func(t *testing.T) {
		server := testenv.Redis(t)
		before := check(t, server.URL)
		if again := check(t, server.URL); again != before {
			t.Fatalf("the run changed from %q to %q by itself", before, again)
		}
		if err := server.Restart(context.Background()); err != nil {
			t.Fatal(err)
		}
		if after := check(t, server.URL); after == before {
			t.Fatal("a restart has the same name")
		}
	})
}
