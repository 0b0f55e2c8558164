package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

type salesModel struct {
	Sales []saleView
	Done  string
}

// salesPage lists the sales: what runs first, then what comes, then what is over.
func (c *Console) salesPage(w http.ResponseWriter, r *http.Request, in visit) error {
	records, err := c.deps.Sales.List(r.Context())
	if err != nil {
		return err
	}
	m := salesModel{Done: doneText(r.URL.Query().Get("done"))}
	for _, rec := range records {
		m.Sales = append(m.Sales, c.view(rec))
	}
	slices.SortStableFunc(m.Sales, bySoonest)
	c.show(w, r, in, http.StatusOK, "sales", "Sales", m)
	return nil
}

func bySoonest(a, b saleView) int {
	if rank := phaseRank(a.Phase) - phaseRank(b.Phase); rank != 0 {
		return rank
	}
	if a.Phase == sale.PhaseEnded {
		return b.EndsAt.Compare(a.EndsAt)
	}
	return a.StartsAt.Compare(b.StartsAt)
}

func phaseRank(p sale.Phase) int {
	switch {
	case p.Begun():
		return 0
	case p == sale.PhaseScheduled:
		return 1
	case p == sale.PhaseDraft:
		return 2
	default:
		return 3
	}
}

// firstStart is how far ahead a new sale is proposed: tomorrow, on the hour.
const firstStart = 24 * time.Hour

func (c *Console) newSalePage(w http.ResponseWriter, r *http.Request, in visit) error {
	c.show(w, r, in, http.StatusOK, "sale_form", "New sale", newSaleForm(c.deps.Now().Add(firstStart).Truncate(time.Hour)))
	return nil
}

func (c *Console) newSaleForm(w http.ResponseWriter, r *http.Request, in visit) error {
	form := readSaleForm(r.PostForm)
	if form.wantsRows() {
		c.show(w, r, in, http.StatusOK, "sale_form", "New sale", form)
		return nil
	}
	s := form.sale(sale.Sale{Reservation: sale.Terms{MaxExtensions: sale.DefaultMaxExtensions}})
	if form.ok() {
		rec, err := c.createSale(r.Context(), in.caller, s)
		if err == nil {
			http.Redirect(w, r, "/sales/"+url.PathEscape(rec.ID)+"?done=create", http.StatusSeeOther)
			return nil
		}
		c.blame(r, form, err)
	}
	c.show(w, r, in, form.Status, "sale_form", "New sale", form)
	return nil
}

func (c *Console) editSalePage(w http.ResponseWriter, r *http.Request, in visit) error {
	rec, err := c.deps.Sales.Sale(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	form := fillSaleForm(rec)
	form.Begun = c.deps.Sales.Phase(rec).Begun()
	if form.Begun && !in.May(auth.Operator) {
		return needs(auth.Operator)
	}
	c.show(w, r, in, http.StatusOK, "sale_form", "Change "+rec.Name, form)
	return nil
}

// editSaleForm changes a sale, if it is still the version that the form was made from.
func (c *Console) editSaleForm(w http.ResponseWriter, r *http.Request, in visit) error {
	before, err := c.deps.Sales.Sale(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	form := readSaleForm(r.PostForm)
	form.Existing, form.ID = true, before.ID
	if c.deps.Sales.Phase(before).Begun() {
		if !in.May(auth.Operator) {
			return needs(auth.Operator)
		}
		form.fix(before)
	}
	title := "Change " + before.Name
	if form.wantsRows() {
		c.show(w, r, in, http.StatusOK, "sale_form", title, form)
		return nil
	}
	s := form.sale(before.Sale)
	if form.ok() {
		_, err := c.changeSale(r.Context(), in.caller, before, s, form.version())
		if err == nil {
			http.Redirect(w, r, "/sales/"+url.PathEscape(before.ID)+"?done=change", http.StatusSeeOther)
			return nil
		}
		c.blame(r, form, err)
	}
	c.show(w, r, in, form.Status, "sale_form", title, form)
	return nil
}

// blame puts an error of saving beside the field it is about, or above the form.
func (c *Console) blame(r *http.Request, form *saleForm, err error) {
	form.Status = statusOf(err)
	var invalid *sale.Invalid
	switch {
	case errors.As(err, &invalid):
		form.fault(invalid.Field, invalid.Reason)
	case errors.Is(err, problem.SaleExists):
		form.fault("id", "a sale with this id exists already")
	case errors.Is(err, problem.Conflict):
		form.fault("", "Somebody else changed this sale meanwhile. What you typed is kept below; open the sale in another tab to compare, then load this page again.")
	default:
		form.fault("", c.sentence(r, err))
	}
}
