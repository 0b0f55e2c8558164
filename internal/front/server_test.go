package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock/penstock/internal/customer"
	"github.com/penstock/penstock/internal/health"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

func readAll(t testing.TB, response *http.Response) []byte {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// A process may be told to stop before its loops have begun.
func TestServingEndsAlthoughShutdownCameFirst(t *testing.T) {
	s, err := New(Deps{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the front serves on")
	}
}

func TestABodyIsJSONWhateverItsTypeSays(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	_, pass := s.admitted("spring")
	for i, kind := range []string{"", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"} {
		h := header{"Penstock-Pass": pass, "Idempotency-Key": fmt.Sprint("k-", i), "Content-Type": kind}
		s.expect(201, "", "POST", "/v1/sales/spring/reservations", h, reserveBody("zoe", "SNKR-42", 1))
	}
	h := header{"Cookie": "penstock_pass_spring=" + pass, "Idempotency-Key": "k", "Content-Type": "application/json; charset=utf-8"}
	s.expect(201, "", "POST", "/v1/sales/spring/reservations", h, reserveBody("zoe", "SNKR-42", 1))
}

func TestCustomersOfAnOpenSaleShareNoKeys(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("open", func(o *sale.Sale) { o.Admission.Mode = sale.Open }))
	reserve := func(status int, code problem.Code, customer string, quantity int) answer {
		return s.expect(status, code, "POST", "/v1/sales/open/reservations", header{"Idempotency-Key": "1"}, reserveBody(customer, "SNKR-42", quantity))
	}
	a, b := reserve(201, "", "a", 1).text(t, "id"), reserve(201, "", "b", 1).text(t, "id")
	if again := reserve(201, "", "a", 1).text(t, "id"); a == b || again != a {
		t.Fatalf("a got %s, then %s; b got %s", a, again, b)
	}
	reserve(422, "idempotency_mismatch", "a", 2)
	reserve(201, "", strings.Repeat("c", customer.MaxBytes), 1)
}

func TestANodeThatIsNotReadyIsNoWarning(t *testing.T) {
	s := newStack(t, func(d *Deps) { d.Ready = func() health.Readiness { return health.Readiness{Reason: "stopping"} } })
	for range maxFailureLines + 1 {
		s.expect(503, "unavailable", "GET", "/readyz", nil, "")
	}
	log := s.logged.String()
	if !strings.Contains(log, `"route":"/readyz"`) {
		t.Fatal("not even debug says it")
	}
	for line := range strings.Lines(log) {
		if strings.Contains(line, `"/readyz"`) && !strings.Contains(line, `"level":"DEBUG"`) {
			t.Fatalf("logged above debug: %s", line)
		}
	}
	s.routes[routeOrder].get = func(*Server, *call) error { return errors.New("a real failure") }
	s.expect(500, "internal_error", "GET", "/v1/orders/x", nil, "")
	if !strings.Contains(s.logged.String(), "a real failure") {
		t.Fatal("the probes used up the lines of real failures")
	}
}

func TestFlagsAndKeysAndHealthAreServed(t *testing.T) {
	ready := health.Readiness{Parts: health.Parts{{Name: "sales", OK: true}, {Name: "redis", Detail: "does not answer"}}}
	s := newStack(t, func(d *Deps) { d.Ready = func() health.Readiness { return ready } })
	s.expect(200, "", "GET", "/healthz", nil, "")
	s.expect(200, "", "HEAD", "/healthz", nil, "")
	if got := s.expect(200, "", "GET", "/readyz", nil, ""); string(got.body) !=
		`{"status":"ready","parts":{"sales":{"ok":true},"redis":{"ok":false,"detail":"does not answer"}}}` {
		t.Fatalf("%s", got.body)
	}
	ready.Reason = "the sales have not been read yet"
	got := s.expect(503, "unavailable", "GET", "/readyz", nil, "")
	if got.Header.Get("Retry-After") == "" || got.text(t, "detail") != ready.Reason || got.json(t)["parts"] == nil {
		t.Fatalf("%v %s", got.Header, got.body)
	}
	if keys := s.expect(200, "", "GET", "/.well-known/jwks.json", nil, ""); keys.Header.Get("Cache-Control") != "public, max-age=300" {
		t.Fatalf("%v", keys.Header)
	}
	if got := s.expect(200, "", "GET", "/openapi.yaml", nil, ""); string(got.body) != string(openAPI) {
		t.Fatal("another document")
	}
	all := s.expect(200, "", "POST", "/ofrep/v1/evaluate/flags", nil, `{"context":{"targetingKey":"u"}}`)
	s.expect(304, "", "POST", "/ofrep/v1/evaluate/flags", header{"If-None-Match": all.Header.Get("ETag")}, `{}`)
	s.expect(200, "", "POST", "/ofrep/v1/evaluate/flags/reviews", nil, "")
	s.expect(404, "", "POST", "/ofrep/v1/evaluate/flags/none", nil, "{}")
	s.expect(400, "", "POST", "/ofrep/v1/evaluate/flags", nil, "[")
	if got := s.expect(200, "", "GET", "/sales/static/penstock.css", nil, ""); got.Header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Fatalf("%v", got.Header)
	}
}

