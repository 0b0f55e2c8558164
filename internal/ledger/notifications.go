package ledger

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strconv"
)

// Notification is the wish of a visitor to be told when it is their turn.
type Notification struct {
	Sale     string
	Ticket   int64 // the number in the line
	Way      string
	Receiver string // who gets the call
	// Seq grows from one to the next, in the order in which they can be read.
	Seq int64
	// Sealed has what is personal, encrypted. A listing leaves it empty.
	Sealed string
}

// dropNotificationsAtATime bounds one transaction.
const dropNotificationsAtATime = 5_000

// SaveNotifications keeps one notification for each ticket and way; a later one replaces an earlier one. Kept
// tells, in the order of the rows, which of them were stored: no further ones once the sale has most of them.
func (l *Ledger) SaveNotifications(ctx context.Context, rows []Notification, most int64) (kept []bool, err error) {
	err = l.inTx(ctx, queryTimeout, func(ctx context.Context, tx *sql.Tx) error {
		kept = make([]bool, len(rows)) // anew, should the transaction be tried again
		var last int64
		// The lock makes the order of the numbers that of the commits: whoever reads on from a number misses none.
		err := tx.QueryRowContext(ctx, `UPDATE notification_seq SET last = last + $1 WHERE one = 1 RETURNING last`, len(rows)).Scan(&last)
		if err != nil {
			return err
		}
		counts, err := lockNotificationCounts(ctx, tx, rows)
		if err != nil {
			return err
		}
		for i := range rows {
			row := rows[i]
			row.Seq = last - int64(len(rows)) + int64(i) + 1
			var added bool
			if kept[i], added, err = saveNotification(ctx, tx, &row, counts[row.Sale] < most); err != nil {
				return err
			}
			if added {
				counts[row.Sale]++
			}
		}
		for _, saleID := range slices.Sorted(maps.Keys(counts)) {
			if _, err := tx.ExecContext(ctx, `UPDATE notification_counts SET n = $1 WHERE sale = $2`, counts[saleID], saleID); err != nil {
				return err
			}
		}
		return nil
	})
	return kept, err
}

// lockNotificationCounts locks what the sales of the rows have, before any of their rows.
func lockNotificationCounts(ctx context.Context, tx *sql.Tx, rows []Notification) (map[string]int64, error) {
	counts := make(map[string]int64)
	for i := range rows {
		counts[rows[i].Sale] = 0
	}
	for _, saleID := range slices.Sorted(maps.Keys(counts)) {
		var n int64
		err := tx.QueryRowContext(ctx, `INSERT INTO notification_counts (sale, n) VALUES ($1, 0)
			ON CONFLICT (sale) DO UPDATE SET n = notification_counts.n RETURNING n`, saleID).Scan(&n)
		if err != nil {
			return nil, err
		}
		counts[saleID] = n
	}
	return counts, nil
}

// saveNotification replaces the row of a ticket and way, or adds it where there is room.
func saveNotification(ctx context.Context, tx *sql.Tx, row *Notification, room bool) (kept, added bool, err error) {
	result, err := tx.ExecContext(ctx, `UPDATE notifications SET receiver = $1, seq = $2, sealed = $3 WHERE sale = $4 AND ticket = $5 AND way = $6`,
		row.Receiver, row.Seq, row.Sealed, row.Sale, row.Ticket, row.Way)
	if err != nil {
		return false, false, err
	}
	replaced, err := result.RowsAffected()
	if err != nil || replaced > 0 || !room {
		return replaced > 0, false, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO notifications (sale, ticket, way, receiver, seq, sealed) VALUES ($1, $2, $3, $4, $5, $6)`,
		row.Sale, row.Ticket, row.Way, row.Receiver, row.Seq, row.Sealed)
	return err == nil, err == nil, err
}

// NotificationsAfter lists up to limit (1 to 1000) notifications of all sales behind a Seq, without what is sealed.
func (l *Ledger) NotificationsAfter(ctx context.Context, seq int64, limit int) ([]Notification, error) {
	return collect(ctx, l.read, queryTimeout, func(rows *sql.Rows) (n Notification, err error) {
		err = rows.Scan(&n.Sale, &n.Ticket, &n.Way, &n.Receiver, &n.Seq)
		return n, err
	}, `SELECT sale, ticket, way, receiver, seq FROM notifications WHERE seq > $1 ORDER BY seq LIMIT $2`, seq, bounded(limit))
}

// NotificationsWith reads the notifications with these numbers that are still there.
func (l *Ledger) NotificationsWith(ctx context.Context, seqs []int64) ([]Notification, error) {
	if len(seqs) == 0 {
		return nil, nil
	}
	list, args := placeholders(1, seqs)
	return collect(ctx, l.read, queryTimeout, func(rows *sql.Rows) (n Notification, err error) {
		err = rows.Scan(&n.Sale, &n.Ticket, &n.Way, &n.Receiver, &n.Seq, &n.Sealed)
		return n, err
	}, `SELECT sale, ticket, way, receiver, seq, sealed FROM notifications WHERE seq IN (`+list+`) ORDER BY seq`, args...)
}

// DeleteNotifications removes notifications of a sale by their numbers. One that was replaced since stays.
func (l *Ledger) DeleteNotifications(ctx context.Context, saleID string, seqs []int64) error {
	if len(seqs) == 0 {
		return nil
	}
	list, args := placeholders(2, seqs)
	_, err := l.deleteNotifications(ctx, saleID, `seq IN (`+list+`)`, args...)
	return err
}

// ForgetNotifications removes what a ticket asked for.
func (l *Ledger) ForgetNotifications(ctx context.Context, saleID string, ticket int64) error {
	_, err := l.deleteNotifications(ctx, saleID, `ticket = $2`, ticket)
	return err
}

// DropNotifications removes all notifications of a sale.
func (l *Ledger) DropNotifications(ctx context.Context, saleID string) error {
	for {
		n, err := l.deleteNotifications(ctx, saleID,
			`seq IN (SELECT seq FROM notifications WHERE sale = $1 ORDER BY seq LIMIT `+strconv.Itoa(dropNotificationsAtATime)+`)`)
		if err != nil || n < dropNotificationsAtATime {
			return err
		}
	}
}

func (l *Ledger) deleteNotifications(ctx context.Context, saleID, which string, args ...any) (deleted int64, err error) {
	err = l.inTx(ctx, queryTimeout, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE notification_counts SET n = n WHERE sale = $1`, saleID); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `DELETE FROM notifications WHERE sale = $1 AND `+which, append([]any{saleID}, args...)...)
		if err != nil {
			return err
		}
		if deleted, err = result.RowsAffected(); err != nil || deleted == 0 {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE notification_counts SET n = n - $1 WHERE sale = $2`, deleted, saleID)
		return err
	})
	return deleted, err
}

// CountNotifications counts those of a sale that wait, by way.
func (l *Ledger) CountNotifications(ctx context.Context, saleID string) (map[string]int64, error) {
	return readOld(ctx, l, func(ctx context.Context, db *sql.DB) (map[string]int64, error) {
		return numbers(ctx, db, `SELECT way, count(*) FROM notifications WHERE sale = $1 GROUP BY way`, saleID)
	})
}
