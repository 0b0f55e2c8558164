package front

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

var typeCSS = []byte("text/css; charset=utf-8")

// The file with the colours of a sale's page is beside those that are the same for all sales.
const (
	themePrefix = "theme-"
	themeSuffix = ".css"
)

// sendTheme sends the colours of a sale's page as a style sheet. So the page needs no style of its own, and its
// policy allows none.
func (s *Server) sendTheme(c *call, saleID string) error {
	colours, err := s.coloursOf(c, saleID)
	if err != nil {
		return err
	}
	css := themeCSS(colours)
	if css == "" {
		return problem.NotFound
	}
	c.sendPublic(typeCSS, valuePublicHour, []byte(css))
	return nil
}

// coloursOf are the colours of a sale, also of a draft to whoever previews it. Codes: not_found, unavailable.
func (s *Server) coloursOf(c *call, saleID string) (sale.PageColours, error) {
	entry, err := s.find(saleID, problem.NotFound)
	if err == nil {
		return entry.Record().Page.Colours, nil
	}
	if !c.ctx.QueryArgs().Has(previewName) {
		return sale.PageColours{}, err
	}
	rec, err := s.draft(c, saleID)
	if errors.Is(err, problem.UnknownSale) {
		err = problem.NotFound
	}
	return rec.Page.Colours, err
}

// themePath is the address of the colours of a sale; empty when it has none. The version makes a change show.
func themePath(rec *sale.Record) string {
	if rec.Page.Colours == (sale.PageColours{}) {
		return ""
	}
	return "/sales/static/" + themePrefix + rec.ID + themeSuffix + "?v=" + strconv.FormatInt(rec.Version, 10)
}

// themeCSS writes the colours that a sale has over those of penstock.css, in the same order: the light scheme, the dark
// one, and the dark one when a preview asks for it.
func themeCSS(colours sale.PageColours) string {
	var css strings.Builder
	if light := paletteCSS(colours.Light); light != "" {
		css.WriteString(":root{" + light + "}\n")
	}
	if dark := paletteCSS(colours.Dark); dark != "" {
		css.WriteString("@media (prefers-color-scheme:dark){:root:not([data-scheme=light]){" + dark + "}}\n:root[data-scheme=dark]{" + dark + "}\n")
	}
	return css.String()
}

func paletteCSS(p sale.Palette) string {
	var css strings.Builder
	for _, one := range []struct{ property, colour string }{
		{"--paper", p.Background}, {"--card", p.Surface}, {"--ink", p.Text}, {"--soft", p.Muted}, {"--accent", p.Accent}, {"--on-accent", p.OnAccent},
	} {
		if one.colour != "" {
			css.WriteString(one.property + ":" + one.colour + ";")
		}
	}
	return css.String()
}

// imageHosts are the hosts from which the page of a sale loads images.
func imageHosts(page *sale.Page) (hosts []string) {
	add := func(address string) {
		if u, err := url.Parse(address); err == nil && u.Host != "" {
			hosts = append(hosts, u.Scheme+"://"+u.Host)
		}
	}
	add(page.LogoURL)
	for _, item := range page.Links.OtherItems {
		add(item.Image)
	}
	return hosts
}
