package saleindex

import (
	"context"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// engines runs a test on the embedded engine and on a real server alike.
func engines(t *testing.T, test func(t *testing.T, client rueidis.Client)) {
	for name, url := range map[string]func() string{
		"embedded": func() string { return "redis://" + testenv.Mini(t).Addr() },
		"real":     func() string { return testenv.Redis(t).URL },
	} {
		t.Run(name, func(t *testing.T) {
			client, err := redis.Connect(context.Background(), url())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			test(t, client)
		})
	}
}

func record(version int64, name string, created time.Time) sale.Record {
	return sale.Record{Sale: sale.Sale{ID: "drop", Name: name}, Version: version, Epoch: 1, CreatedAt: created}
}

func mustPublish(t *testing.T, client rueidis.Client, rec sale.Record) {
	t.Helper()
	if err := Publish(context.Background(), client, rec); err != nil {
		t.Fatal(err)
	}
}

func wantPublished(t *testing.T, client rueidis.Client, want sale.Record) {
	t.Helper()
	ctx := context.Background()
	got, found, err := Load(ctx, client, "drop")
	if err != nil || !found || got.Name != want.Name || got.Version != want.Version {
		t.Fatalf("published %q version %d, found %v, %v; want %q version %d", got.Name, got.Version, found, err, want.Name, want.Version)
	}
	index, err := Read(ctx, client)
	if err != nil || index.Editions["drop"] != EditionOf(want) {
		t.Fatalf("index %+v, %v; want edition %+v", index, err, EditionOf(want))
	}
}

func TestAnOlderVersionDoesNotReplaceANewerOne(t *testing.T) {
	engines(t, func(t *testing.T, client rueidis.Client) {
		created := time.UnixMilli(1000).UTC()
		newer := record(3, "newer", created)
		mustPublish(t, client, newer)
		mustPublish(t, client, record(2, "older", created))
		wantPublished(t, client, newer)
		latest := record(4, "latest", created)
		mustPublish(t, client, latest)
		wantPublished(t, client, latest)
	})
}

func TestASaleCreatedAnewUnderItsIDReplacesAnyVersion(t *testing.T) {
	engines(t, func(t *testing.T, client rueidis.Client) {
		mustPublish(t, client, record(7, "old", time.UnixMilli(1000).UTC()))
		anew := record(1, "new", time.UnixMilli(2000).UTC())
		mustPublish(t, client, anew)
		wantPublished(t, client, anew)
	})
}

func TestWhatIsWithdrawnIsGone(t *testing.T) {
	engines(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		mustPublish(t, client, record(1, "a", time.UnixMilli(1000).UTC()))
		if err := Withdraw(ctx, client, "drop"); err != nil {
			t.Fatal(err)
		}
		if _, found, err := Load(ctx, client, "drop"); err != nil || found {
			t.Fatalf("found %v, %v", found, err)
		}
		if index, err := Read(ctx, client); err != nil || len(index.Editions) != 0 {
			t.Fatalf("index %+v, %v", index, err)
		}
	})
}

func TestTheIndexIsCompleteOnlyOnceMarkedAndKnowsTheRun(t *testing.T) {
	engines(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		for _, step := range []struct {
			mark   bool
			run    string
			synced bool
		}{{false, "", false}, {true, "", true}, {true, "abc", true}} {
			if step.mark {
				if err := MarkSynced(ctx, client, step.run); err != nil {
					t.Fatal(err)
				}
			}
			index, err := Read(ctx, client)
			if err != nil || index.Synced != step.synced || index.Run != step.run || len(index.Editions) != 0 {
				t.Fatalf("%+v: index %+v, %v", step, index, err)
			}
		}
	})
}
