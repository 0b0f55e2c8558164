package console

import "net/http"

func (c *Console) listKeys(w http.ResponseWriter, r *http.Request, _ caller) error {
	views, err := c.keyViews(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"keys": views})
}

func (c *Console) postKey(w http.ResponseWriter, r *http.Request, who caller) error {
	var want NewAPIKey
	if err := readJSON(w, r, &want); err != nil {
		return err
	}
	key, plain, err := c.createKey(r.Context(), who, want)
	if err != nil {
		return err
	}
	view := viewKey(key)
	view.Key = plain
	w.Header().Set("Location", "/admin/v1/keys/"+key.ID)
	return writeJSON(w, http.StatusCreated, view)
}

func (c *Console) deleteKey(w http.ResponseWriter, r *http.Request, who caller) error {
	if _, err := c.endKey(r.Context(), who, r.PathValue("key")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
