package bots

import (
	"math"
	"net/netip"
	"strconv"
	"time"

	"github.com/penstock/penstock/internal/address"
	"github.com/penstock/penstock/internal/sale"
)

// Rule is by what a client was noticed. The names are labels of metrics, and those of the settings.
type Rule string

// The limits.
const (
	JoinsPerNetwork    Rule = "joins_per_network"
	JoinsPerAddress    Rule = "joins_per_address"
	JoinsPerKey        Rule = "joins_per_key"
	ActionsPerNetwork  Rule = "actions_per_network"
	ActionsPerAddress  Rule = "actions_per_address"
	ActionsPerTicket   Rule = "actions_per_ticket"
	ReleasesPerNetwork Rule = "releases_per_network"
	ReleasesPerAddress Rule = "releases_per_address"
)

// The other rules.
const (
	Datacentre Rule = "datacentre"  // the address is in the list of data centres
	WrongProof Rule = "wrong_proof" // the proof of work solves nothing, or was used before
)

// LimitRules are all limits there are.
func LimitRules() []Rule {
	return []Rule{JoinsPerNetwork, JoinsPerAddress, JoinsPerKey, ActionsPerNetwork, ActionsPerAddress, ActionsPerTicket, ReleasesPerNetwork, ReleasesPerAddress}
}

// DefaultBuckets is how many buckets of each kind a node keeps. One takes about 250 bytes.
const DefaultBuckets = 65_536

// Who is whose doing is limited.
type Who struct {
	Sale string
	// Address is that of the client; the zero Addr when it is not known to be the address of one client.
	Address netip.Addr
	// Holder is the key of the customer, or the number of the ticket; empty when there is none.
	Holder string
}

// Limits are the buckets of one node. They are safe for concurrent use.
type Limits struct {
	networks, addresses, holders *buckets
}

// NewLimits keeps at most that many buckets of each kind.
func NewLimits(most int) *Limits {
	return &Limits{networks: newBuckets(most), addresses: newBuckets(most), holders: newBuckets(most)}
}

// Kept is how many buckets there are.
func (l *Limits) Kept() int { return l.networks.kept() + l.addresses.kept() + l.holders.kept() }

// taking is one bucket from which something is taken.
type taking struct {
	from      *buckets
	key       bucketKey
	perMinute int
	later     bool // it is taken by Keep
}

// maxTakings is how many buckets one request asks.
const maxTakings = 3

// Taken is what was taken for one request, and how much is left. The zero value took nothing.
type Taken struct {
	takings [maxTakings]taking
	n       int
	// Tightest is the rule by which the least is left, or that refuses. Empty when no limit applies.
	Tightest  Rule
	PerMinute int
	Left      int
	// Wait is until there is one again, when the rule refuses, and 0 otherwise.
	Wait time.Duration
}

// Refused reports whether the request is over a limit. Then nothing was taken.
func (t *Taken) Refused() bool { return t.Wait > 0 }

// Join takes a place for a newcomer. Of a key it is only looked whether there is one: many tabs of one customer, who
// get one place together, come at the same moment. Keep takes it.
func (l *Limits) Join(who Who, limits sale.Limits, now time.Time) Taken {
	t := l.of(who, limit{JoinsPerNetwork, limits.JoinsPerNetwork}, limit{JoinsPerAddress, limits.JoinsPerAddress}, limit{JoinsPerKey, limits.JoinsPerKey})
	if who.Holder != "" {
		t.takings[t.n-1].later = true
	}
	return t.take(now)
}

// Act takes the right to one action.
func (l *Limits) Act(who Who, limits sale.Limits, now time.Time) Taken {
	t := l.of(who, limit{ActionsPerNetwork, limits.ActionsPerNetwork}, limit{ActionsPerAddress, limits.ActionsPerAddress}, limit{ActionsPerTicket, limits.ActionsPerTicket})
	return t.take(now)
}

