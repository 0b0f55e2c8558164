package front

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/penstock/penstock/internal/fairness"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

const (
	// maxReports bounds the reports that a node keeps in memory, and what it knows to be missing.
	maxReports = 16
	// reportFor is how long a report is served from memory, and noReportFor how long it is known that there is none.
	reportFor   = time.Minute
	noReportFor = 2 * time.Second
	// reportLookups bounds how often the ledger is asked, per second: everybody may ask for any sale.
	reportLookups = 20
)

// reports are the reports on ended sales, as this node has read them from the ledger.
type reports struct {
	asking *rate.Limiter
	mu     sync.Mutex
	kept   map[string]*report
}

// report is what was read of a sale; nothing when the ledger has none.
type report struct {
	readAt time.Time
	row    ledger.FairnessReport
	body   *encoded
	told   fairness.Report // without the lists
}

func newReports() *reports {
	return &reports{asking: rate.NewLimiter(reportLookups, reportLookups), kept: make(map[string]*report)}
}

func (r *reports) get(saleID string) *report {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := r.kept[saleID]
	if kept == nil || time.Since(kept.readAt) > reportFor || kept.body == nil && time.Since(kept.readAt) > noReportFor {
		return nil
	}
	return kept
}

// put keeps a report, in the place of the one that was read first when there are too many.
func (r *reports) put(saleID string, next *report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.kept, saleID)
	for len(r.kept) >= maxReports {
		oldest := ""
		for id, kept := range r.kept {
			if oldest == "" || kept.readAt.Before(r.kept[oldest].readAt) {
				oldest = id
			}
		}
		delete(r.kept, oldest)
	}
	r.kept[saleID] = next
}

// getFairness sends the report on an ended sale: the bytes that the ledger keeps.
func (s *Server) getFairness(c *call) error {
	found, err := s.fairness(c)
	if err != nil {
		return err
	}
	c.sendEncoded(typeJSON, valuePublicFiveMinutes, found.body)
	return nil
}

// fairness finds the report on a sale, also when the sale is served no more. Codes: unknown_sale, no_report,
// overloaded.
func (s *Server) fairness(c *call) (*report, error) {
	missing := problem.With(problem.NoReport, "the report is made when the sale has ended, within a minute")
	if c.entry == nil && !sale.ValidID(string(c.sale)) {
		return nil, problem.UnknownSale
	}
	if s.Report == nil || c.entry != nil && c.entry.Phase() != sale.PhaseEnded {
		return nil, missing
	}
	found, err := s.readReport(string(c.sale))
	switch {
	case err != nil:
		return nil, err
	case c.entry == nil && found.body == nil:
		_, err := s.find(string(c.sale), problem.UnknownSale)
		return nil, err
	case found.body == nil:
		return nil, missing
	case c.entry == nil:
		return found, nil
	}
	rec := c.entry.Record()
	if found.row.CreatedMillis != rec.CreatedAt.UnixMilli() || found.row.EndsMillis != rec.EndsAt.UnixMilli() {
		return nil, missing
	}
	return found, nil
}

func (s *Server) readReport(saleID string) (*report, error) {
	if kept := s.reports.get(saleID); kept != nil {
		return kept, nil
	}
	if !s.reports.asking.Allow() {
		return nil, problem.Retry(problem.Overloaded, "too many reports are asked for at once", 1)
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	row, there, err := s.Report(ctx, saleID)
	if err != nil {
		return nil, fmt.Errorf("report on %s: %w", saleID, err)
	}
	next := &report{readAt: time.Now(), row: row}
	if there {
		if err := json.Unmarshal([]byte(row.Body), &next.told); err != nil {
			return nil, fmt.Errorf("report on %s: %w", saleID, err)
		}
		next.body = newEncoded([]byte(row.Body), pageBrotliLevel, pageGzipLevel)
		next.row.Body, next.told.Calls, next.told.Admissions = "", nil, nil
	}
	s.reports.put(saleID, next)
	return next, nil
}
