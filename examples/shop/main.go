// Shop is a small shop that knows nothing of Penstock: a page with a button, and the checkout behind it. The
// quick start puts Penstock in front of it.
package main

import (
	"flag"
	"fmt"
	"html"
	"net/http"
	"os"
	"time"
)

const (
	home = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Shop</title><h1>Sneaker 42</h1><p>129 EUR</p><p><a href="/checkout">Buy</a></p></html>
`
	checkout = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Checkout</title><h1>Checkout</h1><p>Welcome, visitor %s.</p></html>
`
)

func main() {
	listen := flag.String("listen", "localhost:3000", "where the shop is served")
	flag.Parse()
	shop := http.NewServeMux()
	shop.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { show(w, home) })
	shop.HandleFunc("GET /checkout", func(w http.ResponseWriter, r *http.Request) {
		show(w, fmt.Sprintf(checkout, html.EscapeString(r.Header.Get("Penstock-Ticket"))))
	})
	server := &http.Server{
		Addr: *listen, Handler: shop,
		ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
	}
	if err := server.ListenAndServe(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func show(w http.ResponseWriter, page string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "private, no-store")
	_, _ = fmt.Fprint(w, page)
}
