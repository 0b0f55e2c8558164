package notify

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/queue"
)

func TestWhoIsCalledIsToldOnceByPushAndByTheShop(t *testing.T) {
	onEngines(t, func(t *testing.T, w *world) {
		entry := w.sell(nil)
		byPush, byMail, silent := w.join(entry), w.join(entry), w.join(entry)
		w.subscribe(entry, byPush, Request{Push: w.push.subscribe("/p/1"), Language: "pt-BR"})
		w.subscribe(entry, byMail, Request{Email: "ada@shop.example", Language: "de"})
		w.tell()
		testenv.Eventually(t, within, "both messages and an empty ledger", func() bool {
			return len(w.push.messages()) > 0 && len(w.shop.called()) > 0 && w.left() == 0
		})
		pushes, calls := w.push.messages(), w.shop.called()
		if len(pushes) != 1 || len(calls) != 1 {
			t.Fatalf("%d pushes, %d calls", len(pushes), len(calls))
		}
		until := entry.Room().Look(byPush, entry.Phase(), false).ClaimBefore
		p := pushes[0]
		if p.path != "/p/1" || p.subject != "mailto:ops@shop.example" || p.ttl < 30 || p.ttl > 60 || p.topic != p.body.Tag {
			t.Errorf("%+v", p)
		}
		if b := p.body; b.Type != "visitor.called" || b.Sale != "drop" || b.Title != "É a sua vez" || b.URL != "/sales/drop" || b.Language != "pt" || !b.ClaimBefore.Equal(until) {
			t.Errorf("%+v, want until %v", b, until)
		}
		m := calls[0].body
		if m.Type != "visitor.called" || m.Sale != "drop" || m.Name != "The drop" || m.Email != "ada@shop.example" || m.Language != "de" || m.ClaimBefore.IsZero() {
			t.Errorf("%+v", m)
		}
		sealed, ok := strings.CutPrefix(m.Link, "https://queue.shop.example/sales/drop?penstock_move=")
		if token, opens := w.deps.Links.OpenTicket("drop", sealed, time.Now()); !ok || !opens || token != w.tickets.Sign(byMail) {
			t.Errorf("%s leads to no place", m.Link)
		}
		if _, opens := w.deps.Links.OpenTicket("drop", sealed, m.ClaimBefore.Add(time.Second)); opens {
			t.Error("the link outlives the time to claim")
		}
		if entry.Room().Look(silent, entry.Phase(), false).State != queue.Called {
			t.Error("the third visitor is not called")
		}
	})
}

// TestTheFirstWishEverIsReadByATellerThatWasThereBefore: the numbers begin at 1.
func TestTheFirstWishEverIsReadByATellerThatWasThereBefore(t *testing.T) {
	w := newWorld(t, testenv.MiniURL(t), t.TempDir()+"/ledger.db")
	entry := w.sell(nil)
	teller, err := NewTeller(w.deps)
	if err != nil {
		t.Fatal(err)
	}
	s := newShift(teller)
	if err := s.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.subscribe(entry, w.join(entry), Request{Push: w.push.subscribe("/p")})
	s.readAt = time.Time{} // a second later
	if err := s.read(t.Context()); err != nil || s.lines["drop"] == nil {
		t.Fatalf("the wish was not read: %v", err)
	}
}

// TestInADrawWhoIsToldIsWhoseDrawnPlaceWasCalled has few called of many, and compares.
func TestInADrawWhoIsToldIsWhoseDrawnPlaceWasCalled(t *testing.T) {
	onEngines(t, func(t *testing.T, w *world) {
		entry := w.sell(func(s *sale.Sale) { s.Admission.Order, s.Admission.MaxActive = sale.Draw, 7 })
		w.tell()
		tickets := map[string]queue.Ticket{}
		for i := range 60 {
			path, ticket := fmt.Sprintf("/p/%d", i), w.join(entry)
			tickets[path] = ticket
			w.subscribe(entry, ticket, Request{Push: w.push.subscribe(path)})
		}
		called := func() (paths []string) {
			for path, ticket := range tickets {
				if entry.Room().Look(ticket, entry.Phase(), false).State == queue.Called {
					paths = append(paths, path)
				}
			}
			slices.Sort(paths)
			return paths
		}
		toldPaths := func() (paths []string) {
			for _, m := range w.push.messages() {
				paths = append(paths, m.path)
			}
			slices.Sort(paths)
			return paths
		}
		testenv.Eventually(t, within, "those who are called to be told", func() bool {
			return len(called()) >= 7 && slices.Equal(called(), toldPaths())
		})
		if n := len(called()); n == len(tickets) || w.left() == 0 {
			t.Errorf("%d of %d were called, %d wait to be told: the test shows nothing", n, len(tickets), w.left())
		}
	})
}

