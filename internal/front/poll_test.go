package front

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/penstock/penstock/internal/listener"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// what changes from one answer to the next of the same visitor.
var ofTheMoment = regexp.MustCompile(`(Penstock-Request-Id: |Date: )[^\r]+|("(?:p50|p90|poll_after_ms)":)\d+`)

// answerTo returns the bytes of one answer.
func (r *raw) answerTo(request string) string {
	r.t.Helper()
	r.send(request)
	var read bytes.Buffer
	answer, err := http.ReadResponse(bufio.NewReader(io.TeeReader(oneByte{r.answers}, &read)), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		r.t.Fatal(err)
	}
	_ = answer.Body.Close()
	return ofTheMoment.ReplaceAllString(read.String(), "$1$2*")
}

// oneByte keeps a reader from taking more than it has to.
type oneByte struct{ io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.Reader.Read(p[:min(1, len(p))]) }

func pollOf(saleID, lines string) string {
	return "GET /v1/sales/" + saleID + "/ticket HTTP/1.1\r\nHost: shop.example\r\n" + lines + "\r\n"
}

// A name with an underscore says nothing to anybody, and makes no plain poll.
const notPlain = "X_Y: 1\r\n"

func TestAPlainPollIsAnsweredWithTheBytesOfFasthttp(t *testing.T) {
	for origins, option := range map[string]stackOption{"of this origin": func(*Deps) {}, "of other origins": allowShop} {
		s := newStack(t, option)
		room := s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.RatePerMinute = 1 }))
		s.line(room.Room(), 3)
		joined := s.expect(201, "", "POST", springTickets, forwardedFor("203.0.113.8"), `{"items":["SNKR-42"]}`)
		token := joined.text(t, "ticket")
		r := s.raw()
		for _, lines := range []string{
			"Penstock-Ticket: " + token + "\r\n",
			"penstock-ticket:" + token + " \r\nConnection: Keep-Alive\r\nUser-Agent: a\r\nAccept: */*\r\n",
			"Cookie: a=b; penstock_ticket_spring=" + token + "; penstock_ticket_other=x\r\nSec-Fetch-Site: same-origin\r\n",
			"Cookie: penstock_ticket_spring=nothing; penstock_ticket_spring=" + token + "\r\n",
		} {
			if s.answerPoll([]byte(pollOf("spring", lines))) == nil {
				t.Fatalf("%s: not answered where it arrives: %s", origins, lines)
			}
			want := r.answerTo(pollOf("spring", notPlain+lines))
			if got := r.answerTo(pollOf("spring", lines)); got != want || !strings.Contains(got, `"state":"waiting"`) {
				t.Errorf("%s: %s\n%q\nfasthttp:\n%q", origins, lines, got, want)
			}
		}
	}
}

