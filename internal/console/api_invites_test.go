package console

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/identity"
)

const shelfInvites = "/admin/v1/sales/shelf/invites"

func (s *stage) importInvites(file string) answer {
	s.t.Helper()
	return s.do("POST", shelfInvites+"?batch=members", bootstrapKey, file, "Content-Type", "text/csv")
}

func TestInvitesAreImportedMadeCountedAndRevoked(t *testing.T) {
	s := newStage(t)
	s.newShelf("shelf")
	if got := s.importInvites("code\r\nAAAA-1111\r\nbbbb 2222\r\n"); got.status != 200 || number(got.json()["added"]) != "2" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	s.audited("invites.add", "shelf", `"added":2`)
	if got := s.importInvites("code\nAAAA1111\nCCCC-3333\n").json(); number(got["added"]) != "1" || number(got["known"]) != "1" {
		t.Fatalf("again: %v", got)
	}
	made := s.admin("POST", shelfInvites+"/new", `{"batch":"press","count":50}`, http.StatusCreated)
	rows, err := csv.NewReader(strings.NewReader(string(made.body))).ReadAll()
	if err != nil || len(rows) != 51 || rows[0][0] != "code" {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if _, err := identity.CheckCode(rows[1][0]); err != nil {
		t.Fatal(err)
	}
	if got := s.admin("POST", shelfInvites+"/revoke", `{"code":"`+strings.ToLower(rows[1][0])+`"}`, 200).json(); number(got["revoked"]) != "1" {
		t.Fatalf("%v", got)
	}
	if got := s.admin("POST", shelfInvites+"/revoke", `{"batch":"press"}`, 200).json(); number(got["revoked"]) != "49" {
		t.Fatalf("%v", got)
	}
	counts := s.admin("GET", shelfInvites, "", 200).json()
	if number(counts["given"]) != "53" || number(counts["used"]) != "0" || number(counts["revoked"]) != "50" || len(counts["batches"].([]any)) != 2 {
		t.Fatalf("%v", counts)
	}
}

func TestInvitesThatAreRefused(t *testing.T) {
	s := newStage(t)
	s.newShelf("shelf")
	for _, file := range []string{"", "code\nshort\n", "code\nAAAA_1111\n", "codes\nAAAA1111\n", "code,lane\nAAAA1111,vip\n"} {
		s.importInvites(file).refused(400, "bad_request")
	}
	s.do("POST", shelfInvites, bootstrapKey, "code\nAAAA1111\n", "Content-Type", "text/csv").refused(400, "bad_request")
	for _, body := range []string{`{}`, `{"batch":"a b","count":1}`, `{"batch":"a","count":0}`, `{"batch":"a","count":20001}`} {
		s.do("POST", shelfInvites+"/new", bootstrapKey, body).refused(400, "bad_request")
	}
	for _, body := range []string{`{}`, `{"batch":"a","code":"AAAA1111"}`} {
		s.do("POST", shelfInvites+"/revoke", bootstrapKey, body).refused(400, "bad_request")
	}
	s.do("GET", "/admin/v1/sales/none/invites", bootstrapKey, "").refused(404, "unknown_sale")
	s.do("POST", "/admin/v1/sales/none/invites/new", bootstrapKey, `{"batch":"a","count":1}`).refused(404, "unknown_sale")
}

func TestInvitesAreKeptOnAPageOfTheConsole(t *testing.T) {
	s := newStage(t)
	s.newShelf("shelf")
	b := s.signedIn(auth.Marketer)
	b.get("/sales/shelf/invites").shows("This sale asks for no invites yet", "None yet.")
	form := func(pairs ...string) url.Values {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	b.submit("/sales/shelf/invites", form("batch", "press", "file", "code\r\nAAAA-1111\r\nBBBB-2222\r\n")).shows("2 invites imported, 0 were there already.")
	wrong := b.submit("/sales/shelf/invites", form("batch", "press", "file", "code\r\nshort\r\n"))
	wrong.expect(422)
	wrong.shows("line 2: an invite has 8 to 64 letters and digits", "code\r\nshort")
	made := b.submit("/sales/shelf/invites/new", form("batch", "members", "count", "3"))
	made.expect(200)
	if lines := strings.Count(string(made.body), "\n"); lines != 4 {
		t.Fatalf("%s", made.body)
	}
	b.submit("/sales/shelf/invites/new", form("batch", "members", "count", "none")).expect(422)
	b.submit("/sales/shelf/invites/revoke", form("batch", "press")).shows("2 invites revoked.", `<th scope="row">members</th><td>3</td><td>0</td><td>0</td>`, `<th scope="row">press</th><td>2</td><td>0</td><td>2</td>`)
}
