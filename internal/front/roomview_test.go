package front

import (
	"testing"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

func TestAPlaceIsWordedByItsStateAndOutlook(t *testing.T) {
	rec := sale.Record{Sale: sale.Sale{Items: []sale.Item{{SKU: "A", Name: "The item"}}, Page: sale.Page{ShowStock: sale.StockWords}}}
	for name, test := range map[string]struct {
		view  queue.View
		says  string
		stock bool
	}{
		"waiting":              {queue.View{State: queue.Waiting, Outlook: queue.Likely}, "waiting", true},
		"waiting with no hope": {queue.View{State: queue.Waiting, Outlook: queue.Unlikely}, "unlikely", true},
		"held out":             {queue.View{State: queue.HeldOut, Outlook: queue.Unlikely}, "held_out", true},
		"called":               {queue.View{State: queue.Called}, "called", false},
		"admitted":             {queue.View{State: queue.Admitted}, "called", false},
		"sold out":             {queue.View{State: queue.SoldOut}, "sold_out", false},
	} {
		got := describePlace(&rec, sale.PhaseLive, place{view: test.view})
		if got.Says != test.says || got.Outlook != string(test.view.Outlook) || got.ShowStock != test.stock {
			t.Errorf("%s: %+v", name, got)
		}
	}
	named := queue.View{State: queue.Waiting, Named: 1}
	named.Items[0] = queue.ItemOutlook{SKU: "A", Outlook: queue.Unlikely}
	if got := describePlace(&rec, sale.PhaseLive, place{view: named}); got.ShowStock || len(got.Items) != 1 || got.Items[0] != (itemView{SKU: "A", Name: "The item", Stands: "unlikely"}) {
		t.Errorf("%+v", got)
	}
}
