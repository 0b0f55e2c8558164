package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/reservation"
)

const (
	// ReconcileEvery is how often the leader measures the drift of the sales that run.
	ReconcileEvery = 15 * time.Second
	// reconcilePatience is how long one round waits for orders on their way, and 1 s a sale at least.
	reconcilePatience = 5 * time.Second
	// driftKept is how long a report is shown when no leader measures.
	driftKept = time.Minute
)

// Reconciler measures all the time by how many units Redis, the order log and the ledger differ. It changes nothing.
type Reconciler struct {
	verifier   *Verifier
	cache      *salecache.Cache
	log        *slog.Logger
	units      *prometheus.GaugeVec
	measuredAt *prometheus.GaugeVec
	sales      map[string]measured
}

// measured is what was found of a sale: last, and in two measurements in a row.
type measured struct{ last, lasting map[driftKey]int64 }

// NewReconciler returns a reconciler. Its Step is called by one goroutine at a time.
func NewReconciler(v *Verifier, cache *salecache.Cache, log *slog.Logger) *Reconciler {
	return &Reconciler{
		verifier: v, cache: cache, log: log, sales: make(map[string]measured),
		units: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "penstock_drift_units",
			Help: "Units by which two things differ that must agree, found twice in a row by the leader.",
		}, []string{"sale", "sku", "between"}),
		measuredAt: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "penstock_drift_measured_timestamp_seconds",
			Help: "When the leader last compared all that must agree in a sale, or began to.",
		}, []string{"sale"}),
	}
}

// Metrics registers the figures.
func (r *Reconciler) Metrics(reg prometheus.Registerer) error {
	return errors.Join(reg.Register(r.units), reg.Register(r.measuredAt))
}

// Run lets a term repeat Step. What was measured is not shown afterwards: the next leader measures.
func (r *Reconciler) Run(ctx context.Context, term int64, repeat func(ctx context.Context, term int64) error) error {
	defer func() {
		for id := range maps.Clone(r.sales) {
			r.forget(id)
		}
	}()
	return repeat(ctx, term)
}

// Step measures each sale that runs, once.
func (r *Reconciler) Step(ctx context.Context, _ int64) error {
	running, until := make(map[string]bool), time.Now().Add(reconcilePatience)
	var errs []error
	for _, entry := range r.cache.All() {
		rec := entry.Record()
		if !r.verifier.deps.Sales.Phase(rec).Running() {
			continue
		}
		running[rec.ID] = true
		if _, known := r.sales[rec.ID]; !known { // so that it is noticed when nothing can be measured from the start
			r.sales[rec.ID] = measured{}
			r.measuredAt.WithLabelValues(rec.ID).SetToCurrentTime()
		}
		errs = append(errs, r.measure(ctx, rec, until))
	}
	for id := range maps.Clone(r.sales) {
		if !running[id] {
			r.forget(id)
		}
	}
	return errors.Join(errs...)
}

func (r *Reconciler) forget(saleID string) {
	r.units.DeletePartialMatch(prometheus.Labels{"sale": saleID})
	r.measuredAt.DeleteLabelValues(saleID)
	delete(r.sales, saleID)
}

func (r *Reconciler) measure(ctx context.Context, rec sale.Record, until time.Time) error {
	e, err := r.verifier.lookAtUnits(ctx, rec, until, reservation.AuditStock)
	if err != nil {
		return fmt.Errorf("drift of %s: %w", rec.ID, err)
	}
	before := r.sales[rec.ID]
	found, unmeasured := e.drifts()
	now := measured{last: found, lasting: lasting(before.last, found, before.lasting, unmeasured)}
	r.show(rec.ID, before, now)
	if len(unmeasured) == 0 {
		r.measuredAt.WithLabelValues(rec.ID).SetToCurrentTime()
	}
	report := DriftReport{At: time.UnixMilli(e.stock.AtMillis).UTC(), Drifts: driftList(now.lasting), Unmeasured: unmeasured}
	return r.verifier.keepDrift(ctx, rec.ID, report)
}

func (r *Reconciler) show(saleID string, before, now measured) {
	for key := range before.lasting {
		if _, still := now.lasting[key]; !still {
			r.units.DeleteLabelValues(saleID, key.sku, string(key.between))
			r.log.Info("units of a sale agree again", "sale", saleID, "sku", key.sku, "between", key.between)
		}
	}
	for key, units := range now.lasting {
		if _, known := before.lasting[key]; !known {
			r.log.Error("units of a sale do not agree; see docs/operations.md", "sale", saleID, "sku", key.sku, "between", key.between, "units", units)
		}
		r.units.WithLabelValues(saleID, key.sku, string(key.between)).Set(float64(units))
	}
	r.sales[saleID] = now
}

func driftKeyOf(saleID string) string { return redis.Key(saleID, "drift") }

// keepDrift keeps a report for those who show it.
func (v *Verifier) keepDrift(ctx context.Context, saleID string, report DriftReport) error {
	raw, err := json.Marshal(report)
	if err != nil {
		return err
	}
	return v.deps.Redis.Do(ctx, v.deps.Redis.B().Set().Key(driftKeyOf(saleID)).Value(string(raw)).Px(driftKept).Build()).Error()
}

// drift is what the leader measured last; nil when nothing was measured in the last minute.
func (v *Verifier) drift(ctx context.Context, saleID string) *DriftReport {
	raw, err := v.deps.Redis.Do(ctx, v.deps.Redis.B().Get().Key(driftKeyOf(saleID)).Build()).AsBytes()
	report := new(DriftReport)
	if err != nil || json.Unmarshal(raw, report) != nil {
		return nil
	}
	return report
}
