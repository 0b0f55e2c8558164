package front

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/queue"
)

// figures are what no refusal may change.
type figures struct {
	entrants                    uint64
	available, held, sold, used int64
	orders                      int
}

func (s *stack) figures(entry *salecache.Entry) figures {
	s.t.Helper()
	ctx := s.t.Context()
	if err := entry.Room().Refresh(ctx); err != nil {
		s.t.Fatal(err)
	}
	if err := entry.Stock().Refresh(ctx); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	room, item := entry.Room().Snapshot(), entry.Stock().Snapshot().Items[0]
	return figures{
		entrants: room.Entrants, used: int64(room.Active), available: item.Available, held: item.Held, sold: item.Sold, orders: len(s.ledger),
	}
}

func TestBadRequestsAreRefusedAndChangeNothing(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", nil))
	s.open(liveSale("other", nil))
	ticket, pass := s.admitted("spring")
	foreignTicket, foreignPass := s.admitted("other")
	forgers := []byte("another secret of thirty-two bytes")
	forgedTicket := queue.NewTicketKeys(forgers, nil, nil).Sign(queue.Ticket{Sale: "spring", Number: 1, Epoch: 1, IssuedMillis: time.Now().UnixMilli()})
	now := time.Now()
	forgedPass := queue.NewPassKeys(forgers, nil, nil).Sign(queue.Pass{Sale: "spring", Ticket: 1, ID: "1", IssuedAt: now, ExpiresAt: now.Add(time.Hour)})
	expiredPass := s.passes.Sign(queue.Pass{Sale: "spring", Ticket: 1, ID: "1", IssuedAt: now.Add(-2 * time.Hour), ExpiresAt: now.Add(-time.Hour)})
	neverGiven := s.passes.Sign(queue.Pass{Sale: "spring", Ticket: 999, ID: "999", IssuedAt: now, ExpiresAt: now.Add(time.Hour)})
	flipped := pass[:len(pass)-2] + flip(pass[len(pass)-2:])

	const tickets, ticketPath, passes, passPath, reserve = "/v1/sales/spring/tickets", "/v1/sales/spring/ticket", "/v1/sales/spring/passes", "/v1/sales/spring/pass", "/v1/sales/spring/reservations"
	fine := reserveBody("zoe", "SNKR-42", 1)
	with := func(h ...string) header {
		out := header{"Penstock-Pass": pass, "Idempotency-Key": "k"}
		for i := 0; i < len(h); i += 2 {
			out[h[i]] = h[i+1]
		}
		return out
	}
	rsv := "rsv_spring_1_AAAAAAAAAAAAAAAAAAAAAA"
	rows := []struct {
		status       int
		code         problem.Code
		method, path string
		h            header
		body         string
	}{
		{404, "not_found", "GET", "/nothing", nil, ""},
		{404, "not_found", "POST", "/v1/sales/spring/", nil, ""},
		{404, "unknown_sale", "GET", "/v1/sales/none", nil, ""},
		{404, "unknown_sale", "GET", "/sales/none", nil, ""},
		{404, "unknown_sale", "POST", "/v1/sales/none/tickets", nil, ""},
		{404, "unknown_sale", "POST", "/v1/sales/none/reservations", with(), fine},
		{404, "unknown_sale", "POST", "/v1/sales/" + strings.Repeat("x", 900) + "/tickets", nil, ""},
		{405, "method_not_allowed", "PUT", tickets, nil, ""},
		{405, "method_not_allowed", "GET", tickets, nil, ""},
		{405, "method_not_allowed", "HEAD", reserve, nil, ""},
		{405, "method_not_allowed", "PATCH", "/v1/orders", nil, ""},
		{405, "method_not_allowed", "POST", "/healthz", nil, ""},

		{400, "bad_request", "POST", tickets, nil, `{"place":1}`},
		{415, "unsupported_media_type", "POST", tickets, header{"Content-Type": "text/plain", "Cookie": "theme=dark"}, "{}"},
		{415, "unsupported_media_type", "POST", tickets, header{"Content-Type": "", "Cookie": "theme=dark"}, "{}"},
		{403, "ticket_invalid", "POST", tickets, header{"Penstock-Ticket": "nonsense"}, ""},
		{401, "ticket_required", "GET", ticketPath, nil, ""},
		{403, "ticket_invalid", "GET", ticketPath, header{"Penstock-Ticket": foreignTicket}, ""},
		{403, "ticket_invalid", "GET", ticketPath, header{"Penstock-Ticket": forgedTicket}, ""},
		{403, "ticket_invalid", "GET", ticketPath, header{"Penstock-Ticket": strings.Repeat("A", 5000)}, ""},
		{403, "ticket_invalid", "GET", ticketPath, header{"Cookie": "penstock_ticket_spring=" + ticket + "x"}, ""},
		{401, "ticket_required", "GET", ticketPath, header{"Cookie": "penstock_ticket_other=" + foreignTicket}, ""},
		{401, "ticket_required", "DELETE", ticketPath, nil, ""},
		{403, "ticket_invalid", "DELETE", ticketPath, header{"Penstock-Ticket": forgedTicket}, ""},
		{401, "ticket_required", "POST", passes, nil, ""},
		{403, "ticket_invalid", "POST", passes, header{"Penstock-Ticket": foreignTicket}, ""},
		{403, "ticket_invalid", "POST", passes, header{"Penstock-Ticket": forgedTicket}, ""},
		{401, "pass_required", "DELETE", passPath, nil, ""},
		{403, "pass_invalid", "DELETE", passPath, header{"Penstock-Pass": forgedPass}, ""},

		{400, "idempotency_key_required", "POST", reserve, header{"Penstock-Pass": pass}, fine},
		{400, "bad_request", "POST", reserve, with("Idempotency-Key", strings.Repeat("k", 256)), fine},
		{400, "bad_request", "POST", reserve, with("Idempotency-Key", "two words"), fine},
		{401, "pass_required", "POST", reserve, header{"Idempotency-Key": "k"}, fine},
		{403, "pass_invalid", "POST", reserve, with("Penstock-Pass", foreignPass), fine},
		{403, "pass_invalid", "POST", reserve, with("Penstock-Pass", forgedPass), fine},
		{403, "pass_invalid", "POST", reserve, with("Penstock-Pass", expiredPass), fine},
		{403, "pass_invalid", "POST", reserve, with("Penstock-Pass", neverGiven), fine},
		{403, "pass_invalid", "POST", reserve, with("Penstock-Pass", flipped), fine},
		{403, "pass_invalid", "POST", reserve, with("Penstock-Pass", ticket), fine},
		{415, "unsupported_media_type", "POST", reserve, with("Content-Type", "application/x-www-form-urlencoded", "Cookie", "theme=dark"), fine},
		{400, "bad_request", "POST", reserve, with("Content-Type", "application/x-www-form-urlencoded"), "customer=zoe"},
		{415, "unsupported_media_type", "POST", reserve, with("Content-Encoding", "gzip"), fine},
		{400, "bad_request", "POST", reserve, with(), ""},
		{400, "bad_request", "POST", reserve, with(), `{"customer":`},
		{400, "bad_request", "POST", reserve, with(), fine + "1"},
		{400, "bad_request", "POST", reserve, with(), strings.Replace(fine, "{", `{"price":0,`, 1)},
		{422, "invalid_quantity", "POST", reserve, with(), reserveBody("zoe", "SNKR-42", -1)},
		{422, "invalid_quantity", "POST", reserve, with(), reserveBody("zoe", "SNKR-42", 1_000_000_000)},
		{404, "unknown_sku", "POST", reserve, with(), reserveBody("zoe", "NONE", 1)},
		{404, "unknown_channel", "POST", reserve, with(), strings.Replace(fine, "{", `{"channel":"fax",`, 1)},
		{409, "sold_out", "POST", reserve, with(), reserveBody("zoe", "SNKR-42", 11)},
		{413, "body_too_large", "POST", reserve, with(), `{"customer":"` + strings.Repeat("x", MaxBodyBytes) + `"}`},

		{404, "unknown_reservation", "GET", "/v1/reservations/" + rsv, nil, ""},
		{404, "unknown_reservation", "GET", "/v1/reservations/x", nil, ""},
		{404, "unknown_reservation", "DELETE", "/v1/reservations/x", nil, ""},
		{404, "unknown_reservation", "DELETE", "/v1/reservations/" + rsv, with(), ""},
		{404, "unknown_reservation", "POST", "/v1/reservations/" + rsv + "/extend", with(), ""},
		{401, "holder_required", "DELETE", "/v1/reservations/" + rsv, nil, ""},
		{401, "holder_required", "POST", "/v1/reservations/" + rsv + "/extend", nil, ""},
		{401, "holder_required", "POST", "/v1/orders", header{"Idempotency-Key": "k"}, `{"reservation":"` + rsv + `","customer":{}}`},
		{403, "not_the_holder", "DELETE", "/v1/reservations/" + rsv, header{"Penstock-Pass": forgedPass}, ""},
		{403, "not_the_holder", "DELETE", "/v1/reservations/" + rsv, header{"Penstock-Pass": foreignPass}, ""},
		{403, "not_the_holder", "DELETE", "/v1/reservations/" + rsv, header{"Penstock-Ticket": forgedTicket}, ""},
		{403, "not_the_holder", "DELETE", "/v1/reservations/" + rsv, header{"Penstock-Holder": "AAAAAAAAAAAAAAAAAAAAAA"}, ""},
		{400, "idempotency_key_required", "POST", "/v1/orders", nil, `{"reservation":"` + rsv + `","customer":{}}`},
		{404, "unknown_reservation", "POST", "/v1/orders", with(), `{"reservation":"` + rsv + `","customer":{}}`},
		{404, "unknown_reservation", "POST", "/v1/orders", with(), `{"reservation":"../../etc","customer":{}}`},
		{400, "bad_request", "POST", "/v1/orders", with(), `{"reservation":"` + rsv + `"}`},
		{404, "unknown_order", "GET", "/v1/orders/ord_spring_1_AAAAAAAAAAAAAAAAAAAAAA", nil, ""},
		{404, "unknown_order", "GET", "/v1/orders/1", nil, ""},
		{400, "bad_request", "GET", "/v1/auth", nil, ""},
		{400, "bad_request", "GET", "/v1/auth", header{"Penstock-Pass": "nonsense"}, ""},
		{400, "bad_request", "GET", "/v1/auth", header{"Penstock-Pass": ticket}, ""},
		{400, "bad_request", "GET", "/v1/auth", header{"Cookie": "penstock_pass_spring=" + pass + "; penstock_pass_other=" + foreignPass}, ""},
		{401, "pass_required", "GET", "/v1/auth", header{"Penstock-Pass": forgedPass}, ""},
		{401, "pass_required", "GET", "/v1/auth", header{"Penstock-Pass": expiredPass}, ""},
		{401, "pass_required", "GET", "/v1/auth", header{"Cookie": "penstock_pass_spring=" + foreignPass}, ""},
		{404, "unknown_sale", "GET", "/v1/auth?sale=none", nil, ""},
		{404, "unknown_sale", "GET", "/v1/auth?sale=a%0d%0aX:y", nil, ""},
		{404, "not_found", "GET", "/sales/static/none.js", nil, ""},
	}
	before := s.figures(entry)
	for _, row := range rows {
		name := fmt.Sprintf("%s %.60s %d %s %.40s", row.method, row.path, row.status, row.code, row.body)
		t.Run(name, func(t *testing.T) {
			got := s.expect(row.status, row.code, row.method, row.path, row.h, row.body)
			if row.status == 405 && got.Header.Get("Allow") == "" {
				t.Fatal("405 without Allow")
			}
			if after := s.figures(entry); after != before {
				t.Fatalf("something changed: %+v, was %+v", after, before)
			}
		})
	}
	s.held("spring", pass, "k") // the key that so many bad requests carried is still good
}

