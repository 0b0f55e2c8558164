package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/penstock/penstock/loadtest/internal/admin"
	"github.com/penstock/penstock/loadtest/internal/stand"
)

const (
	sku          = "UNIT-1"
	hugeStock    = 1_000_000_000
	waitingCrowd = 2000 // tickets that the poll row takes turns with
	largeCrowd   = 100_000
	joinAtOnce   = 64
	appearWithin = 10 * time.Second
	drainWithin  = 5 * time.Minute
)

// openSale creates a sale and waits until the front serves it as live.
func (b *bench) openSale(ctx context.Context, s *stand.Stand, name, mode string, stock int64) (string, error) {
	b.sales++
	id := fmt.Sprintf("bench-%s-%d", name, b.sales)
	now := time.Now().UTC()
	sale := admin.Sale{
		ID: id, Name: "Benchmark: " + name, StartsAt: now.Add(-time.Second), EndsAt: now.Add(24 * time.Hour),
		Admission:   admin.Admission{Order: "fifo", Mode: mode, RatePerMinute: 1, MaxActive: 1},
		Reservation: admin.Reservation{TTL: "6h"},
		Durability:  b.opts.durability,
		Items:       []admin.Item{{SKU: sku, Name: "The one thing", Stock: stock, Price: admin.Price{Amount: 100, Currency: "EUR"}}},
	}
	client := b.client(s)
	if err := client.CreateSale(ctx, sale); err != nil {
		return "", err
	}
	return id, until(ctx, appearWithin, func() (bool, error) {
		doc, err := client.Document(ctx, id)
		return err == nil && doc.Phase == "live", err
	})
}

// until waits for a condition; the last error is told when time runs out.
func until(ctx context.Context, within time.Duration, holds func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		ok, err := holds()
		if ok {
			return nil
		}
		if !stand.Pause(ctx, 20*time.Millisecond) {
			return fmt.Errorf("gave up after %s (last: %w)", within, errOr(err, ctx.Err()))
		}
	}
}

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

func prepareDocument(ctx context.Context, b *bench, s *stand.Stand, round int) (shot, error) {
	sale, err := b.saleOf(ctx, s, round, "document", "queue", 1000)
	return shot{path: "/v1/sales/" + sale}, err
}

// preparePoll fills the line with visitors who will not be called.
func preparePoll(ctx context.Context, b *bench, s *stand.Stand, round int) (shot, error) {
	return b.pollsOf(ctx, s, round, "poll", waitingCrowd)
}

// prepareCrowd fills it with so many that they cannot all be in a cache of the processor.
func prepareCrowd(ctx context.Context, b *bench, s *stand.Stand, round int) (shot, error) {
	return b.pollsOf(ctx, s, round, "crowd", largeCrowd)
}

func (b *bench) pollsOf(ctx context.Context, s *stand.Stand, round int, name string, crowd int) (shot, error) {
	sale, err := b.saleOf(ctx, s, round, name, "queue", 1000)
	if err != nil {
		return shot{}, err
	}
	tickets := filepath.Join(b.dir, "tickets-"+sale)
	if round == 0 {
		if err := b.collectTickets(ctx, s, sale, tickets, crowd); err != nil {
			return shot{}, err
		}
	}
	return shot{path: "/v1/sales/" + sale + "/ticket", env: []string{"TICKETS=" + tickets}, redisCommands: s.Redis != nil}, nil
}

// collectTickets lets a crowd join, and writes the tickets to a file, in no order.
func (b *bench) collectTickets(ctx context.Context, s *stand.Stand, sale, path string, crowd int) error {
	client := b.client(s)
	joined, ctx := errgroup.WithContext(ctx)
	joined.SetLimit(joinAtOnce)
	tickets := make([]string, crowd)
	for i := range tickets {
		joined.Go(func() (err error) {
			tickets[i], err = client.Join(ctx, sale)
			return err
		})
	}
	if err := joined.Wait(); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	rand.Shuffle(crowd, func(i, j int) { tickets[i], tickets[j] = tickets[j], tickets[i] })
	return os.WriteFile(path, []byte(strings.Join(tickets, "\n")+"\n"), 0o600)
}

// prepareSoldOut sells the only unit there is.
func prepareSoldOut(ctx context.Context, b *bench, s *stand.Stand, round int) (shot, error) {
	sale, err := b.saleOf(ctx, s, round, "soldout", "open", 1)
	if err != nil {
		return shot{}, err
	}
	if round == 0 {
		client := b.client(s)
		held, err := client.Reserve(ctx, sale, sku, "first", "first")
		if err != nil {
			return shot{}, err
		}
		if _, err := client.PlaceOrder(ctx, held, "first", "first"); err != nil {
			return shot{}, err
		}
		if err := b.awaitSold(ctx, s, sale, 1); err != nil {
			return shot{}, err
		}
	}
	return shot{path: "/v1/sales/" + sale + "/reservations", env: b.reserveEnv(round), refusals: true}, nil
}

