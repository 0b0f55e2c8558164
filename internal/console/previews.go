package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/roomlink"
	"github.com/penstock/penstock/internal/sale"
)

// previewsView are signed links that show the waiting room of a sale in each state.
type previewsView struct {
	Language  string        `json:"language"`
	Scheme    string        `json:"scheme,omitempty"`
	ExpiresAt time.Time     `json:"expires_at"`
	Previews  []previewLink `json:"previews"`
}

type previewLink struct {
	State string `json:"state"`
	URL   string `json:"url"` // a path where it is not known where visitors reach the front
}

// previews signs a link for each state. An empty language is the sale's first.
func (c *Console) previews(s sale.Sale, language, scheme string) (previewsView, error) {
	languages := pageLanguages(s)
	if language == "" {
		language = languages[0]
	}
	switch {
	case !slices.Contains(languages, language):
		return previewsView{}, problem.With(problem.BadRequest, "the languages of this sale are "+strings.Join(languages, ", "))
	case scheme != "" && scheme != "light" && scheme != "dark":
		return previewsView{}, problem.With(problem.BadRequest, "a scheme is light or dark")
	}
	view := previewsView{Language: language, Scheme: scheme, ExpiresAt: c.deps.Now().Add(roomlink.PreviewTTL).UTC().Truncate(time.Second)}
	for _, state := range sale.PageStates {
		signed := c.deps.RoomLinks.SignPreview(s.ID, roomlink.Preview{State: state, Language: language, Scheme: scheme}, view.ExpiresAt)
		view.Previews = append(view.Previews, previewLink{State: state, URL: c.deps.PublicURL + "/sales/" + url.PathEscape(s.ID) + "?penstock_preview=" + signed})
	}
	return view, nil
}

// pageLanguages are those in which the page of a sale can be had.
func pageLanguages(s sale.Sale) []string {
	if len(s.Page.Languages) > 0 {
		return s.Page.Languages
	}
	return sale.PageLanguages
}

func (c *Console) getPreviews(w http.ResponseWriter, r *http.Request, _ caller) error {
	rec, err := c.deps.Sales.Sale(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	view, err := c.previews(rec.Sale, r.URL.Query().Get("language"), r.URL.Query().Get("scheme"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, view)
}

// previewsModel is the page with the links.
type previewsModel struct {
	previewsView
	ID, Name, ErrorText string
	Languages           []string
}

func (c *Console) previewsPage(w http.ResponseWriter, r *http.Request, in visit) error {
	rec, err := c.deps.Sales.Sale(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	m, status := previewsModel{ID: rec.ID, Name: rec.Name, Languages: pageLanguages(rec.Sale)}, http.StatusOK
	if m.previewsView, err = c.previews(rec.Sale, r.URL.Query().Get("language"), r.URL.Query().Get("scheme")); err != nil {
		m.ErrorText, status = c.sentence(r, err), statusOf(err)
	}
	c.show(w, r, in, status, "previews", "Preview of "+rec.Name, m)
	return nil
}