func TestWhatIsNoPlainPollIsLeftToFasthttp(t *testing.T) {
	s := newStack(t)
	room := s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.RatePerMinute = 1 }))
	ticket := "Penstock-Ticket: " + s.line(room.Room(), 1).text(t, "ticket") + "\r\n"
	plain := pollOf("spring", ticket)
	if s.answerPoll([]byte(plain)) == nil {
		t.Fatal("a plain poll is left to fasthttp")
	}
	for what, request := range map[string]string{
		"another method":            strings.Replace(plain, "GET", "HEAD", 1),
		"an older version":          strings.Replace(plain, "HTTP/1.1", "HTTP/1.0", 1),
		"a query":                   strings.Replace(plain, "/ticket ", "/ticket?a ", 1),
		"an escaped sale":           strings.Replace(plain, "spring", "sprin%67", 1),
		"an address":                strings.Replace(plain, "/v1", "http://a/v1", 1),
		"a sale that is not there":  strings.Replace(plain, "spring", "autumn", 1),
		"a ticket of another sale":  pollOf("spring", "Penstock-Ticket: "+s.tickets.Sign(queue.Ticket{Sale: "autumn", Number: 1})+"\r\n"),
		"no ticket":                 pollOf("spring", ""),
		"two tickets":               pollOf("spring", ticket+ticket),
		"an empty ticket and one":   pollOf("spring", "Penstock-Ticket: \r\n"+ticket),
		"two lines of cookies":      pollOf("spring", ticket+"Cookie: a=b\r\nCookie: c=d\r\n"),
		"no host":                   strings.Replace(plain, "Host: shop.example\r\n", "", 1),
		"two hosts":                 pollOf("spring", ticket+"host: other.example\r\n"),
		"a body":                    pollOf("spring", ticket+"Content-Length: 2\r\n"),
		"an empty body":             pollOf("spring", ticket+"content-length: 0\r\n"),
		"a body in chunks":          pollOf("spring", ticket+"Transfer-Encoding: chunked\r\n"),
		"a body that waits":         pollOf("spring", ticket+"Expect: 100-continue\r\n"),
		"the last of a connection":  pollOf("spring", ticket+"Connection: close\r\n"),
		"another protocol":          pollOf("spring", ticket+"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"),
		"a page of another origin":  pollOf("spring", ticket+"Origin: https://www.shop.example\r\n"),
		"a folded line":             pollOf("spring", ticket+"A: b\r\n c: d\r\n"),
		"a line that is no header":  pollOf("spring", ticket+"A\r\n"),
		"a space before the colon":  pollOf("spring", ticket+"A : b\r\n"),
		"a bare line feed":          pollOf("spring", ticket+"A: b\nContent-Length: 5\r\n"),
		"a bare carriage return":    pollOf("spring", ticket+"A: b\rContent-Length: 5\r\n"),
		"a tab":                     pollOf("spring", ticket+"A: b\tc\r\n"),
		"a value that is not ASCII": pollOf("spring", ticket+"A: \xe9\r\n"),
		"a NUL":                     pollOf("spring", ticket+"A: \x00\r\n"),
		"something after the head":  plain + "x",
		"a head that is cut":        plain[:len(plain)-2],
	} {
		if s.answerPoll([]byte(request)) != nil {
			t.Errorf("%s is answered where it arrives", what)
		}
	}
}

func TestPollsAndOtherRequestsOfOneConnectionAreAnsweredInTheirOrder(t *testing.T) {
	s := newStack(t)
	room := s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.RatePerMinute = 1 }))
	ticket := "Penstock-Ticket: " + s.line(room.Room(), 1).text(t, "ticket") + "\r\n"
	plain, other := pollOf("spring", ticket), pollOf("spring", notPlain+ticket)
	r := s.raw()
	r.send(plain + plain + "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" + plain + post(`{"context":{}}`, "") + other + plain + pollOf("nothing", ticket) + plain[:40])
	for _, want := range []int{200, 200, 200, 200, 200, 200, 200, 404} {
		r.expect(want)
	}
	r.send(plain[40:])
	r.expect(200)
	r.send(pollOf("spring", ticket+"Connection: close\r\n"))
	r.expect(200)
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Fatalf("after the last answer: %q, %v", rest, err)
	}
}

func TestAPollThatPanicsIsOneAnswer(t *testing.T) {
	s := newStack(t)
	room := s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.RatePerMinute = 1 }))
	ticket := "Penstock-Ticket: " + s.line(room.Room(), 1).text(t, "ticket") + "\r\n"
	s.Tickets = nil
	r := s.raw()
	r.send(pollOf("spring", ticket))
	r.expect(500)
	if s.inFlight.Load() != 0 {
		t.Fatal("it still counts as being worked on")
	}
}

