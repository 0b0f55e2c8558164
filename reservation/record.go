package reservation

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

// Status is how a reservation stands.
type Status string

// The states of a reservation. It leaves StatusHeld once, and never comes back to it.
const (
	StatusHeld      Status = "held"
	StatusConfirmed Status = "confirmed"
	StatusReleased  Status = "released"
	StatusExpired   Status = "expired"
)

// The states of an order as far as a reservation knows them.
const (
	OrderQueued    = "queued"    // accepted, and not yet known to be in the ledger
	OrderCommitted = "committed" // in the ledger
	OrderFailed    = "failed"    // refused by the ledger for good
)

// Line is a number of units of one item.
type Line struct {
	SKU      string
	Quantity int64
}

// Reservation is a number of units that are kept for someone until a moment of Redis' clock.
type Reservation struct {
	ID       string
	Sale     string
	Status   Status
	Customer string // CustomerKey of the customer's id
	Channel  string // the pool that was drawn on; "" in a sale without channels
	Lines    []Line
	// Drawn is empty when all units are of the share of Channel; else it tells which are of others.
	Drawn      Drawn
	CreatedAt  time.Time
	ExpiresAt  time.Time
	Extensions int
	Durability sale.Durability // what was promised when it was made
	Epoch      int64           // in which it was made
	Bearer     string          // who made it; "" when that is not known
	PassUntil  time.Time       // when the bearer's pass is over; zero when it was made without one

	// Of a confirmed reservation alone.
	OrderID     string
	OrderStatus string
	OrderedAt   time.Time
	CommittedAt time.Time // zero while OrderStatus is OrderQueued

	payload string // hash of the request
}

// record is the text that Redis keeps for a reservation; scripts/shared/record.lua has the same
// list of words.
type record struct {
	status                              byte
	epoch, created, expires, extensions int64
	durability                          byte
	customer, channel, payload, lines   string
	bearer                              string // who made it, or nothing
	until                               int64  // when the bearer's pass is over; 0 without one
	orderKey, orderPayload              string
	ordered, committed                  int64 // of a failed order, committed is 1 when its units are withheld
}

const (
	letterHeld      = 'h'
	letterConfirmed = 'c'
	letterReleased  = 'r'
	letterExpired   = 'x'
	letterFailed    = 'f'
	// nothing stands for an empty word.
	nothing = "*"
	// bearerMark stands between a bearer and the end of its pass. No bearer contains it.
	bearerMark  = "/"
	recordWords = 11
	orderWords  = 15
)

// How long a reservation can still be looked up here (RESOLVED_KEEP_MS and COMMITTED_KEEP_MS in
// scripts/shared/record.lua).
const (
	resolvedKeep  = 15 * time.Minute // after it was released or has expired
	committedKeep = 24 * time.Hour   // after the order is in the ledger
)

var errRecord = errors.New("reservation: a stored record cannot be read")

func (r *record) text() string {
	var b strings.Builder
	b.WriteByte(r.status)
	for _, n := range [...]int64{r.epoch, r.created, r.expires, r.extensions} {
		b.WriteByte(' ')
		b.WriteString(strconv.FormatInt(n, 10))
	}
	b.WriteByte(' ')
	b.WriteString(r.tail())
	if r.status == letterConfirmed || r.status == letterFailed {
		b.WriteString(" " + r.orderKey + " " + r.orderPayload + " ")
		b.WriteString(strconv.FormatInt(r.ordered, 10) + " " + strconv.FormatInt(r.committed, 10))
	}
	return b.String()
}

// tail is the part that never changes.
func (r *record) tail() string {
	return string(r.durability) + " " + r.customer + " " + r.channel + " " + r.payload + " " + r.lines + " " + r.bearerWord()
}

// bearerWord is the bearer, and when its pass is over: "bearer/until".
func (r *record) bearerWord() string {
	if r.until == 0 {
		return r.bearer
	}
	return r.bearer + bearerMark + strconv.FormatInt(r.until, 10)
}

// readBearer is the inverse of bearerWord.
func (r *record) readBearer(word string) (err error) {
	bearer, until, passed := strings.Cut(word, bearerMark)
	r.bearer = bearer
	if passed {
		r.until, err = strconv.ParseInt(until, 10, 64)
	}
	return err
}

