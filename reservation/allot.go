package reservation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// Allot sets how many units of an item are allocated; available moves by the difference. Channels
// get their shares, except that none gets fewer units than it has held, sold and withheld. Saying the same
// twice changes nothing. The term is that of the calling leader. Errors: *redis.OldTermError; codes
// unknown_sku, stock_conflict (fewer than are held, sold and withheld), unavailable.
func (s *Stock) Allot(ctx context.Context, sku string, allocated, term int64) error {
	p := s.plan.Load()
	answer, err := allot(ctx, s.deps.Redis, s.keys, p.rec, sku, allocated, term)
	if err != nil {
		return s.failed("allot", err)
	}
	err = notAllotted(answer, sku)
	if err == nil {
		p.open()
	}
	if errors.Is(err, problem.Unavailable) {
		return s.refused(answer[0])
	}
	return err
}

// notAllotted words the answers of allot.lua; nil when the units are allocated.
func notAllotted(answer []int64, sku string) error {
	const unknown, conflict = 3, 4
	switch {
	case len(answer) == 0:
		return errAnswer
	case answer[0] == answerOK:
		return nil
	case answer[0] == answerNotReady, answer[0] == answerStale, answer[0] == answerLost:
		return problem.With(problem.Unavailable, "redis does not hold the stock of the sale")
	case answer[0] == unknown:
		return problem.With(problem.UnknownSKU, fmt.Sprintf("the sale has no item %.64q", sku))
	case answer[0] == conflict:
		return problem.With(problem.StockConflict, "more units are held and sold", problem.F("sku", sku))
	}
	return cmp.Or(laterTerm(answer), errAnswer)
}

func allot(ctx context.Context, client rueidis.Client, k keys, rec sale.Record, sku string, allocated, term int64) ([]int64, error) {
	args := []string{decimal(rec.Epoch), sku, decimal(max(0, allocated)), decimal(term)}
	args = append(args, shareArgs(rec.Sale, sale.Item{SKU: sku, Stock: max(0, allocated)})...)
	return allotScript.Exec(ctx, client, []string{k.stock}, args).AsIntSlice()
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
