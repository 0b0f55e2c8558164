package reservation

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// The limits of a request.
const (
	MaxLines       = 50
	MaxQuantity    = 1000 // units of one item in one request
	MaxCustomer    = 128  // bytes
	MaxKey         = 255  // bytes of an idempotency key or a scope
	maxBearer      = 128
	maxScriptLines = 1000 // lines that one script call decides
)

// Request asks for units. Lines of the same SKU are added together.
type Request struct {
	// IdempotencyKey makes the request repeatable within its Scope (say, the ticket of the visitor
	// or the key of the shop): the same key and content lead to the same reservation.
	IdempotencyKey, Scope string
	Customer              string
	// Channel names the pool; "" is that of visitors (sale.Sale.VisitorChannel), or the first by name when
	// there is none.
	Channel string
	Lines   []Line
	// Bearer is who asks, say the number of a visitor's ticket; "" when that is not known.
	Bearer string
	// PassUntil is when the bearer's pass is over. With it the pass must be in the gate, and it belongs to the
	// customer of its first reservation from then on. Zero: no pass is needed.
	PassUntil time.Time
	// PassIssued is when that pass was issued, in whole seconds: by it the pass may take units that were set aside.
	PassIssued time.Time
}

// ask is a request ready for the script.
type ask struct {
	plan     *plan
	core     string
	former   []string // the cores under former secrets
	customer string
	bearer   string
	until    int64 // when the bearer's pass is over, ms; 0 when none is needed
	issued   int64 // when it was issued, s; 0 when there is none
	payload  string
	lines    []Line
	pools    []*pool
	channel  int
}

// Reserve holds units, all lines or none.
//
// The same request again gives the reservation as it was when it was made ("held", whatever became
// of it since; only its expiry tells of an extension). One that was given back or has expired is known
// for 15 minutes; once nothing is left, its repetition may be told sold_out instead. Other content
// under the same key is idempotency_mismatch, or sold_out when nothing is left of what it now asks for. After
// a rebuild an order that the journal does not tell of is found by the key alone. A refusal leaves nothing
// behind and is decided anew each time. Again: the request has made the reservation before.
//
// Codes: bad_request, invalid_quantity, unknown_sku, unknown_channel, sale_not_open, sale_paused,
// pass_invalid, pass_bound (the pass belongs to another customer), limit_exceeded, sold_out (with
// may_return), idempotency_mismatch, too_many_releases (the bearer gave back too many reservations in a short
// time), overloaded, unavailable.
func (s *Stock) Reserve(ctx context.Context, req Request) (made Reservation, again bool, err error) {
	one, err := s.prepare(&req)
	if err != nil {
		return Reservation{}, false, err
	}
	line, latched, seen := s.latched(one)
	// The memory ends with the snapshot; a latch that a refusal has closed since is no match for it.
	if seen && s.memory.excludes(s.snapshot.Load(), one.core, one.former) {
		return Reservation{}, false, s.soldOut(one, line)
	}
	one.identify(&req)
	known := ""
	if latched || len(one.former) > 0 {
		if known, err = s.recall(ctx, one); err != nil {
			return Reservation{}, false, err
		}
		if known == "" && latched {
			return Reservation{}, false, s.soldOut(one, line)
		}
	}
	if known == "" {
		made, known, err = s.hold(ctx, one)
	}
	if known != "" {
		made, err = s.replay(ctx, one, known)
	}
	return made, known != "", err
}

// hold makes a new reservation, or returns the record of the one that the request has made before.
func (s *Stock) hold(ctx context.Context, one *ask) (made Reservation, known string, err error) {
	if s.journalFull(one.plan) {
		return Reservation{}, "", problem.Retry(problem.Unavailable, "the journal of the sale is full", journalFullSeconds)
	}
	got, err := s.reserves.Do(ctx, one)
	if err == nil {
		err = got.err
	}
	if err != nil || got.known != "" {
		return Reservation{}, got.known, waited("reserve", err)
	}
	r := one.made(&got)
	made, err = s.promise(ctx, one.core, &r)
	return made, "", err
}

