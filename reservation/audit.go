package reservation

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// ItemAudit compares an item's counters with what the reservations add up to.
type ItemAudit struct {
	Counts
	// HeldByReservations is Held, added up again from the live reservations.
	HeldByReservations int64
	// Charged is Held + Sold, added up again from the customers' units, some of which may be of a later moment.
	Charged int64
	Limit   int64 // per customer; 0 = none
	// OverLimit customers have more units than Limit.
	OverLimit int64
	// Uneven channels do not add up by themselves.
	Uneven int64
	// HeldElsewhere channels do not hold what the reservations have of their share.
	HeldElsewhere int64
}

// Adds reports whether the units add up to those that are allocated, in total and in each channel, and none
// is owed beyond what the other channels have. The counters are of one moment, so it is exact at any time.
func (i ItemAudit) Adds() bool { return i.Uneven == 0 && i.adds() && i.Owed <= i.Available }

// HoldsAdd reports whether the held units are those of the reservations, in total and in each channel. It is
// exact if the audit is Stable.
func (i ItemAudit) HoldsAdd() bool {
	return i.HeldElsewhere == 0 && i.Held == i.HeldByReservations
}

// Balanced reports whether both hold.
func (i ItemAudit) Balanced() bool { return i.Adds() && i.HoldsAdd() }

// AuditReport is a stock counted twice.
type AuditReport struct {
	Ready   bool
	Epoch   int64
	Version int64 // of the sale's terms in Redis
	// AtMillis is the moment of the counters, by the clock of Redis.
	AtMillis int64
	Items    []ItemAudit // sorted by SKU, items that the sale no longer lists included
	// Live reservations hold units; Orders were confirmed since the stock was armed; Outbox of them are
	// not yet known to be durable.
	Live, Orders, Outbox, Repaired, ForcedUnits int64
	// Unpublished names the orders of the outbox, for StillUnpublished. It is nil when they are too many.
	Unpublished []string
	Customers   int64
	// SaleLimit is the most units of all items that a customer may have; 0 = none. OverSaleLimit have more.
	SaleLimit, OverSaleLimit int64
	// Missing reservations are due some time and have no record; Stray ones are due and resolved.
	Missing, Stray int64
	// Stable: the reservations that were counted are those of the moment of the counters, so differences are real.
	Stable bool
}

const (
	// auditPage is how many reservations or customers are read at a time.
	auditPage = 1000
	// auditMost is how many reservations are named at one moment; it keeps Redis busy for some milliseconds. Those
	// beyond it are named afterwards, and the audit is Stable only if nothing changed meanwhile.
	auditMost = 20_000
	// auditMostUnpublished is how many orders of the outbox are named.
	auditMostUnpublished = 4000
	auditTries           = 3
	// passMark begins the names of passes among customers and what is due (scripts/shared/bound.lua).
	passMark = "#"
)

// AuditStock adds up a stock from its reservations and sets it beside its counters. It reads in bounded steps.
//
// The counters and the names of the reservations that hold units are read at one moment. What a reservation
// holds never changes, and its record outlives it by 15 minutes, so the records may be read afterwards, whatever
// has become of the reservations: the sum is that of the moment, also under traffic. Only with more than 20,000
// reservations at a time the report may not be Stable.
func AuditStock(ctx context.Context, client rueidis.Client, saleID string) (AuditReport, error) {
	c, err := countStable(ctx, client, keysOf(saleID, ""))
	if err != nil {
		return AuditReport{}, fmt.Errorf("audit stock of %s: %w", saleID, err)
	}
	return c.report(), nil
}

// Audit is AuditStock, and adds up what each customer has, page by page.
func Audit(ctx context.Context, client rueidis.Client, saleID string) (AuditReport, error) {
	k := keysOf(saleID, "")
	c, err := countStable(ctx, client, k)
	if err == nil {
		err = c.customers(ctx, client, k)
	}
	if err != nil {
		return AuditReport{}, fmt.Errorf("audit stock of %s: %w", saleID, err)
	}
	return c.report(), nil
}

// countStable counts again, a few times, when something changed meanwhile.
func countStable(ctx context.Context, client rueidis.Client, k keys) (*count, error) {
	for try := 1; ; try++ {
		c, err := countOnce(ctx, client, k)
		if err != nil || c.audit.Stable || try == auditTries {
			return c, err
		}
	}
}

