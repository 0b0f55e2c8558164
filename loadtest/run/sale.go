package main

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock/penstock/loadtest/internal/admin"
)

const (
	perCustomer   = 1
	visitorsPerVU = 8
	leastLead     = 8 * time.Second      // from the opening to the start, so that the first of the crowd come before it
	leadPerVU     = 4 * time.Millisecond // k6 makes an engine for each group of visitors before it begins
	saleDuration  = 2 * time.Hour
	claimWindow   = "30s"
	maxActive     = 1000
	appearTimeout = 10 * time.Second // for a sale to reach the nodes
)

// openSale creates the sale of the run, or takes the one that was named.
func (t *test) openSale(ctx context.Context) error {
	if t.opts.sale != "" {
		t.sale = t.opts.sale
	} else {
		t.sale, t.created = "drop-"+t.id, true
		now := time.Now()
		t.startsAt = now.Add(leastLead + time.Duration(t.opts.visitors/visitorsPerVU)*leadPerVU)
		if err := t.client.CreateSale(ctx, t.document(now)); err != nil {
			return fmt.Errorf("create the sale: %w", err)
		}
	}
	doc, err := t.awaitSale(ctx)
	if err != nil {
		return fmt.Errorf("sale %s: %w", t.sale, err)
	}
	if len(doc.Items) == 0 {
		return fmt.Errorf("sale %s has no items", t.sale)
	}
	t.sku = doc.Items[0].SKU
	return nil
}

func (t *test) document(now time.Time) admin.Sale {
	return admin.Sale{
		ID: t.sale, Name: "Load test " + t.id,
		OpensAt: now.UTC(), StartsAt: t.startsAt.UTC(), EndsAt: now.Add(saleDuration).UTC(),
		Admission: admin.Admission{
			Order: t.opts.order, RatePerMinute: t.opts.ratePerMinute, MaxActive: maxActive,
			PassTTL: t.opts.passTTL.String(), ClaimWindow: claimWindow, Mode: "queue",
		},
		Reservation: admin.Reservation{TTL: t.opts.ttl.String()},
		Durability:  t.opts.durability,
		Items: []admin.Item{{
			SKU: "UNIT-1", Name: "The one thing", Stock: t.opts.stock, PerCustomer: perCustomer,
			Price: admin.Price{Amount: 12900, Currency: "EUR"},
		}},
	}
}

// awaitSale waits until the front serves the sale.
func (t *test) awaitSale(ctx context.Context) (admin.Document, error) {
	ctx, cancel := context.WithTimeout(ctx, appearTimeout)
	defer cancel()
	for {
		doc, err := t.client.Document(ctx, t.sale)
		if err == nil {
			return doc, nil
		}
		select {
		case <-ctx.Done():
			return doc, err
		case <-time.After(100 * time.Millisecond):
		}
	}
}
