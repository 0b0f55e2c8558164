package front

import (
	"strconv"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

func TestThePageTellsHowMuchIsLeftAsTheSaleSays(t *testing.T) {
	for shown, want := range map[sale.StockShown]struct{ full, reserved, held string }{
		sale.StockHidden:  {},
		sale.StockWords:   {"in stock", "few left", "all reserved, some may come back"},
		sale.StockNumbers: {"10 left", "1 left", "all reserved, some may come back"},
	} {
		t.Run("show_stock "+string(shown), func(t *testing.T) {
			s := newStack(t)
			pass := s.crowded(func(o *sale.Sale) { o.Page.ShowStock = shown })
			waiting := header{"Accept": "text/html", "Cookie": "penstock_ticket_spring=" + s.join("spring")}
			tells := func(text string) {
				t.Helper()
				testenv.Eventually(t, waitFor, "the page says "+text, func() bool {
					page := string(s.expect(200, "", "GET", "/sales/spring", waiting, "").body)
					if shown == sale.StockHidden && strings.Contains(page, "data-sku") {
						t.Fatalf("it tells of the stock: %s", page)
					}
					return text == "" || strings.Contains(page, `<span class="stands">`+text+`</span>`)
				})
				doc := string(s.expect(200, "", "GET", "/v1/sales/spring", nil, "").body)
				if strings.Contains(doc, "units_left") != (shown == sale.StockNumbers) {
					t.Fatalf("the public document: %s", doc)
				}
			}
			tells(want.full)
			reserve := func(quantity int) {
				h := header{"Penstock-Pass": pass, "Idempotency-Key": "take-" + strconv.Itoa(quantity)}
				s.expect(201, "", "POST", "/v1/sales/spring/reservations", h, reserveBody("zoe", "SNKR-42", quantity))
			}
			reserve(9)
			tells(want.reserved)
			reserve(1)
			tells(want.held)
		})
	}
}
