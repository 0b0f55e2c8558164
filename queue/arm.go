package queue

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/sale"
)

const (
	// restoreChunk bounds the passes put back by one script call.
	restoreChunk = 500
	// never is the opening of a sale that is still a draft.
	never = math.MaxInt32 * 1000 // 2038, in ms
)

// Arm makes the room of a sale in Redis, or applies the settings of a new version to the one that
// is there; what was counted stays. It is idempotent. After a loss of Redis, restore says what the
// journal remembers (see [Fold]): the numbers go on behind the high-water mark, the line goes on
// from the watermark, open windows start again, and passes are as good as before.
func Arm(ctx context.Context, client rueidis.Client, rec sale.Record, restore *Restored) error {
	keys := roomKeys(rec.ID)
	if !restore.Empty() {
		if err := restoreTickets(ctx, client, keys, restore); err != nil {
			return fmt.Errorf("restore room of %s: %w", rec.ID, err)
		}
	}
	args, err := armArgs(rec, restore)
	if err != nil {
		return err
	}
	if err := armScript.Exec(ctx, client, keys, args).Error(); err != nil {
		return fmt.Errorf("arm room of %s: %w", rec.ID, err)
	}
	return nil
}

// Disarm removes a sale's room.
func Disarm(ctx context.Context, client rueidis.Client, saleID string) error {
	if err := client.Do(ctx, client.B().Del().Key(roomKeys(saleID)...).Build()).Error(); err != nil {
		return fmt.Errorf("disarm room of %s: %w", saleID, err)
	}
	return nil
}

func armArgs(rec sale.Record, restore *Restored) ([]string, error) {
	seed := make([]byte, seedBytes)
	if _, err := rand.Read(seed); err != nil {
		return nil, fmt.Errorf("seed of the draw: %w", err)
	}
	a := rec.Admission
	args := []string{
		decimal(rec.Version), decimal(rec.Epoch),
		decimal(opensMillis(rec)), decimal(rec.StartsAt.UnixMilli()), decimal(rec.EndsAt.UnixMilli()),
		flag(rec.Ended), flag(rec.Paused), string(a.Mode), string(a.Order),
		decimal(int64(a.RatePerMinute)), decimal(int64(a.MaxActive)),
		decimal(a.ClaimWindow.Std().Milliseconds()), decimal(a.PassTTL.Std().Milliseconds()),
		hex.EncodeToString(seed), Commitment(seed),
	}
	if restore.Empty() {
		return append(args, "0"), nil
	}
	seedText, commitment := "", ""
	if restore.Seed != nil {
		seedText, commitment = hex.EncodeToString(restore.Seed), Commitment(restore.Seed)
	}
	return append(args, "1",
		decimal(int64(restore.Mark)), decimal(int64(restore.Called)), decimal(int64(restore.Floor)),
		decimal(restore.claimed), decimal(restore.left), decimal(restore.released),
		seedText, commitment, flag(restore.Drawn), decimal(int64(restore.DrawCount)), decimal(restore.firstExpiry()),
	), nil
}

func opensMillis(rec sale.Record) int64 {
	switch {
	case rec.Draft:
		return never
	case rec.OpensAt.IsZero():
		return rec.StartsAt.UnixMilli()
	default:
		return rec.OpensAt.UnixMilli()
	}
}

func (r *Restored) firstExpiry() int64 {
	first := int64(0)
	for _, pass := range r.passes {
		if at := pass.expires * 1000; first == 0 || at < first {
			first = at
		}
	}
	return first
}

// restoreTickets puts back what is known of single tickets, before the room itself is there:
// until then nobody can be admitted who was admitted already.
func restoreTickets(ctx context.Context, client rueidis.Client, keys []string, r *Restored) error {
	exists, err := client.Do(ctx, client.B().Exists().Key(keys[keyRoom]).Build()).AsInt64()
	if err != nil {
		return err
	}
	if exists == 0 {
		if err := client.Do(ctx, client.B().Del().Key(keys[1:]...).Build()).Error(); err != nil {
			return err
		}
	}
	if err := restoreUsed(ctx, client, keys, r.used); err != nil {
		return err
	}
	return restorePasses(ctx, client, keys, r)
}

// restoreUsed adds the bitmap to the one that is there.
func restoreUsed(ctx context.Context, client rueidis.Client, keys []string, used bitmap) error {
	if len(used) == 0 {
		return nil
	}
	part := keys[keyUsed] + ":restored"
	for _, res := range client.DoMulti(ctx,
		client.B().Set().Key(part).Value(string(used)).Build(),
		client.B().Bitop().Or().Destkey(keys[keyUsed]).Key(keys[keyUsed], part).Build(),
		client.B().Del().Key(part).Build(),
	) {
		if err := res.Error(); err != nil {
			return err
		}
	}
	return nil
}

func restorePasses(ctx context.Context, client rueidis.Client, keys []string, r *Restored) error {
	passKeys := []string{keys[keyPasses], keys[keyIssued], keys[keyAdmits]}
	run := func(passes, back []Number, admits []int64) error {
		args := []string{strconv.Itoa(len(passes))}
		for _, n := range passes {
			args = append(args, n.decimal(), decimal(r.passes[n].issued), decimal(r.passes[n].expires))
		}
		args = append(args, strconv.Itoa(len(back)))
		for _, n := range back {
			args = append(args, n.decimal())
		}
		for _, at := range admits {
			args = append(args, decimal(at))
		}
		return restoreScript.Exec(ctx, client, passKeys, args).Error()
	}
	for chunk := range slices.Chunk(sortedNumbers(r.passes), restoreChunk) {
		if err := run(chunk, nil, nil); err != nil {
			return err
		}
	}
	for chunk := range slices.Chunk(sortedNumbers(r.givenBack), restoreChunk) {
		if err := run(nil, chunk, nil); err != nil {
			return err
		}
	}
	// One call at most for a moderate rate; each call sorts what is there and what it adds.
	for chunk := range slices.Chunk(r.admits, maxAdmitsChunk) {
		if err := run(nil, nil, chunk); err != nil {
			return err
		}
	}
	return nil
}

const maxAdmitsChunk = 5000

func sortedNumbers[V any](m map[Number]V) []Number {
	numbers := make([]Number, 0, len(m))
	for n := range m {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}
