package reservation

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/testenv"
)

// commandsOf counts what Redis executes while do runs, inside of scripts too.
func commandsOf(t *testing.T, client rueidis.Client, do func()) (calls map[string]int) {
	t.Helper()
	count := func() map[string]int {
		text := command(t, client, "INFO", "commandstats")
		all := make(map[string]int)
		for line := range strings.Lines(text) {
			name, stats, found := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
			n, _, _ := strings.Cut(stats, ",")
			if calls, err := strconv.Atoi(n); found && err == nil {
				all[name] = calls
			}
		}
		return all
	}
	before := count()
	do()
	calls = count()
	for name, n := range before {
		if calls[name] -= n; calls[name] == 0 {
			delete(calls, name)
		}
	}
	calls["info"]-- // that of the counting itself
	return calls
}

// What a request costs Redis is bounded by what it cost before passes were bound and proofs were asked for.
func TestABatchOfRequestsCostsRedisAFixedNumberOfCommands(t *testing.T) {
	client := testenv.ConnectRedis(t, testenv.Redis(t).URL)
	s, ctx := open(t, client, drop()), context.Background()
	admit(t, client, s.keys.gate, "1", "2", "3", "4")
	reserve := func(key string, passes ...string) []Reservation {
		asks := make([]Request, len(passes))
		for i, pass := range passes {
			asks[i] = withPass(t, client, s, pass, key+pass, "customer "+pass)
		}
		decided := prepared(t, s, asks...)
		out, err := s.runReserve(ctx, decided)
		made := make([]Reservation, len(out))
		for i, d := range out {
			if err != nil || d.err != nil {
				t.Fatal(err, d.err)
			}
			r := decided[i].record(d.created, d.expires)
			if made[i], err = r.reservation("drop", decided[i].core, 0); err != nil {
				t.Fatal(err)
			}
		}
		return made
	}
	confirm := func(key string, made []Reservation) {
		orders := make([]*order, len(made))
		for i, r := range made {
			c := confirmation(r.ID, key+r.ID, 1)
			c.By = Proof{Bearers: []string{r.Bearer}}
			var err error
			if orders[i], err = s.prepareOrder(&c); err != nil {
				t.Fatal(err)
			}
		}
		out, err := s.runConfirm(ctx, orders)
		for _, v := range out {
			if err != nil || v.err != nil {
				t.Fatal(err, v.err)
			}
		}
	}
	confirm("warm", reserve("warm", "4")) // the scripts are in Redis now
	var made []Reservation
	for _, row := range []struct {
		name string
		do   func()
		want map[string]int
	}{
		{"reserve three", func() { made = reserve("a", "1", "2", "3") },
			map[string]int{"evalsha": 1, "info": 1, "time": 1, "hmget": 2, "mget": 1, "zmscore": 1, "mset": 1, "zadd": 1, "rpush": 1, "hset": 2}},
		{"order three", func() { confirm("o", made) },
			map[string]int{"evalsha": 1, "info": 1, "time": 1, "hmget": 2, "mget": 1, "mset": 1, "hset": 2, "zrem": 1, "hincrby": 3}},
	} {
		got := commandsOf(t, client, row.do)
		delete(got, "zscore") // asked by withPass
		if fmt.Sprint(got) != fmt.Sprint(row.want) {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
	}
}