// journalFullSeconds is when to try again while the journal is full: an operator has to act first.
const journalFullSeconds = 10

// journalFull: a hold whose promise cannot be kept is not made. Sales of durability memory promise none.
func (s *Stock) journalFull(p *plan) bool {
	return s.deps.JournalFull != nil && p.rec.Durability != sale.Memory && s.deps.JournalFull(s.sale)
}

// prepare checks the request and finds its pools and its core: what it takes to look into memory.
func (s *Stock) prepare(req *Request) (*ask, error) {
	switch {
	case len(req.IdempotencyKey) == 0 || len(req.IdempotencyKey) > MaxKey || len(req.Scope) > MaxKey:
		return nil, problem.With(problem.BadRequest, "the idempotency key must have 1 to 255 bytes")
	case len(req.Customer) == 0 || len(req.Customer) > MaxCustomer:
		return nil, problem.With(problem.BadRequest, "the customer must have 1 to 128 bytes")
	case len(req.Lines) == 0 || len(req.Lines) > MaxLines:
		return nil, problem.With(problem.BadRequest, "want 1 to 50 items")
	case req.Bearer != "" && !validBearer(req.Bearer):
		return nil, problem.With(problem.BadRequest, "the bearer is 1 to 128 visible ASCII characters")
	case !req.PassUntil.IsZero() && (s.deps.GateKey == "" || req.Bearer == ""):
		return nil, problem.PassInvalid
	}
	if err := s.paced(req.Bearer); err != nil {
		return nil, err
	}
	p := s.plan.Load()
	channel, ok := p.channel(req.Channel)
	if !ok {
		return nil, problem.With(problem.UnknownChannel, fmt.Sprintf("the sale has no channel %.64q", req.Channel))
	}
	one := &ask{plan: p, channel: channel, bearer: req.Bearer}
	if !req.PassUntil.IsZero() {
		one.until, one.issued = req.PassUntil.UnixMilli(), max(req.PassIssued.Unix(), 0)
	}
	if err := one.addLines(req.Lines); err != nil {
		return nil, err
	}
	one.core = s.cores.core(s.sale, req.Scope, req.IdempotencyKey)
	for _, maker := range s.former {
		one.former = append(one.former, maker.core(s.sale, req.Scope, req.IdempotencyKey))
	}
	return one, nil
}

// identify adds what the script needs beyond that: whose request it is, and a hash of what it says.
func (a *ask) identify(req *Request) {
	a.customer = CustomerKey(req.Customer)
	a.payload = payloadOf(a)
}

// latched returns a line of which nothing was left when Redis was last heard of: the first that the
// snapshot saw empty (seen), or else the first that a refusal has told of.
func (s *Stock) latched(one *ask) (line int, latched, seen bool) {
	if !s.fresh() {
		return 0, false, false
	}
	horizon := s.horizon()
	for i, p := range one.pools {
		if !p.gone(horizon, (*pool).isEmpty) {
			continue
		}
		if p.gone(horizon, one.plan.sawEmpty) {
			return i, true, true
		}
		if !latched {
			line, latched = i, true
		}
	}
	return line, latched, false
}

// addLines merges lines of the same SKU and finds their pools.
func (a *ask) addLines(lines []Line) error {
	a.lines = make([]Line, 0, len(lines))
	a.pools = make([]*pool, 0, len(lines))
	for _, line := range lines {
		item, ok := a.plan.items[line.SKU]
		if !ok {
			return problem.With(problem.UnknownSKU, fmt.Sprintf("the sale has no item %.64q", line.SKU))
		}
		if line.Quantity < 1 || line.Quantity > MaxQuantity {
			return problem.With(problem.InvalidQuantity, "want 1 to 1000 units of an item", problem.F("sku", line.SKU))
		}
		at := slices.IndexFunc(a.lines, func(l Line) bool { return l.SKU == line.SKU })
		if at < 0 {
			a.lines = append(a.lines, line)
			a.pools = append(a.pools, a.plan.pool(item, a.channel))
			continue
		}
		if a.lines[at].Quantity += line.Quantity; a.lines[at].Quantity > MaxQuantity {
			return problem.With(problem.InvalidQuantity, "want 1 to 1000 units of an item", problem.F("sku", line.SKU))
		}
	}
	return nil
}

