package console

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/penstock/penstock/internal/identity"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sheet"
)

const (
	// maxInvites is how many invites one call makes or imports, and maxInviteBytes the file that has them.
	maxInvites     = 20_000
	maxInviteBytes = 2 << 20
	columnCode     = "code"
	columnLane     = "lane"
)

var batchPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// batchView is what becomes of the invites of a batch.
type batchView struct {
	Batch   string    `json:"batch"`
	Given   int64     `json:"given"`
	Used    int64     `json:"used"`
	Revoked int64     `json:"revoked"`
	FirstAt time.Time `json:"first_at"`
}

// invitesView are the invites of a sale, counted.
type invitesView struct {
	Sale    string      `json:"sale"`
	Given   int64       `json:"given"`
	Used    int64       `json:"used"`
	Revoked int64       `json:"revoked"`
	Batches []batchView `json:"batches"`
}

// getInvites counts the invites of a sale. The invites themselves are known to nobody here.
func (c *Console) getInvites(w http.ResponseWriter, r *http.Request, _ caller) error {
	rec, err := c.deps.Sales.Sale(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	view, err := c.countInvites(r.Context(), rec.ID)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, view)
}

func (c *Console) countInvites(ctx context.Context, saleID string) (invitesView, error) {
	counts, err := c.deps.Ledger.Invites(ctx, saleID)
	if err != nil {
		return invitesView{}, err
	}
	view := invitesView{Sale: saleID, Batches: make([]batchView, len(counts))}
	for i, n := range counts {
		view.Given, view.Used, view.Revoked = view.Given+n.Given, view.Used+n.Used, view.Revoked+n.Revoked
		view.Batches[i] = batchView{Batch: n.Batch, Given: n.Given, Used: n.Used, Revoked: n.Revoked, FirstAt: time.UnixMilli(n.FirstMillis).UTC()}
	}
	return view, nil
}

// postInvites imports the invites of a CSV file with the column code and perhaps the column lane. Those that are there already stay as they are,
// so that a file can be sent again.
func (c *Console) postInvites(w http.ResponseWriter, r *http.Request, who caller) error {
	file, err := readBody(w, r, maxInviteBytes, typeCSV)
	if err != nil {
		return err
	}
	batch := r.URL.Query().Get("batch")
	added, known, err := c.importInvites(r, who, batch, file)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"sale": r.PathValue("sale"), "batch": batch, "added": added, "known": known})
}

func (c *Console) importInvites(r *http.Request, who caller, batch string, file []byte) (added, known int64, err error) {
	if err := checkBatch(batch); err != nil {
		return 0, 0, err
	}
	invites, err := readInvites(file)
	if err != nil {
		return 0, 0, problem.With(problem.BadRequest, err.Error())
	}
	added, err = c.addInvites(r, who, batch, invites)
	return added, int64(len(invites)) - added, err
}

// postNewInvites makes invites, and tells them once, as CSV.
func (c *Console) postNewInvites(w http.ResponseWriter, r *http.Request, who caller) error {
	var body struct {
		Batch string `json:"batch"`
		Count int    `json:"count"`
		Lane  string `json:"lane"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	return c.makeInvites(w, r, who, newInvites{batch: body.Batch, lane: body.Lane, count: body.Count}, http.StatusCreated)
}

// newInvites are those to be made.
type newInvites struct {
	batch, lane string
	count       int
}

func (c *Console) makeInvites(w http.ResponseWriter, r *http.Request, who caller, want newInvites, status int) error {
	batch, count := want.batch, want.count
	if err := checkBatch(batch); err != nil {
		return err
	}
	if count < 1 || count > maxInvites {
		return problem.With(problem.BadRequest, fmt.Sprintf("count: want 1 to %d", maxInvites))
	}
	made := make([]typedInvite, count)
	for i := range made {
		made[i] = typedInvite{code: identity.NewCode(), lane: want.lane}
	}
	if _, err := c.addInvites(r, who, batch, made); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="invites-`+r.PathValue("sale")+"-"+batch+`.csv"`)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	out := csv.NewWriter(w)
	_ = out.Write([]string{columnCode})
	for _, invite := range made {
		_ = out.Write([]string{invite.code})
	}
	out.Flush() // an error: the client is gone, and the batch is to be revoked
	return nil
}

