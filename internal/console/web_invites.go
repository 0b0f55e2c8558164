package console

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// invitesModel is the page of a sale's invites.
type invitesModel struct {
	ID, Name, Done, Fault    string
	InviteOnly, MayChange    bool
	HasLanes                 bool
	Counts                   invitesView
	Batch, File, Count, Lane string // as typed
}

func (c *Console) invitesPage(w http.ResponseWriter, r *http.Request, in visit) error {
	return c.showInvites(w, r, in, http.StatusOK, "", "")
}

// showInvites shows the page after what was done, or with what is wrong with what was typed.
func (c *Console) showInvites(w http.ResponseWriter, r *http.Request, in visit, status int, done, fault string) error {
	rec, err := c.deps.Sales.Sale(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	counts, err := c.countInvites(r.Context(), rec.ID)
	if err != nil {
		return err
	}
	model := invitesModel{
		ID: rec.ID, Name: rec.Name, Done: done, Fault: fault, InviteOnly: rec.Identity.InviteOnly, HasLanes: len(rec.Admission.Lanes) > 0, MayChange: in.May(auth.Marketer), Counts: counts,
	}
	if fault != "" {
		model.Batch, model.File, model.Count = r.PostForm.Get("batch"), r.PostForm.Get("file"), r.PostForm.Get("count")
		model.Lane = r.PostForm.Get("lane")
	}
	c.show(w, r, in, status, "invites", rec.Name+": invites", model)
	return nil
}

// afterInvites shows what became of a form.
func (c *Console) afterInvites(w http.ResponseWriter, r *http.Request, in visit, done string, err error) error {
	if err == nil {
		return c.showInvites(w, r, in, http.StatusOK, done, "")
	}
	doc, known := problem.Of(err)
	if !known || doc.Status >= http.StatusInternalServerError || doc.Code == problem.UnknownSale {
		return err
	}
	return c.showInvites(w, r, in, http.StatusUnprocessableEntity, "", doc.Detail)
}

func (c *Console) importInvitesForm(w http.ResponseWriter, r *http.Request, in visit) error {
	added, known, err := c.importInvites(r, in.caller, strings.TrimSpace(r.PostForm.Get("batch")), []byte(r.PostForm.Get("file")))
	return c.afterInvites(w, r, in, fmt.Sprintf("%d invites imported, %d were there already.", added, known), err)
}

// newInvitesForm answers with the file itself: nobody can see the invites again.
func (c *Console) newInvitesForm(w http.ResponseWriter, r *http.Request, in visit) error {
	count, err := wholeNumber(r, "count", "How many")
	if err == nil {
		err = c.makeInvites(w, r, in.caller, newInvites{
			batch: strings.TrimSpace(r.PostForm.Get("batch")), lane: strings.TrimSpace(r.PostForm.Get("lane")), count: int(count),
		}, http.StatusOK)
	}
	if err == nil {
		return nil
	}
	return c.afterInvites(w, r, in, "", err)
}

func (c *Console) revokeInvitesForm(w http.ResponseWriter, r *http.Request, in visit) error {
	saleID := r.PathValue("sale")
	if !sale.ValidID(saleID) {
		return problem.UnknownSale
	}
	revoked, err := c.revokeInvites(r.Context(), in.caller, saleID, r.PostForm.Get("batch"), "")
	return c.afterInvites(w, r, in, fmt.Sprintf("%d invites revoked.", revoked), err)
}
