package front

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// raw is a connection on which a test writes what it likes.
type raw struct {
	net.Conn
	t       testing.TB
	answers *bufio.Reader
}

func (s *stack) raw() *raw {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * waitFor))
	return newRaw(s.t, conn)
}

func newRaw(t testing.TB, conn net.Conn) *raw {
	return &raw{Conn: conn, t: t, answers: bufio.NewReader(conn)}
}

func (r *raw) send(text string) {
	r.t.Helper()
	if _, err := io.WriteString(r, text); err != nil {
		r.t.Fatal(err)
	}
}

func (r *raw) expect(status int) string {
	r.t.Helper()
	answer, err := http.ReadResponse(r.answers, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	body := readAll(r.t, answer)
	if answer.StatusCode != status {
		r.t.Fatalf("status %d, want %d: %s", answer.StatusCode, status, body)
	}
	return string(body)
}

func post(body string, extra string) string {
	return fmt.Sprintf("POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nHost: a\r\n%sContent-Length: %d\r\n\r\n%s", extra, len(body), body)
}

const chunked = "POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

// Cuts a stream of requests at every place: whatever arrives in whatever pieces, each request gets
// its one answer, in order.
func TestARequestMayArriveInAnyPieces(t *testing.T) {
	s := newStack(t)
	const context = `{"context":{"targetingKey":"u"}}`
	stream := "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" + post(context, "") + post("[", "") +
		chunked + "9\r\n{\"context\r\n17;x=y\r\n\":{\"targetingKey\":\"u\"}}\r\n0\r\n\r\n" +
		chunked + "2\r\n{}\r\n0\r\nX-Sum: 1\r\n\r\n" + "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n" + post("", "")
	want := []int{200, 200, 400, 200, 200, 404, 200}
	for cut := 1; cut < len(stream); cut += 3 {
		r := s.raw()
		r.send(stream[:cut])
		runtime.Gosched()
		r.send(stream[cut:])
		for _, status := range want {
			r.expect(status)
		}
		_ = r.Close()
	}
	r := s.raw()
	for i := range len(stream) {
		r.send(stream[i : i+1])
	}
	for _, status := range want {
		r.expect(status)
	}
}

func TestABodyThatIsAskedForArrives(t *testing.T) {
	s := newStack(t)
	r := s.raw()
	whole := post(`{"context":{}}`, "Expect: 100-continue\r\n")
	head, body, _ := strings.Cut(whole, "\r\n\r\n")
	r.send(head + "\r\n\r\n")
	r.expect(100)
	r.send(body)
	r.expect(200)
}

func TestHeadersOfThirtyKilobytesAreRead(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	_, pass := s.admitted("spring")
	jar := strings.Repeat("a", 30_000)
	s.expect(204, "", "GET", "/v1/auth?sale=spring", header{"Cookie": "shop=" + jar + "; penstock_pass_spring=" + pass}, "")
	s.expect(303, "", "GET", "/sales/spring", header{"Accept": "text/html", "Cookie": "shop=" + jar + "; penstock_pass_spring=" + pass}, "")
	s.expect(200, "", "POST", "/ofrep/v1/evaluate/flags", header{"X": jar}, `{"context":{"blob":"`+strings.Repeat("x", 60_000)+`"}}`)
}

// A body that does not come is no request that is being worked on, and ends after its time.
func TestABodyThatDripsHoldsNothing(t *testing.T) {
	s := newStack(t)
	// The first answer that is held against the OpenAPI document loads the document: 10 MB that are no connection's.
	s.expect(200, "", "GET", "/healthz", nil, "")
	before := heap()
	var drips []*raw
	for _, start := range []string{
		"POST /v1/orders HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n{",
		"POST /v1/orders HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n{",
		"POST /v1/orders HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nea60\r\n{",
		"GET /healthz HTTP/1.1\r\nHost: a\r\nCoo",
	} {
		for range 100 {
			r := s.raw()
			r.send(start)
			drips = append(drips, r)
		}
	}
	for round := range 20 {
		if n := s.inFlight.Load(); n != 0 {
			t.Fatalf("round %d: %d requests are being worked on", round, n)
		}
		s.expect(200, "", "GET", "/healthz", nil, "")
	}
	eachCosts(t, len(drips), before, 20<<10, bodyTimeout/2) // as long as they are unfinished
	begun := time.Now()
	_, err := io.ReadAll(drips[0])
	if took := time.Since(begun); err != nil || took > bodyTimeout+waitFor/2 {
		t.Fatalf("%v after %s", err, took)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// A connection that waits for its next request keeps no buffers.
func TestAnIdleConnectionCostsLittle(t *testing.T) {
	s := newStack(t)
	const connections = 1000
	s.raw()
	before := heap()
	idle := make([]net.Conn, connections)
	answer := make([]byte, 1024)
	for i := range idle {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		idle[i] = conn
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(answer); err != nil {
			t.Fatal(err)
		}
	}
	eachCosts(t, connections, before, 24<<10, waitFor)
}

// eachCosts fails unless within some time connections cost so many bytes each, at the most, with the client's end and
// the race detector. The buffers of fasthttp would be 36 KiB more.
func eachCosts(t *testing.T, connections int, before, atMost int64, within time.Duration) {
	t.Helper()
	cost := int64(0)
	defer func() { t.Logf("%d bytes for each of %d connections", cost, connections) }()
	testenv.Eventually(t, within, "a connection costs little", func() bool {
		cost = (heap() - before) / int64(connections)
		return cost <= atMost
	})
}

func TestSilentConnectionsKeepNobodyOut(t *testing.T) {
	s := newStack(t, func(d *Deps) { d.MaxConnections = 20 })
	for range 200 {
		s.raw()
	}
	for range 5 {
		testenv.Eventually(t, waitFor, "somebody new is answered", s.isAnswered)
	}
}

// isAnswered asks as a browser does: a connection that is closed before its request was read is tried again.
func (s *stack) isAnswered() bool {
	answer, err := http.Get(s.url + "/healthz")
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

func FuzzBodyOf(f *testing.F) {
	f.Add([]byte("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"), []byte("hello"))
	f.Add([]byte("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), []byte("5\r\nhello\r\n0\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"), []byte(""))
	f.Fuzz(func(t *testing.T, head, body []byte) {
		var p progress
		for i := range head {
			p.look(head[:i+1])
		}
		if p.done && p.end > len(head) {
			t.Fatalf("end %d of %d", p.end, len(head))
		}
		wanted := bodyOf(head)
		if wanted.bytes > MaxBodyBytes {
			t.Fatalf("waits for %d bytes", wanted.bytes)
		}
		// once it has arrived, more bytes do not make it wait again
		arrived := false
		for i := range len(body) + 1 {
			now := wanted.arrived(body[:i])
			if arrived && !now {
				t.Fatalf("arrived at fewer than %d bytes and not at %d", i, i)
			}
			arrived = arrived || now
		}
	})
}
