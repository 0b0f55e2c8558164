package console

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/sale"
)

func TestWhatEntersTheDrawIsSetByForm(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Marketer)
	v := saleValues("spring")
	commitment := strings.Repeat("a1", 32)
	for field, value := range map[string]string{
		"admission.order": "draw", "draw.beacon.urls": "https://api.drand.sh\r\nhttps://drand.cloudflare.com", "draw.beacon.margin": "20s",
		"draw.shares": "shop " + strings.ToUpper(commitment) + "\r\n\r\n", "draw.wait": "1m", "draw.if_missing": "go_on",
	} {
		v.Set(field, value)
	}
	b.submit("/new-sale", v).expect(303)
	d := s.record("spring").Draw
	if len(d.Beacon.URLs) != 2 || d.Beacon.Margin.Std() != 20*time.Second || d.Beacon.ChainHash == "" || len(d.Shares) != 1 || d.Shares[0].Commitment != commitment || d.IfMissing != sale.GoOn {
		t.Fatalf("%+v %+v", d, d.Beacon)
	}
	b.get("/sales/spring/edit").shows("https://api.drand.sh\nhttps://drand.cloudflare.com</textarea>", "shop "+commitment+"</textarea>",
		`<option value="go_on" selected>`, `value="2023-08-23T15:09:27Z"`)
	v.Set("version", "1")
	v.Set("draw.beacon.urls", "")
	v.Set("draw.shares", "")
	b.submit("/sales/spring/edit", v).expect(303)
	if d := s.record("spring").Draw; !d.IsZero() {
		t.Fatalf("%+v", d)
	}
}

func TestAWrongDrawIsShownOpenBesideItsField(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Marketer)
	for field, value := range map[string]string{
		"draw.shares": "shop", "draw.beacon.margin": "soon", "draw.beacon.genesis_at": "yesterday", "draw.wait": "3h", "draw.beacon.urls": "ftp://host",
		"draw.beacon.chain_hash": "12",
	} {
		v := saleValues("spring")
		v.Set("admission.order", "draw")
		v.Set("draw.beacon.urls", "https://api.drand.sh")
		v.Set("draw.shares", "")
		v.Set(field, value)
		page := b.submit("/new-sale", v)
		page.expect(422)
		page.shows(`<details class="card more" open><summary>The draw`, `aria-describedby="`+field+`-about"`)
	}
}
