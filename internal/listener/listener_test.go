package listener

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// failing is a listener whose first accepts fail as the system makes them fail.
type failing struct {
	net.Listener
	errors []error
}

func (f *failing) Accept() (net.Conn, error) {
	if len(f.errors) > 0 {
		err := f.errors[0]
		f.errors = f.errors[1:]
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
	}
	near, _ := net.Pipe()
	return near, nil
}

func (f *failing) Addr() net.Addr { return &net.TCPAddr{} }
func (f *failing) Close() error   { return nil }

func TestErrorsOfAcceptAreSurvived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := &failing{}
		for range 100 {
			f.errors = append(f.errors, syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.ENOBUFS)
		}
		l := New(f, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		begun := time.Now()
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		took := time.Since(begun)
		if took < 300*time.Second || took > 400*maxBackoff {
			t.Fatalf("took %s: the pause does not grow to %s", took, maxBackoff)
		}
		if lines := strings.Count(log.String(), "\n"); lines < 2 || lines > int(took/logEvery)+1 {
			t.Fatalf("%d lines in %s", lines, took)
		}
	})
}

func TestClosingEndsTheWaitAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{}
		for range 1000 {
			f.errors = append(f.errors, syscall.EMFILE)
		}
		l := New(f, Options{})
		ended := make(chan error)
		go func() { _, err := l.Accept(); ended <- err }()
		synctest.Wait()
		_ = l.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Fatalf("got %v", err)
		}
	})
}

// open is a listener on loopback that takes every connection and keeps it.
type open struct {
	*Listener
	t testing.TB

	mu    sync.Mutex
	taken []*Conn
}

func listen(t testing.TB, o Options) *open {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	one := &open{Listener: New(inner, o), t: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := one.Accept()
			if err != nil {
				return
			}
			one.mu.Lock()
			one.taken = append(one.taken, conn.(*Conn))
			one.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = one.Close()
		<-done
		for _, c := range one.taken {
			_ = c.Close()
		}
	})
	return one
}

// dial connects and waits until the other end has been taken.
func (o *open) dial(n int) (client net.Conn, server *Conn) {
	o.t.Helper()
	client, err := net.Dial("tcp", o.Addr().String())
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = client.Close() })
	testenv.Eventually(o.t, 10*time.Second, "the connection is taken", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		if len(o.taken) == n {
			server = o.taken[n-1]
		}
		return server != nil
	})
	return client, server
}

func isClosed(t testing.TB, client net.Conn) bool {
	t.Helper()
	_ = client.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err := client.Read(make([]byte, 1))
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
}

func TestANewConnectionTakesThePlaceOfASilentOne(t *testing.T) {
	o := listen(t, Options{MaxConnections: 3})
	idle, idleEnd := o.dial(1)
	busy, busyEnd := o.dial(2)
	empty, _ := o.dial(3)
	if !idleEnd.Begin() || !busyEnd.Begin() {
		t.Fatal("closed too early")
	}
	idleEnd.End()
	fourth, fourthEnd := o.dial(4)
	if !isClosed(t, empty) || isClosed(t, idle) || isClosed(t, busy) {
		t.Fatal("the connection that never sent anything goes first")
	}
	fourthEnd.Begin()
	fifth, fifthEnd := o.dial(5)
	if !isClosed(t, idle) || isClosed(t, busy) || isClosed(t, fourth) || idleEnd.Begin() {
		t.Fatal("the one that is idle goes next")
	}
	fifthEnd.Begin()
	refused, err := net.Dial("tcp", o.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer refused.Close()
	testenv.Eventually(t, 10*time.Second, "the connection without room is closed", func() bool { return isClosed(t, refused) })
	if isClosed(t, busy) || isClosed(t, fourth) || isClosed(t, fifth) {
		t.Fatal("a connection with a request under way was closed")
	}
	_ = busyEnd.Close()
	o.dial(6)
}

func TestOneAddressHasABoundOfItsOwn(t *testing.T) {
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	exempt := listen(t, Options{MaxPerAddress: 2, Exempt: []netip.Prefix{loopback}})
	for n := range 5 {
		client, _ := exempt.dial(n + 1)
		if isClosed(t, client) {
			t.Fatal("a proxy is limited")
		}
	}
	limited := listen(t, Options{MaxPerAddress: 2})
	first, _ := limited.dial(1)
	_, second := limited.dial(2)
	second.Begin()
	_, third := limited.dial(3)
	third.Begin()
	if !isClosed(t, first) {
		t.Fatal("the address has three connections")
	}
	refused, err := net.Dial("tcp", limited.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer refused.Close()
	testenv.Eventually(t, 10*time.Second, "the address has no room", func() bool { return isClosed(t, refused) })
	_ = second.Close()
	_ = third.Close()
	if address := limited.limited(second); limited.count(address) != 0 {
		t.Fatalf("%d are still counted for %s", limited.count(address), address)
	}
}

// Silent connections to a server of net/http keep nobody out.
func TestAServerOfTheStandardLibraryStaysReachable(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		ConnState: Follow, ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }),
	}
	go func() { _ = server.Serve(New(inner, Options{MaxConnections: 8})) }()
	t.Cleanup(func() { _ = server.Close() })
	for range 50 {
		conn, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	client := &http.Client{Timeout: 10 * time.Second}
	for range 3 {
		answer, err := client.Get("http://" + inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
	}
}

func TestTheStoresKeepDescriptors(t *testing.T) {
	for descriptors, want := range map[int]Shares{
		64: {Front: 28, Console: 4}, 256: {Front: 112, Console: 16}, 1024: {Front: 672, Console: 96},
		65536: {Front: 64256, Console: 256}, maxDescriptors: {Front: MaxFront, Console: maxConsole},
	} {
		if got := Share(descriptors); got != want {
			t.Errorf("%d: %+v, want %+v", descriptors, got, want)
		}
	}
	if n, err := Descriptors(); err != nil || n < 64 {
		t.Fatalf("%d %v", n, err)
	}
}
