package bots

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/sale"
)

var start = time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)

func from(address string) Who { return Who{Sale: "spring", Address: netip.MustParseAddr(address)} }

// admitted counts how many of n joins get through at one moment.
func admitted(l *Limits, who Who, limits sale.Limits, n int, now time.Time) (through int) {
	for range n {
		if taken := l.Join(who, limits, now); !taken.Refused() {
			taken.Keep(now)
			through++
		}
	}
	return through
}

func TestTenThousandJoinsFromOneAddressAreHeldToItsLimit(t *testing.T) {
	l, limits := NewLimits(DefaultBuckets), sale.Limits{}.Resolved()
	if got := admitted(l, from("192.0.2.7"), limits, 10_000, start); got != sale.DefaultJoinsPerAddress {
		t.Fatalf("%d places for one address", got)
	}
	if got := admitted(l, from("192.0.2.8"), limits, 100, start); got != 100 {
		t.Fatalf("a second address got %d of 100", got)
	}
	if got := admitted(l, from("192.0.2.7"), limits, 1000, start.Add(30*time.Second)); got != sale.DefaultJoinsPerAddress/2 {
		t.Fatalf("%d places after half a minute", got)
	}
	other := from("192.0.2.7")
	other.Sale = "autumn"
	if got := admitted(l, other, limits, 10, start); got != 10 {
		t.Fatalf("in another sale %d of 10", got)
	}
}

func TestOneNetworkIsHeldToItsLimitFromHoweverManyAddresses(t *testing.T) {
	l, limits := NewLimits(DefaultBuckets), sale.Limits{}.Resolved()
	through := 0
	for i := range 5000 { // a /64 each, of one /48
		through += admitted(l, from(fmt.Sprintf("2001:db8:1:%x::1", i)), limits, 1, start)
	}
	if through != sale.DefaultJoinsPerNetwork {
		t.Fatalf("%d places for one network", through)
	}
	if kept := l.addresses.kept(); kept != sale.DefaultJoinsPerNetwork {
		t.Fatalf("%d addresses are kept of a network that may take %d places", kept, sale.DefaultJoinsPerNetwork)
	}
	if got := admitted(l, from("2001:db8:2::1"), limits, 10, start); got != 10 {
		t.Fatalf("the next network got %d of 10", got)
	}
}

func TestAnIPv6SiteIsOneAddress(t *testing.T) {
	l, limits := NewLimits(DefaultBuckets), sale.Limits{}.Resolved()
	through := 0
	for i := range 1000 {
		through += admitted(l, from(fmt.Sprintf("2001:db8::%x", i+1)), limits, 1, start)
	}
	if through != sale.DefaultJoinsPerAddress {
		t.Fatalf("%d places for one /64", through)
	}
}

func TestWhatIsRefusedTakesNothingAndWhatIsGivenBackIsThereAgain(t *testing.T) {
	l, limits := NewLimits(DefaultBuckets), sale.Limits{JoinsPerNetwork: 10, JoinsPerAddress: 2}.Resolved()
	who := from("192.0.2.7")
	admitted(l, who, limits, 5, start)
	if left := l.Join(from("192.0.2.8"), limits, start); left.Refused() {
		t.Fatal("refused joins of an address were taken from its network")
	}
	taken := l.Join(from("192.0.2.9"), limits, start)
	taken.GiveBack(start)
	taken.GiveBack(start) // once only
	if got := admitted(l, from("192.0.2.9"), limits, 5, start); got != 2 {
		t.Fatalf("%d places after one was given back, want 2", got)
	}
}