// A client may always have a part of its next request under way, so that what has arrived is never all answered.
func TestAConnectionKeepsNothingOfThePollsThatWereAnswered(t *testing.T) {
	s := newStack(t)
	room := s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.RatePerMinute = 1 }))
	plain := pollOf("spring", "Penstock-Ticket: "+s.line(room.Room(), 1).text(t, "ticket")+"\r\n")
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := listener.New(inner, listener.Options{})
	t.Cleanup(func() { _ = l.Close() })
	client, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	_ = client.SetDeadline(time.Now().Add(3 * waitFor))
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	a := newArrival(conn.(*listener.Conn), &buffers{}, nil)
	a.polls = s.Server
	kept := make(chan int)
	go func() {
		_, _ = a.Read(make([]byte, 1))
		kept <- len(a.buf)
	}()
	r := newRaw(t, client)
	half := len(plain) / 2
	r.send(plain[:half])
	for range 500 {
		r.send(plain[half:] + plain[:half])
		r.expect(200)
	}
	r.send(plain[half:] + "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
	r.expect(200)
	if got := <-kept; got != firstBufferBytes {
		t.Fatalf("the buffer has %d bytes", got)
	}
}

// To fasthttp such a connection is a new one, for which it would wait until it is 5 s old.
func TestAConnectionThatHasOnlyPolledIsClosedAtOnceWhenTheServerStops(t *testing.T) {
	for range 5 { // until the machine was fast enough to tell
		s := newStack(t)
		room := s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.RatePerMinute = 1 }))
		ticket := "Penstock-Ticket: " + s.line(room.Room(), 1).text(t, "ticket") + "\r\n"
		opened := time.Now()
		r := s.raw()
		r.send(pollOf("spring", ticket))
		r.expect(200)
		stopped := make(chan error, 1)
		go func() { stopped <- s.Shutdown(context.Background()) }()
		if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
			t.Fatalf("after the answer: %q, %v", rest, err)
		}
		took := time.Since(opened)
		if err := <-stopped; err != nil {
			t.Fatal(err)
		}
		if took < 4*time.Second {
			return
		}
	}
	t.Fatal("it was never closed before it was 4 s old")
}

// FuzzPoll compares with fasthttp: what is taken for a plain poll means the same there.
func FuzzPoll(f *testing.F) {
	f.Add([]byte(pollOf("spring", "Penstock-Ticket: abc\r\nCookie: penstock_ticket_spring=def\r\n")))
	f.Add([]byte(pollOf("spring", "Connection: keep-alive\r\nContent-Length: 5\r\n")))
	f.Add([]byte(pollOf("spring", "A: b\nC: d\r\n")))
	f.Fuzz(func(t *testing.T, text []byte) {
		var p poll
		if !p.parse(text) {
			return
		}
		var theirs fasthttp.Request
		rest := bufio.NewReader(bytes.NewReader(text))
		if err := theirs.Read(rest); err != nil {
			t.Fatalf("%q: fasthttp refuses it: %v", text, err)
		}
		if _, err := rest.ReadByte(); err != io.EOF {
			t.Fatalf("%q: fasthttp takes it to end earlier", text)
		}
		h, want := &theirs.Header, target{route: routeTicket, sale: p.sale}
		if got := match(theirs.URI().PathOriginal()); got.route != want.route || !bytes.Equal(got.sale, want.sale) || len(theirs.URI().QueryString()) > 0 {
			t.Fatalf("%q: %q, fasthttp reads %q", text, p.sale, theirs.URI().FullURI())
		}
		if !h.IsGet() || !h.IsHTTP11() || h.ConnectionClose() || h.ContentLength() > 0 || len(theirs.Body()) > 0 || len(h.Peek("Origin"))+len(h.Peek("Expect")) > 0 {
			t.Fatalf("%q: fasthttp reads %q", text, h.String())
		}
		if !bytes.Equal(p.tokens.header, h.PeekCanonical(ticketHeader)) || !bytes.Equal(p.tokens.cookies, h.PeekCanonical(cookieHeader)) {
			t.Fatalf("%q: %q %q, fasthttp reads %q %q", text, p.tokens.header, p.tokens.cookies, h.PeekCanonical(ticketHeader), h.PeekCanonical(cookieHeader))
		}
	})
}