// postRevokedInvites takes back the invites of a batch, or one invite, that were not used.
func (c *Console) postRevokedInvites(w http.ResponseWriter, r *http.Request, who caller) error {
	var body struct {
		Batch string `json:"batch"`
		Code  string `json:"code"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	if (body.Batch == "") == (body.Code == "") {
		return problem.With(problem.BadRequest, "either batch or code is required, not both")
	}
	saleID := r.PathValue("sale")
	if _, err := c.deps.Sales.Sale(r.Context(), saleID); err != nil {
		return err
	}
	revoked, err := c.revokeInvites(r.Context(), who, saleID, body.Batch, body.Code)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"sale": saleID, "revoked": revoked})
}

// revokeInvites takes back one invite, or those of a batch when no code is given.
func (c *Console) revokeInvites(ctx context.Context, who caller, saleID, batch, code string) (revoked int64, err error) {
	now := c.deps.Now().UnixMilli()
	if code != "" {
		revoked, err = c.deps.Ledger.RevokeInvite(ctx, saleID, c.deps.Invites.Hashes(saleID, identity.PlainCode(code)), now)
	} else {
		revoked, err = c.deps.Ledger.RevokeInvites(ctx, saleID, batch, now)
	}
	if err == nil {
		c.record(ctx, who, actRevokeInvites, saleID, map[string]any{"batch": batch, "revoked": revoked})
	}
	return revoked, err
}

// addInvites stores what tells nobody the codes.
func (c *Console) addInvites(r *http.Request, who caller, batch string, invites []typedInvite) (int64, error) {
	saleID := r.PathValue("sale")
	rec, err := c.deps.Sales.Sale(r.Context(), saleID)
	if err != nil {
		return 0, err
	}
	stored := make([]ledger.Invite, len(invites))
	for i, invite := range invites {
		if invite.lane != "" && !rec.Admission.HasLane(invite.lane) {
			return 0, problem.With(problem.BadRequest, fmt.Sprintf("the sale has no lane %.64q; none of these was added", invite.lane))
		}
		stored[i] = ledger.Invite{Code: c.deps.Invites.Hashes(saleID, identity.PlainCode(invite.code))[0], Lane: invite.lane}
	}
	added, err := c.deps.Ledger.AddInvites(r.Context(), saleID, batch, stored, c.deps.Now().UnixMilli())
	if err != nil {
		return 0, err
	}
	c.record(r.Context(), who, actAddInvites, saleID, map[string]any{"batch": batch, "added": added})
	return added, nil
}

func checkBatch(name string) error {
	if !batchPattern.MatchString(name) {
		return problem.With(problem.BadRequest, "batch: want 1 to 64 letters, digits, dots, underscores or hyphens")
	}
	return nil
}

// typedInvite is an invite as people have it.
type typedInvite struct{ code, lane string }

// readInvites reads the column code, and the column lane when there is one. A line that is no invite is an error:
// nobody would notice that it is missing.
func readInvites(file []byte) ([]typedInvite, error) {
	table, err := sheet.Read(file, maxInvites)
	if err != nil {
		return nil, err
	}
	code, lane := slices.Index(table.Columns, columnCode), slices.Index(table.Columns, columnLane)
	if code < 0 || len(table.Columns) > 2 || len(table.Columns) == 2 && lane < 0 {
		return nil, fmt.Errorf("want the column %s, and perhaps the column %s, named in the first line", columnCode, columnLane)
	}
	invites := make([]typedInvite, len(table.Rows))
	for i, row := range table.Rows {
		if _, err := identity.CheckCode(row.Cells[code]); err != nil {
			return nil, fmt.Errorf("line %d: %w", row.Line, err)
		}
		invites[i].code = row.Cells[code]
		if lane >= 0 {
			invites[i].lane = row.Cells[lane]
		}
	}
	return invites, nil
}
