package console

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

//go:embed templates
var templateFiles embed.FS

//go:embed static
var staticDir embed.FS

// pages are the templates by name, each joined with the layout.
type pages map[string]*template.Template

// parsePages parses what is compiled in; a mistake there is found by every test.
func parsePages() pages {
	all := pages{}
	for _, name := range []string{"sign_in", "sales", "sale", "sale_form", "level", "preflight", "keys", "shadow", "invites", "previews", "error"} {
		t := template.New("layout.html").Funcs(helpers())
		all[name] = template.Must(t.ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", "templates/*_fields.html", "templates/*_panel.html", "templates/"+name+".html"))
	}
	return all
}

func helpers() template.FuncMap {
	return template.FuncMap{
		"iso":        func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"when":       func(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04:05") + " UTC" },
		"phaseLabel": phaseLabel,
		"phaseHint":  phaseHint,
		"count":      groupDigits,
		"rule":       ruleWords,
		"outcome":    outcomeWords,
		"one":        func(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) },
		"field":      viewField,
		"choice":     viewChoice,
		"palette":    viewPalette,
		"plain":      plainField,
		"add":        func(a, b int) int { return a + b },
	}
}

// groupDigits writes 1234567 as 1 234 567, with thin spaces that do not break.
func groupDigits(n int64) string {
	text := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, text = "−", text[1:]
	}
	var out []byte
	for i := range len(text) {
		if i > 0 && (len(text)-i)%3 == 0 {
			out = append(out, "\u202f"...)
		}
		out = append(out, text[i])
	}
	return sign + string(out)
}

// frame is what the layout shows around a page.
type frame struct {
	Title    string
	Page     string
	SignedIn bool
	Name     string
	Role     auth.Role
	CSRF     string
	Level    string
	Body     any
}

// MayPlan reports whether the buttons of a marketer are shown. The routes decide who may.
func (f frame) MayPlan() bool { return auth.Identity{Role: f.Role}.May(auth.Marketer) }

// MaySteer reports whether the buttons of an operator are shown.
func (f frame) MaySteer() bool { return auth.Identity{Role: f.Role}.May(auth.Operator) }

// MayAdmin reports whether an admin's pages are offered.
func (f frame) MayAdmin() bool { return auth.Identity{Role: f.Role}.May(auth.Admin) }

// show renders a page as a whole before the first byte is sent, so that a failing template cannot
// leave half a page.
func (c *Console) show(w http.ResponseWriter, r *http.Request, in visit, status int, name, title string, body any) {
	f := frame{
		Title: title, Page: name, SignedIn: in.CSRF != "", Name: in.Name, Role: in.Role,
		CSRF: in.CSRF, Level: c.deps.Board.Level().String(), Body: body,
	}
	var out bytes.Buffer
	if err := c.pages[name].Execute(&out, f); err != nil {
		c.deps.Log.ErrorContext(r.Context(), "a page cannot be rendered", "page", name, "error", err)
		writeText(w, http.StatusInternalServerError, "Internal error\n")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes())
}

type errorView struct {
	Status int
	Title  string
	Detail string
}

// errorPage shows an error to a person, and to a script of the page as a problem document.
func (c *Console) errorPage(w http.ResponseWriter, r *http.Request, in visit, err error) {
	if !wantsPage(r) && r.Method == http.MethodGet {
		c.refuse(w, r, err)
		return
	}
	doc := c.explain(r, err)
	if doc.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(doc.RetryAfterSeconds))
	}
	c.show(w, r, in, doc.Status, "error", doc.Title, errorView{Status: doc.Status, Title: doc.Title, Detail: doc.Detail})
}

// sentence words an error for the place beside a form.
func (c *Console) sentence(r *http.Request, err error) string {
	var invalid *sale.Invalid
	if errors.As(err, &invalid) {
		return plainField(invalid.Field) + ": " + invalid.Reason
	}
	doc := c.explain(r, err)
	if doc.Detail == "" {
		return doc.Title + "."
	}
	return doc.Title + ": " + doc.Detail
}

// plainField turns "admission.max_active" into "max active".
func plainField(field string) string {
	return strings.ReplaceAll(field[strings.LastIndexByte(field, '.')+1:], "_", " ")
}

// statusOf is the status with which a refused form is shown again.
func statusOf(err error) int {
	var invalid *sale.Invalid
	if errors.As(err, &invalid) {
		return http.StatusUnprocessableEntity
	}
	doc, _ := problem.Of(err)
	return doc.Status
}

// staticFiles serves the style sheet and the script. They change with the program alone, and the
// console has few visitors: five minutes in the browser's cache is enough.
func staticFiles() http.Handler {
	files, err := fs.Sub(staticDir, "static")
	if err != nil {
		return http.NotFoundHandler() // only for a name that is not a path
	}
	server := http.StripPrefix("/static/", http.FileServerFS(files))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r) // no listings
			return
		}
		w.Header().Set("Cache-Control", "max-age=300")
		server.ServeHTTP(w, r)
	})
}
