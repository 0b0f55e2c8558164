package listener

import (
	"cmp"
	"net/netip"
	"slices"
)

// silent is a connection on which no request is under way, as it was when it was looked at.
type silent struct {
	conn   *Conn
	since  int64
	served bool
}

// makeRoom closes connections on which no request is under way; those of one address only when a
// valid one is given. It reports whether it has closed any.
func (l *Listener) makeRoom(address netip.Prefix) bool {
	candidates, open := l.silent(address)
	slices.SortFunc(candidates, func(a, b silent) int {
		if a.served != b.served {
			if a.served {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.since, b.since)
	})
	wanted, closed := max(1, open/roomShare), 0
	for _, one := range candidates {
		if closed == wanted {
			break
		}
		if one.conn.since.CompareAndSwap(one.since, closedForRoom) {
			_ = one.conn.Close()
			closed++
		}
	}
	return closed > 0
}

// silent lists the candidates, and counts all connections that they are among.
func (l *Listener) silent(address netip.Prefix) (candidates []silent, open int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		if address.IsValid() && c.address != address {
			continue
		}
		open++
		if since := c.since.Load(); since > 0 {
			candidates = append(candidates, silent{conn: c, since: since, served: c.served.Load()})
		}
	}
	return candidates, open
}
