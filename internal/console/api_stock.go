package console

import (
	"net/http"

	"github.com/penstock/penstock/internal/problem"
)

// patchStock adds units to an item or takes free ones away, if expected is what is allocated now.
func (c *Console) patchStock(w http.ResponseWriter, r *http.Request, who caller) error {
	var body struct {
		ChangeBy *int64 `json:"change_by"`
		Expected *int64 `json:"expected"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	if body.ChangeBy == nil {
		return problem.With(problem.BadRequest, "change_by is required")
	}
	saleID, sku := r.PathValue("sale"), r.PathValue("sku")
	count, err := c.changeStock(r.Context(), who, saleID, sku, *body.ChangeBy, body.Expected)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{
		"sale": saleID, "sku": count.SKU, "allocated": count.Allocated, "sold": count.Sold,
	})
}
