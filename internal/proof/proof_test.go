package proof

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	noon  = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	scope = Scope{Sale: "spring", Requester: "203.0.113.5", Epoch: 3}
)

func keysOf(secret byte, others ...byte) *Keys {
	var rest [][]byte
	for _, other := range others {
		rest = append(rest, keyOf(other))
	}
	return NewKeys(keyOf(secret), rest...)
}

func keyOf(secret byte) []byte { return []byte(strings.Repeat(string(rune('a'+secret)), 32)) }

// solve does what a visitor does.
func solve(t testing.TB, c Challenge) payload {
	t.Helper()
	for number := range c.MaxNumber + 1 {
		if digest := hashOf(c.Salt, number); hex.EncodeToString(digest[:]) == c.Challenge {
			return payload{Algorithm: c.Algorithm, Challenge: c.Challenge, Number: number, Salt: c.Salt, Signature: c.Signature}
		}
	}
	t.Fatal("the challenge has no solution")
	return payload{}
}

func encode(t testing.TB, p any) string {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(text)
}

func TestTheSolutionOfAChallengeIsBelieved(t *testing.T) {
	keys := keysOf(0)
	for difficulty := range MaxDifficulty + 1 {
		c := keys.Challenge(scope, difficulty, noon)
		if c.Algorithm != "SHA-256" || c.MaxNumber != difficulty.MaxNumber() {
			t.Fatalf("got %+v", c)
		}
		got, err := keys.Verify(encode(t, solve(t, c)), scope, noon.Add(Life-time.Second))
		if err != nil || got.Difficulty != difficulty || got.ExpiresAt != noon.Add(Life).Local() {
			t.Fatalf("difficulty %d: %+v, %v", difficulty, got, err)
		}
	}
}