func TestWithoutTheDemoThereIsNoShop(t *testing.T) {
	s := newStack(t, func(d *Deps) { d.Demo = false })
	for _, path := range []string{"/", "/demo", "/demo/checkout"} {
		s.expect(404, "not_found", "GET", path, nil, "")
	}
}

// Under load new tickets are refused first, then new reservations, and orders never.
func TestWhatGivesWayUnderLoad(t *testing.T) {
	s := newStack(t, func(d *Deps) { d.MaxInFlight = 100 })
	s.open(liveSale("spring", nil))
	ticket, pass := s.admitted("spring")
	held := s.held("spring", pass, "k-1").text(t, "id")
	poll := func() {
		s.expect(200, "", "GET", "/v1/sales/spring/ticket", header{"Penstock-Ticket": ticket}, "")
		s.expect(200, "", "POST", "/v1/sales/spring/tickets", header{"Penstock-Ticket": ticket}, "")
	}
	reserve := func(status int, code problem.Code, key string) {
		got := s.expect(status, code, "POST", "/v1/sales/spring/reservations", header{"Penstock-Pass": pass, "Idempotency-Key": key}, reserveBody("zoe", "SNKR-42", 1))
		if status == 503 && got.Header.Get("Retry-After") == "" {
			t.Fatal("503 without Retry-After")
		}
	}
	s.inFlight.Add(80)
	poll()
	s.expect(503, "overloaded", "POST", "/v1/sales/spring/tickets", nil, "")
	if page := s.expect(503, "", "GET", "/sales/spring", header{"Cookie": "penstock_cookies=1"}, ""); !strings.Contains(string(page.body), "Very many people") {
		t.Fatalf("page %s", page.body)
	}
	reserve(201, "", "k-2")
	s.inFlight.Add(40)
	poll()
	reserve(503, "overloaded", "k-3")
	s.expect(202, "", "POST", "/v1/orders", header{"Idempotency-Key": "o", "Penstock-Pass": pass}, `{"reservation":"`+held+`","customer":{}}`)
	s.inFlight.Add(-120)
	reserve(201, "", "k-3")
}

func TestPollsAreStretchedWithinTheClaimWindow(t *testing.T) {
	s := &Server{}
	window := 2 * time.Minute
	for _, row := range []struct {
		poll int64
		load load
		want int64
	}{{1250, loadCalm, 1250}, {1250, loadStretch, 2500}, {1250, loadReserve, 10_000}, {20_000, loadStretch, 30_000}, {45_000, loadReserve, 45_000}} {
		if got := s.stretch(row.poll, row.load, window); got != row.want {
			t.Errorf("%d ms at load %d: %d, want %d", row.poll, row.load, got, row.want)
		}
	}
	if got := s.stretch(2000, loadReserve, 20*time.Second); got != 5000 {
		t.Errorf("a short claim window: %d ms, want a quarter of it", got)
	}
}

