// Package shadow decides what a shop decides, enforces nothing, and tells where the two differ.
//
// A shop that does not trust Penstock with its checkout yet runs a sale with shadow: true. Its calls are
// mirrored here with what it answered, by the proxy or by its own backend, and each is decided by the script that
// decides real reservations, on the sale's own stock in Redis:
//
//   - The shop sold. The units are reserved and ordered as in a real sale, so that every invariant holds of the
//     sale and verify can tell. Where Penstock refuses, nothing changes in its stock, and the call is recorded.
//   - The shop refused. The script is asked without holding anything. When it would sell, a mirrored refusal is asked
//     about again, the last time once the shop has answered the calls that were under way: a unit that was free only
//     in between was promised to somebody else, and the refusal is recorded as unclear.
//   - The shop took a sale back. The units of a call that Penstock would have sold are allocated once more.
//
// What was recorded is in the ledger. What could not be decided is counted as not seen, by reason.
package shadow

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/batch"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/salecache"
)

const (
	// maxWaiting bounds the mirrored calls of a node that wait for their decision.
	maxWaiting = 4096
	// chooseAtOnce calls at most are asked about at the same time; the next ones wait for all of them.
	chooseAtOnce = 64
	// workers order and record at the same time, each one call. Most of the time they wait for a disk.
	workers = 32
	// againWorkers decide refused calls again, in each of two lists.
	againWorkers = 8
	// recordBatch calls at most are written to the ledger in one transaction.
	recordBatch = 200
)

// Deps is what shadow mode works with.
type Deps struct {
	Ledger *ledger.Ledger
	Sales  *salecache.Cache
	Desk   *checkout.Desk
	// SettleAfter is how long the shop may take to answer calls that are under way at the same time; 0 means 2 s.
	SettleAfter time.Duration
	Log         *slog.Logger
	Metrics     prometheus.Registerer // nil means nowhere
}

// Shadow is the shadow mode of one node.
type Shadow struct {
	deps    Deps
	run     string // names this run of the process
	calls   chan *mirrored
	chosen  chan *mirrored // decided by the script
	soon    chan *mirrored // refused calls that are to be decided again soon, and later
	later   chan *mirrored
	records *batch.Combiner[*ledger.ShadowCall, error]
	tally   *tally
	metrics *metrics
}

// New makes the shadow mode of a node. Run decides what is mirrored. The error is about the metrics.
func New(deps Deps) (*Shadow, error) {
	if deps.SettleAfter <= 0 {
		deps.SettleAfter = 2 * time.Second
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	s := &Shadow{deps: deps, run: randomName(), tally: newTally()}
	for _, one := range []*chan *mirrored{&s.calls, &s.chosen, &s.soon, &s.later} {
		*one = make(chan *mirrored, maxWaiting)
	}
	s.records = batch.New(batch.Options{MaxBatch: recordBatch}, s.write)
	var err error
	s.metrics, err = newMetrics(deps.Metrics, s)
	return s, err
}

// write records a batch of calls. When one sale has no room left, the others are not refused with it.
func (s *Shadow) write(ctx context.Context, calls []*ledger.ShadowCall) ([]error, error) {
	all := make([]ledger.ShadowCall, len(calls))
	for i, c := range calls {
		all[i] = *c
	}
	results := make([]error, len(calls))
	err := s.deps.Ledger.RecordShadow(ctx, all)
	if !errors.Is(err, ledger.ErrShadowFull) {
		return results, err
	}
	for i := range all {
		results[i] = s.deps.Ledger.RecordShadow(ctx, all[i:i+1])
	}
	return results, nil
}

// randomName is 32 hexadecimal digits; should the system have no randomness, crypto/rand ends the process.
func randomName() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
