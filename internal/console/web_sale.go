package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/bots"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// trailLength is how much of the audit trail the page of a sale shows.
const trailLength = 20

// saleModel is what the page of one sale shows.
type saleModel struct {
	saleView
	Live      liveView
	LiveError string
	Bots      *bots.Report   // nil while nobody has come, or when it cannot be read
	Release   *ReleaseAnswer // what a release would take back, when that was asked for
	Trail     []auditView
	RoomURL   string
	Done      string            // what has just been done
	Errors    map[string]string // by form
	Typed     url.Values        // what was typed into the form that was refused
	CanEdit   bool
	CanSpeak  bool
	CanSteer  bool
	CanDelete bool
}

func (c *Console) salePage(w http.ResponseWriter, r *http.Request, in visit) error {
	return c.showSale(w, r, in, http.StatusOK, "", nil)
}

func (c *Console) showSale(w http.ResponseWriter, r *http.Request, in visit, status int, form string, problems error) error {
	rec, err := c.deps.Sales.Sale(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	m := saleModel{saleView: c.viewAlone(r.Context(), rec), Done: doneText(r.URL.Query().Get("done")), Errors: map[string]string{}}
	begun := m.Phase.Begun()
	m.CanEdit = in.May(auth.Marketer) && !begun && m.Phase != sale.PhaseEnded || in.May(auth.Operator) && m.Phase != sale.PhaseEnded
	m.CanSpeak = in.May(auth.Marketer) && m.Phase != sale.PhaseEnded
	m.CanSteer = in.May(auth.Operator) && m.Phase != sale.PhaseEnded && m.Phase != sale.PhaseDraft
	m.CanDelete = in.May(auth.Admin) && !begun && m.Phase != sale.PhaseEnded
	if problems != nil {
		m.Errors[form] = c.sentence(r, problems)
		m.Typed = r.PostForm
	}
	if c.deps.PublicURL != "" && !rec.Draft {
		m.RoomURL = c.deps.PublicURL + "/sales/" + url.PathEscape(rec.ID)
	}
	c.addLive(r, &m)
	c.addBots(r, &m)
	c.addRelease(r, in, &m)
	if m.Trail, err = c.trail(r, rec.ID); err != nil {
		c.deps.Log.WarnContext(r.Context(), "the audit trail cannot be read", "sale", rec.ID, "error", err)
	}
	c.show(w, r, in, status, "sale", rec.Name, m)
	return nil
}

// addLive adds the figures; a sale can be looked at, and paused, without them.
func (c *Console) addLive(r *http.Request, m *saleModel) {
	if m.Draft {
		return
	}
	live, err := c.live.of(r.Context(), m.ID)
	if err != nil {
		c.deps.Log.WarnContext(r.Context(), "live figures cannot be measured", "sale", m.ID, "error", err)
		m.LiveError = "The live figures cannot be measured just now."
		return
	}
	m.Live = live
}

// addBots adds what became of the newcomers.
func (c *Console) addBots(r *http.Request, m *saleModel) {
	counts, err := c.deps.Ledger.Newcomers(r.Context(), m.ID)
	switch {
	case err != nil:
		c.deps.Log.WarnContext(r.Context(), "the counts of newcomers cannot be read", "sale", m.ID, "error", err)
	case len(counts) > 0:
		report := bots.NewReport(counts)
		m.Bots = &report
	}
}

// act runs what a form of the sale's page asks for and comes back to the page, with the reason
// beside the form when it is refused.
func (c *Console) act(w http.ResponseWriter, r *http.Request, in visit, form string, do func(id string) error) error {
	id := r.PathValue("sale")
	err := do(id)
	if err == nil {
		http.Redirect(w, r, "/sales/"+url.PathEscape(id)+"?done="+form, http.StatusSeeOther)
		return nil
	}
	if errors.Is(err, problem.UnknownSale) {
		return err
	}
	return c.showSale(w, r, in, statusOf(err), form, err)
}

func (c *Console) controlForm(action string) webHandler {
	form := strings.TrimPrefix(action, "sale.")
	return func(w http.ResponseWriter, r *http.Request, in visit) error {
		return c.act(w, r, in, form, func(id string) error {
			_, err := c.control(r.Context(), in.caller, id, action)
			return err
		})
	}
}

// maxMessageMinutes bounds for how long the form shows a message: a week.
const maxMessageMinutes = 7 * 24 * 60

func (c *Console) messageForm(w http.ResponseWriter, r *http.Request, in visit) error {
	return c.act(w, r, in, "message", func(id string) error {
		var until time.Time
		if r.PostForm.Get("message_minutes") != "" {
			minutes, err := wholeNumber(r, "message_minutes", "Minutes")
			if err != nil {
				return err
			}
			until = time.Now().Add(time.Duration(min(max(minutes, 1), maxMessageMinutes)) * time.Minute)
		}
		_, err := c.setMessage(r.Context(), in.caller, id, strings.TrimSpace(r.PostForm.Get("message")), until)
		return err
	})
}

// paceForm changes the rate and the cap, and nothing else, whatever changed elsewhere meanwhile.
func (c *Console) paceForm(w http.ResponseWriter, r *http.Request, in visit) error {
	return c.act(w, r, in, "pace", func(id string) error {
		rate, err := wholeNumber(r, "rate_per_minute", "People a minute")
		if err != nil {
			return err
		}
		limit, err := wholeNumber(r, "max_active", "People in the shop at once")
		if err != nil {
			return err
		}
		before, err := c.deps.Sales.Sale(r.Context(), id)
		if err != nil {
			return err
		}
		next := before.Sale
		next.Admission.RatePerMinute, next.Admission.MaxActive = int(rate), int(limit)
		if err := next.Validate(); err != nil {
			return err
		}
		_, err = c.changeSale(r.Context(), in.caller, before, next, before.Version)
		return err
	})
}

func (c *Console) stockForm(w http.ResponseWriter, r *http.Request, in visit) error {
	return c.act(w, r, in, "stock", func(id string) error {
		by, err := wholeNumber(r, "change_by", "Change by")
		if err != nil {
			return err
		}
		expected, err := wholeNumber(r, "expected", "Expected stock")
		if err != nil {
			return err
		}
		_, err = c.changeOneStock(r.Context(), in.caller, id, ledger.StockChange{SKU: r.PostForm.Get("sku"), By: by, Expected: &expected})
		return err
	})
}

// stockFileForm makes the changes of a CSV that was pasted, or only checks them.
func (c *Console) stockFileForm(w http.ResponseWriter, r *http.Request, in visit) error {
	form, dryRun := "stock-file", r.PostForm.Get("intent") == "check"
	if dryRun {
		form = "stock-check"
	}
	return c.act(w, r, in, form, func(id string) error {
		view, err := c.importStock(r.Context(), in.caller, id, []byte(r.PostForm.Get("file")), dryRun)
		if err == nil && view.Pending+view.Refused > 0 {
			return problem.With(problem.StockConflict, view.trouble())
		}
		return err
	})
}

func (c *Console) stockFile(w http.ResponseWriter, r *http.Request, _ visit) error {
	report, err := c.deps.Verifier.Stock(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	writeStockFile(w, &report)
	return nil
}

// ordersFile is the export of the orders for a person, who opens it in a spreadsheet.
func (c *Console) ordersFile(w http.ResponseWriter, r *http.Request, in visit) error {
	ctx, cancel := context.WithTimeout(r.Context(), exportTimeout)
	defer cancel()
	rec, err := c.deps.Sales.Sale(ctx, r.PathValue("sale"))
	if err != nil {
		return err
	}
	return c.exportOrders(w, r.WithContext(ctx), in.caller, export{sale: rec.ID, format: typeCSV, bom: true})
}

func (c *Console) deleteForm(w http.ResponseWriter, r *http.Request, in visit) error {
	if err := c.removeSale(r.Context(), in.caller, r.PathValue("sale")); err != nil {
		return c.act(w, r, in, "delete", func(string) error { return err })
	}
	http.Redirect(w, r, "/sales?done=delete", http.StatusSeeOther)
	return nil
}

func wholeNumber(r *http.Request, field, label string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(r.PostForm.Get(field)), 10, 32)
	if err != nil {
		return 0, problem.With(problem.BadRequest, label+": enter a whole number")
	}
	return n, nil
}

// doneText words what a redirect says was done. Only these words can be shown.
func doneText(done string) string {
	switch done {
	case "create":
		return "The sale is saved."
	case "change":
		return "The changes are saved."
	case "delete":
		return "The sale is deleted."
	case "pause":
		return "The sale is paused."
	case "resume":
		return "The sale goes on."
	case "end":
		return "The sale has ended."
	case "message":
		return "The message is changed."
	case "pace":
		return "The pace is changed."
	case "release":
		return "The passes are released. Their slots go to the next in line."
	case "stock":
		return "The stock is changed."
	case "stock-file":
		return "The lines are done."
	case "stock-check":
		return "The lines are in order. Nothing was changed."
	case "level":
		return "The level is changed."
	case "key":
		return "The key is ended: here at once, on other nodes within 10 s."
	default:
		return ""
	}
}