// StillUnpublished counts the orders of an audit's outbox that are still in it.
func StillUnpublished(ctx context.Context, client rueidis.Client, saleID string, a AuditReport) (int64, error) {
	if len(a.Unpublished) == 0 {
		return 0, nil
	}
	left, err := outboxLeftScript.Exec(ctx, client, []string{keysOf(saleID, "").outbox}, a.Unpublished).AsInt64()
	if err != nil {
		return 0, fmt.Errorf("outbox of %s: %w", saleID, err)
	}
	return left, nil
}

// Untouched reports whether the stock is still the one that was audited: it was not rebuilt or lost since, and no
// order was put right by the ledger's word.
func Untouched(ctx context.Context, client rueidis.Client, saleID string, a AuditReport) (bool, error) {
	raw, err := readStock(ctx, client, keysOf(saleID, ""))
	if err != nil {
		return false, fmt.Errorf("audit stock of %s: %w", saleID, err)
	}
	return raw.ready() && a.Ready && raw.fields["epoch"] == a.Epoch &&
		raw.fields["repaired"] == a.Repaired && raw.fields["forced"] == a.ForcedUnits, nil
}

// auditAnswer is the answer of audit.lua.
type auditAnswer struct {
	raw    *rawStock
	due    []string // the first of them
	outbox []string
}

func readAudit(ctx context.Context, client rueidis.Client, k keys) (*auditAnswer, error) {
	args := []string{strconv.Itoa(auditMost), strconv.Itoa(auditMostUnpublished)}
	answer, err := auditScript.Exec(ctx, client, []string{k.stock, k.due, k.outbox}, args).ToArray()
	if err != nil {
		return nil, err
	}
	if len(answer) != 7 {
		return nil, errSnapshot
	}
	numbers, err := integers(answer[:4])
	if err != nil {
		return nil, err
	}
	var lists [3][]string
	for i := range lists {
		if lists[i], err = answer[4+i].AsStrSlice(); err != nil {
			return nil, err
		}
	}
	raw := &rawStock{state: numbers[0], now: numbers[1], due: numbers[2], outbox: numbers[3]}
	raw.read(lists[0])
	return &auditAnswer{raw: raw, due: lists[1], outbox: lists[2]}, nil
}

func countOnce(ctx context.Context, client rueidis.Client, k keys) (*count, error) {
	at, err := readAudit(ctx, client, k)
	if err != nil {
		return nil, err
	}
	c := newCount(at)
	whole := int64(len(at.due)) == at.raw.due
	for page := range slices.Chunk(at.due, auditPage) {
		if err := c.reservations(ctx, client, k, page); err != nil {
			return nil, err
		}
	}
	if !whole {
		if err := c.later(ctx, client, k); err != nil {
			return nil, err
		}
		after, err := readStock(ctx, client, k)
		if err != nil {
			return nil, err
		}
		c.audit.Stable = maps.Equal(at.raw.fields, after.fields) && at.raw.due == after.due
	}
	c.channels(at.raw)
	return c, nil
}

type count struct {
	audit AuditReport
	items map[string]*ItemAudit
	held  map[string]int64 // by pool, added up from the live reservations
}

func newCount(at *auditAnswer) *count {
	raw := at.raw
	c := &count{items: make(map[string]*ItemAudit, len(raw.pools)), held: make(map[string]int64), audit: AuditReport{
		Ready: raw.ready(), Epoch: raw.fields["epoch"], Version: raw.fields["version"], AtMillis: raw.now,
		Orders: raw.fields["orders"], Outbox: raw.outbox, Repaired: raw.fields["repaired"], ForcedUnits: raw.fields["forced"],
		SaleLimit: raw.fields["per_customer"], Stable: true,
	}}
	if int64(len(at.outbox)) == raw.outbox {
		c.audit.Unpublished = at.outbox
	}
	for sku := range raw.pools {
		c.items[sku] = &ItemAudit{Counts: raw.total(sku), Limit: raw.fields["limit|"+sku]}
	}
	return c
}