// TestALeaderThatDiesBetweenTellingAndRemovingHasSuccessors ends a shift without its end, as a kill does.
func TestALeaderThatDiesBetweenTellingAndRemovingHasASuccessorThatGoesOn(t *testing.T) {
	onEngines(t, func(t *testing.T, w *world) {
		entry := w.sell(nil)
		for i := range 5 {
			w.subscribe(entry, w.join(entry), Request{Push: w.push.subscribe(fmt.Sprintf("/p/%d", i))})
		}
		w.subscribe(entry, w.join(entry), Request{Email: "ada@shop.example"})
		teller, err := NewTeller(w.deps)
		if err != nil {
			t.Fatal(err)
		}
		killed := newShift(teller)
		testenv.Eventually(t, within, "the first leader's messages", func() bool {
			if len(w.push.messages()) < 5 || len(w.shop.called()) < 1 { // no step after the last was told
				_ = killed.read(t.Context())
				for _, l := range killed.lines {
					_ = killed.serve(t.Context(), l, entry)
				}
			}
			return len(w.push.messages()) == 5 && len(w.shop.called()) == 1
		})
		killed.calls.Wait()
		if w.left() != 6 {
			t.Fatalf("%d left: the first leader has removed some", w.left())
		}
		w.tell()
		testenv.Eventually(t, within, "an empty ledger", func() bool { return w.left() == 0 })
		tags := map[string]int{}
		for _, m := range w.push.messages() {
			tags[m.body.Tag]++
		}
		calls := w.shop.called()
		if len(tags) != 5 || len(calls) != 2 || calls[0].id != calls[1].id {
			t.Errorf("tags %v, calls %+v: want each again under its name", tags, calls)
		}
		for tag, n := range tags {
			if n != 2 {
				t.Errorf("%s was sent %d times", tag, n)
			}
		}
	})
}

func TestASlowReceiverDelaysNoOther(t *testing.T) {
	w := newWorld(t, testenv.MiniURL(t), t.TempDir()+"/ledger.db")
	w.push.hang = make(chan struct{})
	entry := w.sell(nil)
	for i := range 2 * callsAtOnce {
		w.subscribe(entry, w.join(entry), Request{Push: w.push.subscribe(fmt.Sprintf("/p/%d", i))})
	}
	w.subscribe(entry, w.join(entry), Request{Email: "ada@shop.example"})
	w.tell()
	testenv.Eventually(t, within, "the shop to be told", func() bool { return len(w.shop.called()) == 1 })
	if len(w.push.messages()) != 0 {
		t.Fatal("the push service was meant to hang")
	}
	close(w.push.hang)
	testenv.Eventually(t, within, "the pushes", func() bool { return len(w.push.messages()) >= 2*callsAtOnce && w.left() == 0 })
}

func TestWhatAReceiverAnswersDecides(t *testing.T) {
	w := newWorld(t, testenv.MiniURL(t), t.TempDir()+"/ledger.db")
	var fails atomic.Int64
	w.push.answer = func(path string) int {
		switch {
		case path == "/gone":
			return http.StatusGone
		case path == "/refused":
			return http.StatusForbidden
		case path == "/later" && fails.Add(1) <= 2:
			return http.StatusServiceUnavailable
		}
		return http.StatusCreated
	}
	w.shop.answer = func(try int) int {
		if try <= 2 {
			return []int{http.StatusFound, http.StatusNotFound}[try-1] // a redirect is not followed
		}
		return http.StatusOK
	}
	entry := w.sell(nil)
	for _, path := range []string{"/gone", "/refused", "/later"} {
		w.subscribe(entry, w.join(entry), Request{Push: w.push.subscribe(path)})
	}
	w.subscribe(entry, w.join(entry), Request{Email: "ada@shop.example"})
	w.tell()
	testenv.Eventually(t, within, "an empty ledger", func() bool { return w.left() == 0 })
	pushes, calls := w.push.messages(), w.shop.called()
	if len(pushes) != 1 || pushes[0].path != "/later" || len(calls) != 1 {
		t.Errorf("%+v %+v", pushes, calls)
	}
}

func TestNobodyIsToldWhoseTimeIsOver(t *testing.T) {
	w := newWorld(t, testenv.MiniURL(t), t.TempDir()+"/ledger.db")
	var down atomic.Bool
	down.Store(true)
	w.push.answer = func(string) int {
		if down.Load() {
			return http.StatusServiceUnavailable
		}
		return http.StatusCreated
	}
	entry := w.sell(func(s *sale.Sale) { s.Admission.ClaimWindow = sale.Duration(5 * time.Second) })
	ticket := w.join(entry)
	w.subscribe(entry, ticket, Request{Push: w.push.subscribe("/p")})
	w.tell()
	testenv.Eventually(t, within, "the turn to be missed", func() bool {
		return entry.Room().Look(ticket, entry.Phase(), false).State == queue.Missed
	})
	down.Store(false)
	testenv.Eventually(t, within, "an empty ledger", func() bool { return w.left() == 0 })
	if got := w.push.messages(); len(got) != 0 {
		t.Fatalf("told too late: %+v", got)
	}
}

