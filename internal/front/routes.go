package front

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock/penstock/internal/problem"
)

// handler answers one call; an error it returns becomes a problem document.
type handler func(s *Server, c *call) error

// route is one path of the front with what it does for each method. HEAD is GET without the body.
type route struct {
	template          string
	get, post, delete handler
	// any answers whatever the method: a proxy asks with the method of the visitor's request.
	any    handler
	shedAt load // the load from which on it is refused
	allow  string
	// ownUnknownSale says that the handler words an unknown sale itself.
	ownUnknownSale bool
	// sameForAll says that the answer holds nothing of the visitor, so that any page may read it.
	sameForAll bool
	// forPeople says that browsers show what is at the path, or would, if there were anything.
	forPeople bool
	// probe says that an orchestrator asks it all the time, and that 503 is one of its plain answers.
	probe bool

	byClass [6]prometheus.Counter // by the first digit of the status
	seconds prometheus.Observer
}

// table says everything that the front serves. openapi.yaml says the same, as a test makes sure.
func (s *Server) table() [routeCount]route {
	routes := [routeCount]route{
		routeNone:             {template: "none", forPeople: true},
		routeHome:             {template: "/", forPeople: true},
		routeHealth:           {template: "/healthz", get: (*Server).getHealth, probe: true},
		routeReady:            {template: "/readyz", get: (*Server).getReady, probe: true},
		routeOpenAPI:          {template: "/openapi.yaml", get: (*Server).getOpenAPI, sameForAll: true},
		routeJWKS:             {template: "/.well-known/jwks.json", get: (*Server).getJWKS, sameForAll: true},
		routeStatic:           {template: "/sales/static/{name}", get: (*Server).getStatic, sameForAll: true},
		routeRoomPage:         {template: "/sales/{sale}", forPeople: true, get: (*Server).getRoomPage, post: (*Server).joinFromPage, ownUnknownSale: true},
		routeRoomSlash:        {template: "/sales/{sale}/", forPeople: true, get: (*Server).redirectToRoom, post: (*Server).redirectToRoom, ownUnknownSale: true},
		routeFairnessPage:     {template: "/sales/{sale}/fairness", forPeople: true, get: (*Server).getFairnessPage, ownUnknownSale: true},
		routeSale:             {template: "/v1/sales/{sale}", get: (*Server).getSale, sameForAll: true},
		routeNotice:           {template: "/v1/sales/{sale}/notice", get: (*Server).getNotice, sameForAll: true},
		routeFairness:         {template: "/v1/sales/{sale}/fairness", get: (*Server).getFairness, sameForAll: true, ownUnknownSale: true},
		routeTickets:          {template: "/v1/sales/{sale}/tickets", post: (*Server).postTickets},
		routeChallenge:        {template: "/v1/sales/{sale}/challenge", get: (*Server).getChallenge},
		routeTicket:           {template: "/v1/sales/{sale}/ticket", get: (*Server).getTicket, delete: (*Server).deleteTicket},
		routeNotifications:    {template: "/v1/sales/{sale}/ticket/notifications", post: (*Server).postNotifications, delete: (*Server).deleteNotifications, shedAt: loadTickets},
		routeOffer:            {template: "/v1/sales/{sale}/notifications", get: (*Server).getOffer, sameForAll: true},
		routePasses:           {template: "/v1/sales/{sale}/passes", post: (*Server).postPasses},
		routePass:             {template: "/v1/sales/{sale}/pass", delete: (*Server).deletePass},
		routeRenew:            {template: "/v1/sales/{sale}/pass/renew", post: (*Server).renewPass},
		routeReservations:     {template: "/v1/sales/{sale}/reservations", post: (*Server).postReservations, shedAt: loadReserve},
		routeReservationsBulk: {template: "/v1/sales/{sale}/reservations/bulk", post: (*Server).postReservationsBulk, shedAt: loadReserve},
		routeSaleOrders:       {template: "/v1/sales/{sale}/orders", get: (*Server).getOrders},
		routeShadow:           {template: "/v1/sales/{sale}/shadow", post: (*Server).postShadow},
		routeReservation:      {template: "/v1/reservations/{id}", get: (*Server).getReservation, delete: (*Server).deleteReservation},
		routeExtend:           {template: "/v1/reservations/{id}/extend", post: (*Server).extendReservation},
		routeOrders:           {template: "/v1/orders", post: (*Server).postOrders},
		routeOrdersBulk:       {template: "/v1/orders/bulk", post: (*Server).postOrdersBulk},
		routeOrder:            {template: "/v1/orders/{id}", get: (*Server).getOrder},
		routeHandover:         {template: "/v1/handover", post: (*Server).postHandover},
		routeAuth:             {template: "/v1/auth", any: (*Server).authorize},
		routeAuthBelow:        {template: "/v1/auth/{path}", any: (*Server).authorize},
		routeFlags:            {template: "/ofrep/v1/evaluate/flags", post: (*Server).postFlags},
		routeFlag:             {template: "/ofrep/v1/evaluate/flags/{key}", post: (*Server).postFlag},
		routeDemo:             {template: "/demo", forPeople: true},
		routeDemoCheckout:     {template: "/demo/checkout", forPeople: true},
	}
	if s.Demo {
		routes[routeHome].get = (*Server).getHome
		routes[routeDemo].get, routes[routeDemo].shedAt = (*Server).getDemo, loadTickets
		routes[routeDemoCheckout].get = (*Server).getDemoCheckout
	}
	for i := range routes {
		s.complete(&routes[i])
	}
	return routes
}

// complete fills in what follows from the rest.
func (s *Server) complete(r *route) {
	if r.shedAt == loadCalm {
		r.shedAt = loadNoMatter
	}
	for _, m := range []struct {
		handler handler
		name    string
	}{{r.get, "GET, HEAD"}, {r.post, "POST"}, {r.delete, "DELETE"}} {
		if m.handler == nil {
			continue
		}
		if r.allow != "" {
			r.allow += ", "
		}
		r.allow += m.name
	}
	r.seconds = s.metrics.seconds.WithLabelValues(r.template)
	for digit, class := range []string{"other", "1xx", "2xx", "3xx", "4xx", "5xx"} {
		r.byClass[digit] = s.metrics.requests.WithLabelValues(r.template, class)
	}
}

// handler picks what the method asks for. Errors: not_found, method_not_allowed.
func (r *route) handler(c *call) (handler, error) {
	var h handler
	switch string(c.ctx.Method()) {
	case "GET", "HEAD":
		h = r.get
	case "POST":
		h = r.post
	case "DELETE":
		h = r.delete
	}
	switch {
	case r.any != nil:
		return r.any, nil
	case h != nil:
		return h, nil
	case r.allow == "":
		return nil, problem.NotFound
	default:
		c.ctx.Response.Header.SetCanonical(headerAllow, []byte(r.allow))
		return nil, problem.MethodNotAllowed
	}
}

func (r *route) observe(status int, took time.Duration) {
	digit := status / 100
	if digit < 1 || digit > 5 {
		digit = 0
	}
	r.byClass[digit].Inc()
	r.seconds.Observe(took.Seconds())
}