func TestTheTimeOfAStageRunsOnceSomebodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := within(time.Second)
		defer cancel()
		time.Sleep(time.Minute)
		if err := ctx.Err(); err != nil {
			t.Fatalf("over before anybody waited: %v", err)
		}
		started := time.Now()
		<-ctx.Done()
		if took := time.Since(started); took != time.Second || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Fatalf("ended after %v with %v", took, ctx.Err())
		}
		unused, cancelUnused := within(time.Second)
		cancelUnused()
		<-unused.Done()
		if !errors.Is(unused.Err(), context.Canceled) {
			t.Fatalf("after cancel: %v", unused.Err())
		}
	})
}

func TestTwiceAtATimeIsInFlight(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.Mode = sale.Open; o.Items[0].Stock = 1000 }))
	hash := s.keys.hash([]byte("reserve"), []byte("spring"), []byte(openScope+":z"), []byte("k"))
	if err := s.keys.begin(hash); err != nil { // a request that is being worked on
		t.Fatal(err)
	}
	h := header{"Idempotency-Key": "k"}
	s.expect(409, "in_flight", "POST", "/v1/sales/spring/reservations", h, reserveBody("z", "SNKR-42", 1))
	s.keys.end(hash)
	s.expect(201, "", "POST", "/v1/sales/spring/reservations", h, reserveBody("z", "SNKR-42", 1))
	s.expect(201, "", "POST", "/v1/sales/spring/reservations", h, reserveBody("z", "SNKR-42", 1))
}

func TestShutdownFinishesWhatIsUnderWay(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.Mode = sale.Open; o.Items[0].Stock = 10_000 }))
	var group sync.WaitGroup
	var failed sync.Map
	stop := make(chan struct{})
	for worker := range 4 {
		group.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for i := 0; ; i++ {
				request, _ := http.NewRequest("POST", s.url+"/v1/sales/spring/reservations", strings.NewReader(reserveBody("z", "SNKR-42", 1)))
				request.Header.Set("Idempotency-Key", fmt.Sprintf("%d-%d", worker, i))
				request.Header.Set("Content-Type", "application/json")
				response, err := client.Do(request)
				if err != nil {
					select {
					case <-stop: // the door is closed, as it should be
					default:
						failed.Store(worker, err)
					}
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				if response.StatusCode != 201 {
					failed.Store(worker, response.Status)
				}
			}
		})
	}
	testenv.Eventually(t, waitFor, "requests are under way", func() bool { return s.inFlight.Load() > 0 })
	close(stop)
	ctx, cancel := context.WithTimeout(context.Background(), waitFor)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if n := s.inFlight.Load(); n != 0 {
		t.Fatalf("%d requests were left", n)
	}
	group.Wait()
	failed.Range(func(worker, what any) bool { t.Errorf("worker %v: %v", worker, what); return true })
}

func TestAPanicIsOneAnswerAndNoSecretIsLogged(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	ticket, pass := s.admitted("spring")
	held := s.held("spring", pass, "key-that-nobody-may-read").text(t, "id")
	s.expect(202, "", "POST", "/v1/orders", header{"Idempotency-Key": "o", "Authorization": "Bearer " + s.shopKey}, `{"reservation":"`+held+`","customer":{"email":"zoe@shop.example"}}`)
	s.routes[routeReservation].get = func(*Server, *call) error { panic("boom") }
	s.expect(500, "internal_error", "GET", "/v1/reservations/x", nil, "")
	s.routes[routeOrder].get = func(*Server, *call) error { return errors.New("dial tcp 10.0.0.3: refused") }
	if got := s.do("GET", "/v1/orders/x", nil, ""); strings.Contains(string(got.body), "10.0.0.3") {
		t.Fatalf("the answer shows our insides: %s", got.body)
	}
	log := s.logged.String()
	for _, want := range []string{"boom", "10.0.0.3", `"route":"/v1/sales/{sale}/reservations"`, `"request_id"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	for _, secret := range []string{ticket, pass, s.shopKey, "key-that-nobody-may-read", "zoe@shop.example"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log says %q", secret)
		}
	}
}
