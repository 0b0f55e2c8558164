package front

import (
	"context"
	"errors"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// draftsAtOnce bounds the questions about drafts that the ledger is asked at a time. Whoever has a signed link may look
// as often as they like.
const draftsAtOnce = 4

// drafts reads sales that are not published yet, for those who have a signed preview.
type drafts struct {
	ask   func(ctx context.Context, saleID string) (sale.Record, error)
	slots chan struct{}
}

// newDrafts returns nil when there is nobody to ask.
func newDrafts(ask func(ctx context.Context, saleID string) (sale.Record, error)) *drafts {
	if ask == nil {
		return nil
	}
	return &drafts{ask: ask, slots: make(chan struct{}, draftsAtOnce)}
}

// find reads one sale. Codes: unknown_sale, unavailable.
func (d *drafts) find(saleID string) (sale.Record, error) {
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	default:
		return sale.Record{}, problem.Retry(problem.Unavailable, "too many previews are being looked at; try again", lookupRetryAfter)
	}
	ctx, cancel := within(lookupTimeout)
	defer cancel()
	rec, err := d.ask(ctx, saleID)
	if err != nil && !errors.Is(err, problem.UnknownSale) {
		return sale.Record{}, problem.Retry(problem.Unavailable, "the ledger does not answer; try again", lookupRetryAfter)
	}
	return rec, err
}

// draft returns a sale that this node does not serve to somebody with a signed preview of it. The validity of the link
// is judged by the clock of this node: there is no other for a sale that Redis does not hold. Codes: unknown_sale,
// unavailable.
func (s *Server) draft(c *call, saleID string) (sale.Record, error) {
	_, ok := s.RoomLinks.ReadPreview(saleID, string(c.ctx.QueryArgs().Peek(previewName)), time.Now())
	if !ok || s.drafts == nil || !sale.ValidID(saleID) {
		return sale.Record{}, problem.UnknownSale
	}
	return s.drafts.find(saleID)
}

// sendDraftPreview shows the page of a sale that this node does not serve.
func (s *Server) sendDraftPreview(c *call) error {
	rec, err := s.draft(c, string(c.sale))
	switch {
	case errors.Is(err, problem.UnknownSale):
		return s.sendUnknownSale(c)
	case err != nil:
		return s.sendReturning(c, nil, place{})
	}
	return s.sendPreview(c, &rec, time.Now())
}