func parseRecord(text string) (record, error) {
	words := strings.Split(text, " ")
	if len(words) != recordWords && len(words) != orderWords || len(words[0]) != 1 || len(words[5]) != 1 {
		return record{}, errRecord
	}
	r := record{
		status: words[0][0], durability: words[5][0],
		customer: words[6], channel: words[7], payload: words[8], lines: words[9],
	}
	if r.readBearer(words[10]) != nil {
		return record{}, errRecord
	}
	numbers := map[int]*int64{1: &r.epoch, 2: &r.created, 3: &r.expires, 4: &r.extensions}
	if len(words) == orderWords {
		r.orderKey, r.orderPayload = words[11], words[12]
		numbers[13], numbers[14] = &r.ordered, &r.committed
	}
	for i, into := range numbers {
		n, err := strconv.ParseInt(words[i], 10, 64)
		if err != nil {
			return record{}, errRecord
		}
		*into = n
	}
	return r, nil
}

// reservation turns the record into what callers see. A held one whose time is over is expired,
// whether or not anyone has swept it.
func (r *record) reservation(saleID, core string, nowMillis int64) (Reservation, error) {
	lines, err := parseLines(r.lines)
	if err != nil {
		return Reservation{}, err
	}
	out := Reservation{
		ID: makeID(saleID, r.epoch, core), Sale: saleID, Customer: r.customer, Lines: lines,
		CreatedAt: time.UnixMilli(r.created).UTC(), ExpiresAt: time.UnixMilli(r.expires).UTC(),
		Extensions: int(r.extensions), Durability: durabilityOf(r.durability), Epoch: r.epoch, payload: r.payload,
		Channel: channelOf(r.channel), Status: statusOf(r.status), Bearer: bearerOf(r.bearer),
		Drawn: drawnWord(r.lines),
	}
	if r.until != 0 {
		out.PassUntil = time.UnixMilli(r.until).UTC()
	}
	if out.Status == StatusHeld && r.expires <= nowMillis {
		out.Status = StatusExpired
	}
	if out.Status != StatusConfirmed {
		return out, nil
	}
	out.OrderID, out.OrderStatus = OrderID(out.ID), OrderQueued
	out.OrderedAt = time.UnixMilli(r.ordered).UTC()
	if r.status == letterFailed {
		out.OrderStatus = OrderFailed
		return out, nil
	}
	if r.committed > 0 {
		out.OrderStatus, out.CommittedAt = OrderCommitted, time.UnixMilli(r.committed).UTC()
	}
	return out, nil
}

func statusOf(letter byte) Status {
	switch letter {
	case letterHeld:
		return StatusHeld
	case letterConfirmed, letterFailed:
		return StatusConfirmed
	case letterReleased:
		return StatusReleased
	default:
		return StatusExpired
	}
}

func letterOf(d sale.Durability) byte {
	switch d {
	case sale.Memory:
		return 'm'
	case sale.Durable:
		return 'd'
	default:
		return 'j'
	}
}

func durabilityOf(letter byte) sale.Durability {
	switch letter {
	case 'm':
		return sale.Memory
	case 'd':
		return sale.Durable
	default:
		return sale.Journaled
	}
}

// channelWord and channelOf turn a channel into a word of a record and back.
func channelWord(channel string) string {
	if channel == sale.NoChannel {
		return nothing
	}
	return channel
}

func channelOf(word string) string {
	if word == nothing {
		return sale.NoChannel
	}
	return word
}

// orNothing and bearerOf turn a bearer into what a record has of it and back.
func orNothing(bearer string) string {
	if bearer == "" {
		return nothing
	}
	return bearer
}

func bearerOf(word string) string {
	if word == nothing {
		return ""
	}
	return word
}

// validBearer accepts what can be a part of a record's word.
func validBearer(bearer string) bool {
	if len(bearer) > maxBearer || bearer == "" || bearer == nothing {
		return false
	}
	for i := range len(bearer) {
		if bearer[i] <= ' ' || bearer[i] >= 0x7f || bearer[i] == bearerMark[0] {
			return false
		}
	}
	return true
}

// packLines writes lines as "SKU=units,SKU=units". SKUs contain neither sign.
func packLines(lines []Line) string {
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(line.SKU)
		b.WriteByte('=')
		b.WriteString(strconv.FormatInt(line.Quantity, 10))
	}
	return b.String()
}

// parseLines reads lines, and adds up the parts of an item that are of several channels.
func parseLines(text string) ([]Line, error) {
	lines := make([]Line, 0, strings.Count(text, ",")+1)
	drawn := drawnWord(text) != ""
	for part := range strings.SplitSeq(text, ",") {
		one, err := parsePart(part)
		if err != nil {
			return nil, err
		}
		if n := len(lines); drawn && n > 0 && lines[n-1].SKU == one.SKU {
			lines[n-1].Quantity += one.Quantity
			continue
		}
		lines = append(lines, Line{SKU: one.SKU, Quantity: one.Quantity})
	}
	return lines, nil
}
