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
	Head           pageHead
	Headline, Lead string
}

// sendRefusalPage tells a person in words what a program is told in a problem document. It reports false
// where a program asks, or a path that is for programs is asked for.
func (s *Server) sendRefusalPage(c *call, doc *problem.Problem) bool {
	if c.broken || !c.route.forPeople || !c.wantsPage() {
		return false
	}
	says := "failed"
	switch {
	case doc.Status == 404 && len(c.ctx.Path()) == 1:
		says = "home"
	case doc.Status == 404:
		says = "nothing"
	case doc.Status == 405:
		says = "misused"
	case doc.Status == 503:
		says = "returning"
	}
	l := s.language(c, nil, "")
	view := refusalView{
		Head:     pageHead{AssetsVersion: s.pages.version, Language: l.Tag, Direction: l.Direction},
		Headline: l.Text(says + ".headline"), Lead: l.Text(says + ".lead"),
	}
	c.setRetryAfter(doc)
	if s.sendPage(c, doc.Status, "refusal.html", pagePolicy{}, &view) != nil {
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
