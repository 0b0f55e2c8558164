package console

import (
	"reflect"
	"testing"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/sale"
)

func TestWhoMayJoinIsSetByForm(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Marketer)
	v := saleValues("spring")
	set := `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	for field, value := range map[string]string{
		"identity.join_token": "required", "identity.issuer": "https://shop.example", "identity.audience": "drops", "identity.jwks": set,
		"identity.jwks_url": "", "identity.shared_keys": "k1, k2", "identity.invite_only": "true",
	} {
		v.Set(field, value)
	}
	b.submit("/new-sale", v).expect(303)
	want := sale.Identity{
		JoinToken: sale.JoinTokenRequired, Issuer: "https://shop.example", Audience: "drops", JWKS: []byte(set),
		SharedKeys: []string{"k1", "k2"}, InviteOnly: true,
	}
	if got := s.record("spring").Identity; !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v", got)
	}
	b.get("/sales/spring/edit").shows(`<option value="required" selected>`, `value="https://shop.example"`, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", `value="k1, k2"`)
	v.Set("version", "1")
	for _, field := range []string{"identity.join_token", "identity.issuer", "identity.audience", "identity.jwks", "identity.shared_keys"} {
		v.Set(field, "")
	}
	v.Set("identity.invite_only", "false")
	b.submit("/sales/spring/edit", v).expect(303)
	if got := s.record("spring").Identity; !reflect.DeepEqual(got, sale.Identity{}) {
		t.Fatalf("got %+v", got)
	}
	for field, value := range map[string]string{"identity.jwks": "{", "identity.jwks_url": "http://user@x", "identity.shared_keys": "a b/c"} {
		v := saleValues("summer")
		v.Set("identity.join_token", "required")
		v.Set("identity.shared_keys", "k1")
		v.Set(field, value)
		page := b.submit("/new-sale", v)
		page.expect(422)
		page.shows(`<details class="card more" open><summary>Who may join`, `aria-describedby="`+field+`-about"`)
	}
}
