package listener

import (
	"net"
	"time"
)

const (
	drainBytes   = 4 << 20
	drainSilence = 100 * time.Millisecond
	drainTime    = time.Second
)

// Drain reads off what a client is still sending, within bounds: closing a connection with unread
// bytes resets it, and the reset would overtake the answer.
func Drain(conn net.Conn) {
	end := time.Now().Add(drainTime)
	scratch := make([]byte, 4<<10)
	for total := 0; total < drainBytes && time.Now().Before(end); {
		if conn.SetReadDeadline(time.Now().Add(drainSilence)) != nil {
			return
		}
		n, err := conn.Read(scratch)
		if err != nil {
			return
		}
		total += n
	}
}
