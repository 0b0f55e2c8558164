package front

import (
	"bytes"
	"strings"
	"testing"
)

func TestEveryTemplateMatchesItsOwnRoute(t *testing.T) {
	s := &Server{Deps: Deps{Demo: true}, metrics: testMetrics(t)}
	routes := s.table()
	for id := routeNone + 1; id < routeCount; id++ {
		path := strings.NewReplacer("{sale}", "spring-drop", "{id}", "rsv_x", "{key}", "reviews", "{name}", "room.js", "{path}", "a/b/c/d/e/f/g").
			Replace(routes[id].template)
		got := match([]byte(path))
		if got.route != id {
			t.Errorf("%s matches %q", path, routes[got.route].template)
		}
		if strings.Contains(routes[id].template, "{sale}") != (string(got.sale) == "spring-drop") {
			t.Errorf("%s names the sale %q", path, got.sale)
		}
	}
}

func TestPathsThatNameNothing(t *testing.T) {
	for _, path := range []string{
		"", "v1/orders", "//", "/v1", "/v1/", "/v1/sales", "/v1/sales/", "/v1/sales//ticket", "/v1/sales/a/ticket/",
		"/v1/sales/a/nothing", "/v1/sales/a/orders/b", "/v1/sales/a/ticket/b", "/v1/sales/a%2Fticket", "/V1/orders", "/v1/orders/a/b",
		"/v1/reservations", "/v1/reservations/a/b", "/sales", "/sales/a/b", "/healthz/", "/healthz/x", "/ofrep/v1/evaluate",
		"/ofrep/v1/evaluate/flags/a/b", "/static", "/static/room.js", "/sales/static/a/b", "/demo/x", "/.well-known/x", "/./healthz", "/a/b/c/d/e/f/g/h",
	} {
		got := match([]byte(path))
		if got.route == routeSale && path == "/v1/sales/a%2Fticket" {
			continue // names a sale that cannot exist, not its ticket
		}
		if got.route != routeNone {
			t.Errorf("%q matches route %d", path, got.route)
		}
	}
}

func FuzzMatch(f *testing.F) {
	for _, seed := range []string{"/", "/v1/sales/demo/ticket", "/v1/auth/a//b", "/v1/orders/ord_1", "/ofrep/v1/evaluate/flags/x", "//", "/%2e%2e/"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, path []byte) {
		before := bytes.Clone(path)
		got := match(path)
		if got.route < routeNone || got.route >= routeCount {
			t.Fatalf("route %d", got.route)
		}
		for _, part := range [][]byte{got.sale, got.id} {
			if bytes.IndexByte(part, '/') >= 0 || !bytes.Contains(path, part) {
				t.Fatalf("%q gives the part %q", path, part)
			}
		}
		if !bytes.Equal(before, path) {
			t.Fatal("the path was changed")
		}
	})
}

func TestMatchingAllocatesNothing(t *testing.T) {
	path := []byte("/v1/sales/spring-drop/ticket")
	if n := testing.AllocsPerRun(100, func() { match(path) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
