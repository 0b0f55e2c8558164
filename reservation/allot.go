package reservation

import (
	"context"
	"slices"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// Allot sets how many units of an item are allocated; available moves by the difference. Channels
// get their shares, except that none gets fewer units than it has held and sold. Saying the same
// twice changes nothing. Codes: unknown_sku, stock_conflict (fewer than are held and sold),
// unavailable.
func (s *Stock) Allot(ctx context.Context, sku string, allocated int64) error {
	p := s.plan.Load()
	answer, err := allot(ctx, s.deps.Redis, s.keys, p.rec, sku, allocated)
	if err != nil {
		return s.failed("allot", err)
	}
	switch answer {
	case answerOK:
		p.open()
		return nil
	case allotUnknown:
		return problem.UnknownSKU
	case allotConflict:
		return problem.With(problem.StockConflict, "more units are held and sold", problem.F("sku", sku))
	}
	return s.refused(answer)
}

const (
	allotUnknown  = 3
	allotConflict = 4
)

func allot(ctx context.Context, client rueidis.Client, k keys, rec sale.Record, sku string, allocated int64) (int64, error) {
	args := []string{strconv.FormatInt(rec.Epoch, 10), sku, strconv.FormatInt(max(0, allocated), 10)}
	args = append(args, shareArgs(rec.Sale, sale.Item{SKU: sku, Stock: max(0, allocated)})...)
	return allotScript.Exec(ctx, client, []string{k.stock}, args).AsInt64()
}

// shareArgs are the pairs of channel and units, in the order of the channels' names.
func shareArgs(s sale.Sale, item sale.Item) []string {
	shares := s.Shares(item)
	names := make([]string, 0, len(shares))
	for name := range shares {
		names = append(names, name)
	}
	slices.Sort(names)
	args := make([]string, 0, 2*len(names))
	for _, name := range names {
		args = append(args, channelWord(name), strconv.FormatInt(shares[name], 10))
	}
	return args
}