func TestASolutionIsGoodForItsSaleItsRequesterItsEpochAndItsTime(t *testing.T) {
	keys := keysOf(0)
	text := encode(t, solve(t, keys.Challenge(scope, 0, noon)))
	for name, one := range map[string]struct {
		scope Scope
		at    time.Time
		want  error
	}{
		"another sale":         {Scope{"summer", scope.Requester, scope.Epoch}, noon, ErrInvalid},
		"another requester":    {Scope{scope.Sale, "203.0.113.6", scope.Epoch}, noon, ErrInvalid},
		"the parts moved":      {Scope{"sprin", "g203.0.113.5", scope.Epoch}, noon, ErrInvalid},
		"an epoch later":       {Scope{scope.Sale, scope.Requester, scope.Epoch + 1}, noon, ErrExpired},
		"the end of its time":  {scope, noon.Add(Life), ErrExpired},
		"long after its time":  {scope, noon.Add(24 * time.Hour), ErrExpired},
		"nothing of all these": {scope, noon, nil},
	} {
		if _, err := keys.Verify(text, one.scope, one.at); !errors.Is(err, one.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsChangedInASolutionIsNotBelieved(t *testing.T) {
	keys := keysOf(0)
	c := keys.Challenge(scope, 1, noon)
	good := solve(t, c)
	for name, change := range map[string]func(p *payload){
		"number":           func(p *payload) { p.Number++ },
		"negative number":  func(p *payload) { p.Number = -p.Number - 1 },
		"expiry":           func(p *payload) { p.Salt = strings.Replace(p.Salt, "?expires=1", "?expires=2", 1) },
		"difficulty":       func(p *payload) { p.Salt = strings.Replace(p.Salt, "&max=50000&", "&max=400000&", 1) },
		"epoch":            func(p *payload) { p.Salt = strings.Replace(p.Salt, "&epoch=3&", "&epoch=4&", 1) },
		"no parameters":    func(p *payload) { p.Salt, _, _ = strings.Cut(p.Salt, "?") },
		"challenge":        func(p *payload) { p.Challenge = strings.Repeat("0", 64) },
		"upper case":       func(p *payload) { p.Challenge = strings.ToUpper(p.Challenge) },
		"no signature":     func(p *payload) { p.Signature = "" },
		"half a signature": func(p *payload) { p.Signature = p.Signature[:32] },
		"own signature":    func(p *payload) { p.Signature = p.Challenge },
		"algorithm":        func(p *payload) { p.Algorithm = "SHA-1" },
	} {
		p := good
		if change(&p); p == good {
			t.Fatalf("%s: nothing was changed in %+v", name, good)
		}
		if _, err := keys.Verify(encode(t, p), scope, noon); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// In ALTCHA's shape the hash covers the salt and the number without a mark between them.
func TestADigitOfTheNumberCannotBecomeOneOfTheSalt(t *testing.T) {
	keys := keysOf(0)
	var good payload
	for good.Number < 10 {
		good = solve(t, keys.Challenge(scope, 0, noon))
	}
	digits := []byte(encodeNumber(good.Number))
	for cut := 1; cut < len(digits); cut++ {
		moved := good
		moved.Salt += string(digits[:cut])
		moved.Number = decodeNumber(digits[cut:])
		if _, err := keys.Verify(encode(t, moved), scope, noon.Add(24*time.Hour)); !errors.Is(err, ErrInvalid) {
			t.Fatalf("%+v: %v", moved, err)
		}
	}
}

func encodeNumber(n int64) string {
	text, _ := json.Marshal(n)
	return string(text)
}

func decodeNumber(digits []byte) (n int64) {
	for _, d := range digits {
		n = n*10 + int64(d-'0')
	}
	return n
}

func TestWhileTheSecretChangesBothAreBelieved(t *testing.T) {
	const old, current, next = 1, 2, 3
	before, during, after := keysOf(old), keysOf(current, old, next), keysOf(current)
	for name, one := range map[string]struct {
		maker, verifier *Keys
		want            error
	}{
		"of the old secret":              {before, during, nil},
		"of the next secret":             {keysOf(next), during, nil},
		"of the current one":             {during, during, nil},
		"of the old one, out of use":     {before, after, ErrInvalid},
		"of the current one, afterwards": {during, after, nil},
	} {
		text := encode(t, solve(t, one.maker.Challenge(scope, 0, noon)))
		if _, err := one.verifier.Verify(text, scope, noon); !errors.Is(err, one.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryChallengeHasAnIDOfItsOwnHoweverItsSolutionIsSpelt(t *testing.T) {
	keys := keysOf(0)
	seen := make(map[ID]bool)
	for range 20 {
		p := solve(t, keys.Challenge(scope, 0, noon))
		first, err := keys.Verify(encode(t, p), scope, noon)
		if err != nil || seen[first.ID] {
			t.Fatalf("%+v, %v; seen: %v", first, err, seen[first.ID])
		}
		seen[first.ID] = true
		again, err := keys.Verify(encode(t, map[string]any{
			"took": 12, "signature": strings.ToUpper(p.Signature), "number": p.Number, "salt": p.Salt, "challenge": p.Challenge, "algorithm": p.Algorithm,
		}), scope, noon)
		if err != nil || again.ID != first.ID {
			t.Fatalf("%+v, %v; want %+v", again, err, first)
		}
	}
}

func TestDifficultyRisesWithWhatTheAddressDoesAndNeverAboveItsTop(t *testing.T) {
	for _, one := range []struct {
		behaviour Behaviour
		want      Difficulty
	}{
		{Behaviour{}, 0},
		{Behaviour{Joins: 3, NetworkJoins: 31, Refused: 1}, 0},
		{Behaviour{Joins: 4}, 1},
		{Behaviour{Joins: 8}, 2},
		{Behaviour{NetworkJoins: 64}, 2},
		{Behaviour{Refused: 2}, 1},
		{Behaviour{Refused: 16}, 4},
		{Behaviour{Datacentre: true}, 2},
		{Behaviour{Datacentre: true, Joins: 4}, 3},
		{Behaviour{Datacentre: true, Joins: 1 << 40, NetworkJoins: 1 << 40, Refused: 1 << 40}, MaxDifficulty},
	} {
		if got := DifficultyFor(one.behaviour); got != one.want {
			t.Errorf("%+v: %d, want %d", one.behaviour, got, one.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(0, 1000)
		b := Behaviour{Joins: count.Draw(t, "joins"), NetworkJoins: count.Draw(t, "network"), Refused: count.Draw(t, "refused")}
		worse := Behaviour{Joins: b.Joins + 1, NetworkJoins: b.NetworkJoins + 1, Refused: b.Refused + 1, Datacentre: true}
		if was, is := DifficultyFor(b), DifficultyFor(worse); is < was || is > MaxDifficulty || is.MaxNumber() > 400_000 {
			t.Fatalf("%+v: %d; %+v: %d", b, was, worse, is)
		}
	})
}

func TestASolutionCountsUntilTwoStepsMoreAreAsked(t *testing.T) {
	for solved, asked := range map[Difficulty]Difficulty{0: 1, 1: 2, 4: 4, 3: 0} {
		if !solved.Enough(asked) {
			t.Errorf("%d is not enough for %d", solved, asked)
		}
	}
	for solved, asked := range map[Difficulty]Difficulty{0: 2, 1: 3, 2: 4} {
		if solved.Enough(asked) {
			t.Errorf("%d is enough for %d", solved, asked)
		}
	}
}

func TestANodeRemembersTheSolutionsThatWereUsedLatelyAndNoMore(t *testing.T) {
	used := NewUsed()
	id := func(n int) ID { return ID{byte(n), byte(n >> 8), byte(n >> 16)} }
	for n := range 5 * usedPerGeneration {
		if used.Has(id(n)) {
			t.Fatalf("%d was not used", n)
		}
		used.Add(id(n))
		if !used.Has(id(n)) || n >= usedPerGeneration && !used.Has(id(n-usedPerGeneration+1)) {
			t.Fatalf("forgotten at %d", n)
		}
	}
	if got := len(used.young) + len(used.older); got > 2*usedPerGeneration {
		t.Fatalf("%d are remembered", got)
	}
}

func FuzzVerify(f *testing.F) {
	keys := keysOf(0)
	good := solve(f, keys.Challenge(scope, 0, noon))
	f.Add(encode(f, good))
	f.Add("")
	f.Add(base64.StdEncoding.EncodeToString([]byte(`{"algorithm":"SHA-256","number":1e9,"salt":"?expires=&epoch=&max=&"}`)))
	f.Add(base64.StdEncoding.EncodeToString([]byte(`{"algorithm":"SHA-256","number":-1,"salt":"00?expires=99999999999999999999&epoch=3&max=1&"}`)))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := keys.Verify(text, scope, noon)
		if err != nil {
			if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrExpired) || got != (Solution{}) {
				t.Fatalf("%+v, %v", got, err)
			}
			return
		}
		p, ok := parsePayload(text)
		if !ok || p.Salt != good.Salt || p.Number != good.Number || p.Challenge != good.Challenge {
			t.Fatalf("believed: %+v", p)
		}
	})
}

// BenchmarkVerify is how many solutions one core verifies while the secret is being rotated: the key is the last of
// three. More than 20,000 a second are wanted.
func BenchmarkVerify(b *testing.B) {
	keys := keysOf(0, 1, 2)
	text := encode(b, solve(b, keysOf(2).Challenge(scope, MaxDifficulty, noon)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keys.Verify(text, scope, noon); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "solutions/s")
}

// BenchmarkRefuse is the same for what somebody made up.
func BenchmarkRefuse(b *testing.B) {
	keys := keysOf(0, 1, 2)
	text := encode(b, solve(b, keysOf(3).Challenge(scope, MaxDifficulty, noon)))
	for b.Loop() {
		if _, err := keys.Verify(text, scope, noon); err == nil {
			b.Fatal("believed")
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "solutions/s")
}

func BenchmarkChallenge(b *testing.B) {
	keys := keysOf(0)
	for b.Loop() {
		keys.Challenge(scope, 2, noon)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "challenges/s")
}

func TestTheBehaviourOfAnAddressIsThatOfTheLastMinutes(t *testing.T) {
	watch := NewWatch()
	prefix := netip.MustParsePrefix
	here := From{"spring", prefix("203.0.113.5/32"), prefix("203.0.113.0/24")}
	next := From{"spring", prefix("203.0.113.6/32"), prefix("203.0.113.0/24")}
	for range 5 {
		watch.Joined(here, noon)
	}
	watch.Refused(here, noon)
	for name, one := range map[string]struct {
		from From
		want Behaviour
	}{
		"the address":   {here, Behaviour{Joins: 5, Refused: 1, NetworkJoins: 5}},
		"its neighbour": {next, Behaviour{NetworkJoins: 5}},
		"another sale":  {From{"summer", here.Address, here.Network}, Behaviour{}},
		"not known":     {From{Sale: "spring"}, Behaviour{}},
	} {
		if got := watch.Lately(one.from, noon.Add(time.Second)); got != one.want {
			t.Errorf("%s: %+v, want %+v", name, got, one.want)
		}
	}
	watch.Joined(here, noon.Add(70*time.Second))
	if got := watch.Lately(here, noon.Add(80*time.Second)); got.Joins != 6 {
		t.Errorf("in the second minute: %+v", got)
	}
	if got := watch.Lately(here, noon.Add(3*time.Minute)); got.Joins != 1 {
		t.Errorf("in the fourth: %+v", got)
	}
	if got := watch.Lately(here, noon.Add(time.Hour)); got != (Behaviour{}) {
		t.Errorf("later: %+v", got)
	}
}

func TestAFloodOfAddressesTakesABoundedMemory(t *testing.T) {
	watch := NewWatch()
	for n := range 2 * countsPerGeneration {
		address := netip.AddrFrom4([4]byte{100, byte(n >> 16), byte(n >> 8), byte(n)})
		watch.Joined(From{"spring", netip.PrefixFrom(address, 32), netip.PrefixFrom(address, 24).Masked()}, noon)
	}
	if got := len(watch.young) + len(watch.older); got > 2*countsPerGeneration {
		t.Fatalf("%d are kept", got)
	}
}
