package front

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed static
var staticFiles embed.FS

// pages are the templates, parsed once, and the files that they refer to.
type pages struct {
	templates *template.Template
	static    map[string]staticFile
	openAPI   *encoded
	version   string // of the static files, so that a cache never mixes two
}

type staticFile struct {
	contentType []byte
	body        *encoded
}

func loadPages() (*pages, error) {
	templates, err := template.ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("front: templates: %w", err)
	}
	p := &pages{templates: templates, openAPI: newEncoded(openAPI, fileBrotliLevel, fileGzipLevel), static: make(map[string]staticFile)}
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		return nil, fmt.Errorf("front: static files: %w", err)
	}
	sum := sha256.New()
	for _, entry := range entries {
		body, err := staticFiles.ReadFile("static/" + entry.Name())
		if err != nil {
			return nil, fmt.Errorf("front: static files: %w", err)
		}
		contentType := "text/css; charset=utf-8"
		if strings.HasSuffix(entry.Name(), "js") { // .js and .mjs
			contentType = "text/javascript; charset=utf-8"
		}
		p.static[entry.Name()] = staticFile{contentType: []byte(contentType), body: newEncoded(body, fileBrotliLevel, fileGzipLevel)}
		sum.Write(body)
	}
	p.version = hex.EncodeToString(sum.Sum(nil)[:6])
	return p, nil
}

// staticPath is the address of a file of the pages.
func (s *Server) staticPath(name string) string {
	return "/sales/static/" + name + "?v=" + s.pages.version
}

func (s *Server) getStatic(c *call) error {
	file, there := s.pages.static[string(c.id)]
	if !there {
		if saleID, isTheme := strings.CutPrefix(strings.TrimSuffix(string(c.id), themeSuffix), themePrefix); isTheme && sale.ValidID(saleID) {
			return s.sendTheme(c, saleID)
		}
		return problem.NotFound
	}
	c.sendEncoded(file.contentType, valuePublicHour, file.body)
	return nil
}

// pagePolicy is what a page does besides what every page does.
type pagePolicy struct {
	formTarget string   // where else than here a form may lead
	images     []string // origins of images
	worker     bool     // a script of the page starts one
	// secret says that who knows the address, or the body, has the visitor's place. The address is then told to
	// nobody, and the body is not compressed: its length would tell of what is in it.
	secret bool
}

// sendPage renders a template.
func (s *Server) sendPage(c *call, status int, name string, policy pagePolicy, data any) error {
	c.ctx.Response.ResetBody()
	if err := s.pages.templates.ExecuteTemplate(c.ctx.Response.BodyWriter(), name, data); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	referrer := "same-origin"
	if policy.secret {
		referrer = "no-referrer"
	} else {
		c.compressPage()
	}
	h := &c.ctx.Response.Header
	h.Set("Content-Security-Policy", policy.contentSecurity())
	h.Set("Referrer-Policy", referrer)
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.SetCanonical(headerCacheControl, valueNoStore)
	c.ctx.SetContentTypeBytes(typeHTML)
	c.ctx.SetStatusCode(status)
	return nil
}

// contentSecurity allows what the page does and nothing else. A form leads by redirects from
// the waiting room to the shop, which browsers check against form-action too.
func (p pagePolicy) contentSecurity() string {
	forms, images := "'self'", "'self' data:"
	if u, err := url.Parse(p.formTarget); err == nil && u.Host != "" {
		forms += " " + u.Scheme + "://" + u.Host
	}
	worker := ""
	if p.worker {
		worker = " worker-src 'self';"
	}
	for i, host := range p.images {
		if !slices.Contains(p.images[:i], host) {
			images += " " + host
		}
	}
	return "default-src 'none'; style-src 'self'; script-src 'self';" + worker + " connect-src 'self'; img-src " + images + "; " +
		"form-action " + forms + "; base-uri 'none'; frame-ancestors 'none'"
}

// seeOther sends a browser on with GET.
func (c *call) seeOther(location string) error {
	c.ctx.Response.Header.SetCanonical(headerLocation, []byte(location))
	c.ctx.Response.Header.SetCanonical(headerCacheControl, valueNoStore)
	c.ctx.SetStatusCode(303)
	return nil
}
