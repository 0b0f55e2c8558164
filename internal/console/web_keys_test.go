package console

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/auth"
)

var keyPattern = regexp.MustCompile(`value="(pk_[A-Za-z0-9_-]{43})"`)

func TestAKeyIsMadeByFormAndShownOnce(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Admin)
	made := b.submit("/keys", url.Values{"name": {" Checkout <1> "}, "role": {"shop"}, "sales": {"spring, autumn"}, "channels": {"vip"}})
	made.expect(http.StatusCreated)
	found := keyPattern.FindSubmatch(made.body)
	if found == nil || made.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("no key, or it may be kept: %v\n%s", made.header, made.body)
	}
	plain := string(found[1])
	holder, err := s.console.deps.Keys.Authenticate(t.Context(), plain)
	if err != nil || holder.Role != auth.Shop || holder.Name != "Checkout <1>" || !holder.MayActOn("autumn") || holder.MayActOn("winter") || !holder.MaySell("vip") {
		t.Fatalf("%+v, %v", holder, err)
	}
	s.audited("key.create", "", "spring,autumn")
	page := b.get("/keys")
	page.shows("Checkout &lt;1&gt;", "<code>spring</code>, <code>autumn</code>", "<code>vip</code>", "by the admin (key_admin)", "never")
	if strings.Contains(string(page.body), plain) {
		t.Fatal("the key is shown again")
	}
}

func TestAKeyThatIsUsedIsShownWithTheTime(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Admin)
	key, found, err := s.ledger.KeyByHash(t.Context(), auth.Hash(s.key(auth.Admin)))
	if err != nil || !found {
		t.Fatal(found, err)
	}
	if err := s.ledger.NoteKeyUse(t.Context(), key, time.Date(2030, 6, 1, 10, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	b.get("/keys").shows(`<td data-label="Last used"><time datetime="2030-06-01T10:00:00Z"`)
	if got := s.admin("GET", "/admin/v1/keys", "", 200).json()["keys"].([]any)[0].(map[string]any); got["last_used_at"] != "2030-06-01T10:00:00Z" {
		t.Fatalf("got %v", got)
	}
}

func TestARefusedKeyFormKeepsWhatWasTyped(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Admin)
	refused := b.submit("/keys", url.Values{"name": {"Ann"}, "role": {"operator"}, "sales": {"spring"}})
	refused.expect(400)
	refused.shows("only a key of the role shop has sales", `value="Ann"`, `value="spring"`, `<option value="operator" selected>`)
	if keys, err := s.ledger.Keys(t.Context()); err != nil || len(keys) != 1 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	b.post("/keys", url.Values{"name": {"Ann"}, "role": {"shop"}, "csrf": {"x"}}).expect(403)
}

func TestAKeyIsEndedByForm(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Admin)
	viewer := s.key(auth.Viewer)
	s.do("GET", "/admin/v1/sales", viewer, "").expect(200)
	ended := b.submit("/keys/key_viewer/delete", url.Values{})
	ended.expect(303)
	s.audited("key.delete", "", "key_viewer")
	s.do("GET", "/admin/v1/sales", viewer, "").refused(401, "unauthorized")
	b.get(ended.header.Get("Location")).shows("The key is ended")
	b.submit("/keys/key_viewer/delete", url.Values{}).expect(404)
	if to := b.submit("/keys/key_admin/delete", url.Values{}).header.Get("Location"); !strings.HasPrefix(to, "/sign-in") {
		t.Fatalf("whoever ended the own key is led to %q", to)
	}
}

func TestOnlyAdminsAreOfferedTheKeys(t *testing.T) {
	s := newStage(t)
	for role, offered := range map[auth.Role]bool{auth.Operator: false, auth.Admin: true} {
		if page := s.signedIn(role).get("/level"); strings.Contains(string(page.body), `href="/keys"`) != offered {
			t.Errorf("%s: the link is there: %v", role, !offered)
		}
	}
}
