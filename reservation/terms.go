package reservation

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

const updateItemsMost = 20

// Update brings a new version of the sale to a stock that is ready: times, limits, new items and
// channels. No counter changes; Allot changes stock. The term is that of the calling leader.
//
// Errors: *redis.OldTermError; conflict when Redis holds a later version or another epoch;
// unavailable when the stock is not ready or was lost; else that of Redis.
func Update(ctx context.Context, client rueidis.Client, rec sale.Record, term int64) error {
	u := updating{client: client, keys: keysOf(rec.ID, ""), rec: rec, term: term}
	if err := u.terms(ctx); err != nil {
		return fmt.Errorf("update stock of %s: %w", rec.ID, err)
	}
	for part := range slices.Chunk(rec.Items, updateItemsMost) {
		if err := u.items(ctx, part); err != nil {
			return fmt.Errorf("update stock of %s: %w", rec.ID, err)
		}
	}
	return nil
}

type updating struct {
	client rueidis.Client
	keys   keys
	rec    sale.Record
	term   int64
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// terms are what the scripts need to know of the sale.
func terms(rec sale.Record) []string {
	return []string{
		"open", flag(!rec.Draft && !rec.Ended), "paused", flag(rec.Paused),
		"starts_ms", decimal(rec.StartsAt.UnixMilli()), "ends_ms", decimal(rec.EndsAt.UnixMilli()),
		"ttl_ms", decimal(rec.Reservation.TTL.Std().Milliseconds()),
		"max_extensions", decimal(int64(rec.Reservation.MaxExtensions)),
		"per_customer", decimal(int64(rec.Reservation.PerCustomer)),
	}
}

// notUpdated words the answers that update.lua and update_items.lua refuse with.
func notUpdated(answer []int64) error {
	const laterVersion = 4
	switch {
	case len(answer) == 0:
		return errAnswer
	case answer[0] == answerNotReady, answer[0] == answerLost:
		return problem.With(problem.Unavailable, "redis does not hold the stock of the sale")
	case answer[0] == answerStale:
		return problem.With(problem.Conflict, "redis holds another epoch of the sale")
	case answer[0] == laterVersion:
		return problem.With(problem.Conflict, "redis holds a later version of the sale")
	}
	return cmp.Or(laterTerm(answer), errAnswer)
}

func (u *updating) terms(ctx context.Context) error {
	args := append([]string{decimal(u.term), decimal(u.rec.Epoch), decimal(u.rec.Version)}, terms(u.rec)...)
	answer, err := updateScript.Exec(ctx, u.client, []string{u.keys.stock}, args).AsIntSlice()
	if err != nil {
		return err
	}
	if len(answer) == 1 && answer[0] == answerOK {
		return nil
	}
	return notUpdated(answer)
}

func (u *updating) items(ctx context.Context, items []sale.Item) error {
	args := []string{decimal(u.term), decimal(u.rec.Epoch)}
	for _, item := range items {
		shares := shareArgs(u.rec.Sale, item)
		args = append(args, item.SKU, decimal(int64(item.PerCustomer)), strconv.Itoa(len(shares)/2))
		args = append(args, shares...)
	}
	answer, err := updateItemsScript.Exec(ctx, u.client, []string{u.keys.stock}, args).AsStrSlice()
	if err != nil {
		return err
	}
	if len(answer) > 0 && answer[0] == "0" {
		return u.share(ctx, answer[1:])
	}
	numbers := make([]int64, len(answer))
	for i, text := range answer {
		if numbers[i], err = strconv.ParseInt(text, 10, 64); err != nil {
			return errAnswer
		}
	}
	return notUpdated(numbers)
}

// share divides the units of items whose channels have changed anew.
func (u *updating) share(ctx context.Context, skus []string) error {
	if len(skus) == 0 {
		return nil
	}
	raw, err := readStock(ctx, u.client, u.keys)
	if err != nil {
		return err
	}
	for _, sku := range skus {
		answer, err := allot(ctx, u.client, u.keys, u.rec, sku, raw.total(sku).Allocated, u.term)
		if err != nil {
			return err
		}
		if err := notAllotted(answer, sku); err != nil {
			return err
		}
	}
	return nil
}
