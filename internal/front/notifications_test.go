package front

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/notify"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// withNotify has the front take wishes, into a ledger of its own.
func withNotify(t *testing.T, into **ledger.Ledger) stackOption {
	t.Helper()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), slog.New(slog.DiscardHandler), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	seals, err1 := notify.NewSeals(stackSecret)
	keys, err2 := notify.NewPushKeys("", stackSecret)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	*into = l
	return func(d *Deps) {
		d.Notify = notify.NewDesk(notify.Deps{
			Ledger: l, Seals: seals, PushKeys: keys, PushHosts: notify.PushHosts{config.PushHost{Name: "push.example", Port: 443}},
			Contact: "mailto:ops@shop.example", PublicURL: "https://queue.shop.example", MaxPerSale: 3, Log: d.Log,
		})
	}
}

// pushWish is what a browser sends.
func pushWish(t *testing.T) string {
	t.Helper()
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return `{"push":{"endpoint":"https://push.example/s/1","keys":{"p256dh":"` + base64.RawURLEncoding.EncodeToString(private.PublicKey().Bytes()) +
		`","auth":"AAAAAAAAAAAAAAAAAAAAAA"}},"language":"fr"}`
}

// notifying is a sale that tells visitors of their turn, and that starts in an hour.
func notifying(s *sale.Sale) {
	s.StartsAt, s.EndsAt = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	s.Notify = sale.Notify{WebPush: true, WebhookURL: "https://shop.example/turn"}
}

func wishesOf(t *testing.T, l *ledger.Ledger, saleID string) map[string]int64 {
	t.Helper()
	counts, err := l.CountNotifications(t.Context(), saleID)
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

func TestWhoWaitsCanAskToBeToldAndTakeItBack(t *testing.T) {
	var kept *ledger.Ledger
	s := newStack(t, withNotify(t, &kept))
	s.open(liveSale("spring", notifying))
	offer := s.expect(200, "", "GET", "/v1/sales/spring/notifications", nil, "").json(t)
	if offer["web_push"] != true || offer["email"] != true || len(offer["public_key"].(string)) != 87 {
		t.Fatalf("%v", offer)
	}
	const path = "/v1/sales/spring/ticket/notifications"
	mine := header{"Penstock-Ticket": s.join("spring")}
	s.expect(401, problem.TicketRequired, "POST", path, nil, pushWish(t))
	s.expect(403, problem.TicketInvalid, "POST", path, header{"Penstock-Ticket": "x"}, pushWish(t))
	for _, body := range []string{
		"", "{}", `{"push":{}}`, `{"email":"nobody"}`, `{"email":"a@b.example","sms":"1"}`, `{"push":[]}`, `{"push":{"keys":{"x":"y"}}}`,
		strings.Replace(pushWish(t), "push.example", "evil.example", 1),
	} {
		s.expect(400, problem.BadRequest, "POST", path, mine, body)
	}
	for _, body := range []string{
		`{"email":"` + visa + `@example.com"}`, strings.Replace(pushWish(t), "push.example/", "push.example/4111-1111-1111-1111/", 1),
	} {
		mentionsNoCard(t, "wish", s.expect(422, problem.CardData, "POST", path, mine, body).body)
	}
	s.expect(204, "", "POST", path, mine, pushWish(t))
	s.expect(204, "", "POST", path, mine, pushWish(t))
	s.expect(204, "", "POST", path, mine, `{"email":"ada@example.com","language":"de-AT"}`)
	if got := wishesOf(t, kept, "spring"); got["push"] != 1 || got["email"] != 1 {
		t.Fatalf("%v", got)
	}
	second := header{"Penstock-Ticket": s.join("spring")}
	s.expect(204, "", "POST", path, second, pushWish(t))
	s.expect(503, problem.NotificationsFull, "POST", path, second, `{"email":"bob@example.com"}`)
	for range 2 {
		s.expect(204, "", "DELETE", path, mine, "")
	}
	s.expect(204, "", "DELETE", "/v1/sales/spring/ticket", second, "")
	if got := wishesOf(t, kept, "spring"); len(got) != 0 {
		t.Fatalf("left: %v", got)
	}
	s.expect(409, problem.NotWaiting, "POST", path, second, pushWish(t))
	if logged := s.logged.String(); strings.Contains(logged, "ada@") || strings.Contains(logged, "push.example") {
		t.Error("the log has personal data")
	}
}

func TestNoNotificationIsTakenForATurnThatHasComeOrThatNobodyOffers(t *testing.T) {
	var kept *ledger.Ledger
	s := newStack(t, withNotify(t, &kept))
	s.open(liveSale("spring", func(one *sale.Sale) { one.Notify.WebPush = true }))
	s.open(liveSale("quiet", func(one *sale.Sale) { notifying(one); one.Notify = sale.Notify{} }))
	called := s.join("spring")
	s.awaitState("spring", called, "called")
	s.expect(409, problem.NotWaiting, "POST", "/v1/sales/spring/ticket/notifications", header{"Penstock-Ticket": called}, pushWish(t))
	s.expect(409, problem.NotificationsOff, "POST", "/v1/sales/quiet/ticket/notifications", header{"Penstock-Ticket": s.join("quiet")}, pushWish(t))
	if offer := s.expect(200, "", "GET", "/v1/sales/quiet/notifications", nil, "").json(t); offer["web_push"] != false || offer["email"] != false || len(offer) != 2 {
		t.Errorf("%v", offer)
	}
}

func TestWithoutALedgerNobodyCanAskAndTheLineMovesOn(t *testing.T) {
	var kept *ledger.Ledger
	s := newStack(t, withNotify(t, &kept))
	s.open(liveSale("spring", notifying))
	s.open(liveSale("now", func(one *sale.Sale) { one.Notify.WebPush = true }))
	mine := header{"Penstock-Ticket": s.join("spring")}
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	s.expect(503, problem.Unavailable, "POST", "/v1/sales/spring/ticket/notifications", mine, pushWish(t))
	s.expect(503, problem.Unavailable, "DELETE", "/v1/sales/spring/ticket/notifications", mine, "")
	s.expect(204, "", "DELETE", "/v1/sales/spring/ticket", mine, "")
	s.awaitState("now", s.join("now"), "called")

	bare := newStack(t)
	bare.open(liveSale("spring", notifying))
	mine = header{"Penstock-Ticket": bare.join("spring")}
	bare.expect(409, problem.NotificationsOff, "POST", "/v1/sales/spring/ticket/notifications", mine, pushWish(t))
	bare.expect(204, "", "DELETE", "/v1/sales/spring/ticket/notifications", mine, "")
}
