// Command example is a shop with one page, which only visitors whom the waiting room admitted can see.
package main

import (
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"os"
	"time"

	penstock "github.com/penstock/penstock/connectors/go"
)

func main() {
	gate, err := penstock.New(penstock.Options{
		Sale: os.Getenv("PENSTOCK_SALE"), RoomURL: os.Getenv("PENSTOCK_ROOM_URL"), Online: os.Getenv("PENSTOCK_ONLINE") == "1",
	})
	if err != nil {
		slog.Error("the options are wrong", "error", err)
		os.Exit(2)
	}
	checkout := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pass, _ := penstock.PassOf(r.Context())
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "private, no-store")
		_, _ = fmt.Fprintf(w, "<h1>Checkout</h1><p>Ticket %s</p>", html.EscapeString(pass.Ticket))
	})
	server := &http.Server{Addr: os.Getenv("SHOP_LISTEN"), Handler: gate.Protect(checkout), ReadHeaderTimeout: 5 * time.Second}
	slog.Error("the shop has ended", "error", server.ListenAndServe())
	os.Exit(1)
}