// awaitSold waits until the ledger has that many units sold.
func (b *bench) awaitSold(ctx context.Context, s *stand.Stand, sale string, units int64) error {
	client := b.client(s)
	return until(ctx, drainWithin, func() (bool, error) {
		stats, err := client.Stats(ctx, sale)
		return err == nil && len(stats.Items) == 1 && stats.Items[0].Committed >= units, err
	})
}

func (b *bench) reserveEnv(round int) []string {
	return []string{"SKU=" + sku, fmt.Sprintf("RUN=%d-%d", b.sales, round)}
}

// prepareReserve: a sale that never sells out, without waiting room and limits.
func prepareReserve(ctx context.Context, b *bench, s *stand.Stand, round int) (shot, error) {
	sale, err := b.saleOf(ctx, s, round, "reserve", "open", hugeStock)
	return shot{path: "/v1/sales/" + sale + "/reservations", env: b.reserveEnv(round), count: b.taken(s, sale)}, err
}

// taken counts the units that are held or sold.
func (b *bench) taken(s *stand.Stand, sale string) func(context.Context) (int64, error) {
	client := b.client(s)
	return func(ctx context.Context) (int64, error) {
		stats, err := client.Stats(ctx, sale)
		if err != nil || len(stats.Items) != 1 {
			return 0, errOr(err, fmt.Errorf("sale %s has %d items", sale, len(stats.Items)))
		}
		return stats.Items[0].Held + stats.Items[0].Sold, nil
	}
}

// prepareOrder reserves beforehand, for longer than the orders will take.
func prepareOrder(ctx context.Context, b *bench, s *stand.Stand, round int) (shot, error) {
	sale, err := b.saleOf(ctx, s, round, "order", "open", hugeStock)
	if err != nil {
		return shot{}, err
	}
	ids, err := b.collectReservations(ctx, s, sale, round)
	if err != nil {
		return shot{}, fmt.Errorf("reserve beforehand: %w", err)
	}
	client := b.client(s)
	sold := func(ctx context.Context) (int64, error) {
		stats, err := client.Stats(ctx, sale)
		if err != nil || len(stats.Items) != 1 {
			return 0, errOr(err, fmt.Errorf("sale %s has %d items", sale, len(stats.Items)))
		}
		return stats.Items[0].Committed, nil
	}
	settle := func(ctx context.Context) error { return b.awaitDrained(ctx, s, sale) }
	return shot{path: "/v1/orders", env: []string{"IDS=" + ids}, count: sold, settle: settle}, nil
}

// collectReservations makes reservations with the generator and returns the file of their ids and proofs.
func (b *bench) collectReservations(ctx context.Context, s *stand.Stand, sale string, round int) (string, error) {
	ids := filepath.Join(b.dir, fmt.Sprintf("ids-%s-%d", sale, round))
	path := "/v1/sales/" + sale + "/reservations"
	_, err := b.runWrk(ctx, "collect.lua", s.FrontURL, path, append(b.reserveEnv(round), "IDS="+ids), 2*b.opts.length)
	if err != nil {
		return "", err
	}
	return ids, joinFiles(ids, b.opts.threads)
}

// joinFiles puts the files of the generator's threads together.
func joinFiles(path string, threads int) error {
	var all []byte
	for n := range threads {
		part, err := os.ReadFile(fmt.Sprintf("%s.%d", path, n))
		if err != nil {
			return err
		}
		all = append(all, part...)
	}
	return os.WriteFile(path, all, 0o600)
}

// awaitDrained waits until no accepted order is missing from the ledger.
func (b *bench) awaitDrained(ctx context.Context, s *stand.Stand, sale string) error {
	client := b.client(s)
	return until(ctx, drainWithin, func() (bool, error) {
		stats, err := client.Stats(ctx, sale)
		drained := err == nil && stats.Undrained == 0 && len(stats.Items) == 1 && stats.Items[0].Committed == stats.Items[0].Sold
		return drained, err
	})
}

// saleOf makes the row's sale in round 0; later rounds go on with it.
func (b *bench) saleOf(ctx context.Context, s *stand.Stand, round int, name, mode string, stock int64) (string, error) {
	if round > 0 {
		return fmt.Sprintf("bench-%s-%d", name, b.sales), nil
	}
	return b.openSale(ctx, s, name, mode, stock)
}