func TestWhoLeavesOptsOutOrHasComeIsNotTold(t *testing.T) {
	w := newWorld(t, testenv.MiniURL(t), t.TempDir()+"/ledger.db")
	entry := w.sell(nil)
	left, optedOut, came, waits := w.join(entry), w.join(entry), w.join(entry), w.join(entry)
	for i, ticket := range []queue.Ticket{left, optedOut, came, waits} {
		w.subscribe(entry, ticket, Request{Push: w.push.subscribe(fmt.Sprintf("/p/%d", i))})
	}
	if err := entry.Room().Leave(t.Context(), left); err != nil { // the node's word to the ledger is lost
		t.Fatal(err)
	}
	if err := w.desk.Forget(t.Context(), optedOut); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, within, "a pass", func() bool {
		_, _, _, err := entry.Room().Claim(t.Context(), came)
		return err == nil
	})
	w.tell()
	testenv.Eventually(t, within, "an empty ledger", func() bool { return w.left() == 0 })
	if got := w.push.messages(); len(got) != 1 || got[0].path != "/p/3" {
		t.Fatalf("%+v", got)
	}
}

func TestTheWishesOfASaleGoWithItsEnd(t *testing.T) {
	w := newWorld(t, testenv.MiniURL(t), t.TempDir()+"/ledger.db")
	entry := w.sell(func(s *sale.Sale) { s.Admission.MaxActive = 1 })
	for i := range 30 {
		w.subscribe(entry, w.join(entry), Request{Push: w.push.subscribe(fmt.Sprintf("/p/%d", i))})
	}
	w.tell()
	testenv.Eventually(t, within, "the first to be told", func() bool { return len(w.push.messages()) > 0 })
	rec := entry.Record()
	rec.Ended, rec.Version = true, 2
	w.publish(rec)
	testenv.Eventually(t, within, "an empty ledger", func() bool { return w.left() == 0 })
	if n := len(w.push.messages()); n >= 30 {
		t.Fatalf("%d were told", n)
	}
}

func TestAWebhookAtAPrivateAddressIsNotCalled(t *testing.T) {
	w := newWorld(t, testenv.MiniURL(t), t.TempDir()+"/ledger.db")
	w.deps.WebhookNetworks = nil
	entry := w.sell(nil)
	w.subscribe(entry, w.join(entry), Request{Email: "ada@shop.example"})
	w.tell()
	testenv.Eventually(t, within, "an empty ledger", func() bool { return w.left() == 0 })
	if w.shop.tries != 0 {
		t.Fatal("it was called")
	}
}

// TestManyWhoAreCalledAtOnceAreToldWhileTheLineMoves calls a thousand in a second. The line is moved by another task
// of the leader, which waits for none of it.
func TestManyWhoAreCalledAtOnceAreToldWhileTheLineMoves(t *testing.T) {
	const visitors, perMinute, opening = 2_000, 60_000, 3 * time.Second
	w := newWorld(t, testenv.Redis(t).URL, testenv.Postgres(t).URL)
	entry := w.sell(func(s *sale.Sale) {
		s.StartsAt = s.StartsAt.Add(opening)
		s.Admission.RatePerMinute, s.Admission.ClaimWindow = perMinute, sale.Duration(3*time.Minute)
	})
	began := time.Now()
	var joining sync.WaitGroup
	for part := range 50 {
		joining.Go(func() {
			for i := part; i < visitors; i += 50 {
				w.subscribe(entry, w.join(entry), Request{Push: w.push.subscribe(fmt.Sprintf("/p/%d", i))})
			}
		})
	}
	joining.Wait()
	t.Logf("%d joined and opted in within %v", visitors, time.Since(began))
	w.longest.Store(0)
	w.tell()
	testenv.Eventually(t, time.Minute, "everybody to be told", func() bool { return len(w.push.messages()) >= visitors && w.left() == 0 })
	seen := map[string]bool{}
	for _, m := range w.push.messages() {
		seen[m.path] = true
	}
	if len(seen) != visitors || len(w.push.messages()) != visitors {
		t.Errorf("%d of %d were told, with %d messages", len(seen), visitors, len(w.push.messages()))
	}
	t.Logf("all were told %v after the start; the longest step of the calling took %v", time.Since(entry.Record().StartsAt), time.Duration(w.longest.Load()))
}
