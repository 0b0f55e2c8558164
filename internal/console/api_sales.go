package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/verify"
)

// saleView is a sale as the API gives it: the document's members, which can be sent back, and
// beside them what only reading adds.
type saleView struct {
	sale.Record
	Phase sale.Phase `json:"phase"`
	// NotArmedBecause says why a sale cannot be armed, if anything is known against it.
	NotArmedBecause string `json:"not_armed_because,omitempty"`
}

// view is how a sale is shown among others.
func (c *Console) view(rec sale.Record) saleView {
	return saleView{Record: rec, Phase: c.deps.Sales.Phase(rec)}
}

// viewAlone also tells why the sale is not armed.
func (c *Console) viewAlone(ctx context.Context, rec sale.Record) saleView {
	view := c.view(rec)
	if view.Phase == sale.PhaseNotArmed {
		view.NotArmedBecause = c.deps.Sales.Refusal(ctx, rec.ID)
	}
	return view
}

func (c *Console) listSales(w http.ResponseWriter, r *http.Request, _ caller) error {
	records, err := c.deps.Sales.List(r.Context())
	if err != nil {
		return err
	}
	refusals := c.deps.Sales.Refusals(r.Context())
	views := make([]saleView, len(records))
	for i, rec := range records {
		if views[i] = c.view(rec); views[i].Phase == sale.PhaseNotArmed {
			views[i].NotArmedBecause = refusals[rec.ID]
		}
	}
	return writeJSON(w, http.StatusOK, map[string]any{"sales": views})
}

func (c *Console) getSale(w http.ResponseWriter, r *http.Request, _ caller) error {
	rec, err := c.deps.Sales.Sale(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	return c.answerSale(w, r, http.StatusOK, rec)
}

func (c *Console) answerSale(w http.ResponseWriter, r *http.Request, status int, rec sale.Record) error {
	w.Header().Set("ETag", etag(rec.Version))
	return writeJSON(w, status, c.viewAlone(r.Context(), rec))
}

func (c *Console) postSale(w http.ResponseWriter, r *http.Request, who caller) error {
	body, err := readBody(w, r, maxSaleBody, typeJSON)
	if err != nil {
		return err
	}
	s, err := sale.Decode(body)
	if err != nil {
		return err
	}
	rec, err := c.createSale(r.Context(), who, s)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/admin/v1/sales/"+url.PathEscape(rec.ID))
	return c.answerSale(w, r, http.StatusCreated, rec)
}

func (c *Console) putSale(w http.ResponseWriter, r *http.Request, who caller) error {
	ifVersion, err := ifMatch(r)
	if err != nil {
		return err
	}
	body, err := readBody(w, r, maxSaleBody, typeJSON)
	if err != nil {
		return err
	}
	s, err := sale.Decode(body)
	if err != nil {
		return err
	}
	before, err := c.deps.Sales.Sale(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	after, err := c.changeSale(r.Context(), who, before, s, ifVersion)
	if err != nil {
		return err
	}
	return c.answerSale(w, r, http.StatusOK, after)
}

// patchAttempts bounds the retries of a patch that did not say which version it was made for.
const patchAttempts = 4

// patchSale merges a patch (RFC 7386) into the current document. Without If-Match the patch is
// meant for whatever the document is, so that a change in between is no conflict but a new start.
func (c *Console) patchSale(w http.ResponseWriter, r *http.Request, who caller) error {
	ifVersion, err := ifMatch(r)
	if err != nil {
		return err
	}
	patch, err := readBody(w, r, maxSaleBody, typeMergePatch, typeJSON)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		after, err := c.patchOnce(r.Context(), who, r.PathValue("sale"), patch, ifVersion)
		if errors.Is(err, problem.Conflict) && ifVersion == 0 && attempt < patchAttempts {
			continue
		}
		if err != nil {
			return err
		}
		return c.answerSale(w, r, http.StatusOK, after)
	}
}

func (c *Console) patchOnce(ctx context.Context, who caller, id string, patch []byte, ifVersion int64) (sale.Record, error) {
	before, err := c.deps.Sales.Sale(ctx, id)
	if err != nil {
		return before, err
	}
	if ifVersion == 0 {
		ifVersion = before.Version
	}
	current, err := json.Marshal(before.Sale)
	if err != nil {
		return before, err
	}
	merged, err := mergePatch(current, patch)
	if err != nil {
		return before, err
	}
	s, err := sale.Decode(merged)
	if err != nil {
		return before, err
	}
	return c.changeSale(ctx, who, before, s, ifVersion)
}

func (c *Console) deleteSale(w http.ResponseWriter, r *http.Request, who caller) error {
	if err := c.removeSale(r.Context(), who, r.PathValue("sale")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *Console) postControl(action string) apiHandler {
	return func(w http.ResponseWriter, r *http.Request, who caller) error {
		if err := refuseBody(w, r); err != nil {
			return err
		}
		rec, err := c.control(r.Context(), who, r.PathValue("sale"), action)
		if err != nil {
			return err
		}
		return c.answerSale(w, r, http.StatusOK, rec)
	}
}

func (c *Console) putMessage(w http.ResponseWriter, r *http.Request, who caller) error {
	var body struct {
		Message *string    `json:"message"`
		Until   *time.Time `json:"until"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	if body.Message == nil {
		return problem.With(problem.BadRequest, `message is required; "" takes it down`)
	}
	var until time.Time
	if body.Until != nil {
		until = *body.Until
	}
	rec, err := c.setMessage(r.Context(), who, r.PathValue("sale"), *body.Message, until)
	if err != nil {
		return err
	}
	return c.answerSale(w, r, http.StatusOK, rec)
}

func (c *Console) getStats(w http.ResponseWriter, r *http.Request, _ caller) error {
	stats, err := c.deps.Verifier.Stats(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, stats)
}

// verifyMargin is what the verdict itself may take after the wait.
const verifyMargin = 30 * time.Second

// getVerify gives the verdict on one sale, or on all. ?wait= says how long the orders under way
// may take to reach the ledger first.
func (c *Console) getVerify(w http.ResponseWriter, r *http.Request, _ caller) error {
	var wait time.Duration
	if text := r.URL.Query().Get("wait"); text != "" {
		parsed, err := time.ParseDuration(text)
		if err != nil || parsed < 0 || parsed > verify.MaxWait {
			return problem.With(problem.BadRequest, "wait: want a duration from 0s to "+verify.MaxWait.String()+", such as 30s")
		}
		wait = parsed
	}
	allowMoreTime(w, wait+verifyMargin)
	report, err := c.deps.Verifier.Verify(r.Context(), r.PathValue("sale"), wait)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, report)
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// ifMatch reads the version that a change is meant for; 0 without the header or with "*".
func ifMatch(r *http.Request) (int64, error) {
	header := strings.TrimSpace(r.Header.Get("If-Match"))
	if header == "" || header == "*" {
		return 0, nil
	}
	inner, opened := strings.CutPrefix(header, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	version, err := strconv.ParseInt(inner, 10, 64)
	if !opened || !closed || err != nil || version < 1 {
		return 0, problem.With(problem.BadRequest, `If-Match: want the ETag of the sale, such as "3"`)
	}
	return version, nil
}
