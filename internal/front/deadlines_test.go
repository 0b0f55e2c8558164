package front

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// watched is a connection that remembers the deadlines which were set, as what is left until then.
type watched struct {
	*net.TCPConn
	mu          sync.Mutex
	read, write []time.Duration
}

func (w *watched) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read = append(w.read, time.Until(t))
	return w.TCPConn.SetReadDeadline(t)
}

func (w *watched) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.write = append(w.write, time.Until(t))
	return w.TCPConn.SetWriteDeadline(t)
}

// taken returns what was set since the last call.
func (w *watched) taken() (read, write []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	read, write = w.read, w.write
	w.read, w.write = nil, nil
	return read, write
}

// awaitRead waits until the time to read was set to nearly a limit.
func (w *watched) awaitRead(t *testing.T, limit time.Duration) {
	t.Helper()
	testenv.Eventually(t, waitFor, "the time to read is set to nearly "+limit.String(), func() bool {
		read, _ := w.taken()
		return len(read) > 0 && read[len(read)-1] <= limit && read[len(read)-1] > limit/2
	})
}

// watching is a listener of such connections.
type watching struct {
	net.Listener
	accepted chan *watched
}

func (l *watching) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, errors.New("not a connection of TCP")
	}
	w := &watched{TCPConn: tcp}
	l.accepted <- w
	return w, nil
}

// watchedConn serves the front on one more listener, and connects to it.
func (s *stack) watchedConn() (*raw, *watched) {
	s.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	l := &watching{Listener: ln, accepted: make(chan *watched, 1)}
	go func() { _ = s.Serve(l) }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * waitFor))
	return newRaw(s.t, conn), <-l.accepted
}

// last fails unless the last of the times is the limit, less what passed on a slow machine.
func last(t *testing.T, of string, set []time.Duration, limit time.Duration) {
	t.Helper()
	if len(set) == 0 {
		t.Fatalf("%s: no deadline was set", of)
	}
	if got := set[len(set)-1]; got > limit || got < limit/2 {
		t.Errorf("%s: %v, want nearly %v", of, got, limit)
	}
}

func TestAConnectionHasTimeForTheFirstRequestForFurtherOnesAndForAnswers(t *testing.T) {
	s := newStack(t)
	r, conn := s.watchedConn()
	const get = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
	r.send("G")
	r.send(strings.TrimPrefix(get, "G"))
	r.expect(200)
	r.send(get)
	r.expect(200)
	read, write := conn.taken()
	last(t, "the first byte", read[:1], firstTimeout)
	last(t, "the first byte of the second request", read, idleTimeout)
	last(t, "an answer", write, writeTimeout)
	whole := post(`{"context":{}}`, "Expect: 100-continue\r\n")
	head, body, _ := strings.Cut(whole, "\r\n\r\n")
	r.send(head + "\r\n\r\n")
	r.expect(100)
	conn.awaitRead(t, bodyTimeout) // it is set after the client was asked
	r.send(body)
	r.expect(200)
	r.send(get)
	r.expect(200)
	read, _ = conn.taken()
	last(t, "the first byte of the request after it", read, idleTimeout)
}

func TestWhatIsMissingOfARequestThatWasTakenUpHasLittleTime(t *testing.T) {
	t.Parallel() // it waits by the clock
	const get = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
	s := newStack(t)
	type begun struct {
		what string
		conn *raw
		at   time.Time
	}
	var all []begun // they wait beside each other
	for what, begin := range map[string]func(*raw){
		"the rest of a request that came with an earlier one": func(r *raw) {
			r.send(get + "G")
			r.expect(200)
		},
		"the body of a GET that is asked for": func(r *raw) {
			r.send("GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
			r.expect(100)
		},
		"the body of a HEAD that is asked for": func(r *raw) {
			r.send("HEAD /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
			r.expect(100)
		},
	} {
		r, conn := s.watchedConn()
		begin(r)
		conn.awaitRead(t, bodyTimeout)
		all = append(all, begun{what, r, time.Now()})
	}
	for _, one := range all {
		if _, err := io.ReadAll(one.conn); err != nil || time.Since(one.at) > bodyTimeout+waitFor/2 {
			t.Errorf("%s: %v after %s", one.what, err, time.Since(one.at))
		}
	}
}

func TestABusyConnectionIsGivenANewDeadlineOnceInAStep(t *testing.T) {
	s := newStack(t)
	r, conn := s.watchedConn()
	const requests = 400
	began := time.Now()
	for range requests {
		r.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
		r.expect(200)
	}
	read, write := conn.taken()
	if most := 3 + int(time.Since(began)/deadlineStep); len(read) > most || len(write) > most {
		t.Errorf("%d requests set %d deadlines to read and %d to write, want at most %d", requests, len(read), len(write), most)
	}
}

func TestADeadlineIsSetAgainWhenItIsSoonerOrAStepLater(t *testing.T) {
	set := time.Now()
	for after, want := range map[time.Duration]bool{-time.Millisecond: true, 0: false, deadlineStep: false, deadlineStep + 1: true} {
		if got := moved(set, set.Add(after)); got != want {
			t.Errorf("%v later: %v", after, got)
		}
	}
	if !moved(time.Time{}, set) {
		t.Error("one that is not known is taken for set")
	}
}