func (c *count) report() AuditReport {
	audit := c.audit
	for _, sku := range slices.Sorted(maps.Keys(c.items)) {
		audit.Items = append(audit.Items, *c.items[sku])
	}
	return audit
}

// channels looks at each channel of each item, once the reservations were counted.
func (c *count) channels(raw *rawStock) {
	for sku, words := range raw.pools {
		for word := range strings.SplitSeq(words, ",") {
			p := raw.counts(sku, word)
			if !p.adds() {
				c.items[sku].Uneven++
			}
			if p.Held != c.held[poolName(sku, word)] {
				c.items[sku].HeldElsewhere++
			}
		}
	}
}

func (c *count) item(sku string) *ItemAudit {
	if c.items[sku] == nil {
		c.items[sku] = &ItemAudit{Counts: Counts{SKU: sku}}
	}
	return c.items[sku]
}

// later counts the reservations beyond the first auditMost, as they are due now.
func (c *count) later(ctx context.Context, client rueidis.Client, k keys) error {
	for first := int64(auditMost); ; first += auditPage {
		page, err := client.Do(ctx, client.B().Zrange().Key(k.due).Min(decimal(first)).Max(decimal(first+auditPage-1)).Build()).AsStrSlice()
		if err != nil {
			return err
		}
		if err := c.reservations(ctx, client, k, page); err != nil {
			return err
		}
		if len(page) < auditPage {
			return nil
		}
	}
}

// reservations counts those of some members of due.
func (c *count) reservations(ctx context.Context, client rueidis.Client, k keys, members []string) error {
	args := []string{k.ofEpoch(decimal(c.audit.Epoch))}
	for _, member := range members {
		if !strings.HasPrefix(member, passMark) {
			args = append(args, member)
		}
	}
	if len(args) == 1 {
		return nil
	}
	page, err := auditPageScript.Exec(ctx, client, []string{k.due}, args).ToArray()
	if err != nil {
		return err
	}
	for i := 0; i+1 < len(page); i += 2 {
		text, err := page[i].ToString()
		if err != nil {
			return err
		}
		due, err := page[i+1].AsInt64()
		if err != nil {
			return err
		}
		if err := c.reservation(text, due == 1); err != nil {
			return err
		}
	}
	return nil
}

// reservation counts one that was due at the moment of the counters, by the record that it has now.
func (c *count) reservation(text string, stillDue bool) error {
	if text == "" {
		c.audit.Missing++
		return nil
	}
	r, err := parseRecord(text)
	if err != nil {
		return err
	}
	if r.status != letterHeld && stillDue {
		c.audit.Stray++
		return nil
	}
	for text := range strings.SplitSeq(r.lines, ",") {
		part, err := parsePart(text)
		if err != nil {
			return err
		}
		c.item(part.SKU).HeldByReservations += part.Quantity
		c.held[poolName(part.SKU, cmp.Or(part.Channel, r.channel))] += part.Quantity
	}
	c.audit.Live++
	return nil
}

func (c *count) customers(ctx context.Context, client rueidis.Client, k keys) error {
	var cursor uint64
	seen := make(map[string]bool) // a scan may show a field twice
	for {
		page, err := client.Do(ctx, client.B().Hscan().Key(k.customers).Cursor(cursor).Count(auditPage).Build()).AsScanEntry()
		if err != nil {
			return err
		}
		for i := 0; i+1 < len(page.Elements); i += 2 {
			if !seen[page.Elements[i]] && !strings.HasPrefix(page.Elements[i], passMark) {
				seen[page.Elements[i]] = true
				c.customer(page.Elements[i+1])
			}
		}
		if cursor = page.Cursor; cursor == 0 {
			c.audit.Customers = int64(len(seen))
			return nil
		}
	}
}

func (c *count) customer(packed string) {
	var all int64
	for part := range strings.SplitSeq(packed, ",") {
		sku, text, _ := strings.Cut(part, "=")
		n, _ := strconv.ParseInt(text, 10, 64)
		all += n
		item := c.item(sku)
		item.Charged += n
		if item.Limit > 0 && n > item.Limit {
			item.OverLimit++
		}
	}
	if c.audit.SaleLimit > 0 && all > c.audit.SaleLimit {
		c.audit.OverSaleLimit++
	}
}
