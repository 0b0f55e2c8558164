package queue

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
)

const (
	// never is the opening of a sale that is still a draft.
	never = math.MaxInt32 * 1000 // 2038, in ms
	// armAttempts bounds how often a restore begins anew because the server changed meanwhile.
	armAttempts = 3
	// removedFor is how long a removed sale's term is kept.
	removedFor = 24 * time.Hour
)

// Arm makes the room of a sale in Redis when there is none, or applies the settings of a new version to
// the one that is there; what was counted stays. It is idempotent. A room that was armed on another
// run of the server counts as none: it may be older than what the journal knows.
//
// restore is what the journal remembers of the room (see [Fold]), or nil. The numbers go on behind
// the high-water mark, the line goes on from the watermark, open windows start again, and passes are
// as good as before. Without it the new room is empty: use [Update] for a room that must be there.
//
// term is the leader's. The error is a *redis.OldTermError when a leader of a later term was here.
func Arm(ctx context.Context, client rueidis.Client, rec sale.Record, restore *Restored, term int64) error {
	a := arming{client: client, keys: keysWithLanes(rec.ID, int(MaxLane)), rec: rec, restore: restore, term: term}
	step := "make"
	if !restore.Empty() {
		step, restore.sale = "restore", rec.ID
	}
	for range armAttempts {
		status, err := a.attempt(ctx, step)
		if err != nil {
			return fmt.Errorf("arm room of %s: %w", rec.ID, err)
		}
		if status != "anew" {
			return nil
		}
	}
	return fmt.Errorf("arm room of %s: the server of redis, or the leader, changes again and again", rec.ID)
}

// Update applies the settings of a new version to the room that is there. The error is [ErrLost] when
// there is none of this run of the server, and a *redis.OldTermError as for [Arm].
func Update(ctx context.Context, client rueidis.Client, rec sale.Record, term int64) error {
	a := arming{client: client, keys: keysWithLanes(rec.ID, int(MaxLane)), rec: rec, term: term}
	status, err := a.attempt(ctx, "change")
	if err == nil && status == "lost" {
		err = ErrLost
	}
	if err != nil {
		return fmt.Errorf("change the settings of the room of %s: %w", rec.ID, err)
	}
	return nil
}

// Wipe removes a sale's room, and leaves the term, so that an earlier leader cannot make the room again.
// The error is a *redis.OldTermError when a leader of a later term was here.
func Wipe(ctx context.Context, client rueidis.Client, saleID string, term int64) error {
	return wipe(ctx, client, saleID, term, 0)
}

// Remove is [Wipe] of a sale that is gone for good: the term is kept for a day.
func Remove(ctx context.Context, client rueidis.Client, saleID string, term int64) error {
	return wipe(ctx, client, saleID, term, removedFor)
}

func wipe(ctx context.Context, client rueidis.Client, saleID string, term int64, keep time.Duration) error {
	res := wipeScript.Exec(ctx, client, keysWithLanes(saleID, int(MaxLane)), []string{decimal(term), decimal(int64(keep.Seconds()))})
	if _, err := statusOf(res); err != nil {
		return fmt.Errorf("wipe room of %s: %w", saleID, err)
	}
	return nil
}

// statusOf reads {status, number}, where old_term comes with the later term.
func statusOf(res rueidis.RedisResult) (string, error) {
	parts, err := res.AsStrSlice()
	if err != nil {
		return "", err
	}
	if len(parts) != 2 {
		return "", fmt.Errorf("%d parts instead of 2", len(parts))
	}
	if parts[0] == "old_term" {
		later, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil {
			return "", fmt.Errorf("term: %w", err)
		}
		return "", &redis.OldTermError{Later: later}
	}
	return parts[0], nil
}

// arming is one call of Arm or Update.
type arming struct {
	client  rueidis.Client
	keys    []string
	rec     sale.Record
	restore *Restored
	term    int64
	token   string // names one attempt to restore
}

// attempt runs the steps once. The status is made, kept, older, lost or anew.
func (a *arming) attempt(ctx context.Context, step string) (string, error) {
	secret := make([]byte, seedBytes+8)
	if _, err := rand.Read(secret); err != nil {
		return "", fmt.Errorf("seed of the draw: %w", err)
	}
	seed := secret[:seedBytes]
	a.token = hex.EncodeToString(secret[seedBytes:])
	if step == "restore" {
		status, err := a.restoreTickets(ctx)
		if err != nil || status == "anew" {
			return status, err
		}
	}
	args := append([]string{decimal(a.term), step, a.token}, a.settings(seed)...)
	if step == "restore" {
		args = append(args, a.restored()...)
	}
	return statusOf(armScript.Exec(ctx, a.client, a.keys, args))
}

func (a *arming) settings(seed []byte) []string {
	rec, ad := a.rec, a.rec.Admission
	return []string{
		"lanes", decimal(int64(len(ad.Lanes))), "version", decimal(rec.Version), "epoch", decimal(rec.Epoch),
		"opens", decimal(opensMillis(rec)), "starts", decimal(rec.StartsAt.UnixMilli()), "ends", decimal(rec.EndsAt.UnixMilli()),
		"ended", flag(rec.Ended), "paused", flag(rec.Paused), "mode", string(ad.Mode), "order", string(ad.Order),
		"rate", decimal(int64(ad.RatePerMinute)), "cap", decimal(int64(ad.MaxActive)),
		"window", decimal(ad.ClaimWindow.Std().Milliseconds()), "ttl", decimal(ad.PassTTL.Std().Milliseconds()),
		"late_window", decimal(lateWindowMillis(ad)),
		"renew_by", decimal(ad.Renewal.By.Std().Milliseconds()), "renew_most", decimal(int64(ad.Renewal.Max)),
		"plan", planOf(rec.Draw).text(), "seed", hex.EncodeToString(seed), "commitment", Commitment(seed),
	}
}

func (a *arming) restored() []string {
	r := a.restore
	seedText, commitment := "", ""
	if r.Seed != nil {
		seedText, commitment = hex.EncodeToString(r.Seed), Commitment(r.Seed)
	}
	args := append(r.restoredDraw(), []string{
		"claimed", decimal(r.claimed), "left", decimal(r.left), "released", decimal(r.released),
		"kept_seed", seedText, "kept_commitment", commitment,
		"first_expiry", decimal(r.firstExpiry()), "rated", decimal(r.admits.total()),
		"prove_near", decimal(r.proveWithin().Milliseconds()), "prove_far", decimal(proveFarWithin.Milliseconds()),
	}...)
	for lane := Lane(0); lane <= Lane(len(a.rec.Admission.Lanes)); lane++ {
		args = append(args, r.restoredLane(lane)...)
	}
	return args
}

// restoredLane is what arm.lua takes of a lane.
func (r *Restored) restoredLane(lane Lane) []string {
	line, away := r.in(lane), r.absences(lane)
	args := []string{
		"mark", decimal(int64(line.Mark)), "watermark", decimal(int64(line.Called)), "floor", decimal(int64(line.Floor)),
		"gaps", line.gaps().String(), "absent", decimal(int64(line.absentAhead(away))),
		"gone", decimal(int64(r.gone(lane, away))), "resolved", decimal(int64(r.resolved(lane, away))),
		"draw_count", decimal(int64(r.counts.in(lane))),
	}
	for i := 0; i < len(args); i += 2 {
		args[i] = laneField(lane, args[i])
	}
	return args
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

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}