// ActAgain takes the right to ask once more for what the holder has. What others at the same address do does not count.
func (l *Limits) ActAgain(who Who, limits sale.Limits, now time.Time) (t Taken) {
	t.add(l.holders, who.held(ActionsPerTicket), limits.ActionsPerTicket)
	return t.take(now)
}

// limit is a rule and how much it leaves in a minute.
type limit struct {
	rule      Rule
	perMinute int
}

// of lists what is to be taken of a client, the network first.
func (l *Limits) of(who Who, network, site, holder limit) (t Taken) {
	if who.Address.IsValid() {
		t.add(l.networks, who.network(network.rule), network.perMinute)
		t.add(l.addresses, who.site(site.rule), site.perMinute)
	}
	if who.Holder != "" {
		t.add(l.holders, who.held(holder.rule), holder.perMinute)
	}
	return t
}

func (w Who) network(rule Rule) bucketKey {
	return bucketKey{sale: w.Sale, rule: rule, network: address.Network(w.Address)}
}

func (w Who) site(rule Rule) bucketKey {
	return bucketKey{sale: w.Sale, rule: rule, network: address.Site(w.Address)}
}

func (w Who) held(rule Rule) bucketKey { return bucketKey{sale: w.Sale, rule: rule, holder: w.Holder} }

func (t *Taken) add(from *buckets, key bucketKey, perMinute int) {
	t.takings[t.n] = taking{from: from, key: key, perMinute: perMinute}
	t.n++
}

// take asks one bucket after the other, up to the first that refuses. What the others gave goes back then.
func (t Taken) take(now time.Time) Taken {
	for i := range t.takings[:t.n] {
		one := &t.takings[i]
		ask := one.from.take
		if one.later {
			ask = one.from.peek
		}
		left, wait := ask(one.key, one.perMinute, now)
		if i == 0 || left < t.Left || wait > 0 {
			t.Tightest, t.PerMinute, t.Left, t.Wait = one.key.rule, one.perMinute, left, wait
		}
		if wait > 0 {
			t.n = i
			t.GiveBack(now)
			break
		}
	}
	return t
}

// Keep takes what was only looked at, once: for a request that got something new.
func (t *Taken) Keep(now time.Time) {
	for _, one := range t.takings[:t.n] {
		if one.later {
			one.from.take(one.key, one.perMinute, now)
		}
	}
	t.n = 0
}

// GiveBack undoes what was taken, once: for a request that got nothing new.
func (t *Taken) GiveBack(now time.Time) {
	for _, one := range t.takings[:t.n] {
		if !one.later {
			one.from.giveBack(one.key, now)
		}
	}
	t.n = 0
}

// WaitSeconds is Wait as Retry-After tells it.
func (t *Taken) WaitSeconds() int { return int(math.Ceil(t.Wait.Seconds())) }

// AppendPolicy appends the value of the header field RateLimit-Policy for the rule that was tightest, and AppendLeft
// that of RateLimit: draft-ietf-httpapi-ratelimit-headers-10, in which the name of a policy is a string, q the quota, w
// its window in seconds, r what is left of it and t the seconds until there is more. The window is a minute.
func (t *Taken) AppendPolicy(b []byte) []byte {
	b = t.appendName(b)
	b = append(b, ";q="...)
	b = strconv.AppendInt(b, int64(t.PerMinute), 10)
	return append(b, ";w=60"...)
}

// AppendLeft appends the value of RateLimit; see AppendPolicy.
func (t *Taken) AppendLeft(b []byte) []byte {
	b = t.appendName(b)
	b = append(b, ";r="...)
	b = strconv.AppendInt(b, int64(t.Left), 10)
	if t.Refused() {
		b = append(b, ";t="...)
		b = strconv.AppendInt(b, int64(t.WaitSeconds()), 10)
	}
	return b
}

func (t *Taken) appendName(b []byte) []byte {
	b = append(b, '"')
	b = append(b, t.Tightest...)
	return append(b, '"')
}
