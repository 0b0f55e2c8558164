package queue

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/redis"
)

// Why a proof of work is not taken.
var (
	ErrProofUsed    = errors.New("the proof was used before")
	ErrProofExpired = errors.New("the proof is too old, or the sale was restored since it was asked for")
)

// Epoch is the sale's epoch, from memory. What only one epoch believes is made with it. The error is unavailable while
// Redis does not hold the room.
func (r *Room) Epoch() (uint32, error) {
	s := r.snap.Load()
	if !s.Ready {
		return 0, problem.Restoring()
	}
	return uint32(s.Epoch), nil
}

// UseProof takes a proof of work, once over all nodes. Id tells it from all others; it was asked for in this epoch and
// is good until expiresAt, by the clock of Redis. The error is ErrProofUsed, ErrProofExpired or unavailable.
func (r *Room) UseProof(ctx context.Context, id [16]byte, epoch uint32, expiresAt time.Time) error {
	keys := []string{r.keys[keyRoom], redis.Key(r.saleID, "room:proof:"+hex.EncodeToString(id[:]))}
	status, err := proofScript.Exec(ctx, r.deps.Redis, keys, []string{
		strconv.FormatUint(uint64(epoch), 10), strconv.FormatInt(expiresAt.UnixMilli(), 10), rand.Text(),
	}).ToString()
	if err != nil {
		return unavailable("take a proof of work for "+r.saleID, err)
	}
	switch status {
	case "ok":
		return nil
	case "used":
		return ErrProofUsed
	case "expired":
		return ErrProofExpired
	case "lost":
		return r.lost()
	default:
		return fmt.Errorf("take a proof of work for %s: unknown status %q: %w", r.saleID, status, problem.Unavailable)
	}
}
