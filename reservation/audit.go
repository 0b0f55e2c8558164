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
	// Charged is Held + Sold, added up again from the customers' units.
	Charged int64
	Limit   int64 // per customer; 0 = none
	// OverLimit customers have more units than Limit.
	OverLimit int64
	// Uneven channels do not add up by themselves, or do not hold what the reservations have of their share.
	Uneven int64
}

// Balanced reports whether the units add up to those that are allocated, in total and in each channel,
// none is owed beyond what the other channels have, and the held units are those of the reservations.
func (i ItemAudit) Balanced() bool {
	return i.Uneven == 0 && i.adds() && i.Held == i.HeldByReservations && i.Owed <= i.Available
}

// AuditReport is a stock counted twice.
type AuditReport struct {
	Ready bool
	Epoch int64
	Items []ItemAudit // sorted by SKU, items that the sale no longer lists included
	// Live reservations hold units; Orders were confirmed since the stock was armed; Outbox of them are
	// not yet known to be durable.
	Live, Orders, Outbox, Repaired, ForcedUnits int64
	Customers                                   int64
	// Missing reservations are due some time and have no record; Stray ones are due and resolved.
	Missing, Stray int64
	// Stable: nothing changed while counting, so differences are real.
	Stable bool
}

const (
	auditPage  = 1000
	auditTries = 3
	// passMark begins the names of passes among customers and what is due (scripts/shared/bound.lua).
	passMark = "#"
)

// Audit adds up a stock from its reservations and customers and sets it beside its counters.
// It reads in bounded steps; under traffic the result may not be Stable.
func Audit(ctx context.Context, client rueidis.Client, saleID string) (AuditReport, error) {
	k := keysOf(saleID, "")
	for try := 1; ; try++ {
		audit, err := countOnce(ctx, client, k)
		if err != nil {
			return AuditReport{}, fmt.Errorf("audit stock of %s: %w", saleID, err)
		}
		if audit.Stable || try == auditTries {
			return audit, nil
		}
	}
}

func countOnce(ctx context.Context, client rueidis.Client, k keys) (AuditReport, error) {
	before, err := readStock(ctx, client, k)
	if err != nil {
		return AuditReport{}, err
	}
	c := newCount(before)
	if err := c.reservations(ctx, client, k); err != nil {
		return AuditReport{}, err
	}
	c.channels(before)
	if err := c.customers(ctx, client, k); err != nil {
		return AuditReport{}, err
	}
	after, err := readStock(ctx, client, k)
	if err != nil {
		return AuditReport{}, err
	}
	audit := c.audit
	audit.Stable = maps.Equal(before.fields, after.fields) && before.due == after.due
	for _, sku := range slices.Sorted(maps.Keys(c.items)) {
		audit.Items = append(audit.Items, *c.items[sku])
	}
	return audit, nil
}

type count struct {
	audit AuditReport
	items map[string]*ItemAudit
	held  map[string]int64 // by pool, added up from the live reservations
}

func newCount(raw *rawStock) *count {
	c := &count{items: make(map[string]*ItemAudit, len(raw.pools)), held: make(map[string]int64), audit: AuditReport{
		Ready: raw.ready(), Epoch: raw.fields["epoch"], Orders: raw.fields["orders"], Outbox: raw.outbox,
		Repaired: raw.fields["repaired"], ForcedUnits: raw.fields["forced"],
	}}
	for sku := range raw.pools {
		c.items[sku] = &ItemAudit{Counts: raw.total(sku), Limit: raw.fields["limit|"+sku]}
	}
	return c
}

// channels looks at each channel of each item, once the reservations were counted.
func (c *count) channels(raw *rawStock) {
	for sku, words := range raw.pools {
		for word := range strings.SplitSeq(words, ",") {
			if p := raw.counts(sku, word); !p.adds() || p.Held != c.held[poolName(sku, word)] {
				c.items[sku].Uneven++
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

func (c *count) reservations(ctx context.Context, client rueidis.Client, k keys) error {
	for first := 0; ; first += auditPage {
		args := []string{k.ofEpoch(decimal(c.audit.Epoch)), strconv.Itoa(first), strconv.Itoa(first + auditPage - 1)}
		page, err := auditPageScript.Exec(ctx, client, []string{k.due}, args).AsStrSlice()
		if err != nil {
			return err
		}
		for i := 0; i+1 < len(page); i += 2 {
			if strings.HasPrefix(page[i], passMark) {
				continue
			}
			if err := c.reservation(page[i+1]); err != nil {
				return err
			}
		}
		if len(page) < 2*auditPage {
			return nil
		}
	}
}

func (c *count) reservation(text string) error {
	if text == "" {
		c.audit.Missing++
		return nil
	}
	r, err := parseRecord(text)
	if err != nil {
		return err
	}
	if r.status != letterHeld {
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
	for part := range strings.SplitSeq(packed, ",") {
		sku, text, _ := strings.Cut(part, "=")
		n, _ := strconv.ParseInt(text, 10, 64)
		item := c.item(sku)
		item.Charged += n
		if item.Limit > 0 && n > item.Limit {
			item.OverLimit++
		}
	}
}
