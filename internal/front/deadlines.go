package front

import "time"

// deadlineStep is by how much a deadline of a connection may end too early. Within it a deadline is not set again:
// on a busy connection, setting three of them for each request costs as much as working out an answer to a poll.
const deadlineStep = time.Second

// deadlines are those of one connection, of which the runtime is told only when they have moved by a deadlineStep.
type deadlines struct {
	read, write time.Time // zero when it is not known what is set
}

// moved reports whether a deadline has to be set to be in force at the time wanted.
func moved(set, wanted time.Time) bool {
	return wanted.Before(set) || wanted.Sub(set) > deadlineStep
}

// SetReadDeadline implements net.Conn.
func (a *arrival) SetReadDeadline(t time.Time) error {
	a.deadlines.read = t
	return a.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (a *arrival) SetWriteDeadline(t time.Time) error {
	a.deadlines.write = t
	return a.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (a *arrival) SetDeadline(t time.Time) error {
	a.deadlines = deadlines{read: t, write: t}
	return a.Conn.SetDeadline(t)
}

// readWithin has a Read end when nothing has come for the time.
func (a *arrival) readWithin(limit time.Duration) error {
	if wanted := time.Now().Add(limit); moved(a.deadlines.read, wanted) {
		return a.SetReadDeadline(wanted)
	}
	return nil
}

// writeWithin has a Write end when the client has not taken it in that time.
func (a *arrival) writeWithin(limit time.Duration) error {
	if wanted := time.Now().Add(limit); moved(a.deadlines.write, wanted) {
		return a.SetWriteDeadline(wanted)
	}
	return nil
}
