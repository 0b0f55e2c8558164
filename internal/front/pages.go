package front

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/url"
	"strings"

	"github.com/penstock/penstock/internal/problem"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed static
var staticFiles embed.FS

// pages are the templates, parsed once, and the files that they refer to.
type pages struct {
	templates *template.Template
	static    map[string]staticFile
	version   string // of the static files, so that a cache never mixes two
}

type staticFile struct{ contentType, body []byte }

func loadPages() (*pages, error) {
	templates, err := template.ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("front: templates: %w", err)
	}
	p := &pages{templates: templates, static: make(map[string]staticFile)}
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
		p.static[entry.Name()] = staticFile{contentType: []byte(contentType), body: body}
		sum.Write(body)
	}
	p.version = hex.EncodeToString(sum.Sum(nil)[:6])
	return p, nil
}

func (s *Server) getStatic(c *call) error {
	file, there := s.pages.static[string(c.id)]
	if !there {
		return problem.NotFound
	}
	c.sendPublic(file.contentType, valuePublicHour, file.body)
	return nil
}

// sendPage renders a template. FormTarget is where else than here a form may lead.
func (s *Server) sendPage(c *call, status int, name, formTarget string, data any) error {
	c.ctx.Response.ResetBody()
	if err := s.pages.templates.ExecuteTemplate(c.ctx.Response.BodyWriter(), name, data); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	h := &c.ctx.Response.Header
	h.Set("Content-Security-Policy", contentSecurityPolicy(formTarget))
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.SetCanonical(headerCacheControl, valueNoStore)
	c.ctx.SetContentTypeBytes(typeHTML)
	c.ctx.SetStatusCode(status)
	return nil
}

// contentSecurityPolicy allows what the pages do and nothing else. A form leads by redirects from
// the waiting room to the shop, which browsers check against form-action too.
func contentSecurityPolicy(formTarget string) string {
	forms := "'self'"
	if u, err := url.Parse(formTarget); err == nil && u.Host != "" {
		forms += " " + u.Scheme + "://" + u.Host
	}
	return "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; " +
		"form-action " + forms + "; base-uri 'none'; frame-ancestors 'none'"
}

// seeOther sends a browser on with GET.
func (c *call) seeOther(location string) error {
	c.ctx.Response.Header.SetCanonical(headerLocation, []byte(location))
	c.ctx.Response.Header.SetCanonical(headerCacheControl, valueNoStore)
	c.ctx.SetStatusCode(303)
	return nil
}
