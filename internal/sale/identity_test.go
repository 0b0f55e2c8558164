package sale

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestWhatASaleMaySayOfIdentity(t *testing.T) {
	public := `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	for doc, wrong := range map[string]string{
		`{}`:                   "",
		`{"invite_only":true}`: "",
		`{"join_token":"required","jwks_url":"https://shop.example/jwks.json"}`:                               "",
		`{"join_token":"optional","shared_keys":["2026"],"issuer":"https://shop.example","audience":"drops"}`: "",
		`{"join_token":"required","jwks":` + public + `}`:                                                     "",
		`{"join_token":"maybe"}`:    "identity.join_token",
		`{"issuer":"x"}`:            "identity.join_token",
		`{"join_token":"required"}`: "identity.jwks_url",
		`{"join_token":"required","jwks_url":"ftp://shop.example"}`:                                               "identity.jwks_url",
		`{"join_token":"required","jwks_url":"https://user@shop.example/"}`:                                       "identity.jwks_url",
		`{"join_token":"required","jwks_url":"https://shop.example/","jwks":` + public + `}`:                      "identity.jwks",
		`{"join_token":"required","jwks":{"keys":[]}}`:                                                            "identity.jwks",
		`{"join_token":"required","jwks":[]}`:                                                                     "identity.jwks",
		`{"join_token":"required","jwks":{"keys":[{"kty":"oct","k":"AA"}]}}`:                                      "identity.jwks",
		`{"join_token":"required","jwks":{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}]}}`:             "identity.jwks",
		`{"join_token":"required","shared_keys":["a","a"]}`:                                                       "identity.shared_keys[1]",
		`{"join_token":"required","shared_keys":["with space"]}`:                                                  "identity.shared_keys[0]",
		`{"join_token":"required","shared_keys":["a"],"issuer":"` + strings.Repeat("i", MaxIssuerLength+1) + `"}`: "identity.issuer",
	} {
		var identity Identity
		if err := json.Unmarshal([]byte(doc), &identity); err != nil {
			t.Fatal(err)
		}
		err := Sale{ID: "spring", Identity: identity}.validateIdentity()
		var refused *Invalid
		if wrong == "" && err != nil || wrong != "" && (!errors.As(err, &refused) || refused.Field != wrong) {
			t.Errorf("%s: %v, want %q", doc, err, wrong)
		}
	}
}

func TestTheAudienceOfATokenIsTheSaleUnlessItNamesAnother(t *testing.T) {
	if got := (Sale{ID: "spring"}).TokenAudience(); got != "spring" {
		t.Fatal(got)
	}
	if got := (Sale{ID: "spring", Identity: Identity{Audience: "drops"}}).TokenAudience(); got != "drops" {
		t.Fatal(got)
	}
}
