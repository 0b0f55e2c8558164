package console

import (
	"testing"

	"github.com/penstock/penstock/internal/sale"
)

func TestPricesAreReadWithoutRounding(t *testing.T) {
	good := []struct {
		text, currency string
		amount         int64
		shown          string
	}{
		{"129", "EUR", 12900, "129.00"}, {"129.00", "EUR", 12900, "129.00"}, {"129,5", "EUR", 12950, "129.50"}, {"0.29", "EUR", 29, "0.29"},
		{"1.005", "KWD", 1005, "1.005"}, {"500", "JPY", 500, "500"}, {"0", "EUR", 0, "0.00"}, {"999999999999.99", "USD", 99999999999999, "999999999999.99"},
	}
	for _, c := range good {
		amount, ok := parsePrice(c.text, c.currency)
		if !ok || amount != c.amount {
			t.Errorf("%s %s is %d, %v", c.text, c.currency, amount, ok)
		}
		if shown := showPrice(sale.Price{Amount: amount, Currency: c.currency}); shown != c.shown {
			t.Errorf("%d %s is shown as %s", amount, c.currency, shown)
		}
	}
	for _, bad := range []string{"", "-1", "1.234", "1e3", "1.", ".5", "1 000", "£5", "99999999999999"} {
		if amount, ok := parsePrice(bad, "EUR"); ok {
			t.Errorf("%q is read as %d", bad, amount)
		}
	}
	if _, ok := parsePrice("5.5", "JPY"); ok {
		t.Error("a yen has no parts")
	}
}

func TestFaultsFindTheRowOfTheirItem(t *testing.T) {
	rows := []int{0, 2, 5}
	for field, want := range map[string]string{
		"items[1].sku": "items[2].sku", "items[2].price.amount": "items[5].price.amount", "items[9].sku": "items[9].sku", "name": "name", "items": "items",
	} {
		if got := rowField(field, rows); got != want {
			t.Errorf("%s is %s, want %s", field, got, want)
		}
	}
}

func TestDigitsAreGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1\u202f000", 1234567: "1\u202f234\u202f567", -1000: "−1\u202f000"} {
		if got := groupDigits(n); got != want {
			t.Errorf("%d is %q", n, got)
		}
	}
}
