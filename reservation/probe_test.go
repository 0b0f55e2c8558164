package reservation

import (
	"testing"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv"
)

func TestAProbeDecidesAsAReservationAndHoldsNothing(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := drop()
		rec.Items[0].PerCustomer = 8
		s := open(t, client, rec)
		for range 3 {
			if err := s.Probe(t.Context(), ask1("a", "ada", 8)); err != nil {
				t.Fatal(err)
			}
		}
		wantCounts(t, client, "SHOE", 10, 0, 0)
		wantCode(t, s.Probe(t.Context(), ask1("a", "ada", 9)), problem.LimitExceeded)
		wantCode(t, s.Probe(t.Context(), ask1("a", "ada", 11)), problem.SoldOut)

		mustReserve(t, s, ask1("b", "ada", 8)) // the key of a probe is free
		wantCode(t, s.Probe(t.Context(), ask1("c", "ada", 1)), problem.LimitExceeded)
		wantCode(t, s.Probe(t.Context(), ask1("c", "eve", 3)), problem.SoldOut)
		if err := s.Probe(t.Context(), ask1("b", "ada", 8)); err != nil {
			t.Fatalf("of what was held before: %v", err)
		}
		wantCounts(t, client, "SHOE", 2, 8, 0)
	})
}