// payloadOf hashes what the same key must come with again; the order of the lines does not count.
func payloadOf(a *ask) string {
	lines := a.lines
	if len(lines) > 1 {
		lines = slices.Clone(lines)
		slices.SortFunc(lines, func(x, y Line) int { return strings.Compare(x.SKU, y.SKU) })
	}
	sum := sha256.Sum256([]byte(a.customer + " " + a.pools[0].channel + " " + packLines(lines)))
	return encoding.EncodeToString(sum[:payloadBytes])
}

func (a *ask) record(created, expires int64) record {
	return record{
		status: letterHeld, epoch: a.plan.rec.Epoch, created: created, expires: expires,
		durability: letterOf(a.plan.rec.Durability), customer: a.customer, channel: a.pools[0].channel,
		payload: a.payload, lines: packLines(a.lines), bearer: orNothing(a.bearer), until: a.until,
	}
}

// made is the record of a new reservation.
func (a *ask) made(d *decision) record {
	r := a.record(d.created, d.expires)
	if d.drawn != "" {
		r.lines = d.drawn
	}
	return r
}

// weight is how many pools the script looks at for the request, at most.
func (a *ask) weight() int {
	n := len(a.pools)
	for _, one := range a.pools {
		n += len(one.sources)
	}
	return n
}

// pass is what the script looks up in the gate; "" when no pass is needed.
func (a *ask) pass() string {
	if a.until == 0 {
		return ""
	}
	return a.bearer
}

// soldOut words the refusal from the snapshot.
func (s *Stock) soldOut(one *ask, line int) error {
	own := one.pools[line]
	mayReturn := s.snapshot.Load().held(own)
	for _, from := range own.sources {
		mayReturn = mayReturn || s.snapshot.Load().held(from.pool) || !from.pool.isEmpty()
	}
	return soldOutError(one.lines[line].SKU, mayReturn)
}

func soldOutError(sku string, mayReturn bool) error {
	detail := "nothing is left"
	if mayReturn {
		detail = "no unit is free; some may come back"
	}
	return problem.With(problem.SoldOut, detail, problem.F("may_return", mayReturn), problem.F("sku", sku))
}

// replay is the answer to a request whose record exists. It is journaled again, because the node
// that made the reservation may have died before it did so.
func (s *Stock) replay(ctx context.Context, one *ask, text string) (Reservation, error) {
	r, err := parseRecord(text)
	if err != nil {
		return Reservation{}, err
	}
	if r.payload != nothing && r.payload != one.payload {
		return Reservation{}, problem.With(problem.IdempotencyMismatch, "the key was used for another reservation")
	}
	if r.status == letterHeld {
		s.enqueue(r.durability, kindHeld, []string{one.core}, []record{r})
	}
	r.status = letterHeld
	if r.payload == nothing { // it is known from its order alone, and nothing is left to promise
		return r.reservation(s.sale, one.core, 0)
	}
	return s.promise(ctx, one.core, &r)
}

// promise makes a new reservation as durable as it says it is, and words it.
func (s *Stock) promise(ctx context.Context, core string, r *record) (Reservation, error) {
	if err := s.journal(ctx, kindHeld, core, r); err != nil {
		return Reservation{}, err
	}
	return r.reservation(s.sale, core, 0)
}

// failed logs once for a whole batch that Redis could not be asked.
func (s *Stock) failed(what string, err error) error {
	s.deps.Log.Warn("redis failed", "during", what, "sale", s.sale, "error", err)
	return failed(what, err)
}
