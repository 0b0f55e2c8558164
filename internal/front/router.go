package front

import "bytes"

// routeID numbers what the front serves.
type routeID int

const (
	routeNone routeID = iota
	routeHome
	routeHealth
	routeReady
	routeOpenAPI
	routeJWKS
	routeStatic
	routeRoomPage
	routeRoomSlash
	routeFairnessPage
	routeSale
	routeNotice
	routeFairness
	routeTickets
	routeChallenge
	routeTicket
	routeNotifications
	routeOffer
	routePasses
	routePass
	routeRenew
	routeReservations
	routeReservationsBulk
	routeSaleOrders
	routeShadow
	routeReservation
	routeExtend
	routeOrders
	routeOrdersBulk
	routeOrder
	routeHandover
	routeAuth
	routeAuthBelow
	routeFlags
	routeFlag
	routeDemo
	routeDemoCheckout
	routeCount
)

// maxSegments is one more than the longest path has, so that a longer one matches nothing.
const maxSegments = 6

// target is what a path names. The slices point into the path.
type target struct {
	route routeID
	sale  []byte
	id    []byte // of a reservation or an order, the key of a flag, or the name of a static file
}

// match reads a path as it was sent. Every name here is made of unreserved characters, so a path
// with escapes, empty or dotted segments names nothing: a proxy in front of Penstock and Penstock
// can never read the same path differently.
func match(path []byte) target {
	var segments [maxSegments][]byte
	n, ok := split(path, &segments)
	if !ok {
		return matchOdd(path)
	}
	switch string(segments[0]) {
	case "v1":
		return matchV1(segments[:], n)
	case "sales":
		return matchRoom(segments[:], n)
	case "ofrep":
		return matchFlags(segments[:], n)
	case "demo":
		return matchDemo(segments[:], n)
	case ".well-known":
		if n == 2 && string(segments[1]) == "jwks.json" {
			return target{route: routeJWKS}
		}
	default:
		return matchSingle(segments[0], n)
	}
	return target{}
}

// matchOdd reads a path that is not made of a few plain segments.
func matchOdd(path []byte) target {
	if bytes.HasPrefix(path, authPrefix) {
		return target{route: routeAuthBelow}
	}
	saleID, found := bytes.CutPrefix(path, []byte("/sales/"))
	saleID, slash := bytes.CutSuffix(saleID, []byte("/"))
	if found && slash && len(saleID) > 0 && bytes.IndexByte(saleID, '/') < 0 {
		return target{route: routeRoomSlash, sale: saleID}
	}
	return target{}
}

// authPrefix stands before any path at all: Envoy appends the visitor's own.
var authPrefix = []byte("/v1/auth/")

// split cuts the path into segments without copying. A path with an empty segment, or with too
// many, is not ok. The root has one empty segment.
func split(path []byte, segments *[maxSegments][]byte) (n int, ok bool) {
	if len(path) == 0 || path[0] != '/' {
		return 0, false
	}
	rest := path[1:]
	if len(rest) == 0 {
		return 1, true
	}
	for {
		if n == maxSegments {
			return 0, false
		}
		cut := bytes.IndexByte(rest, '/')
		if cut < 0 {
			segments[n] = rest
			return n + 1, len(rest) > 0
		}
		if cut == 0 {
			return 0, false
		}
		segments[n] = rest[:cut]
		rest = rest[cut+1:]
		n++
	}
}

// matchRoom reads what is below /sales. The files of the pages are there too, so that a proxy in front of a
// shop has to hand over one path that the shop does not use itself.
func matchRoom(segments [][]byte, n int) target {
	switch {
	case n == 2:
		return target{route: routeRoomPage, sale: segments[1]}
	case n == 3 && string(segments[1]) == "static":
		return target{route: routeStatic, id: segments[2]}
	case n == 3 && string(segments[2]) == "fairness":
		return target{route: routeFairnessPage, sale: segments[1]}
	default:
		return target{}
	}
}

func matchV1(segments [][]byte, n int) target {
	if n < 2 {
		return target{}
	}
	switch string(segments[1]) {
	case "sales":
		return matchSale(segments, n)
	case "reservations":
		if n == 3 {
			return target{route: routeReservation, id: segments[2]}
		}
		if n == 4 && string(segments[3]) == "extend" {
			return target{route: routeExtend, id: segments[2]}
		}
	case "orders":
		if n == 2 {
			return target{route: routeOrders}
		}
		if n == 3 && string(segments[2]) == "bulk" { // no id of an order
			return target{route: routeOrdersBulk}
		}
		if n == 3 {
			return target{route: routeOrder, id: segments[2]}
		}
	case "handover":
		if n == 2 {
			return target{route: routeHandover}
		}
	case "auth":
		if n == 2 {
			return target{route: routeAuth}
		}
		return target{route: routeAuthBelow}
	}
	return target{}
}

func matchSale(segments [][]byte, n int) target {
	switch n {
	case 3:
		return target{route: routeSale, sale: segments[2]}
	case 4:
		if route := saleCall(segments[3]); route != routeNone {
			return target{route: route, sale: segments[2]}
		}
	case 5:
		if string(segments[3]) == "reservations" && string(segments[4]) == "bulk" {
			return target{route: routeReservationsBulk, sale: segments[2]}
		}
		if string(segments[3]) == "pass" && string(segments[4]) == "renew" {
			return target{route: routeRenew, sale: segments[2]}
		}
		if string(segments[3]) == "ticket" && string(segments[4]) == "notifications" {
			return target{route: routeNotifications, sale: segments[2]}
		}
	}
	return target{}
}

func saleCall(name []byte) routeID {
	switch string(name) {
	case "fairness":
		return routeFairness
	case "notice":
		return routeNotice
	case "ticket":
		return routeTicket
	case "tickets":
		return routeTickets
	case "challenge":
		return routeChallenge
	case "notifications":
		return routeOffer
	case "passes":
		return routePasses
	case "pass":
		return routePass
	case "reservations":
		return routeReservations
	case "orders":
		return routeSaleOrders
	case "shadow":
		return routeShadow
	default:
		return routeNone
	}
}

func matchFlags(segments [][]byte, n int) target {
	if n < 4 || string(segments[1]) != "v1" || string(segments[2]) != "evaluate" || string(segments[3]) != "flags" {
		return target{}
	}
	switch n {
	case 4:
		return target{route: routeFlags}
	case 5:
		return target{route: routeFlag, id: segments[4]}
	default:
		return target{}
	}
}

func matchDemo(segments [][]byte, n int) target {
	switch {
	case n == 1:
		return target{route: routeDemo}
	case n == 2 && string(segments[1]) == "checkout":
		return target{route: routeDemoCheckout}
	default:
		return target{}
	}
}

func matchSingle(segment []byte, n int) target {
	if n != 1 {
		return target{}
	}
	switch string(segment) {
	case "":
		return target{route: routeHome}
	case "healthz":
		return target{route: routeHealth}
	case "readyz":
		return target{route: routeReady}
	case "openapi.yaml":
		return target{route: routeOpenAPI}
	default:
		return target{}
	}
}
