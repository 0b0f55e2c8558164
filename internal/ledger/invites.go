package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock/penstock/internal/problem"
)

// MaxInvites bounds the invites of a sale.
const MaxInvites = 1_000_000

// inviteRows is how many invites are written by one statement.
const inviteRows = 500

// InviteState is what became of an invite that somebody brought.
type InviteState string

// The states.
const (
	InviteUnknown InviteState = "unknown" // never given out, or taken back
	InviteTaken   InviteState = "taken"   // somebody else used it, or somebody who said nothing of who they are
	InviteGood    InviteState = "good"    // it belongs to whoever brought it
)

// Invite is one as it is stored.
type Invite struct {
	// Code is its stored form, which tells nobody the code.
	Code string
	// Lane is the lane of the sale that it gives a place in; "" is that of everybody.
	Lane string
}

// InviteUsed is what became of an invite, and its lane when it is good.
type InviteUsed struct {
	State InviteState
	Lane  string
}

// InviteUse is an invite that somebody brings.
type InviteUse struct {
	Sale string
	// Codes are the forms in which it may be stored.
	Codes []string
	// Holders are the names of whoever brings it. The first one is written down.
	Holders  []string
	AtMillis int64
}

// UseInvites takes invites, each for whoever brings it first. It is idempotent for a holder with a name.
func (l *Ledger) UseInvites(ctx context.Context, uses []InviteUse) ([]InviteUsed, error) {
	order := make([]int, len(uses))
	for i := range order {
		order[i] = i
	}
	// All nodes lock the rows in one order, and so none waits for another in a circle.
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(uses[a].Sale, uses[b].Sale), slices.Compare(uses[a].Codes, uses[b].Codes))
	})
	used := make([]InviteUsed, len(uses))
	err := l.inTx(ctx, queryTimeout, func(ctx context.Context, tx *sql.Tx) (err error) {
		for _, i := range order {
			if used[i], err = useInvite(ctx, tx, &uses[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return used, err
}

func useInvite(ctx context.Context, tx *sql.Tx, use *InviteUse) (used InviteUsed, err error) {
	used.State = InviteUnknown
	holder := ""
	if len(use.Holders) > 0 {
		holder = use.Holders[0]
	}
	in, codes := placeholders(4, use.Codes)
	err = tx.QueryRowContext(ctx, `UPDATE invites SET used_ms = $1, holder = $2
		WHERE sale = $3 AND code IN (`+in+`) AND used_ms = 0 AND revoked_ms = 0 RETURNING lane`,
		append([]any{use.AtMillis, holder, use.Sale}, codes...)...).Scan(&used.Lane)
	switch {
	case err == nil:
		used.State = InviteGood
		return used, nil
	case !errors.Is(err, sql.ErrNoRows):
		return used, err
	}
	var revoked int64
	in, codes = placeholders(2, use.Codes)
	err = tx.QueryRowContext(ctx, `SELECT holder, revoked_ms, lane FROM invites WHERE sale = $1 AND code IN (`+in+`)`,
		append([]any{use.Sale}, codes...)...).Scan(&holder, &revoked, &used.Lane)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && revoked > 0:
		return used, nil
	case err != nil:
		return used, err
	case holder != "" && slices.Contains(use.Holders, holder):
		used.State = InviteGood
	default:
		used.State = InviteTaken
	}
	return used, nil
}

// placeholders are those of a list of values that begins with the given number.
func placeholders[T any](first int, values []T) (list string, args []any) {
	marks := make([]string, len(values))
	args = make([]any, len(values))
	for i, value := range values {
		marks[i], args[i] = "$"+strconv.Itoa(first+i), value
	}
	return strings.Join(marks, ", "), args
}

// AddInvites stores invites under the name of a batch, and returns how many of them are new: those that are there
// already stay as they are. Codes: unknown_sale, limit_exceeded.
func (l *Ledger) AddInvites(ctx context.Context, saleID, batch string, invites []Invite, atMillis int64) (added int64, err error) {
	err = l.inTx(ctx, commitTimeout, func(ctx context.Context, tx *sql.Tx) error {
		// The row of the sale is what two imports wait for, and what a deletion of the sale waits for.
		result, err := tx.ExecContext(ctx, `UPDATE sales SET version = version WHERE id = $1`, saleID)
		if err != nil {
			return err
		}
		if found, err := result.RowsAffected(); err != nil || found == 0 {
			return errors.Join(err, problem.UnknownSale)
		}
		for some := range slices.Chunk(invites, inviteRows) {
			n, err := addInvites(ctx, tx, saleID, batch, some, atMillis)
			if err != nil {
				return err
			}
			added += n
		}
		var all int64
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM invites WHERE sale = $1`, saleID).Scan(&all); err != nil {
			return err
		}
		if all > MaxInvites {
			return problem.With(problem.LimitExceeded, fmt.Sprintf("a sale has at most %d invites; none of these was added", MaxInvites))
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return added, nil
}

func addInvites(ctx context.Context, tx *sql.Tx, saleID, batch string, invites []Invite, atMillis int64) (int64, error) {
	var values strings.Builder
	args := make([]any, 0, 3+2*len(invites))
	args = append(args, saleID, batch, atMillis)
	for i, invite := range invites {
		if i > 0 {
			values.WriteString(", ")
		}
		values.WriteString("($1, $" + strconv.Itoa(4+2*i) + ", $2, $3, $" + strconv.Itoa(5+2*i) + ")")
		args = append(args, invite.Code, invite.Lane)
	}
	result, err := tx.ExecContext(ctx, `INSERT INTO invites (sale, code, batch, created_ms, lane) VALUES `+values.String()+` ON CONFLICT DO NOTHING`, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// RevokeInvites takes back the invites of a batch that were not used, and returns how many.
func (l *Ledger) RevokeInvites(ctx context.Context, saleID, batch string, atMillis int64) (int64, error) {
	return l.exec(ctx, `UPDATE invites SET revoked_ms = $1 WHERE sale = $2 AND batch = $3 AND used_ms = 0 AND revoked_ms = 0`, atMillis, saleID, batch)
}

// RevokeInvite takes back one invite that was not used, in whichever form it is stored.
func (l *Ledger) RevokeInvite(ctx context.Context, saleID string, codes []string, atMillis int64) (int64, error) {
	in, args := placeholders(3, codes)
	return l.exec(ctx, `UPDATE invites SET revoked_ms = $1 WHERE sale = $2 AND code IN (`+in+`) AND used_ms = 0 AND revoked_ms = 0`,
		append([]any{atMillis, saleID}, args...)...)
}

// InviteCounts are those of a batch.
type InviteCounts struct {
	Batch                string
	Given, Used, Revoked int64
	FirstMillis          int64 // when the first one was added
}

// Invites counts the invites of a sale by batch, the oldest first.
func (l *Ledger) Invites(ctx context.Context, saleID string) ([]InviteCounts, error) {
	return readOld(ctx, l, func(ctx context.Context, db *sql.DB) ([]InviteCounts, error) {
		return collect(ctx, db, reportTimeout, scanInviteCounts, `SELECT batch, count(*), count(CASE WHEN used_ms > 0 THEN 1 END),
			count(CASE WHEN revoked_ms > 0 THEN 1 END), min(created_ms)
			FROM invites WHERE sale = $1 GROUP BY batch ORDER BY min(created_ms), batch`, saleID)
	})
}

func scanInviteCounts(rows *sql.Rows) (c InviteCounts, err error) {
	err = rows.Scan(&c.Batch, &c.Given, &c.Used, &c.Revoked, &c.FirstMillis)
	return c, err
}
