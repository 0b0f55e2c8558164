package saleindex

import (
	"context"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func record(version int64, name string, created time.Time) sale.Record {
	return sale.Record{Sale: sale.Sale{ID: "drop", Name: name}, Version: version, Epoch: 1, CreatedAt: created}
}

func mustPublish(t *testing.T, client rueidis.Client, rec sale.Record) {
	t.Helper()
	if err := New(client).Publish(context.Background(), rec); err != nil {
		t.Fatal(err)
	}
}

func wantPublished(t *testing.T, client rueidis.Client, want sale.Record) {
	t.Helper()
	ctx := context.Background()
	got, found, err := New(client).Load(ctx, "drop")
	if err != nil || !found || got.Name != want.Name || got.Version != want.Version {
		t.Fatalf("published %q version %d, found %v, %v; want %q version %d", got.Name, got.Version, found, err, want.Name, want.Version)
	}
	index, err := New(client).Look(ctx, "", Report{})
	if err != nil || index.Editions["drop"] != EditionOf(want) {
		t.Fatalf("index %+v, %v; want edition %+v", index, err, EditionOf(want))
	}
}

func TestAnOlderVersionDoesNotReplaceANewerOne(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
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
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		mustPublish(t, client, record(7, "old", time.UnixMilli(1000).UTC()))
		anew := record(1, "new", time.UnixMilli(2000).UTC())
		mustPublish(t, client, anew)
		wantPublished(t, client, anew)
	})
}

func TestWhatIsWithdrawnIsGone(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		mustPublish(t, client, record(1, "a", time.UnixMilli(1000).UTC()))
		if err := New(client).Withdraw(ctx, "drop"); err != nil {
			t.Fatal(err)
		}
		if _, found, err := New(client).Load(ctx, "drop"); err != nil || found {
			t.Fatalf("found %v, %v", found, err)
		}
		if index, err := New(client).Look(ctx, "", Report{}); err != nil || len(index.Editions) != 0 {
			t.Fatalf("index %+v, %v", index, err)
		}
	})
}

// TestTheIndexIsCompleteOnlyOnTheRunOnWhichItWasMarked restarts a server that keeps its data.
func TestTheIndexIsCompleteOnlyOnTheRunOnWhichItWasMarked(t *testing.T) {
	ctx := context.Background()
	server := testenv.Redis(t, testenv.AppendFsync("always"))
	client := testenv.ConnectRedis(t, server.URL)
	index := New(client)
	mustPublish(t, client, record(1, "a", time.UnixMilli(1000).UTC()))
	look := func(known string) View {
		t.Helper()
		view, err := index.Look(ctx, known, Report{})
		if err != nil {
			t.Fatal(err)
		}
		return view
	}
	if view := look(""); view.Complete() || len(view.Editions) != 1 {
		t.Fatalf("before it is marked: %+v", view)
	}
	if err := index.MarkComplete(ctx); err != nil {
		t.Fatal(err)
	}
	marked := look("")
	if !marked.Complete() || len(marked.Editions) != 1 {
		t.Fatalf("once it is marked: %+v", marked)
	}
	if err := server.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 10*time.Second, "redis answers again", func() bool {
		_, err := index.Look(ctx, "", Report{})
		return err == nil
	})
	if view := look(""); view.Complete() || len(view.Editions) != 1 {
		t.Fatalf("after a restart with the same data: %+v", view)
	}
	if err := index.MarkComplete(ctx); err != nil {
		t.Fatal(err)
	}
	if view := look(marked.Change); !view.Complete() || view.Change == marked.Change {
		t.Fatalf("marked again: %+v", view)
	}
}

func TestALookTellsOfChangesAndOfBusySales(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		index := New(client)
		if err := index.MarkComplete(ctx); err != nil {
			t.Fatal(err)
		}
		look := func(known string, report Report) View {
			t.Helper()
			view, err := index.Look(ctx, known, report)
			if err != nil {
				t.Fatal(err)
			}
			return view
		}
		first := look("", Report{})
		if first.Editions == nil || len(first.Busy) != 0 || first.Asked != 0 || first.NowMillis == 0 {
			t.Fatalf("first look %+v", first)
		}
		if again := look(first.Change, Report{Busy: []string{"drop", "other"}, Ask: true}); again.Editions != nil || len(again.Busy) != 2 || again.Asked != 1 {
			t.Fatalf("nothing has changed but what is busy: %+v", again)
		}
		mustPublish(t, client, record(1, "a", time.UnixMilli(1000).UTC()))
		changed := look(first.Change, Report{})
		if len(changed.Editions) != 1 || len(changed.Busy) != 2 || changed.Asked != 1 {
			t.Fatalf("a sale was published: %+v", changed)
		}
		mustPublish(t, client, record(1, "a", time.UnixMilli(1000).UTC()))
		if same := look(changed.Change, Report{}); same.Editions != nil {
			t.Fatalf("publishing the same again is no change: %+v", same)
		}
	})
}

func TestWhyASaleCannotBeArmedIsTold(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		index := New(client)
		for _, want := range []string{"", "the order log does not sync", ""} {
			if err := index.Refuse(ctx, "drop", want); err != nil {
				t.Fatal(err)
			}
			if got, err := index.Refusal(ctx, "drop"); err != nil || got != want {
				t.Fatalf("%q, %v; want %q", got, err, want)
			}
			if all, err := index.Refusals(ctx); err != nil || all["drop"] != want {
				t.Fatalf("all: %q, %v; want %q", all, err, want)
			}
		}
	})
}
