package reservation

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
)

// wipeMost is how many records one step removes.
const wipeMost = 1000

// Wipe closes a sale's stock at once and then takes it out of Redis, reservations and outbox
// included, in bounded steps. The term is that of the calling leader; it stays in Redis for a day, so
// that a leader of an older term cannot arm the sale. Records that have a time to live (released,
// expired, or in the ledger) may stay until it ends; a later epoch does not see them.
//
// Errors: *redis.OldTermError; else that of Redis. A wipe that was cut off is finished by the next
// Wipe, or by Begin.
func Wipe(ctx context.Context, client rueidis.Client, saleID string, term int64) error {
	if err := wipe(ctx, client, keysOf(saleID, ""), term, true); err != nil {
		return fmt.Errorf("wipe stock of %s: %w", saleID, err)
	}
	return nil
}

// wipe refuses a stock that is ready as a conflict unless readyToo.
func wipe(ctx context.Context, client rueidis.Client, k keys, term int64, readyToo bool) error {
	args := []string{decimal(term), k.records, flag(readyToo), strconv.Itoa(wipeMost)}
	const wiped, more, ready = 0, 1, 2
	for {
		answer, err := wipeScript.Exec(ctx, client, k.whole(), args).AsIntSlice()
		switch {
		case err != nil:
			return err
		case len(answer) != 1:
			return cmp.Or(laterTerm(answer), errAnswer)
		case answer[0] == wiped:
			return nil
		case answer[0] == ready:
			return problem.With(problem.Conflict, "the stock in redis is ready; wipe it first")
		case answer[0] != more:
			return errAnswer
		}
	}
}