func TestAKeyHasALimitOfItsOwnFromEveryAddress(t *testing.T) {
	l, limits := NewLimits(DefaultBuckets), sale.Limits{}.Resolved()
	through := 0
	for i := range 50 {
		who := from(fmt.Sprintf("198.51.%d.1", i))
		who.Holder = "ada"
		through += admitted(l, who, limits, 1, start)
	}
	if through != sale.DefaultJoinsPerKey {
		t.Fatalf("%d places for one key", through)
	}
	for range 100 { // the customer comes with many tabs at once, who get no place of their own
		taken := l.Join(Who{Sale: "spring", Holder: "bob"}, limits, start)
		if taken.Refused() {
			t.Fatal("a customer is held up by what was not given")
		}
		defer taken.GiveBack(start)
	}
	if taken := l.Join(Who{Sale: "spring"}, limits, start); taken.Refused() || taken.Tightest != "" {
		t.Fatal("somebody of whom nothing is known is limited")
	}
}

func TestTheHeaderFieldsTellTheLimitThatIsNearest(t *testing.T) {
	l, limits := NewLimits(DefaultBuckets), sale.Limits{}.Resolved()
	taken := l.Join(from("192.0.2.7"), limits, start)
	if got := string(taken.AppendPolicy(nil)) + " | " + string(taken.AppendLeft(nil)); got != `"joins_per_address";q=120;w=60 | "joins_per_address";r=119` {
		t.Fatal(got)
	}
	admitted(l, from("192.0.2.7"), limits, 500, start)
	taken = l.Join(from("192.0.2.7"), limits, start)
	if got := string(taken.AppendLeft(nil)); got != `"joins_per_address";r=0;t=1` || taken.WaitSeconds() != 1 {
		t.Fatal(got)
	}
}

// However many addresses come, no more buckets are kept, and the one that was asked last is not forgotten.
func TestTheMemoryIsBounded(t *testing.T) {
	const most = 640
	l, limits := NewLimits(most), sale.Limits{}.Resolved()
	for i := range 3000 {
		who := Who{Sale: "spring", Holder: fmt.Sprint(i), Address: netip.AddrFrom4([4]byte{byte(i >> 8), byte(i), 0, 1})}
		admitted(l, who, limits, 1, start)
		if got := admitted(l, who, limits, 20, start); got != sale.DefaultJoinsPerKey-1 {
			t.Fatalf("the last who came was forgotten: %d more", got)
		}
	}
	if kept := l.Kept(); kept > 3*most {
		t.Fatalf("%d buckets are kept of %d", kept, 3*most)
	}
}

func TestALimitThatIsChangedHoldsAtOnce(t *testing.T) {
	l := NewLimits(DefaultBuckets)
	tight := sale.Limits{JoinsPerAddress: 2}.Resolved()
	if got := admitted(l, from("192.0.2.7"), sale.Limits{}.Resolved(), 10, start); got != 10 {
		t.Fatal(got)
	}
	if got := admitted(l, from("192.0.2.7"), tight, 10, start); got > 2 {
		t.Fatalf("%d places over a limit of 2", got)
	}
}

// In any minute no more than twice the figure gets through, in whatever order the requests come and whatever is given
// back.
func TestNoOrderOfRequestsGivesMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, limits := NewLimits(64), sale.Limits{JoinsPerAddress: 6}.Resolved()
		passed := 0
		for range rapid.IntRange(1, 300).Draw(t, "requests") {
			at := start.Add(time.Duration(rapid.IntRange(0, 60_000).Draw(t, "ms")) * time.Millisecond)
			taken := l.Join(from("192.0.2.7"), limits, at)
			switch {
			case taken.Refused():
			case rapid.Bool().Draw(t, "back"):
				taken.GiveBack(at)
			default:
				passed++
			}
		}
		if passed > 12 {
			t.Fatalf("%d places in a minute at 6 a minute", passed)
		}
	})
}

func TestLimitsAreForManyAtOnce(t *testing.T) {
	l, limits := NewLimits(DefaultBuckets), sale.Limits{}.Resolved()
	var mu sync.Mutex
	var all sync.WaitGroup
	through := 0
	for range 8 {
		all.Go(func() {
			got := admitted(l, from("192.0.2.7"), limits, 500, start)
			mu.Lock()
			defer mu.Unlock()
			through += got
		})
	}
	all.Wait()
	if through != sale.DefaultJoinsPerAddress {
		t.Fatalf("%d places", through)
	}
}
