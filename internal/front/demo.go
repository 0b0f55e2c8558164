package front

import (
	"fmt"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// DemoSale is the id of the sale that the demo shop sells.
const DemoSale = "demo"

// DemoCheckoutPath is where the demo sale should send admitted visitors: its target_url.
const DemoCheckoutPath = "/demo/checkout"

// demoView is what the pages of the demo shop show.
type demoView struct {
	Head                         pageHead
	Sale, SaleName               string
	SKU, ItemName, Price         string
	Availability, PassTTL        string
	Admitted                     bool
	PassExpires, PassExpiresText string
}

func (s *Server) getHome(c *call) error { return c.seeOther("/demo") }

func (s *Server) getDemo(c *call) error {
	view, err := s.demoView(c)
	if err != nil {
		return err
	}
	return s.sendPage(c, 200, "demo.html", pagePolicy{}, &view)
}

// getDemoCheckout stands for the shop's own checkout, which lets in whoever has a pass.
func (s *Server) getDemoCheckout(c *call) error {
	view, err := s.demoView(c)
	if err != nil {
		return err
	}
	if pass, err := s.pass(c); err == nil {
		view.Admitted = true
		view.PassExpires = pass.ExpiresAt.UTC().Format(time.RFC3339)
		view.PassExpiresText = pass.ExpiresAt.UTC().Format("15:04:05 MST")
	}
	return s.sendPage(c, 200, "demo_checkout.html", pagePolicy{}, &view)
}

func (s *Server) demoView(c *call) (demoView, error) {
	c.sale = []byte(DemoSale)
	var err error
	missing := problem.With(problem.UnknownSale, "the demo shop sells the sale "+DemoSale+", which does not exist")
	if c.entry, err = s.find(DemoSale, missing); err != nil {
		return demoView{}, err
	}
	rec := c.entry.Record()
	item := rec.Items[0]
	return demoView{
		Head: pageHead{AssetsVersion: s.pages.version, Language: "en", Direction: "ltr"}, Sale: rec.ID, SaleName: rec.Name, SKU: item.SKU, ItemName: item.Name,
		Price: priceText(item.Price), Availability: phaseText(c.entry.Phase()), PassTTL: spokenDuration(rec.Admission.PassTTL.Std()),
	}, nil
}

// priceText writes a price of a currency with two minor digits, as the demo's is.
func priceText(p *sale.Price) string {
	if p == nil {
		return ""
	}
	return fmt.Sprintf("%d.%02d %s", p.Amount/100, p.Amount%100, p.Currency)
}

func phaseText(p sale.Phase) string {
	switch p {
	case sale.PhaseLive:
		return "On sale now"
	case sale.PhaseSoldOut:
		return "Sold out"
	case sale.PhasePaused:
		return "Paused"
	case sale.PhaseEnded:
		return "The sale has ended"
	default:
		return "Opens soon"
	}
}

func spokenDuration(d time.Duration) string {
	if d >= 2*time.Minute {
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	return fmt.Sprintf("%d seconds", int(d.Seconds()))
}