func flip(tail string) string {
	if tail[0] == 'A' {
		return "B" + tail[1:]
	}
	return "A" + tail[1:]
}

func TestAStaleTicketInACookieLocksNobodyOut(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	got := s.expect(201, "", "POST", "/v1/sales/spring/tickets", header{"Cookie": "penstock_ticket_spring=of-last-year"}, "")
	if len(got.Cookies()) != 1 || got.Cookies()[0].Value != got.text(t, "ticket") {
		t.Fatalf("no new ticket: %v %s", got.Header, got.body)
	}
	page := s.expect(303, "", "GET", "/sales/spring", header{"Cookie": "penstock_ticket_spring=of-last-year", "Accept": "text/html"}, "")
	if len(page.Cookies()) != 2 {
		t.Fatal("the page gave no new ticket and pass")
	}
}

// What never becomes a request is answered in a problem document as well.
func TestBrokenTransportIsAnsweredInAProblemDocument(t *testing.T) {
	s := newStack(t)
	chunk := strings.Repeat("x", 0x8000)
	for _, row := range []struct {
		name, raw string
		status    int
		code      string
		instance  any // nil where fasthttp no longer knows the path
	}{
		{"malformed", "GARBAGE\r\n\r\n", 400, "bad_request", nil},
		{"bad header", "GET /healthz HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400, "bad_request", nil},
		{"long header", "GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 200_000) + "\r\n\r\n", 431, "headers_too_large", nil},
		{"long body", "POST /v1/orders HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("x", 200_000), 413, "body_too_large", "/v1/orders"},
		{"long chunked body", "POST /v1/orders HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
			strings.Repeat("8000\r\n"+chunk+"\r\n", 4) + "0\r\n\r\n", 413, "body_too_large", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(waitFor))
			go func() { _, _ = io.WriteString(conn, row.raw) }()
			got, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer got.Body.Close()
			var doc map[string]any
			if err := json.NewDecoder(got.Body).Decode(&doc); err != nil {
				t.Fatal(err)
			}
			if got.StatusCode != row.status || doc["code"] != row.code || doc["instance"] != row.instance || got.Header.Get("Content-Type") != problem.ContentType || got.Header.Get("Penstock-Request-Id") == "" {
				t.Fatalf("status %d, %v, %v", got.StatusCode, doc, got.Header)
			}
		})
	}
}
