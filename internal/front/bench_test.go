package front

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/reservation"
)

// The hot paths beside a bare fasthttp server that says "hello", once over a connection without a
// network (parsing, handling and writing alone: the harshest comparison) and once over loopback.
//
//	go test ./internal/front -run '^$' -bench Hot -benchmem

type hotPath struct {
	name, request string
	status        int
}

func hotPaths(b *testing.B) (*stack, []hotPath) {
	s := newStack(b, func(d *Deps) { d.Log = slog.New(slog.DiscardHandler) })
	s.open(liveSale("spring", func(o *sale.Sale) { o.Items[0].Stock = 2 }))
	ticket, _ := s.admitted("spring")
	open := s.open(liveSale("open", func(o *sale.Sale) { o.Admission.Mode = sale.Open; o.Items[0].Stock = 1 }))
	s.expect(201, "", "POST", "/v1/sales/open/reservations", header{"Idempotency-Key": "k"}, reserveBody("z", "SNKR-42", 1))
	testenv.Eventually(b, waitFor, "the latch falls", func() bool {
		return open.Stock().SoldOut([]reservation.Line{{SKU: "SNKR-42", Quantity: 1}}, "")
	})
	body := reserveBody("customer-17", "SNKR-42", 1)
	return s, []hotPath{
		{"poll-header", "GET /v1/sales/spring/ticket HTTP/1.1\r\nHost: a\r\nPenstock-Ticket: " + ticket + "\r\n\r\n", 200},
		{"poll-cookie", "GET /v1/sales/spring/ticket HTTP/1.1\r\nHost: a\r\nCookie: _ga=GA1.2.3; penstock_ticket_spring=" + ticket + "; theme=dark\r\n\r\n", 200},
		{"document", "GET /v1/sales/spring HTTP/1.1\r\nHost: a\r\n\r\n", 200},
		{"sold-out", fmt.Sprintf("POST /v1/sales/open/reservations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nIdempotency-Key: k-2\r\nContent-Length: %d\r\n\r\n%s", len(body), body), 409},
		{"not-found", "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", 404},
	}
}

func hello() *fasthttp.Server {
	return &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("hello") }}
}

const helloRequest = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"

func BenchmarkHotWithoutNetwork(b *testing.B) {
	s, paths := hotPaths(b)
	b.Run("hello", func(b *testing.B) { withoutNetwork(b, hello(), helloRequest) })
	for _, path := range paths {
		b.Run(path.name, func(b *testing.B) { withoutNetwork(b, s.http, path.request) })
	}
}

// BenchmarkHotPoll is the answer to a plain poll, which fasthttp never sees.
func BenchmarkHotPoll(b *testing.B) {
	s, paths := hotPaths(b)
	for _, path := range paths[:2] {
		head := []byte(path.request)
		b.Run(path.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c := s.answerPoll(head)
				if c == nil {
					b.Fatal("not answered")
				}
				s.calls.Put(c)
			}
		})
	}
}

func BenchmarkHotOverLoopback(b *testing.B) {
	s, paths := hotPaths(b)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	bare := hello()
	go func() { _ = bare.Serve(ln) }()
	b.Cleanup(func() { _ = bare.Shutdown() })
	b.Run("hello", func(b *testing.B) { overLoopback(b, ln.Addr().String(), helloRequest, 200) })
	for _, path := range paths {
		b.Run(path.name, func(b *testing.B) { overLoopback(b, s.url[len("http://"):], path.request, path.status) })
	}
}

// repeatConn is a connection on which the same request arrives n times. What is answered is counted
// and thrown away.
type repeatConn struct {
	request []byte
	left    int
	rest    []byte
}

func (c *repeatConn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		if c.left == 0 {
			return 0, io.EOF
		}
		c.left--
		c.rest = c.request
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *repeatConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *repeatConn) Close() error                     { return nil }
func (c *repeatConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *repeatConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *repeatConn) SetDeadline(time.Time) error      { return nil }
func (c *repeatConn) SetReadDeadline(time.Time) error  { return nil }
func (c *repeatConn) SetWriteDeadline(time.Time) error { return nil }

func withoutNetwork(b *testing.B, server *fasthttp.Server, request string) {
	b.ReportAllocs()
	b.ResetTimer()
	if err := server.ServeConn(&repeatConn{request: []byte(request), left: b.N}); err != nil {
		b.Fatal(err)
	}
}

// cpuTime is what client and server have used: unlike the time on the clock it does not depend on
// what else the machine does.
func cpuTime(b *testing.B) time.Duration {
	used, err := testenv.CPUTime(os.Getpid())
	if err != nil {
		b.Fatal(err)
	}
	return used
}

func overLoopback(b *testing.B, addr, request string, status int) {
	b.ReportAllocs()
	b.SetParallelism(16)
	before := cpuTime(b)
	defer func() { b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op") }()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		answers := bufio.NewReader(conn)
		var response fasthttp.Response
		for pb.Next() {
			if _, err := io.WriteString(conn, request); err != nil {
				b.Error(err)
				return
			}
			if err := response.Read(answers); err != nil || response.StatusCode() != status {
				b.Errorf("status %d (%s): %v", response.StatusCode(), http.StatusText(response.StatusCode()), err)
				return
			}
		}
	})
}
