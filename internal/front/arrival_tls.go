package front

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// encryptedArrival is an arrival over TLS. fasthttp knows it by its methods.
type encryptedArrival struct {
	*arrival
	secured *tls.Conn
}

// encrypt puts TLS on a connection that was accepted.
func (a *arrival) encrypt(config *tls.Config) *encryptedArrival {
	secured := tls.Server(a.stream, config)
	a.stream, a.raw = secured, nil
	return &encryptedArrival{arrival: a, secured: secured}
}

// Handshake makes the connection one of TLS for fasthttp.
func (e *encryptedArrival) Handshake() error {
	if err := e.SetDeadline(time.Now().Add(firstTimeout)); err != nil {
		return err
	}
	return e.secured.HandshakeContext(context.Background())
}

// ConnectionState tells what was agreed on.
func (e *encryptedArrival) ConnectionState() tls.ConnectionState { return e.secured.ConnectionState() }

// arrivalOf returns the arrival behind a connection of the front; nil for another.
func arrivalOf(conn net.Conn) *arrival {
	switch one := conn.(type) {
	case *arrival:
		return one
	case *encryptedArrival:
		return one.arrival
	default:
		return nil
	}
}

// Write implements net.Conn.
func (a *arrival) Write(p []byte) (int, error) {
	if err := a.writeWithin(writeTimeout); err != nil {
		return 0, err
	}
	return a.stream.Write(p)
}

// moreDecrypted reads what has arrived where it cannot be seen beforehand whether anything has.
func (a *arrival) moreDecrypted() error {
	a.room()
	n, err := a.stream.Read(a.buf[a.to:])
	a.to += n
	if n > 0 {
		return nil
	}
	if a.from == a.to {
		a.release()
	}
	return err
}
