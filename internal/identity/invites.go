package identity

import (
	"context"
	"errors"
	"time"

	"github.com/penstock/penstock/internal/batch"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
)

const (
	inviteBatch   = 128
	inviteWaiting = 8192
)

// Invites takes invites, each once. It is safe for concurrent use.
type Invites struct {
	codes *Codes
	uses  *batch.Combiner[ledger.InviteUse, ledger.InviteUsed]
}

// NewInvites takes invites in the ledger, several at a time.
func NewInvites(codes *Codes, use func(context.Context, []ledger.InviteUse) ([]ledger.InviteUsed, error)) *Invites {
	return &Invites{codes: codes, uses: batch.New(batch.Options{MaxBatch: inviteBatch, MaxWaiting: inviteWaiting}, use)}
}

// Use takes an invite for a holder, who has several names at the most. The same holder may take it again. Without a
// holder it can be taken once only. Codes: overloaded, and unavailable while the ledger cannot be asked.
func (i *Invites) Use(ctx context.Context, saleID, code string, holders []string) (ledger.InviteUsed, error) {
	plain, err := CheckCode(code)
	if err != nil {
		return ledger.InviteUsed{State: ledger.InviteUnknown}, nil //nolint:nilerr // nothing that is no code was given out
	}
	used, err := i.uses.Do(ctx, ledger.InviteUse{
		Sale: saleID, Codes: i.codes.Hashes(saleID, plain), Holders: holders, AtMillis: time.Now().UnixMilli(),
	})
	if errors.Is(err, batch.ErrFull) {
		return ledger.InviteUsed{}, problem.With(problem.Overloaded, "too many invites are being checked at once")
	}
	return used, err
}
