package console

import (
	"net/http"
	"testing"
)

// While no sale may be armed, a change is kept in the ledger and answered 409 not_armed. It was made:
// the audit trail must have it.
func TestAChangeThatIsKeptAndNotArmedIsInTheAuditTrail(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	s.refusing.Store(true)
	notArmed := func(method, path, body string) {
		t.Helper()
		s.do(method, path, bootstrapKey, body).refused(http.StatusConflict, "not_armed")
	}
	notArmed("POST", "/admin/v1/sales", saleDoc("next", later))
	s.audited("sale.create", "next", `"Sale next"`)
	notArmed("PATCH", "/admin/v1/sales/next", `{"name":"Another name"}`)
	s.audited("sale.change", "next", `{"name":{"from":"Sale next","to":"Another name"}}`)
	notArmed("POST", "/admin/v1/sales/next/pause", "")
	s.audited("sale.pause", "next", `"paused":{"from":false,"to":true}`)
	notArmed("PUT", "/admin/v1/sales/next/message", `{"message":"Back at ten"}`)
	s.audited("sale.message", "next", `"Back at ten"`)
	notArmed("PATCH", "/admin/v1/sales/next/items/A/stock", `{"change_by":20}`)
	s.audited("sale.stock", "next", `"items.A.stock":{"from":100,"to":120}`)

	// Fewer units are noted in the ledger, and carried out once the sale may be armed.
	s.do("PATCH", "/admin/v1/sales/next/items/A/stock", bootstrapKey, `{"change_by":-20}`).refused(http.StatusServiceUnavailable, "unavailable")
	s.audited("sale.stock", "next", `"items.A.stock.pending":{"to":100}`)

	// What was refused for another reason changed nothing, and is no act.
	s.do("POST", "/admin/v1/sales", bootstrapKey, saleDoc("next", later)).refused(http.StatusConflict, "sale_exists")
	s.audited("sale.stock", "next", `"items.A.stock.pending"`)

	// A live sale needs no arming, and does what it is told.
	s.do("POST", "/admin/v1/sales/drop/pause", bootstrapKey, "").expect(http.StatusOK)
	s.audited("sale.pause", "drop", `"paused":{"from":false,"to":true}`)
}
