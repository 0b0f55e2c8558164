package front

import (
	"bytes"

	"github.com/penstock/penstock/internal/problem"
)

var headerAccept = []byte("Accept")

// wantsPage reports whether a browser asks for a page to show.
func (c *call) wantsPage() bool {
	return bytes.Contains(c.ctx.Request.Header.PeekCanonical(headerAccept), []byte("text/html"))
}

// refusalView is what the page of a refusal shows.
type refusalView struct {
	AssetsVersion, Headline, Lead string
}

// sendRefusalPage tells a person in words what a program is told in a problem document. It reports false
// where a program asks, or a path that is for programs is asked for.
func (s *Server) sendRefusalPage(c *call, doc *problem.Problem) bool {
	if c.broken || !c.route.forPeople || !c.wantsPage() {
		return false
	}
	view := refusalView{AssetsVersion: s.pages.version}
	switch {
	case doc.Status == 404 && len(c.ctx.Path()) == 1:
		view.Headline, view.Lead = "This is the waiting room of a shop", "Go to the shop's own page, and follow its link to the sale."
	case doc.Status == 404:
		view.Headline = "There is nothing at this address"
		view.Lead = "The address may be mistyped. Go back to the shop, and follow its link to the sale."
	case doc.Status == 405:
		view.Headline, view.Lead = "This page cannot be used in this way", "Go back to the shop, and follow its link to the sale."
	case doc.Status == 503:
		view.Headline, view.Lead = "The sale is coming back", "If you have a place in line, it is kept. Load this page again in a moment."
	default:
		view.Headline, view.Lead = "This did not work", "Load this page again in a moment. If you have a place in line, it is kept."
	}
	c.setRetryAfter(doc)
	if s.sendPage(c, doc.Status, "refusal.html", "", &view) != nil {
		return false
	}
	c.code = doc.Code
	return true
}

// redirectToRoom takes the slash at the end of a mistyped address away. POST stays POST (308).
func (s *Server) redirectToRoom(c *call) error {
	c.ctx.Response.Header.SetCanonical(headerLocation, []byte(c.roomAgain()))
	c.ctx.SetStatusCode(308)
	return nil
}
