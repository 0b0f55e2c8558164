package main

import (
	"context"
	"errors"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/sales"
)

// demoSale is the id of the sale that --demo opens.
const demoSale = "demo"

const demoLength = 30 * 24 * time.Hour

// openDemoSale makes sure that there is a live demo sale: one that the data dir still has from an
// earlier run goes on as it was.
func openDemoSale(ctx context.Context, s *sales.Sales) error {
	now := time.Now().UTC().Truncate(time.Second)
	demo := sale.Sale{
		ID: demoSale, Name: "The Penstock demo drop", StartsAt: now, EndsAt: now.Add(demoLength),
		Reservation: sale.Terms{MaxExtensions: sale.DefaultMaxExtensions},
		Items: []sale.Item{
			{SKU: "SNKR-42", Name: "Sneaker, size 42", Stock: 100, PerCustomer: 2, Price: &sale.Price{Amount: 12900, Currency: "EUR"}},
			{SKU: "LACES", Name: "Laces, red", Stock: 500, PerCustomer: 5, Price: &sale.Price{Amount: 490, Currency: "EUR"}},
		},
		TargetURL: "/demo/checkout",
	}
	_, err := s.Create(ctx, demo.WithDefaults())
	if errors.Is(err, problem.SaleExists) {
		return nil
	}
	return err
}
