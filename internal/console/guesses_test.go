package console

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/penstock/penstock/internal/auth"
)

func TestGuessesAtTheAdminAPIAreLimited(t *testing.T) {
	s := newStage(t)
	known := s.key(auth.Viewer)
	s.do("GET", "/admin/v1/sales", known, "").expect(200)
	for i := range 5 {
		s.do("GET", "/admin/v1/sales", fmt.Sprint("guess-", i), "").refused(401, "unauthorized")
	}
	limited := s.do("GET", "/admin/v1/sales", "guess-5", "")
	limited.refused(429, "rate_limited")
	if limited.header.Get("Retry-After") == "" {
		t.Error("nobody is told when to come back")
	}
	s.do("GET", "/admin/v1/sales", bootstrapKey, "").refused(429, "rate_limited") // a short key is not told from a guess
	s.do("GET", "/admin/v1/sales", known, "").expect(200)
	s.do("GET", "/admin/v1/sales", "", "").refused(401, "unauthorized")
	s.browser().post("/sign-in", url.Values{"key": {bootstrapKey}}).expect(429) // the allowance is one for both ways in
}
