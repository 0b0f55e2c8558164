package notify

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/queue"
)

func hostsOf(t *testing.T, list ...string) PushHosts {
	t.Helper()
	hosts := make(PushHosts, len(list))
	for i, text := range list {
		if err := hosts[i].UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return hosts
}

func TestOnlyKnownPushServicesAreReceivers(t *testing.T) {
	hosts := hostsOf(t, "fcm.googleapis.com", "*.push.services.mozilla.com", "127.0.0.1:8443")
	for endpoint, want := range map[string]string{
		"https://fcm.googleapis.com/fcm/send/x":               "fcm.googleapis.com",
		"https://FCM.googleapis.com:443/x":                    "fcm.googleapis.com",
		"https://updates.push.services.mozilla.com/wpush/v2/": "*.push.services.mozilla.com",
		"https://127.0.0.1:8443/x":                            "127.0.0.1:8443",

		"http://fcm.googleapis.com/x":                       "",
		"https://fcm.googleapis.com:8443/x":                 "",
		"https://fcm.googleapis.com":                        "",
		"https://fcm.googleapis.com/":                       "",
		"https://user@fcm.googleapis.com/x":                 "",
		"https://fcm.googleapis.com.evil.example/x":         "",
		"https://evil.example/fcm.googleapis.com":           "",
		"https://.push.services.mozilla.com/x":              "",
		"https://push.services.mozilla.com/x":               "",
		"https://evilpush.services.mozilla.com/x":           "",
		"https://evil.example\\.push.services.mozilla.com/": "",
		"https://127.0.0.1/x":                               "",
		"https://fcm.googleapis.com/x#y":                    "",
		"//fcm.googleapis.com/x":                            "",
		"":                                                  "",
	} {
		if got := hosts.receiver(endpoint); got != want {
			t.Errorf("%s: %q, want %q", endpoint, got, want)
		}
	}
}

// TestAClientConnectsToNoPrivateAddressAndFollowsNoRedirect has names that lead to this machine.
func TestAClientConnectsToNoPrivateAddressAndFollowsNoRedirect(t *testing.T) {
	hits := 0
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits++
		http.Redirect(w, r, server.URL+"/again", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	never := func(string, netip.Addr) bool { return false }
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"} {
		response, err := newClient(nil, never).Post("http://"+host+":"+port+"/", "text/plain", http.NoBody)
		if err == nil {
			_ = response.Body.Close()
		}
		if !errors.Is(err, errPrivate) || judge(nil, err).verdict != impossible {
			t.Errorf("%s: %v", host, err)
		}
	}
	if hits != 0 {
		t.Fatalf("%d requests came through", hits)
	}
	response, err := newClient(nil, func(host string, addr netip.Addr) bool { return host == "127.0.0.1" && addr.IsLoopback() }).
		Post(server.URL, "text/plain", http.NoBody)
	if err != nil || response.StatusCode != http.StatusTemporaryRedirect || hits != 1 {
		t.Fatalf("%v, %d requests", err, hits)
	}
	_ = response.Body.Close()
}

func TestASealIsGoodForOneRowAndForKeysThatAreKnown(t *testing.T) {
	old, fresh := []byte("0123456789abcdef0123456789abcdef"), []byte("fedcba9876543210fedcba9876543210")
	before, err1 := NewSeals(old)
	after, err2 := NewSeals(fresh, old)
	foreign, err3 := NewSeals(fresh)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	w := wish{Ticket: queue.Ticket{Sale: "drop", Number: 7, Epoch: 2, IssuedMillis: 5}, Email: "ada@shop.example", Language: "de"}
	row, err := w.row(before, theShop)
	if err != nil || strings.Contains(row.Sealed, "ada") || row.Ticket != 7 || row.Way != "email" || row.Receiver != theShop {
		t.Fatalf("%+v %v", row, err)
	}
	if got, err := readWish(after, &row); err != nil || got != w {
		t.Fatalf("after the secret was changed: %+v %v", got, err)
	}
	if again, _ := w.row(before, theShop); again.Sealed == row.Sealed {
		t.Error("two seals of one text are the same")
	}
	for name, change := range map[string]func(*ledger.Notification){
		"another ticket":   func(r *ledger.Notification) { r.Ticket++ },
		"another sale":     func(r *ledger.Notification) { r.Sale = "other" },
		"another way":      func(r *ledger.Notification) { r.Way = "push" },
		"another receiver": func(r *ledger.Notification) { r.Receiver = "x" },
		"a changed text":   func(r *ledger.Notification) { r.Sealed = "B" + r.Sealed[1:] },
		"a changed end":    func(r *ledger.Notification) { r.Sealed = r.Sealed[:len(r.Sealed)-4] },
		"no text":          func(r *ledger.Notification) { r.Sealed = "" },
	} {
		changed := row
		change(&changed)
		if _, err := readWish(after, &changed); err == nil {
			t.Errorf("%s: the seal is good", name)
		}
	}
	if _, err := readWish(foreign, &row); err == nil {
		t.Error("a key that is not known opens it")
	}
}

func TestAllNodesHaveTheSamePushKeyAndTheKeysOfFormerSecretsStay(t *testing.T) {
	keysOf := func(given string, current []byte, others ...[]byte) *PushKeys {
		k, err := NewPushKeys(given, current, others...)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	old, fresh := []byte("old"), []byte("fresh")
	before, after := keysOf("", old), keysOf("", fresh, old)
	if before.Public() != keysOf("", old).Public() || before.Public() == after.Public() {
		t.Error("the key does not follow from the secret")
	}
	if _, known := after.find(before.Public()); !known {
		t.Error("the key of the former secret is forgotten")
	}
	given := keysOf(before.pairs[0].private, fresh)
	if given.Public() != before.Public() {
		t.Error("a given key is not the current one")
	}
	if _, known := given.find(after.Public()); !known {
		t.Error("the derived key beside the given one is forgotten")
	}
	if _, err := NewPushKeys("AAAA", fresh); err == nil {
		t.Error("a key that is none is taken")
	}
}

// TestAMessageIsSentUnderTheKeyThatItsSubscriptionWasMadeFor is the state after a change of the secret.
func TestAMessageIsSentUnderTheKeyThatItsSubscriptionWasMadeFor(t *testing.T) {
	before, _ := NewPushKeys("", []byte("old"))
	after, _ := NewPushKeys("", []byte("fresh"), []byte("old"))
	service := newPushService(t, before.Public())
	sub := service.subscribe("/p")
	hosts := hostsOf(t, service.host())
	message := &called{claimBefore: time.Now().Add(time.Minute), wish: &wish{
		Ticket: queue.Ticket{Sale: "drop", Number: 1}, Endpoint: sub.Endpoint, P256dh: sub.P256dh, Auth: sub.Auth, PushKey: before.Public(),
	}}
	client := newClient(service.roots(), hosts.mayBePrivate)
	if out := sendPush(t.Context(), client, after, "https://shop.example/contact", message, time.Now()); out.verdict != told {
		t.Fatalf("%+v", out)
	}
	if got := service.messages(); len(got) != 1 || got[0].subject != "https://shop.example/contact" || got[0].body.Title != "It is your turn" {
		t.Fatalf("%+v", got)
	}
	message.wish.PushKey = "unknown"
	if out := sendPush(t.Context(), client, after, "https://shop.example/contact", message, time.Now()); out.verdict != gone {
		t.Fatalf("%+v", out)
	}
	if out := sendPush(t.Context(), newClient(x509.NewCertPool(), hosts.mayBePrivate), before, "mailto:a@b.example", &called{claimBefore: message.claimBefore, wish: &wish{
		Endpoint: sub.Endpoint, P256dh: sub.P256dh, Auth: sub.Auth, PushKey: before.Public(),
	}}, time.Now()); out.verdict != tryAgain {
		t.Fatalf("a service that nobody vouches for: %+v", out)
	}
}

func TestASubscriptionIsCheckedBeforeItIsKept(t *testing.T) {
	w := newWorld(t, testenv.MiniURL(t), t.TempDir()+"/ledger.db")
	s := sale.Sale{ID: "drop", Notify: sale.Notify{WebPush: true, WebhookURL: "https://shop.example/turn"}}
	good := *w.push.subscribe("/p")
	broken := func(change func(*Subscription)) Request {
		sub := good
		change(&sub)
		return Request{Push: &sub}
	}
	none, badKey := sale.Sale{ID: "drop"}, strings.Repeat("A", 87)
	for name, c := range map[string]struct {
		sale    *sale.Sale
		request Request
		want    problem.Code
	}{
		"a push":                   {&s, Request{Push: &good}, ""},
		"an address":               {&s, Request{Email: "ada+x@shop.example"}, ""},
		"nothing":                  {&s, Request{}, problem.BadRequest},
		"both":                     {&s, Request{Push: &good, Email: "ada@shop.example"}, problem.BadRequest},
		"a push nobody offers":     {&none, Request{Push: &good}, problem.NotificationsOff},
		"a mail nobody offers":     {&none, Request{Email: "ada@shop.example"}, problem.NotificationsOff},
		"another service":          {&s, broken(func(s *Subscription) { s.Endpoint = "https://evil.example/x" }), problem.BadRequest},
		"a long endpoint":          {&s, broken(func(s *Subscription) { s.Endpoint += strings.Repeat("x", 1024) }), problem.BadRequest},
		"a key off the curve":      {&s, broken(func(s *Subscription) { s.P256dh = badKey }), problem.BadRequest},
		"a short secret":           {&s, broken(func(s *Subscription) { s.Auth = "AAAA" }), problem.BadRequest},
		"a foreign server key":     {&s, broken(func(s *Subscription) { s.PublicKey = good.P256dh }), problem.BadRequest},
		"a name with the address":  {&s, Request{Email: "Ada <ada@shop.example>"}, problem.BadRequest},
		"an address without a dot": {&s, Request{Email: "ada@localhost"}, problem.BadRequest},
		"two addresses":            {&s, Request{Email: "a@b.example,c@d.example"}, problem.BadRequest},
		"a line break":             {&s, Request{Email: "a@b.example\r\nBcc: c@d.example"}, problem.BadRequest},
		"a long address":           {&s, Request{Email: strings.Repeat("a", 250) + "@b.example"}, problem.BadRequest},
	} {
		err := w.desk.Subscribe(t.Context(), c.sale, queue.Ticket{Sale: "drop", Number: 1}, c.request)
		var code problem.Code
		if errors.As(err, &code); code != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestWithoutAContactOrAPublicAddressNothingIsOffered(t *testing.T) {
	keys, _ := NewPushKeys("", testSecret)
	s := sale.Sale{Notify: sale.Notify{WebPush: true, WebhookURL: "https://shop.example/turn"}}
	if got := NewDesk(Deps{PushKeys: keys}).Offer(&s); got != (Offer{}) {
		t.Errorf("%+v", got)
	}
	want := Offer{Push: true, Email: true, PublicKey: keys.Public()}
	if got := NewDesk(Deps{PushKeys: keys, Contact: "mailto:a@b.example", PublicURL: "https://q.example"}).Offer(&s); got != want {
		t.Errorf("%+v", got)
	}
}

func TestALedgerThatIsDownRefusesWishesAndASaleHasNoMoreThanItMay(t *testing.T) {
	w := newWorld(t, testenv.MiniURL(t), t.TempDir()+"/ledger.db")
	deps := w.deps.Deps
	deps.MaxPerSale = 2
	desk, s := NewDesk(deps), sale.Sale{ID: "drop", Notify: sale.Notify{WebPush: true}}
	for n, want := range map[queue.Number]error{1: nil, 2: nil} {
		if err := desk.Subscribe(t.Context(), &s, queue.Ticket{Sale: "drop", Number: n}, Request{Push: w.push.subscribe("/p")}); !errors.Is(err, want) {
			t.Fatal(err)
		}
	}
	more := func() error {
		return desk.Subscribe(context.Background(), &s, queue.Ticket{Sale: "drop", Number: 3}, Request{Push: w.push.subscribe("/p")})
	}
	if err := more(); !errors.Is(err, problem.NotificationsFull) {
		t.Errorf("one too many: %v", err)
	}
	if err := w.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	if err := more(); !errors.Is(err, problem.Unavailable) {
		t.Errorf("without a ledger: %v", err)
	}
	if err := desk.Forget(t.Context(), queue.Ticket{Sale: "drop", Number: 1}); !errors.Is(err, problem.Unavailable) {
		t.Errorf("without a ledger: %v", err)
	}
}

func TestTheWordsOfANotificationAreThereInEachLanguage(t *testing.T) {
	for _, language := range sale.PageLanguages {
		text, there := pushTexts[language]
		if !there || text.title == "" || strings.Count(text.body, "{time}") != 1 {
			t.Errorf("%s: %+v", language, text)
		}
	}
	for tag, want := range map[string]string{"de-AT": "de", "ZH-hans-CN": "zh", "xx": "", "": "", "enx": ""} {
		if got := languageOf(tag); got != want {
			t.Errorf("%q: %q", tag, got)
		}
	}
}
