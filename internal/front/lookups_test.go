package front

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv"
)

// The ledger hangs, and somebody asks about made-up orders without waiting for the answers. Few of
// the requests are held up, and those not for long: who has a pass goes on reserving.
func TestLookingForMadeUpOrdersHurtsNobodyElse(t *testing.T) {
	const asked = 300
	s := newStack(t, func(d *Deps) {
		d.MaxInFlight = asked / 2
		d.LookupOrder = func(ctx context.Context, _ string) (checkout.Stored, error) {
			<-ctx.Done()
			return checkout.Stored{}, fmt.Errorf("ledger: %w", ctx.Err())
		}
	})
	s.open(liveSale("spring", nil))
	_, pass := s.admitted("spring")
	asks := make([]*raw, asked)
	for i := range asks {
		asks[i] = s.raw()
		asks[i].send(fmt.Sprintf("GET /v1/orders/ord_spring_1_%021dA HTTP/1.1\r\nHost: a\r\n\r\n", i))
	}
	testenv.Eventually(t, stageTimeout-time.Second, "no more than the bound are held up", func() bool {
		return s.inFlight.Load() <= lookupsAtOnce
	})
	for i := range 10 {
		s.held("spring", pass, fmt.Sprintf("k-%d", i))
	}
	for _, one := range asks {
		one.expect(503)
	}
}

func TestAnOrderThatIsNotThereIsAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		l := newLookups(func(_ context.Context, id string) (checkout.Stored, error) {
			asked++
			if strings.HasPrefix(id, "there") {
				return checkout.Stored{Order: checkout.Order{ID: id}}, nil
			}
			return checkout.Stored{}, problem.UnknownOrder
		})
		find := func(id string, want error, total int) {
			t.Helper()
			if _, err := l.find(t.Context(), id); !errors.Is(err, want) || asked != total {
				t.Fatalf("%s: %v, asked %d times", id, err, asked)
			}
		}
		find("none", problem.UnknownOrder, 1)
		find("none", problem.UnknownOrder, 1)
		find("there", nil, 2)
		find("there", nil, 3)
		time.Sleep(unknownFor)
		find("none", problem.UnknownOrder, 4)
		for i := range 3 * maxUnknown {
			_, _ = l.find(t.Context(), fmt.Sprint(i))
		}
		if len(l.unknown) > maxUnknown {
			t.Fatalf("%d kept", len(l.unknown))
		}
	})
}
