package front

import (
	"io"
	"net"
	"sync/atomic"

	"github.com/penstock/penstock/internal/listener"
)

// relayState tells whether a request that fasthttp never sees is under way on a connection, such as one for the shop.
// To fasthttp the connection is idle, and it would close it when it shuts down.
type relayState struct{ now atomic.Int32 }

const (
	notRelaying int32 = iota
	relaying
	closeAfterwards // fasthttp has closed it meanwhile
)

// begin reports false when the connection is closed already.
func (r *relayState) begin() bool { return r.now.CompareAndSwap(notRelaying, relaying) }

// end reports false when the connection is to be closed now.
func (r *relayState) end() bool { return r.now.CompareAndSwap(relaying, notRelaying) }

// Close implements net.Conn. While such a request is under way, its end is waited for.
func (a *arrival) Close() error {
	if a.relay.now.CompareAndSwap(relaying, closeAfterwards) {
		return nil
	}
	return a.closeNow()
}

func (a *arrival) closeNow() error {
	err := a.stream.Close()
	_ = a.Conn.Close() // it is told from others by the listener
	return err
}

// relayToShop has the request whose headers have arrived answered by the proxy, unless it is one of Penstock's
// own. The error ends the connection.
func (a *arrival) relayToShop(head *progress) (relayed bool, err error) {
	if a.shop == nil || !head.done {
		return false, nil
	}
	end := a.from + head.end
	exchange := a.shop.Recognise(a.buf[a.from:end])
	if exchange == nil {
		return false, nil
	}
	if !a.beginAnswer() {
		return false, net.ErrClosed
	}
	result := exchange.Relay(a.stream, a.buf[end:a.to], a.raw == nil)
	a.deadlines = deadlines{} // it has set its own
	a.keepRest(end+result.Used, result.Surplus)
	if result.Linger {
		listener.Drain(a.stream)
	}
	if !a.endAnswer(result.Keep) {
		return false, io.EOF
	}
	return true, nil
}

// beginAnswer begins a request that fasthttp never sees. It reports false when the connection was closed to make room for
// others, or at the end.
func (a *arrival) beginAnswer() bool { return a.Begin() && a.relay.begin() }

// endAnswer ends a request that fasthttp never sees, and reports whether the connection is kept. Otherwise it is closed.
func (a *arrival) endAnswer(keep bool) bool {
	keep = a.relay.end() && keep
	a.End()
	if !keep {
		_ = a.closeNow()
	}
	return keep
}

// keepRest leaves in the buffer what has arrived after a request.
func (a *arrival) keepRest(from int, surplus []byte) {
	if a.from = from; a.from == a.to {
		a.release()
	}
	if len(surplus) > 0 {
		a.buf, a.from, a.to = surplus, 0, len(surplus)
	}
}
