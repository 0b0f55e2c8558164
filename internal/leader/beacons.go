package leader

import (
	"context"
	"sync"
	"time"

	"github.com/penstock/penstock/internal/beacon"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/queue"
)

const (
	// beaconEvery is how often a draw that waits for its round asks again.
	beaconEvery = 500 * time.Millisecond
	// beaconTimeout bounds one attempt, over all addresses of a sale.
	beaconTimeout = 10 * time.Second
	// beaconsAtOnce bounds the sales that ask at the same time.
	beaconsAtOnce = 8
	// complainEvery is how often the log says that a beacon does not answer.
	complainEvery = 10 * time.Second
)

// Beacons gets for each draw the round of the public beacon that it waits for. The beacon may be slow: each sale
// asks by itself, and the line of another one waits for none.
func Beacons(d Deps, client *beacon.Client) Task {
	return Task{Name: "beacons", Run: func(ctx context.Context, term int64) error {
		a := &asking{deps: d, client: client, term: term, slots: make(chan struct{}, beaconsAtOnce), busy: make(map[string]bool)}
		defer a.jobs.Wait()
		return Every("beacons", beaconEvery, d.Log, func(ctx context.Context, _ int64) error {
			for _, entry := range d.Sales.All() {
				a.consider(ctx, entry)
			}
			return nil
		}).Run(ctx, term)
	}}
}

// asking is the work of one term.
type asking struct {
	deps   Deps
	client *beacon.Client
	term   int64
	slots  chan struct{}
	jobs   sync.WaitGroup

	mu         sync.Mutex
	busy       map[string]bool
	complained time.Time
}

// consider begins to ask for the round of one sale, if it waits for one and nobody asks yet.
func (a *asking) consider(ctx context.Context, entry *salecache.Entry) {
	want, wants := entry.Room().WantsBeacon()
	rec := entry.Record()
	if !wants || rec.Draw.Beacon == nil || !a.take(rec.ID) {
		return
	}
	a.jobs.Go(func() {
		defer a.give(rec.ID)
		ctx, cancel := context.WithTimeout(ctx, beaconTimeout)
		defer cancel()
		if err := a.ask(ctx, entry, want, rec.Draw.Beacon.URLs); err != nil && ctx.Err() == nil {
			a.complain(rec.ID, err)
		}
	})
}

func (a *asking) ask(ctx context.Context, entry *salecache.Entry, want queue.BeaconWanted, urls []string) error {
	from := beacon.Source{URLs: urls, ChainHash: want.ChainHash, PublicKey: want.PublicKey}
	signature, err := a.client.Round(ctx, from, want.Round)
	if err != nil {
		return err
	}
	return entry.Room().GiveBeacon(ctx, a.term, want, signature)
}

// take reserves the one attempt of a sale; not while too many ask.
func (a *asking) take(saleID string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy[saleID] {
		return false
	}
	select {
	case a.slots <- struct{}{}:
		a.busy[saleID] = true
		return true
	default:
		return false
	}
}

func (a *asking) give(saleID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.busy, saleID)
	<-a.slots
}

func (a *asking) complain(saleID string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.complained) < complainEvery {
		return
	}
	a.complained = time.Now()
	a.deps.Log.Warn("a draw waits for the beacon", "sale", saleID, "error", err)
}
