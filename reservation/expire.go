package reservation

import (
	"context"
	"strconv"
)

const (
	expireMost = 1000
	// expireCalls bounds the script calls of one Expire.
	expireCalls = 10
)

// Expire returns the units of up to limit (at most 1,000) reservations whose time is over, and forgets to whom
// the passes that are over belonged. Any node may call it at any time: each reservation expires once. It
// returns how many did; when that is limit, there may be more. Code: unavailable.
func (s *Stock) Expire(ctx context.Context, limit int) (int, error) {
	limit = max(1, min(limit, expireMost))
	total := 0
	for range expireCalls {
		most := limit - total
		taken, expired, err := s.expireOnce(ctx, most)
		total += expired
		if err != nil || taken < most || total >= limit {
			return total, err
		}
	}
	return total, nil
}

// expireOnce takes up to most entries off what is due, and tells how many of them were reservations.
func (s *Stock) expireOnce(ctx context.Context, most int) (taken, expired int, err error) {
	keys := []string{s.keys.stock, s.keys.customers, s.keys.due, s.keys.made}
	args := []string{s.keys.records, strconv.Itoa(most), decimal(s.asideMillis())}
	counts, err := expireScript.Exec(ctx, s.deps.Redis, keys, args).AsIntSlice()
	if err != nil {
		return 0, 0, s.failed("expire", err)
	}
	if len(counts) == 1 {
		return 0, 0, s.refused(counts[0])
	}
	if len(counts) != 3 {
		return 0, 0, errAnswer
	}
	if counts[2] > 0 {
		s.plan.Load().open()
	}
	return int(counts[1]), int(counts[2]), nil
}
