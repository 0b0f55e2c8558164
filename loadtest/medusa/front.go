package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/verify"
	"github.com/penstock/penstock/loadtest/internal/admin"
	"github.com/penstock/penstock/loadtest/internal/stand"
)

const (
	saleID = "sneaker-drop" // as sites.yaml names it
	sku    = "SNKR-42"      // as seed.js names it

	// shippedShop is where sites.yaml finds the shop.
	shippedShop = "http://127.0.0.1:9000"

	opensBefore  = 3 * time.Second
	saleLasts    = time.Hour
	appearWithin = 20 * time.Second
)

// front is Penstock in front of the shop.
type front struct {
	*stand.Stand
	client *admin.Client
	key    string // of the shop's backend
}

// startFront starts Penstock with the shipped sites file. Only the address of the shop is another one.
func startFront(ctx context.Context, penstock, root, dir, shopAddress string) (*front, error) {
	text, err := os.ReadFile(filepath.Join(root, "examples", "medusa", "sites.yaml"))
	if err != nil {
		return nil, err
	}
	if !strings.Contains(string(text), shippedShop) {
		return nil, errors.New("sites.yaml does not name " + shippedShop)
	}
	sites := filepath.Join(dir, "sites.yaml")
	if err := os.WriteFile(sites, []byte(strings.ReplaceAll(string(text), shippedShop, "http://"+shopAddress)), 0o600); err != nil {
		return nil, err
	}
	f := &front{}
	f.Stand, err = stand.Start(ctx, stand.Options{Backend: stand.Embedded, Binary: penstock, Dir: dir, Settings: []string{"PENSTOCK_SITES=" + sites}})
	if err != nil {
		return nil, err
	}
	f.client = admin.New(f.ConsoleURL, f.FrontURL, f.AdminKey)
	if f.key, err = f.client.CreateKey(ctx, "Medusa"); err != nil {
		return nil, errors.Join(err, f.stop())
	}
	return f, nil
}

// forShop is what the shop's own file needs.
func (f *front) forShop() []string {
	return []string{"PENSTOCK_API_URL=" + f.FrontURL, "PENSTOCK_KEY=" + f.key, "PENSTOCK_SKUS=" + sku}
}

// openSale creates the sale and waits until it is live.
func (f *front) openSale(ctx context.Context, o options) error {
	now := time.Now()
	err := f.client.CreateSale(ctx, admin.Sale{
		ID: saleID, Name: "Sneaker drop", OpensAt: now.UTC(), StartsAt: now.Add(opensBefore).UTC(), EndsAt: now.Add(saleLasts).UTC(),
		Admission: admin.Admission{
			Order: "fifo", Mode: "queue", RatePerMinute: o.rate, MaxActive: o.maxActive, PassTTL: "2m", ClaimWindow: "30s",
		},
		Reservation: admin.Reservation{TTL: "2m"},
		Items: []admin.Item{{
			SKU: sku, Name: "Sneaker 42", Stock: o.units, PerCustomer: 1, Price: admin.Price{Amount: 12900, Currency: "EUR"},
		}},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, appearWithin)
	defer cancel()
	for {
		doc, err := f.client.Document(ctx, saleID)
		if err == nil && doc.Phase == "live" {
			return nil
		}
		if !stand.Pause(ctx, 100*time.Millisecond) {
			return errors.Join(errors.New("the sale does not become live"), err)
		}
	}
}

func (f *front) verify(ctx context.Context, penstock string) (*verify.SaleReport, error) {
	report, _, err := f.client.Verify(ctx, penstock, saleID)
	return &report, err
}

func (f *front) stop() error { return f.Stop() }
