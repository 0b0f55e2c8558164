package console

import "net/http"

// getPreflight runs the pre-flight now. A report that refuses is an answer like another: 200.
func (c *Console) getPreflight(w http.ResponseWriter, r *http.Request, _ caller) error {
	return writeJSON(w, http.StatusOK, c.deps.Preflight.Check(r.Context()))
}

func (c *Console) preflightPage(w http.ResponseWriter, r *http.Request, in visit) error {
	c.show(w, r, in, http.StatusOK, "preflight", "Pre-flight", c.deps.Preflight.Check(r.Context()))
	return nil
}
