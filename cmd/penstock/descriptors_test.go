package main

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// TestEmptyConnectionsDoNotEndTheProcess opens four times as many connections as the process has
// descriptors, to the front and to the console, and sends nothing on them. Visitors and operators are served.
func TestEmptyConnectionsDoNotEndTheProcess(t *testing.T) {
	s := newServer(t)
	s.descriptors = 256
	s.start()
	s.createSale("drop", 100, nil)
	for n, base := range []string{s.front, s.console} {
		for range 1100 {
			conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		for i := range 20 {
			testenv.Eventually(t, 10*time.Second, "the server answers", func() bool {
				front, err := send(client, call{method: "GET", url: s.front + "/v1/sales/drop"})
				ops, opsErr := send(client, call{method: "GET", url: s.console + "/readyz"})
				return err == nil && front.status == http.StatusOK && opsErr == nil && ops.status == http.StatusOK
			})
			v := &visitor{front: s.front, sale: "drop", name: fmt.Sprintf("ada-%d-%d", n, i)}
			v.admit(t)
			held := must(t, http.StatusCreated, v.reservation("A", 1, "r-"+v.name)).text("id")
			must(t, http.StatusAccepted, v.order(held, "o-"+v.name))
		}
	}
	s.verify()
	if code := s.terminate(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
}
