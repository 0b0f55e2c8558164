package reservation

import (
	"context"
	"strconv"
)

const expireMost = 1000

// Expire returns the units of up to limit (at most 1,000) reservations whose time is over. Any
// node may call it at any time: each reservation expires once. It returns how many did; when that
// is limit, there may be more. Code: unavailable.
func (s *Stock) Expire(ctx context.Context, limit int) (int, error) {
	limit = max(1, min(limit, expireMost))
	keys := []string{s.keys.stock, s.keys.customers, s.keys.due, s.keys.made}
	args := []string{s.keys.records, strconv.Itoa(limit)}
	counts, err := expireScript.Exec(ctx, s.deps.Redis, keys, args).AsIntSlice()
	if err != nil {
		return 0, s.failed("expire", err)
	}
	if len(counts) == 1 {
		return 0, s.refused(counts[0])
	}
	if len(counts) != 3 {
		return 0, errAnswer
	}
	if counts[2] > 0 {
		s.plan.Load().open()
	}
	return int(counts[2]), nil
}
